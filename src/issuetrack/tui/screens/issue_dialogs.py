"""The questions about an issue: a remark, what fixed it, which text is the fix."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static, TextArea

from issuetrack.engine.errors import IssueTrackError
from issuetrack.engine.store.types import CommentKind, Role
from issuetrack.terminal_safety import clean_line
from issuetrack.tui.text import markdown
from issuetrack.tui.widgets.dialogs import Dialog, Write
from issuetrack.tui.widgets.reader import Block, Reader

if TYPE_CHECKING:
    from issuetrack.engine.issues.resolution import Candidate
    from issuetrack.engine.issues.review import FixReview

Keep = Callable[[str], None]
KINDS = {
    CommentKind.PUBLIC: "Public: the reporter reads it too",
    CommentKind.WORK_NOTE: "Work note: for engineers only",
}


@contextmanager
def text_kept(key: str) -> Iterator[None]:
    """Say in an error that what was written is kept, and which key brings it back."""
    try:
        yield
    except IssueTrackError as error:
        error.message += f"; your text is kept, {key} brings it back"
        raise


class Kept(Write):
    """Asks for a text that is not lost when it is left.

    Args:
        question: what is asked.
        value: what stands there already.
        keep: given what was written when it is left.
    """

    def __init__(self, question: str, value: str, keep: Keep, hint: str = "") -> None:
        super().__init__(
            question, value, hint or "Ctrl+S when it is done; Esc leaves and keeps it"
        )
        self._keep = keep

    async def action_dismiss(self, result: Any = None) -> None:
        """Leave; keep the text."""
        self._keep(self.query_one(TextArea).text)
        await super().action_dismiss(result)


class Remark(Kept):
    """Asks for a comment or a work note."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "kind", "Public or work note", id="kind", priority=True)
    ]

    def __init__(self, question: str, value: str, keep: Keep) -> None:
        hint = "Ctrl+S when it is done, Ctrl+T public or work note; Esc keeps it"
        super().__init__(question, value, keep, hint)
        self.kind = CommentKind.PUBLIC

    def asked(self) -> ComposeResult:
        """Yield the kind and the text."""
        yield Static(KINDS[self.kind], id="kind", markup=False)
        yield from super().asked()

    def action_kind(self) -> None:
        """Make it the other kind."""
        public = self.kind is CommentKind.PUBLIC
        self.kind = CommentKind.WORK_NOTE if public else CommentKind.PUBLIC
        self.query_one("#kind", Static).update(KINDS[self.kind])


@dataclass(frozen=True)
class Verdict:
    """What is to become of a text.

    Attributes:
        action: `confirm`, `edit` or `reject`; `ask` where one is still to be chosen.
        place: of a candidate, from 1; None for what is kept.
    """

    action: str
    place: int | None


class Judge(Dialog[Verdict]):
    """Asks which text is the fix of an issue."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "judge('confirm')", "Confirm", id="judge.confirm"),
        Binding("e", "judge('edit')", "Correct", id="judge.edit"),
        Binding("x", "judge('reject')", "Reject", id="judge.reject"),
    ]
    AUTO_FOCUS = "Reader"
    DEFAULT_CSS = """
    Judge > Vertical { width: 110; }
    Judge Reader { height: 60vh; border: none; background: $surface; }
    """

    def __init__(self, review: "FixReview") -> None:
        named = review.issue.key or f"#{review.issue.number}"
        super().__init__(
            f"What fixed {named}?",
            "n the next text. Where you stand: y confirms, e corrects, x rejects it. "
            "Esc leaves it",
        )
        self.review = review

    def asked(self) -> ComposeResult:
        """Yield the texts."""
        yield Reader()

    def on_mount(self) -> None:
        """Show the texts."""
        self.query_one(Reader).show(fix_blocks(self.review))

    def action_judge(self, action: str) -> None:
        """Answer with the text that the cursor is in."""
        reader = self.query_one(Reader)
        chosen = reader.choice
        place = chosen.place if isinstance(chosen, Verdict) else None
        self.dismiss(Verdict(action, place))

    def on_reader_chosen(self, event: Reader.Chosen) -> None:
        """Answer with the text that was chosen."""
        if isinstance(event.choice, Verdict):
            self.dismiss(event.choice)


def fix_blocks(review: "FixReview") -> Iterator[Block]:
    """Yield what is kept as the fix, then what else it may be, the best first."""
    known = review.resolution
    ask = Verdict("ask", None)
    if known is not None:
        score = "" if known.score is None else f", {known.score:.2f}"
        told = f"Kept: {known.how} from {known.provenance}{score}{_who(known.reader)}"
        yield Block(Text(clean_line(told), style="heading"), choice=ask)
        yield Block(markdown(known.text or "(for engineers only)"), 2, choice=ask)
    else:
        yield Block(Text("No fix is kept yet", style="heading"))
    yield from _candidates(review.candidates, known.text if known else None)
    if review.rejected:
        yield Block(Text(f"\n{review.rejected} rejected", style="quiet"))


def _candidates(candidates: "Sequence[Candidate]", kept: str | None) -> Iterator[Block]:
    for place, one in enumerate(candidates, 1):
        if one.text == kept:
            continue
        by = f" by {one.author}" if one.author else ""
        told = f"Or {one.provenance}{by}, {one.score:.2f}{_who(one.reader)}"
        choice = Verdict("ask", place)
        yield Block("")
        yield Block(Text(clean_line(told), style="heading"), choice=choice)
        yield Block(markdown(one.text), 2, choice=choice)


def _who(reader: Role) -> str:
    return "" if reader is Role.VIEWER else ", for engineers only"


def text_of(review: "FixReview", place: int | None) -> str:
    """Return the text that a verdict is about; empty where there is none."""
    if place is not None:
        return review.candidates[place - 1].text
    if review.resolution is not None and review.resolution.text:
        return review.resolution.text
    return review.candidates[0].text if review.candidates else ""


def is_private(review: "FixReview", place: int | None) -> bool:
    """Tell whether the text that a verdict is about is for engineers only."""
    if place is not None:
        return review.candidates[place - 1].reader is not Role.VIEWER
    known = review.resolution
    return known is not None and known.reader is not Role.VIEWER
