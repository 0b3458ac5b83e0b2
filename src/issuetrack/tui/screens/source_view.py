"""A document or an SOP over the screen, and where in a source a quote stands."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from issuetrack.terminal_safety import clean_line
from issuetrack.tui import sop_view
from issuetrack.tui.issue_view import Goal
from issuetrack.tui.markdown_chunks import chunks
from issuetrack.tui.sop_view import Copied, SopPage
from issuetrack.tui.text import MOST_CHARACTERS, age, line, markdown
from issuetrack.tui.widgets.reader import Block, Reader, letters

if TYPE_CHECKING:
    from datetime import datetime

    from issuetrack.engine.assistant.composer import Evidence
    from issuetrack.engine.issues.knowledge import DocumentRecord
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.engine.workspace import Workspace

BODY = "body"
GONE = "The words that were quoted no longer stand here."


class SourceScreen(ModalScreen[object]):
    """A text to read; answers with what is to be shown next, if anything."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", id="source.close")
    ]
    AUTO_FOCUS = "Reader"
    DEFAULT_CSS = """
    SourceScreen { align: center middle; background: $background 60%; }
    SourceScreen > Vertical {
        width: 96; max-width: 96%; height: 90%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    SourceScreen Static { color: $secondary; height: 1; }
    """

    def __init__(self, blocks: tuple[Block, ...], goal: Goal) -> None:
        super().__init__()
        self.blocks = blocks
        self.goal = goal

    def compose(self) -> ComposeResult:
        """Lay the text out."""
        with Vertical():
            yield Reader(id="source")
            keys = "Esc closes; n goes to the next thing to choose, Enter chooses it"
            yield Static(keys, markup=False)

    def on_mount(self) -> None:
        """Show the text; go to the quote."""
        reader = self.query_one(Reader)
        reader.show(self.blocks)
        if self.goal.part:
            reader.jump(self.goal.part, self.goal.quote)

    def on_reader_chosen(self, event: Reader.Chosen) -> None:
        """Copy a command; leave for anything else."""
        if isinstance(event.choice, Copied):
            copy(self, event.choice.text)
        else:
            self.dismiss(event.choice)


def copy(screen: "Screen[Any]", text: str) -> None:
    """Copy a text and say so."""
    screen.app.copy_to_clipboard(text)
    screen.notify(f"Copied: {clean_line(text)[:60]}", markup=False, timeout=4)


def read(
    workspace: "Workspace", goal: Goal, now: "datetime", version: int | None = None
) -> tuple[tuple[Block, ...], Goal]:
    """Return a document or a procedure to be shown, and where in it to go.

    Raises:
        NotFoundError: it is not there any more.
    """
    actor, words = workspace.actor, letters(goal.quote.partition("\n")[0])
    if goal.kind == "document":
        page = workspace.documents.get(actor, f"D{goal.number}")
        texts, drawn = {BODY: page.body}, tuple(_document(page, words, now))
    else:
        name = f"S{goal.number}"
        record = workspace.sops.get(actor, name, version)
        versions, events = workspace.sops.history(actor, name)
        (how,) = workspace.sops.statistics(actor, name) or (None,)
        shown = SopPage(record, tuple(versions), tuple(events), how)
        texts = {part: record.procedure.field(part) for part in sop_view.TEXTS}
        drawn = tuple(sop_view.blocks(shown, now))
    held = [part for part, text in texts.items() if words in letters(text)]
    if words and not held:
        drawn = (Block(Text(GONE, "warn")), *drawn)
    part = held[0] if words and held else "title"
    return drawn, Goal(goal.kind, goal.number, part, goal.quote)


def _document(page: "DocumentRecord", words: str, now: "datetime") -> Iterator[Block]:
    summary = page.summary
    title = Text(f"D{summary.document}  ", style="quiet")
    yield Block(title.append(clean_line(summary.title), "heading"), name="title")
    facts = [
        f"from {summary.source}",
        summary.key,
        summary.url,
        f"updated {age(summary.updated_at, now)} ago",
    ]
    yield Block(line(" | ".join(fact for fact in facts if fact), "quiet"))
    text, before = _from_near(page.body, words)
    if before:
        yield Block(Text(f"({before:,} characters before)", "quiet"))
    for chunk in chunks(text):
        only = Copied(chunk.commands[0]) if len(chunk.commands) == 1 else None
        yield Block("")
        yield Block(markdown(chunk.text), name=BODY, choice=only)


def _from_near(text: str, words: str) -> tuple[str, int]:
    """Return a text from a line not far before some words that are far down in it."""
    at, end = 0, min(MOST_CHARACTERS, len(text))
    while words and words not in letters(text[at:end]) and end < len(text):
        at, end = at + MOST_CHARACTERS // 2, min(end + MOST_CHARACTERS // 2, len(text))
    start = text.rfind("\n", 0, at) + 1 if at else 0
    return text[start:], start


def goal_of(workspace: "Workspace", item: "Evidence") -> Goal:
    """Return where a quote stands.

    Raises:
        NotFoundError: the issue is not there any more.
    """
    if item.document is not None:
        return Goal("document", item.document, BODY, item.quote)
    if item.sop is not None:
        return Goal("sop", item.sop, "steps", item.quote)
    record = workspace.issues.get(workspace.actor, str(item.issue))
    return Goal("issue", record.number, part_of(record, item), item.quote)


def part_of(record: "IssueRecord", item: "Evidence") -> str:
    """Return the block of an issue that holds a quote; "" if it is gone."""
    told = [(f"comment:{comment.id}", comment.body) for comment in record.comments]
    fix = ("resolution", record.resolution.text if record.resolution else None)
    parts = [*told, fix] if item.kind == "comment" else [fix, *told]
    words = letters(item.quote.partition("\n")[0])
    held = (
        name
        for name, text in (*parts, ("problem", record.body))
        if text and words in letters(text)
    )
    return next(held, "")
