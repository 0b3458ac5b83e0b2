"""Mines the fix that a resolved issue's people accepted.

A stated resolution counts when it says more than a closing word. Otherwise every text
that may tell the fix is scored by what it says, who says it and when, and the best one
above a threshold is taken. A fix found in a work note stays with the engineers.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from issuetrack.engine.issues import scoring
from issuetrack.engine.issues.candidates import (
    Remark,
    Said,
    Story,
    course,
    linked,
    may_tell,
    read,
    said,
)
from issuetrack.engine.issues.cues import Cue, count, telling, words_of
from issuetrack.engine.issues.scoring import Feature, Scene
from issuetrack.engine.store.types import (
    CommentKind,
    IssueStatus,
    ResolutionHow,
    Role,
)

THRESHOLD = 0.27
STATED_SCORE = 0.95
LEAST_WORDS = 4
VERY_LONG = 6_000
LATE = 2
CLOSING_WORDS = re.compile(
    r"(?i)^\W*(fixed|done|resolved|closed|dup(?:licate|e)?\b.{0,60}|invalid|won'?t[ -]?(fix|do)|"
    r"cannot reproduce|could not reproduce|can'?t reproduce|not reproducible|"
    r"incomplete|works( for me| now)?|not a (bug|problem)|later|implemented|"
    r"completed?|solved|ok|n/?a|none|abandoned|auto closed|information provided|"
    r"workaround|closed/resolved by caller)\W*$"
)
FINISHED = frozenset({IssueStatus.RESOLVED, IssueStatus.CLOSED})


@dataclass(frozen=True)
class Candidate:
    """A text that may be the accepted fix.

    Attributes:
        text: the words; of a very long comment, the paragraphs that tell most.
        provenance: `resolution`, `comment X`, `commit X` or `pull request X`.
        author: who said it.
        reader: the least role that may read it.
        score: 0..1, how likely it is the fix.
        values: of its features, by name.
        place: of the comment it is from, in the order of time.
    """

    text: str
    provenance: str
    author: str | None
    reader: Role
    score: float
    values: Mapping[str, float] = field(default_factory=dict)
    place: int | None = None

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return what spoke for and against it, the heaviest first."""
        return scoring.weighed(self.values)


@dataclass(frozen=True)
class Fix:
    """The accepted fix of an issue.

    Attributes:
        text: the words it was found in.
        how: stated in the resolution field, mined from a comment, or confirmed.
        provenance: where it is from, such as `resolution` or `comment X`.
        reader: the least role that may read it.
        score: 0..1, how sure the miner is; None where a person told it here.
    """

    text: str
    how: ResolutionHow
    provenance: str
    reader: Role
    score: float | None = None


def says_something(text: str | None) -> bool:
    """Tell whether a resolution text is more than a closing word."""
    if not text or CLOSING_WORDS.match(text[:200].strip()):
        return False
    return len(re.findall(r"\w+", text[:20_000])) >= LEAST_WORDS


def carries_fix(
    remark: Remark, assignee: str | None, rejected: Collection[bytes] = ()
) -> bool:
    """Tell whether a comment is worth finding again for the fix it tells of.

    Args:
        remark: the comment.
        assignee: who works on its issue.
        rejected: digests of texts of which a person said that they are not the fix.
    """
    if rejected and _is_among(said(remark).text, rejected):
        return False
    return scoring.of_remark(remark, assignee) >= THRESHOLD


def candidates(story: Story, rejected: Collection[bytes] = ()) -> tuple[Candidate, ...]:
    """Return what may be the fix of an issue, the best first; of equals, the later.

    Only finished issues have any. A stated resolution that says something comes first.

    Args:
        story: what is known of the issue.
        rejected: digests of texts of which a person said that they are not the fix.
    """
    if story.status not in FINISHED:
        return ()
    entries = [
        entry for entry in valued(story) if not _is_among(entry[0].text, rejected)
    ]
    found = _scored(entries)
    found.sort(key=lambda candidate: (-candidate.score, -(candidate.place or 0)))
    stated = (story.stated or "").strip()
    says = says_something(stated) and not _is_dead_end(stated)
    if says and not _is_among(stated, rejected):
        found.insert(
            0, Candidate(stated, "resolution", None, Role.VIEWER, STATED_SCORE)
        )
    return tuple(found)


def mine(story: Story, rejected: Collection[bytes] = ()) -> Fix | None:
    """Return the accepted fix of an issue, or None if none can be told.

    Args:
        story: what is known of the issue.
        rejected: digests of texts of which a person said that they are not the fix.
    """
    found = candidates(story, rejected)
    return fix_of(found[0]) if found and found[0].score >= THRESHOLD else None


def text_digest(text: str) -> bytes:
    """Return what a rejected text is known again by, however its spaces change.

    Of a very long text only what is read of it counts.
    """
    read_of_it = " ".join(_telling(text.strip()).split())
    return hashlib.sha256(read_of_it.encode("utf-8", "replace")).digest()


def _is_among(text: str, rejected: Collection[bytes]) -> bool:
    return bool(rejected) and text_digest(text) in rejected


def fix_of(candidate: Candidate) -> Fix:
    """Return a candidate as the fix that it is before a person has looked at it."""
    stated = candidate.provenance == "resolution"
    how = ResolutionHow.STATED if stated else ResolutionHow.MINED
    return Fix(
        candidate.text, how, candidate.provenance, candidate.reader, candidate.score
    )


Values = dict[str, float]


def valued(story: Story) -> list[tuple[Said, Values]]:
    """Return each text that may tell the fix with its features."""
    every = [said(remark, place) for place, remark in enumerate(story.remarks)]
    titles = [title for title in map(linked, story.changes) if title is not None]
    texts = _once(found for found in every + titles if may_tell(found, story.title))
    title = telling(words_of(story.title))
    scene = Scene(
        story.assignee,
        story.reporter,
        course(story),
        abandoned=any(scoring.is_abandoned(found.text) for found in every[-2:]),
    )
    shown = [scoring.features(found, title, story.key) for found in texts]
    return [
        (found, scoring.in_scene(found, values, at, here))
        for found, values, (at, here) in zip(
            texts, shown, _placed(texts, shown, scene), strict=True
        )
    ]


def _once(texts: Iterable[Said]) -> list[Said]:
    """Return texts without those that say again what the same readers were told."""
    found: dict[tuple[CommentKind, str], Said] = {}
    for text in texts:
        found.setdefault((text.kind, read(text.text)), text)
    return list(found.values())


def _placed(
    texts: list[Said], shown: list[Values], scene: Scene
) -> Iterator[tuple[datetime | None, Scene]]:
    """Yield when each text was said, and where in the issue it stands."""
    last_dead_end = _last(shown, "dead_end")
    last_remedy = _last(shown, "remedy")
    last_referral = _last(shown, "refers")
    if last_referral < len(shown) - LATE:
        last_referral = -1
    for place, found in enumerate(texts):
        yield (
            found.at,
            replace(
                scene,
                first=place == 0,
                last=place == len(texts) - 1,
                late=place >= len(texts) - LATE,
                contradicted=place < last_dead_end,
                referred=place < last_referral,
                superseded=place < last_remedy,
            ),
        )


def _last(shown: list[Values], name: str) -> int:
    """Return the place of the last text with a feature; -1 if there is none."""
    found = (place for place, values in enumerate(shown) if values[name])
    return max(found, default=-1)


def _scored(entries: Sequence[tuple[Said, Values]]) -> list[Candidate]:
    shares = scoring.shares([scoring.worth(values) for _, values in entries])
    return [
        _candidate(found, values, share)
        for (found, values), share in zip(entries, shares, strict=True)
    ]


def _candidate(found: Said, values: Values, share: float) -> Candidate:
    note = found.kind is CommentKind.WORK_NOTE
    return Candidate(
        _telling(found.text),
        found.provenance,
        found.author,
        Role.ENGINEER if note else Role.VIEWER,
        round(share, 4),
        values,
        found.place,
    )


def _telling(text: str) -> str:
    """Return a text, or of a very long one what is read of it."""
    return text if len(text) <= VERY_LONG else read(text)


def _is_dead_end(stated: str) -> bool:
    counts = count(words_of(stated[:VERY_LONG]))
    return counts[Cue.DEAD_END] > 0 and counts[Cue.FIX] == 0
