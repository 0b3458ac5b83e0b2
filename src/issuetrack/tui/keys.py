"""Which keys do what on a screen, as people call them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import format_key

from issuetrack.terminal_safety import clean_line
from issuetrack.tui.actions import BY_NAME, Place
from issuetrack.tui.screens.issue_page import IssuePage
from issuetrack.tui.widgets.entries import Entries
from issuetrack.tui.widgets.reader import Reader

if TYPE_CHECKING:
    from issuetrack.tui.page import Page

HERE, LISTS, TEXTS, ANYWHERE, OWN = (
    *("This screen", "Lists", "Texts", "Anywhere", "Yours"),
)
GROUPS = {Place.LIST: LISTS, Place.READER: TEXTS, Place.ANYWHERE: ANYWHERE}
NAMES = {"escape": "Esc", "pagedown": "PgDn", "pageup": "PgUp", "delete": "Del"}
SPELLED = ("enter", "up", "down", "left", "right", "backspace")


@dataclass(frozen=True)
class Offer:
    """Something that a key does.

    Attributes:
        name: the name of the action; for an own command its place among them.
        keys: the keys as people call them.
    """

    group: str
    keys: str
    title: str
    name: str | int


def called(keys: str) -> str:
    """Return keys, joined by commas, as people call them."""
    return ", ".join(_called(key.strip()) for key in keys.split(","))


def _called(key: str) -> str:
    *modifiers, name = key.split("+")
    sign = "" if name in SPELLED else format_key(name)
    if len(sign) == 1:
        told = sign.upper() if modifiers else sign
    else:
        told = NAMES.get(name, name.replace("_", " ").capitalize())
    return "+".join((*(each.capitalize() for each in modifiers), told))


def offered(page: "Page") -> Iterator[Offer]:
    """Yield what can be done on a page now by the person who is there."""
    for node in (type(page), *_widgets(page)):
        for binding in _bindings(node):
            action = BY_NAME.get(binding.id or "")
            if action is None or not page.check_action("do", (action.name,)):
                continue
            keys = page.application.preferences.keymap.get(action.name, binding.key)
            group = GROUPS.get(action.place, HERE)
            yield Offer(group, called(keys), binding.description, action.name)
    if isinstance(page, IssuePage):
        for place, command in enumerate(page.application.preferences.commands):
            title = clean_line(command.title)
            yield Offer(OWN, called(command.key), title, place)


def grouped(page: "Page") -> list[Offer]:
    """Return what can be done on a page: what is particular to it comes first."""
    order = (HERE, OWN, LISTS, TEXTS, ANYWHERE)
    return sorted(offered(page), key=lambda offer: order.index(offer.group))


def _widgets(page: "Page") -> Iterator[type[DOMNode]]:
    for kind in (Entries, Reader):
        if page.query(kind):
            yield kind


def _bindings(node: type[DOMNode]) -> Iterator[Binding]:
    for kind in node.__mro__:
        for binding in vars(kind).get("BINDINGS", ()):
            if isinstance(binding, Binding):
                yield binding
