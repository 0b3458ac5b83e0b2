"""How a procedure is drawn: in the list, to be read, compared, with its history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from issuetrack.terminal_safety import clean_line
from issuetrack.tui.issue_view import Goal
from issuetrack.tui.markdown_chunks import Chunk, chunks
from issuetrack.tui.text import age, parser, plain
from issuetrack.tui.widgets.reader import Block

if TYPE_CHECKING:
    from issuetrack.engine.assistant.sops.changes import FieldChange
    from issuetrack.engine.assistant.sops.records import (
        Citation,
        SopEventRecord,
        SopVersionRecord,
    )
    from issuetrack.engine.assistant.sops.statistics import SopStatistics
    from issuetrack.engine.issues.procedures import SopSummary

TEXTS = (*("problem", "symptoms", "cause", "steps", "validation", "rollback", "notes"),)
STATUS = {
    "draft": ("draft", "warn"),
    "in_review": ("review", "accent"),
    "approved": ("approved", "good"),
    "deprecated": ("out", "quiet"),
}
WORDS = {
    "draft": "a draft",
    "in_review": "in review",
    "approved": "approved",
    "deprecated": "out of use",
}
COLOURS = {"+": "good", "-": "bad", "@": "accent"}
PARTS = {"title": "title", "body": "problem", "resolution": "resolution"}
ROOMY = 56


class Tight(Markdown):
    """A piece of cleaned Markdown without blank lines around it."""

    def __init__(self, text: str) -> None:
        super().__init__(text, hyperlinks=False, code_theme="ansi_dark")
        self.parsed = parser().parse(text)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        """Draw the lines that hold something, and what is between them."""
        lines = list(Segment.split_lines(self._segments(console, options)))
        held = [n for n, line in enumerate(lines) if _says_something(line)]
        for line in lines[held[0] : held[-1] + 1] if held else ():
            yield from (*line, Segment.line())

    def _segments(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Segment):
                yield part
            else:
                yield from console.render(part, options)


def _says_something(line: list[Segment]) -> bool:
    return any(segment.text.strip() for segment in line)


@dataclass(frozen=True)
class Copied:
    """Choosing it copies a text."""

    text: str


@dataclass(frozen=True)
class Shown:
    """Choosing it shows a version of a procedure."""

    sop: int
    version: int


@dataclass(frozen=True)
class SopPage:
    """A version of a procedure with what is known about it.

    Attributes:
        events: what was done with every version, the oldest first.
        statistics: how it did; None while that is read.
    """

    record: "SopVersionRecord"
    versions: "tuple[SopSummary, ...]"
    events: "tuple[SopEventRecord, ...]"
    statistics: "SopStatistics | None" = None

    @property
    def newest(self) -> "SopSummary":
        """Return the newest version there is."""
        return self.versions[-1]

    @property
    def in_force(self) -> "SopSummary | None":
        """Return the approved version, if there is one."""
        held = [v for v in self.versions if v.status == "approved"]
        return held[-1] if held else None


def head(width: int) -> Text:
    """Return the line above the list."""
    sides = f"{'Used':>5}{'Stars':>6}" if width >= ROOMY else ""
    title = f"{' SOP':<6}{'State':<9}{'Ver':<4}Title"
    return Text(f"{title:<{max(width - len(sides), 0)}}{sides}"[:width], style="quiet")


def entry(summary: "SopSummary", known: "SopStatistics | None", width: int) -> Text:
    """Return a procedure as one line of the list."""
    from rich.cells import set_cell_size

    state, colour = STATUS[summary.status]
    version = f"{summary.version}{'+' if summary.latest > summary.version else ''}"
    text = Text(no_wrap=True)
    text.append(f" {summary.name:<5}", "quiet").append(f"{state:<9}", colour)
    text.append(f"{version:<4}", "accent" if version.endswith("+") else "quiet")
    sides = _sides(known) if width >= ROOMY else ""
    left = max(width - len(text) - len(sides), 8)
    title = clean_line(summary.title)
    fitted = set_cell_size(title, left)
    if fitted.rstrip() != title:
        fitted = set_cell_size(title, left - 2) + "~ "
    return text.append(fitted, "text").append(sides, "quiet")


def _sides(known: "SopStatistics | None") -> str:
    if known is None:
        return " " * 11
    stars = "-" if known.stars is None else f"{known.stars:.1f}"
    return f"{known.used or '-':>5}{stars:>6}"


def blocks(page: SopPage, now: datetime) -> Iterator[Block]:
    """Yield a version of a procedure with what is known about it."""
    record = page.record
    summary = record.summary
    title = Text(f"{summary.name}  ", style="quiet")
    yield Block(title.append(clean_line(summary.title), "heading"), name="title")
    yield Block(_facts(summary, now))
    yield from _standing(page, now)
    for name in TEXTS:
        text = record.procedure.field(name)
        if text:
            yield _heading(name.capitalize())
            yield from _section(text, name)
    yield from _cited(record.citations)
    yield from _how_it_did(page.statistics, now)


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, in words."""
    told = age(moment, now)
    return "just now" if told == "now" else f"{told} ago"


def _heading(text: str) -> Block:
    return Block(Text(f"\n{clean_line(text)}", style="heading"))


def _facts(summary: "SopSummary", now: datetime) -> Text:
    facts = [
        f"version {summary.version} of {summary.latest}",
        f"by {summary.author}, {ago(summary.created_at, now)}",
        summary.model and f"written with {summary.model}",
        summary.key and f"imported from {summary.key}",
        summary.tags and f"tags {', '.join(summary.tags)}",
    ]
    return Text(" | ".join(clean_line(str(fact)) for fact in facts if fact), "quiet")


def _standing(page: SopPage, now: datetime) -> Iterator[Block]:
    """Yield whether the version may be relied on, and by whose word."""
    summary = page.record.summary
    yield Block(_decision(page, now))
    newest = page.newest
    if newest.version > summary.version and newest.status != "deprecated":
        told = f"Version {newest.version} is {WORDS[newest.status]}: Enter shows it"
        yield Block(Text(told, "accent"), choice=Shown(summary.sop, newest.version))
    held = page.in_force
    if held is not None and held.version != summary.version:
        told = f"Version {held.version} is in force: Enter shows it"
        yield Block(Text(told, "accent"), choice=Shown(summary.sop, held.version))


def _decision(page: SopPage, now: datetime) -> Text:
    summary = page.record.summary
    event = _last(page, ("approve", "reject", "submit", "deprecate", "superseded"))
    who = f" by {event.actor}, {ago(event.at, now)}" if event else ""
    note = f": {event.note}" if event and event.note else ""
    told, style = {
        "approved": (f"Approved{who}{note}", "good"),
        "in_review": (f"In review, submitted{who}: nobody has approved it", "accent"),
        "draft": ("A draft: nobody has approved it", "warn"),
        "deprecated": (f"Out of use{who}{note}", "bad"),
    }[summary.status]
    if summary.status == "draft" and event and event.action == "reject":
        told, style = f"Rejected{who}{note}", "bad"
    return Text(clean_line(told), style)


def _last(page: SopPage, actions: tuple[str, ...]) -> "SopEventRecord | None":
    version = page.record.summary.version
    done = [e for e in page.events if e.version == version and e.action in actions]
    return done[-1] if done else None


def _section(text: str, name: str) -> Iterator[Block]:
    before: Chunk | None = None
    for chunk in chunks(text):
        if before is not None and not (before.item and chunk.item):
            yield Block("", 2)
        yield from _chunk(chunk, name)
        before = chunk


def _chunk(chunk: Chunk, name: str) -> Iterator[Block]:
    """Yield a piece; where it has several commands, each once more to be chosen."""
    only = Copied(chunk.commands[0]) if len(chunk.commands) == 1 else None
    yield Block(Tight(chunk.text), 2, name=name, choice=only)
    if only is None:
        for command in chunk.commands:
            told = Text.assemble("copy ", (clean_line(command), "code"), style="quiet")
            told.no_wrap, told.overflow = True, "ellipsis"
            yield Block(told, 6, choice=Copied(command))


def _cited(citations: "Sequence[Citation]") -> Iterator[Block]:
    if citations:
        yield _heading("Rests on")
    for citation in citations:
        told = Text(no_wrap=True, overflow="ellipsis")
        issue = clean_line(citation.key or f"#{citation.issue}")
        told.append(f"{citation.field}: ", "quiet").append(issue, "accent")
        told.append(f" {citation.kind} ", "quiet")
        told.append(f'"{clean_line(citation.quote)}"')
        part = PARTS.get(citation.kind, "")
        goal = Goal("issue", citation.issue, part, citation.quote)
        yield Block(told, 2, choice=goal)


def _how_it_did(known: "SopStatistics | None", now: datetime) -> Iterator[Block]:
    yield _heading("How it did")
    if known is None:
        yield Block(Text("looking...", style="quiet"), 2)
        return
    counts = {result.value: count for result, count in known.outcomes}
    facts = [
        f"used {known.used}x" if known.used else "not used yet",
        known.last_used and f"last {ago(known.last_used, now)}",
        *(f"{name} {count}x" for name, count in counts.items() if count),
        known.last_success and f"last success {ago(known.last_success, now)}",
        _stars(known),
    ]
    yield Block(Text(" | ".join(str(fact) for fact in facts if fact)), 2)
    for reason in known.stale:
        yield Block(Text(f"look at it again: {clean_line(reason)}", "warn"), 2)


def _stars(known: "SopStatistics") -> str:
    if known.stars is None:
        return "nobody has rated it"
    people = "1 person" if known.raters == 1 else f"{known.raters} people"
    return f"{known.stars:.1f} stars from {people}"


def compared(changes: "Sequence[FieldChange]") -> Iterator[Block]:
    """Yield what is different, field by field; signs say it, colours help."""
    different = [each for each in changes if each.lines]
    if not different:
        yield Block(Text("Nothing is different.", style="quiet"))
    for each in different:
        yield _heading(f"{each.field.capitalize()} ({each.change.value})")
        for line in each.lines:
            yield Block(plain(line, COLOURS.get(line[:1], "text")), 2)


def deed(event: "SopEventRecord", now: datetime) -> str:
    """Return something that was done as a line."""
    note = f": {event.note}" if event.note else ""
    return f"- {event.action} by {event.actor}, {ago(event.at, now)}{note}"
