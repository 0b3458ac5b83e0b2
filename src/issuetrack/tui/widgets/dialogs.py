"""Small questions: a word, a text, one of several things, yes or no, stars."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static, TextArea

from issuetrack.terminal_safety import clean, clean_line
from issuetrack.tui.widgets.entries import Entries

Answer = TypeVar("Answer")
MOVES = frozenset("jkgG")
STARS = {1: "harmful", 2: "wrong", 3: "partly useful", 4: "helped", 5: "solved it"}


class Dialog(ModalScreen[Answer | None], Generic[Answer]):
    """A question over the screen; Esc gives no answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="dialog.cancel")
    ]
    AUTO_FOCUS = "Input, TextArea, Entries"
    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > Vertical {
        width: 76; max-width: 96%; height: auto; max-height: 90%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    Dialog Static.question { text-style: bold; width: 1fr; }
    Dialog Static.hint { color: $secondary; width: 1fr; }
    Dialog Input { border: tall $panel; }
    Dialog TextArea { height: 8; }
    Dialog Entries { height: auto; max-height: 16; background: $surface; }
    """

    def __init__(self, question: str, hint: str = "") -> None:
        super().__init__()
        self.question = clean(question)
        self.hint = clean(hint)

    def compose(self) -> ComposeResult:
        """Lay the question out."""
        with Vertical():
            yield Static(self.question, classes="question", markup=False)
            yield from self.asked()
            if self.hint:
                yield Static(self.hint, classes="hint", markup=False)

    def asked(self) -> ComposeResult:
        """Yield what the answer is given in."""
        yield from ()


class Ask(Dialog[str]):
    """Asks for a word or a line.

    Args:
        question: what is asked.
        value: what stands there already.
        hint: what may be said.
        secret: hide what is typed.
    """

    def __init__(
        self,
        question: str,
        value: str = "",
        hint: str = "Enter to go on, Esc to leave it",
        *,
        secret: bool = False,
    ) -> None:
        super().__init__(question, hint)
        self.value = clean_line(value)
        self.secret = secret

    def asked(self) -> ComposeResult:
        """Yield the line."""
        yield Input(self.value, password=self.secret)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer."""
        self.dismiss(event.value)


class Write(Dialog[str]):
    """Asks for a text of several lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,ctrl+j", "done", "Done", id="dialog.done")
    ]

    def __init__(
        self,
        question: str,
        value: str = "",
        hint: str = "Ctrl+S when it is done, Esc to leave it",
    ) -> None:
        super().__init__(question, hint)
        self.value = clean(value)

    def asked(self) -> ComposeResult:
        """Yield the text."""
        yield TextArea(self.value, show_line_numbers=False, tab_behavior="focus")

    def action_done(self) -> None:
        """Answer."""
        self.dismiss(self.query_one(TextArea).text)


@dataclass(frozen=True)
class Option:
    """One of several things to choose.

    Attributes:
        value: what is answered.
        text: how it reads.
        key: the key that chooses it at once.
    """

    value: Any
    text: str
    key: str = ""


class Choose(Dialog[Any]):
    """Asks for one of several things, by movement or by its key."""

    def __init__(
        self,
        question: str,
        options: Sequence[Option],
        current: Any = None,
        hint: str = "Enter or the key in front; Esc to leave it",
    ) -> None:
        super().__init__(question, hint)
        taken = MOVES & {option.key for option in options}
        assert not taken, f"these keys move in a list: {taken}"
        self.options = list(options)
        self.current = current

    def asked(self) -> ComposeResult:
        """Yield the options."""
        yield Entries(self._line, id="options")

    def on_mount(self) -> None:
        """Stand on what holds now."""
        held = [o for o in self.options if o.value == self.current]
        entries = self.query_one(Entries)
        entries.styles.height = min(len(self.options), 16)
        entries.show(self.options, held[0] if held else None)

    @staticmethod
    def _line(option: Option, _width: int) -> Text:
        mark = f"{option.key} " if option.key else "  "
        return Text.assemble((f" {mark} ", "accent"), clean_line(option.text))

    def on_entries_opened(self, event: Entries.Opened) -> None:
        """Answer."""
        self.dismiss(event.entry.value)

    def on_key(self, event: Any) -> None:
        """Answer by a key."""
        for option in self.options:
            if option.key and event.character == option.key:
                event.stop()
                self.dismiss(option.value)
                return


def confirm(question: str, *, does: str, hint: str = "") -> Choose:
    """Return a question that is answered True only by a plain yes."""
    options = [Option(False, "No", "n"), Option(True, does, "y")]
    return Choose(question, options, hint=hint or "y or n; Esc is no")


def stars(question: str) -> Choose:
    """Return the question for one to five stars."""
    options = [Option(n, f"{'*' * n:<5}  {text}", str(n)) for n, text in STARS.items()]
    return Choose(question, options, 4)
