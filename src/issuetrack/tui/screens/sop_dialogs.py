"""A text to read before one says yes or no."""

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from issuetrack.tui.widgets.dialogs import Dialog
from issuetrack.tui.widgets.reader import Block, Reader


class Reading(Dialog[bool]):
    """Shows a text over the screen; Esc closes it.

    Args:
        title: what it is.
        blocks: the text.
        hint: what the keys do.
    """

    AUTO_FOCUS = "Reader"
    DEFAULT_CSS = """
    Reading > Vertical { width: 110; height: 90%; }
    Reading Reader { background: $surface; border: none; margin: 1 0; }
    Reading Reader:focus { border: none; }
    """

    def __init__(
        self, title: str, blocks: Iterable[Block], hint: str = "Esc closes it"
    ) -> None:
        super().__init__(title, hint)
        self.blocks = tuple(blocks)

    def asked(self) -> ComposeResult:
        """Yield the text."""
        yield Reader()

    def on_mount(self) -> None:
        """Show the text."""
        self.query_one(Reader).show(self.blocks)


class Weighing(Reading):
    """Shows a text that is answered by y or n."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes", id="dialog.yes", priority=True),
        Binding("n", "dismiss(False)", "No", id="dialog.no", priority=True),
    ]
