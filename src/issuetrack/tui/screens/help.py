"""Every key that does something on a screen, found by words."""

from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from issuetrack.tui.actions import BY_NAME, Place, bindings
from issuetrack.tui.keys import LISTS, OWN, TEXTS, Offer, called, grouped
from issuetrack.tui.widgets.entries import Entries
from issuetrack.tui.widgets.reader import Reader

if TYPE_CHECKING:
    from issuetrack.tui.page import Page

PURPOSE = {
    Place.TRIAGE: "Triage: read an issue, see what helped before, work on it.",
    Place.SOPS: "SOP library: procedures that people wrote, reviewed and used.",
    Place.SEARCH: "Search: issues with their fixes, SOPs and documents at once.",
}
HOW = (
    ("list.down", "goes down"),
    ("list.up", "up"),
    ("help.filter", "filters"),
    ("list.open", "does it"),
    ("help.close", "closes"),
)
GROUP, KEYS = 13, 22


class HelpScreen(ModalScreen[None]):
    """The keys of the page below, as they are bound now.

    Args:
        page: the page that was asked about.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.HELP)]
    AUTO_FOCUS = "#keys"

    def __init__(self, page: "Page") -> None:
        super().__init__()
        self.page = page
        self.offers = grouped(page)
        self._first: set[Offer] = set()

    def compose(self) -> ComposeResult:
        """Lay out: what the screen is for, how to go about, the keys."""
        with Vertical():
            purpose = PURPOSE.get(self.page.PLACE, "Nothing is open yet.")
            yield Static(purpose, id="purpose", markup=False)
            yield Static(self._how(), id="how", markup=False)
            yield Input(id="help-filter", placeholder="words of what is to be done")
            empty = "No key does that here; Esc shows all."
            yield Entries(self._line, id="keys", empty=empty)

    def _how(self) -> str:
        keymap = self.page.application.preferences.keymap
        told = (
            f"{called(keymap.get(name, BY_NAME[name].keys)).split(', ')[0]} {does}"
            for name, does in HOW
        )
        return ", ".join(told)

    def on_mount(self) -> None:
        """Show all of them."""
        self._show(self.offers)

    @property
    def keys(self) -> Entries:
        """Return the list."""
        return self.query_one("#keys", Entries)

    @property
    def filter(self) -> Input:
        """Return what the list is filtered by."""
        return self.query_one("#help-filter", Input)

    def _show(self, offers: list[Offer]) -> None:
        groups: dict[str, Offer] = {}
        for offer in offers:
            groups.setdefault(offer.group, offer)
        self._first = set(groups.values())
        self.keys.show(offers, next(iter(offers), None))
        self.keys.refresh()

    def _line(self, offer: Offer, _width: int) -> Text:
        group = offer.group if offer in self._first else ""
        text = Text(no_wrap=True)
        text.append(f" {group:<{GROUP}}", "heading")
        text.append(f"{offer.keys:<{KEYS}} ", "accent")
        return text.append(offer.title, "text")

    def action_do(self, name: str) -> None:
        """Filter, or close."""
        if name == "help.filter":
            self.filter.focus()
        elif self.filter.has_focus or self.filter.value:
            self.filter.value = ""
            self.keys.focus()
        else:
            self.dismiss()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what fits."""
        words = event.value.casefold().split()
        self._show([offer for offer in self.offers if _fits(offer, words)])

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Go to the list."""
        self.keys.focus()

    def on_entries_opened(self, event: Entries.Opened) -> None:
        """Do what was chosen, on the page."""
        offer, page = cast("Offer", event.entry), self.page
        self.dismiss()
        self.app.call_later(_do, page, offer)


def _fits(offer: Offer, words: list[str]) -> bool:
    text = f"{offer.group} {offer.keys} {offer.title} {offer.name}".casefold()
    return all(word in text for word in words)


def _do(page: "Page", offer: Offer) -> None:
    if offer.group == OWN:
        page.application.action_own(cast("int", offer.name))
    elif offer.group == LISTS:
        page.query(Entries).first().action_do(str(offer.name))
    elif offer.group == TEXTS:
        page.query(Reader).first().action_do(str(offer.name))
    else:
        page.action_do(BY_NAME[str(offer.name)].name)
