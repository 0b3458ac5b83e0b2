"""The texts of an issue that may tell its accepted fix, each with where it is from.

A tracker's robots repeat what people said elsewhere: a comment on a pull request, the
title of one, the message of a commit. Such a notice is read as what it repeats.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from issuetrack.engine.issues.cues import telling, words_of
from issuetrack.engine.store.types import CommentKind, IssueStatus

HEAD = 3000
TAIL = 1000
REPEATED = 20_000
FINISHED_WORDS = frozenset(
    {
        *("resolved", "closed", "done", "fixed", "complete", "completed", "cancelled"),
        *("canceled", "rejected", "gelöst", "geschlossen", "erledigt", "behoben"),
        *("fertig", "abgeschlossen"),
    }
)
_NOTICE = re.compile(
    r"(?P<who>[\w.\[\]-]{1,60}) (?P<verb>commented on code in PR|commented on a change in "
    r"pull request|commented on PR|commented on issue|commented on pull request|"
    r"opened a new pull request,?|closed pull request|merged PR|merged pull request) "
    r"#?(?P<number>\d+)?:? ?(?P<title>[^\n]{0,300}?) ?URL: ?\S{0,300}\s*",
)
_GITHUB_USER = re.compile(
    r"Git[Hh]ub user (?P<who>\S{1,60}) (?P<verb>opened a pull request|commented on (?:a diff "
    r"in )?the pull request|closed the pull request at):\s*\S{0,300}\s*"
)
_INTEGRATED = re.compile(
    r"(?:[A-Z]{4,9}:? )?Integrated in (?:Jenkins build )?(?P<build>[^(\n]{0,100})"
    r"\(See [^)\n]{0,300}\)+\]?\)?\s*"
)
_MESSAGE_END = re.compile(
    r"\((?:[\w .@-]{1,60}: )?(?:\[?rev\b|\[?https?:|Revision)|\bResult ?=|"
    r"\(Revision|\n\s*\n|\s\* /|\n\s*\*"
)
_REVISION = re.compile(r"(?i)\brev(?:ision)?[ =]*([0-9a-f]{6,40})")
_CREDIT = re.compile(
    r"(?i)\(?\b(?:contributed by|reviewed by|reviewers:|via)\b[^\n]{0,200}|"
    r"\([\w .,]{2,60} via \w+\)"
)
_KEY = re.compile(r"\b[A-Z][A-Z0-9_]+-\d+\b:?\.?|#\d+")
_TEMPLATE = re.compile(
    r"#{0,4} ?Description of PR|#{1,4} ?What changes were proposed[^\n]{0,80}|"
    r"<!--.{0,400}?-->"
)
_TEMPLATE_END = re.compile(
    r"#{1,4} ?(?:How was this patch tested|For code changes|Does this PR introduce|"
    r"Was this patch authored|Why are the changes needed)|"
    r"You can merge this pull request into|\n----"
)
_REPORT = re.compile(
    r"\W{0,4}(?:\{color[^}]{0,20}\})?\W{0,4}(?::\w{3,20}:)?\s?\W{0,4}[+-]1 overall|"
    r"\| Vote \||(?:build|test) (?:failed|succeeded|passed|result)|test results?\b|"
    r"can one of the admins verify|test pass|we're closing this stale pr|"
    r"merged build (?:triggered|started|finished)|"
    r"[\w.\[\]-]{1,60} opened a new pull request|"
    r"(?:user )?\S{1,60} has created a pull request"
)
_GENERATED = re.compile(r"\|\| ?vote|automatically generated|[+-]1 overall")
_REPORTERS = re.compile(
    r"(?i)\b(?:bot|qa|jenkins|hudson|yetus|github-actions|dependabot|codecov|asfgit|"
    r"buildbot|automation|system)\b|\[bot\]"
)
_QUOTE = re.compile(r"(?m)^[ \t]*(?:>|bq\.)[^\n]*$")
_NUMBER = re.compile(r"\s*\(#(\d+)\)\s*$")
LEAST_NEWS = 3
PULL_REQUEST_TITLE = "pull request"


class Channel(StrEnum):
    """How a text reached the issue."""

    FIELD = "field"
    COMMENT = "comment"
    REVIEW = "review"
    COMMIT = "commit"
    PULL_REQUEST = "pull request"
    REPORT = "report"


@dataclass(frozen=True)
class Remark:
    """A comment as the miner sees it, in the order of time."""

    author: str | None
    kind: CommentKind
    body: str
    name: str
    at: datetime | None = None


@dataclass(frozen=True)
class Change:
    """A change of a field: when, by whom, from what to what."""

    at: datetime
    actor: str | None
    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Story:
    """Everything of one issue that the miner reads.

    Attributes:
        status: only resolved and closed issues have an accepted fix.
        title: what it is called; a fix says more.
        key: what its tracker calls it; a fix can be found under another.
        stated: what the tracker's resolution field or close notes say.
        assignee: who worked on it.
        reporter: who told of it.
        resolved_at: when it was finished, where the tracker says so.
        remarks: the comments in the order of time.
        changes: the changes of its fields in the order of time.
    """

    status: IssueStatus
    title: str = ""
    stated: str | None = None
    assignee: str | None = None
    reporter: str | None = None
    resolved_at: datetime | None = None
    remarks: Sequence[Remark] = ()
    changes: Sequence[Change] = ()
    key: str | None = None


@dataclass(frozen=True)
class Said:
    """A text that may tell the fix.

    Attributes:
        text: the words themselves.
        channel: how they reached the issue.
        author: who said them; of a repeated text, who said it first.
        provenance: `resolution`, `comment X`, `commit X` or `pull request X`.
        kind: who the comment it is from is for.
        place: of that comment among the remarks; None for what is no comment.
        at: when it was said, where that is known.
    """

    text: str
    channel: Channel
    author: str | None
    provenance: str
    kind: CommentKind = CommentKind.PUBLIC
    place: int | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Course:
    """When an issue was finished, by whom, and until when it did not hold."""

    finished_at: datetime | None = None
    resolver: str | None = None
    reopened_at: datetime | None = None


def read(text: str) -> str:
    """Return as much of a text as is scored: its start, and the end of a long one."""
    if len(text) <= HEAD + TAIL:
        return text
    return f"{text[:HEAD]}\n{text[-TAIL:]}"


def is_robot(author: str | None) -> bool:
    """Tell whether an author is a program."""
    return author is not None and _REPORTERS.search(author[:100]) is not None


def course(story: Story) -> Course:
    """Return when an issue was finished last, and reopened before that."""
    finished_at, resolver, reopened_at = story.resolved_at, None, None
    for change in story.changes:
        if change.field != "status":
            continue
        ended = (change.after or "").casefold() in FINISHED_WORDS
        was_ended = (change.before or "").casefold() in FINISHED_WORDS
        if ended and not was_ended:
            finished_at, resolver = change.at, change.actor
        elif was_ended and not ended:
            reopened_at = change.at
    return Course(finished_at, resolver, reopened_at)


def said(remark: Remark, place: int | None = None) -> Said:
    """Return what a comment says, or what it repeats from elsewhere."""
    body = remark.body.strip()
    found = _notice(body) or _integrated(body)
    if found is None:
        found = Channel.COMMENT, body, remark.author, None
        if _is_report(remark.author, body):
            found = Channel.REPORT, body, remark.author, None
    channel, text, author, name = found
    provenance = f"{channel} {name}" if name else f"comment {remark.name}"
    return Said(text, channel, author, provenance, remark.kind, place, remark.at)


Repeated = tuple[Channel, str, str | None, str | None]


def _is_report(author: str | None, body: str) -> bool:
    ends = f"{body[:300]}\n{body[-300:]}".lower()
    return (
        is_robot(author)
        or _REPORT.match(ends[:200]) is not None
        or _GENERATED.search(ends) is not None
    )


def _notice(body: str) -> Repeated | None:
    match = _NOTICE.match(body) or _GITHUB_USER.match(body)
    if match is None:
        return None
    groups = match.groupdict()
    who, verb = groups["who"], groups["verb"]
    rest = body[match.end() : match.end() + REPEATED]
    if _is_report(who, rest):
        return Channel.REPORT, rest, who, None
    if "opened" in verb:
        told = _described(groups.get("title"), rest)
        return Channel.PULL_REQUEST, told, who, groups.get("number") or "of " + who
    if "commented" in verb:
        code = "code" in verb or "change" in verb or "diff" in verb
        return Channel.REVIEW if code else Channel.COMMENT, rest, who, None
    return Channel.REPORT, rest, who, None


def _described(title: str | None, rest: str) -> str:
    """Return title and description of a pull request, without its template."""
    end = _TEMPLATE_END.search(rest)
    description = _TEMPLATE.sub(" ", rest[: end.start()] if end else rest).strip()
    return f"{title}\n\n{description}".strip() if title else description


def _integrated(body: str) -> Repeated | None:
    match = _INTEGRATED.match(body)
    if match is None:
        return None
    rest = body[match.end() : match.end() + REPEATED]
    end = _MESSAGE_END.search(rest)
    revision = _REVISION.search(rest)
    name = revision[1] if revision else match["build"].strip() or "unknown"
    return Channel.COMMIT, rest[: end.start()].strip() if end else rest, None, name


def linked(change: Change) -> Said | None:
    """Return the title of a pull request that closed the issue, if a change is one."""
    if change.field != PULL_REQUEST_TITLE or not change.after:
        return None
    number = _NUMBER.search(change.after)
    name = number[1] if number else change.after[:40]
    provenance = f"{Channel.PULL_REQUEST} {name}"
    title = _NUMBER.sub("", change.after)
    return Said(title, Channel.PULL_REQUEST, change.actor, provenance, at=change.at)


def may_tell(found: Said, title: str) -> bool:
    """Tell whether a text can be the fix: no report, and more than the title again."""
    if found.channel is Channel.REPORT or not found.text:
        return False
    repeated = found.channel in (Channel.COMMIT, Channel.PULL_REQUEST)
    return not repeated or says_more(found.text, title)


def says_more(text: str, title: str) -> bool:
    """Tell whether a title or a commit message says more than the issue's own title."""
    plain = _KEY.sub(" ", _CREDIT.sub(" ", text[:HEAD]))
    return len(telling(words_of(plain)) - set(words_of(title))) >= LEAST_NEWS


def unquoted(text: str) -> str:
    """Return a text without the lines that quote others."""
    parts = text.split("{quote}")
    return _QUOTE.sub(" ", "\n".join(parts[::2] if len(parts) % 2 else parts))
