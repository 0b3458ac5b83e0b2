"""How an issue is drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from issuetrack.terminal_safety import clean_line
from issuetrack.tui.text import age, line, markdown, plain
from issuetrack.tui.widgets.reader import Block

if TYPE_CHECKING:
    from issuetrack.engine.issues.finding import Found
    from issuetrack.engine.issues.records import (
        CommentRecord,
        IssueRecord,
        IssueSummary,
    )
    from issuetrack.engine.retrieval.search import Match

HIDDEN = "(for engineers only)"
MARKS = {"new": ("N", "accent"), "changed": ("*", "accent"), "seen": (" ", "")}
URGENT = {"P1": "bad", "P2": "warn"}
STATUS = {
    "open": ("open", "warn"),
    "in_progress": ("work", "accent"),
    "resolved": ("done", "good"),
    "closed": ("shut", "quiet"),
}
NAME_WIDTH, WIDE, VERY_WIDE = 10, 90, 120
SHOWN_COMMENTS = 200


@dataclass(frozen=True)
class Goal:
    """Where choosing something leads: an issue, a document or an SOP, and a quote.

    Attributes:
        kind: `issue`, `document` or `sop`.
        number: its number.
        part: the block of it that is meant.
        quote: the words in it.
    """

    kind: str
    number: int
    part: str = ""
    quote: str = ""


def named(summary: "IssueSummary") -> str:
    """Return what an issue is called: its key, else its number."""
    return clean_line(summary.key or f"#{summary.number}")


def head(width: int) -> Text:
    """Return the line above the list."""
    title = f"  {'Pri':<4}{'Issue':<{NAME_WIDTH}} {'Age':>4} {'State':<5} Title"
    return Text(title[:width], style="quiet")


def entry(summary: "IssueSummary", mark: str, now: datetime, width: int) -> Text:
    """Return an issue as one line of the list."""
    sign, style = MARKS[mark]
    state, colour = STATUS[summary.status]
    priority = summary.priority or "-"
    text = Text(no_wrap=True)
    text.append(f"{sign} ", style)
    text.append(f"{priority:<4}", URGENT.get(priority, "quiet"))
    text.append(_fit(named(summary), NAME_WIDTH) + " ", "quiet")
    text.append(f"{age(summary.created_at, now):>4} ", "quiet")
    text.append(f"{state:<5} ", colour)
    sides = _sides(summary, width)
    left = max(width - len(text) - len(sides), 8)
    title = "strong" if mark != "seen" else "text"
    text.append(_fit(clean_line(summary.title), left), title)
    return text.append(sides, "quiet")


def _sides(summary: "IssueSummary", width: int) -> str:
    service = f" {_fit(clean_line(summary.service or ''), 14)}" if width >= WIDE else ""
    who = (
        f" {_fit(clean_line(summary.assignee or ''), 12)}" if width >= VERY_WIDE else ""
    )
    return service + who


def _fit(text: str, width: int) -> str:
    """Return a text in exactly so many columns."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "~"
    return set_cell_size(text, width)


def blocks(
    record: "IssueRecord",
    similar: "Sequence[tuple[Found, Match]] | None",
    now: datetime,
    *,
    alone: bool = False,
) -> Iterator[Block]:
    """Yield an issue with everything that is known of it.

    Args:
        record: the issue.
        similar: past issues like it; None while they are looked for.
        now: the present moment.
        alone: leave out what is like it.
    """
    summary = record.summary
    title = Text(f"{named(summary)}  ", style="quiet")
    yield Block(title.append(clean_line(summary.title), "heading"), name="title")
    yield Block(_facts(record, now))
    yield Block("")
    if record.body:
        yield Block(markdown(record.body), name="problem")
    yield from _fix(record)
    if not alone:
        yield from _similar(similar)
    yield from _comments(record, now)
    yield from _history(record, now)


def _facts(record: "IssueRecord", now: datetime) -> Text:
    s = record.summary
    facts = [
        s.status.replace("_", " "),
        s.priority or "no priority",
        s.type.replace("_", " "),
        s.service and f"service {s.service}",
        s.site and f"site {s.site}",
        s.category and f"category {s.category}",
        f"assigned to {s.assignee}" if s.assignee else "nobody assigned",
        s.reporter and f"by {s.reporter}",
        f"opened {age(s.created_at, now)} ago",
        s.labels and f"labels {', '.join(s.labels)}",
        s.duplicate_of and f"duplicate of #{s.duplicate_of}",
        record.upstream.pending and "changed here, not yet upstream",
        record.upstream.gone and f"{record.upstream.gone} upstream",
    ]
    facts += [f"{x.kind.replace('_', ' ')} {x.target}" for x in record.links]
    return Text(" | ".join(clean_line(str(fact)) for fact in facts if fact), "quiet")


def _heading(text: str) -> Block:
    return Block(Text(f"\n{clean_line(text)}", style="heading"))


def _fix(record: "IssueRecord") -> Iterator[Block]:
    fix = record.resolution
    if fix is None:
        return
    score = "" if fix.score is None else f", {fix.score:.2f}"
    yield _heading(f"Fix ({fix.how} from {fix.provenance}{score})")
    content = plain(HIDDEN, "quiet") if fix.text is None else markdown(fix.text)
    yield Block(content, 2, name="resolution")


def _similar(
    similar: "Sequence[tuple[Found, Match]] | None",
) -> Iterator[Block]:
    yield _heading("Similar")
    if similar is None:
        yield Block(Text("looking...", style="quiet"), 2)
    elif not similar:
        yield Block(Text("nothing like it on record", style="quiet"), 2)
    for found, match in similar or ():
        yield Block(_match_line(found, match), 2, choice=goal_of(match))


def goal_of(match: "Match") -> Goal:
    """Return where a match leads."""
    if match.document is not None:
        return Goal("document", match.document)
    if match.sop is not None:
        return Goal("sop", match.sop)
    assert match.issue is not None
    return Goal("issue", match.issue)


def _match_line(found: "Found", match: "Match") -> Text:
    goal = goal_of(match)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{match.score:5.2f} ", "accent")
    text.append(_fit(_called(found, goal), NAME_WIDTH) + " ", "quiet")
    state, colour = _state(found)
    text.append(f"{state:<5}", colour)
    return text.append(clean_line(found.title))


def _called(found: "Found", goal: Goal) -> str:
    sign = {"issue": "#", "document": "D", "sop": "S"}[goal.kind]
    key = found.key if goal.kind == "issue" else None
    return clean_line(key or f"{sign}{goal.number}")


def _state(found: "Found") -> tuple[str, str]:
    return STATUS.get(str(getattr(found, "status", "")), ("", ""))


def _comments(record: "IssueRecord", now: datetime) -> Iterator[Block]:
    if record.comments:
        yield _heading(f"Comments ({len(record.comments)})")
    hidden = len(record.comments) - SHOWN_COMMENTS
    if hidden > 0:
        yield Block(Text(f"{hidden} earlier ones are left out", style="quiet"), 2)
    for comment in record.comments[-SHOWN_COMMENTS:]:
        yield from _comment(comment, now)


def _comment(comment: "CommentRecord", now: datetime) -> Iterator[Block]:
    who = Text(clean_line(comment.author or "somebody"), style="strong")
    who.append(f"  {age(comment.created_at, now)} ago", "quiet")
    if comment.kind == "work_note":
        who.append("  work note", "warn")
    if comment.carries_fix:
        who.append("  tells a fix", "good")
    yield Block(who, 2)
    hidden = comment.body is None
    content = plain(HIDDEN, "quiet") if hidden else markdown(comment.body or "")
    yield Block(content, 4, name=f"comment:{comment.id}")
    yield Block("")


def _history(record: "IssueRecord", now: datetime) -> Iterator[Block]:
    if record.events:
        yield _heading("History")
    for event in record.events[-SHOWN_COMMENTS:]:
        change = f"{event.before or '-'} -> {event.after or '-'}"
        if event.field == "body":
            change = "changed"
        when = f"{age(event.at, now):>4} "
        yield Block(line(f"{when}{event.actor or ''} {event.field}: {change}"), 2)
