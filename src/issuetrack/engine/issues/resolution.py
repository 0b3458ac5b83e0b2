"""Mines the fix that a resolved issue's people accepted.

A stated resolution counts when it says more than a closing word. Otherwise the
comments are scored by what they say, who says it and when, and the best one above a
threshold is taken. A fix found in a work note stays with the engineers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from issuetrack.engine.store.types import (
    CommentKind,
    IssueStatus,
    ResolutionHow,
    Role,
)

THRESHOLD = 3.0
LEAST_WORDS = 4
SCORED_CHARACTERS = 20_000
CLOSING_WORDS = re.compile(
    r"(?i)^\W*(fixed|done|resolved|closed|dup(?:licate|e)?\b.{0,60}|invalid|won'?t[ -]?(fix|do)|"
    r"cannot reproduce|could not reproduce|can'?t reproduce|not reproducible|"
    r"incomplete|works( for me| now)?|not a (bug|problem)|later|implemented|"
    r"completed?|solved|ok|n/?a|none|abandoned|auto closed|information provided|"
    r"workaround|closed/resolved by caller)\W*$"
)
STRONG_CUE = re.compile(
    r"(?im)\b(?:fix|resolution|solution|workaround):"
    r"|\b(fixed (it )?(by|with|in|via)|the fix (was|is)|root cause|cause was|caused by|resolved (it )?(by|with|"
    r"after)|solved (it )?(by|with)|turned out|what (fixed|helped|worked)|"
    r"did the trick|(this|that) (fixed|solved|resolved) it|problem was|"
    r"issue was|permanent fix|rolled back|ursache|behoben|geloest|gelöst)\b"
    r"|^\W*(root cause|fix|resolution|solution|workaround|steps|remedy)\b\W*$"
)
WEAK_CUE = re.compile(
    r"(?i)\b(restart(ed|ing)|upgrad(ed|ing)|increas(ed|ing)|renew(ed|ing)|"
    r"replac(ed|ing)|chang(ed|ing)|set|add(ed|ing)|remov(ed|ing)|delet(ed|ing)|"
    r"clean(ed|ing)|reconfigur(ed|ing)|patch(ed)?|revert(ed)?|merged|committed|"
    r"verified|confirmed|workaround)\b"
)
COMMAND = re.compile(r"(?m)```|\{code|`[^`\n]{4,}`|^\s*[$#>] \S+")
DEAD_END = re.compile(
    r"(?i)\b(did ?n[o']t (help|work|fix|change)|no (effect|change|luck|difference)|"
    r"still (failing|broken|happen\w*|the same|occurs?|there|down)|"
    r"(could|can) ?n[o']t reproduce|unable to reproduce|cannot reproduce|"
    r"went away|by itself|closing for|inactivity|stale|any (update|news)|"
    r"without success|came back|same error)\b"
)
NOISE = re.compile(
    r"(?i)\b(hadoop ?qa|build bot|jenkins|overall\W+-?[+-]1|"
    r"opened a new pull request|commented on (a change in )?pull request|"
    r"subsystem \|\s*report|test(s)? (results|passed)|vote)\b"
)
BOT = re.compile(r"(?i)(\bbot\b|\bqa\b|jenkins|hudson|\[bot\])")


@dataclass(frozen=True)
class Remark:
    """A comment as the miner sees it, in the order of time."""

    author: str | None
    kind: CommentKind
    body: str
    name: str


@dataclass(frozen=True)
class Fix:
    """The accepted fix of an issue.

    Attributes:
        text: the words it was found in.
        how: stated in the resolution field, or mined from a comment.
        provenance: `resolution`, or `comment NAME`.
        reader: the least role that may read it.
    """

    text: str
    how: ResolutionHow
    provenance: str
    reader: Role


def says_something(text: str | None) -> bool:
    """Tell whether a resolution text is more than a closing word."""
    if not text or CLOSING_WORDS.match(text.strip()):
        return False
    return len(re.findall(r"\w+", text)) >= LEAST_WORDS


def fix_score(remark: Remark, assignee: str | None, *, is_last: bool) -> float:
    """Return how much a comment looks like the accepted fix; 3 is a good one."""
    score = 0.0
    body = remark.body[:SCORED_CHARACTERS]
    strong = len(STRONG_CUE.findall(body))
    score += min(3.0, 2.0 * strong)
    score += min(1.5, 0.5 * len(WEAK_CUE.findall(body)))
    score += 1.0 if COMMAND.search(body) else 0.0
    if remark.author is not None:
        score += 1.0 if remark.author == assignee else 0.0
        score -= 4.0 if BOT.search(remark.author) else 0.0
    score += 1.0 if is_last else 0.0
    dead_ends = len(DEAD_END.findall(body))
    score -= 2.0 * dead_ends if strong else 3.0 * dead_ends
    score -= 3.0 if NOISE.search(body) else 0.0
    if len(re.findall(r"\w+", body)) < LEAST_WORDS:
        score -= 3.0
    if body.rstrip().endswith("?"):
        score -= 2.0
    return score


def carries_fix(remark: Remark, assignee: str | None) -> bool:
    """Tell whether a comment is worth finding again for the fix it tells of."""
    return fix_score(remark, assignee, is_last=False) >= THRESHOLD


def mine(
    status: IssueStatus,
    stated: str | None,
    assignee: str | None,
    remarks: Sequence[Remark],
) -> Fix | None:
    """Return the accepted fix of an issue, or None if none can be told.

    Args:
        status: only resolved and closed issues have an accepted fix.
        stated: what the tracker's resolution field or close notes say.
        assignee: who worked on it.
        remarks: the comments in the order of time.
    """
    if status not in (IssueStatus.RESOLVED, IssueStatus.CLOSED):
        return None
    if stated is not None and says_something(stated) and not _is_dead_end(stated):
        return Fix(stated.strip(), ResolutionHow.STATED, "resolution", Role.VIEWER)
    best: tuple[float, Remark] | None = None
    for place, remark in enumerate(remarks):
        score = fix_score(remark, assignee, is_last=place == len(remarks) - 1)
        if score >= THRESHOLD and (best is None or score >= best[0]):
            best = (score, remark)
    if best is None:
        return None
    remark = best[1]
    reader = Role.ENGINEER if remark.kind is CommentKind.WORK_NOTE else Role.VIEWER
    return Fix(
        remark.body.strip(), ResolutionHow.MINED, f"comment {remark.name}", reader
    )


def _is_dead_end(stated: str) -> bool:
    return bool(DEAD_END.search(stated)) and not STRONG_CUE.search(stated)
