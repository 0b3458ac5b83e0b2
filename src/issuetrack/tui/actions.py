"""Everything that a person can do in the application, each with its key.

Screens take their key bindings, the palette and the help from here. A key in the
configuration is bound to the name of an action.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding

from issuetrack.engine.identity.permissions import Permission


class Place(StrEnum):
    """Where an action can be taken."""

    ANYWHERE = "anywhere"
    LIST = "list"
    READER = "reader"
    TRIAGE = "triage"
    SOPS = "sops"
    SEARCH = "search"
    HELP = "help"


@dataclass(frozen=True)
class Action:
    """One thing that can be done.

    Attributes:
        name: what the configuration and the method (`do_issue_resolve`) call it.
        keys: the keys that do it, joined by commas.
        title: what it does, in a few words.
        place: where it can be done.
        needs: the permission that it takes; None for looking around.
        footer: whether the last line of the screen names it.
    """

    name: str
    keys: str
    title: str
    place: Place
    needs: Permission | None = None
    footer: bool = False

    @property
    def method(self) -> str:
        """Return the name of the method that does it."""
        return "do_" + self.name.replace(".", "_")


_LIST = Place.LIST
_TRIAGE, _SOPS, _SEARCH = Place.TRIAGE, Place.SOPS, Place.SEARCH
_ANY, _READER = Place.ANYWHERE, Place.READER
_WRITE, _SOP = Permission.WRITE_ISSUES, Permission.WRITE_SOPS

ACTIONS = (
    Action("app.help", "question_mark,f1", "Help", _ANY, footer=True),
    Action("app.palette", "colon,ctrl+p", "Commands", _ANY, footer=True),
    Action("app.triage", "1", "Go to triage", _ANY),
    Action("app.sops", "2", "Go to the SOP library", _ANY),
    Action("app.search", "3", "Search everywhere", _ANY),
    Action("app.theme", "T", "Next theme", _ANY),
    Action("app.back", "escape", "Back, or cancel what runs", _ANY),
    Action("app.quit", "q,ctrl+q", "Quit", _ANY),
    Action("pane.next", "tab,l,right", "Next pane", _ANY),
    Action("pane.previous", "shift+tab,h,left", "Previous pane", _ANY),
    Action("pane.zoom", "z", "Zoom the pane, or back", _ANY),
    Action("pane.wider", "greater_than_sign", "Make the pane wider", _ANY),
    Action("pane.narrower", "less_than_sign", "Make the pane narrower", _ANY),
    Action("list.down", "j,down", "Next entry", _LIST),
    Action("list.up", "k,up", "Previous entry", _LIST),
    Action("list.first", "g,home", "First entry", _LIST),
    Action("list.last", "G,end", "Last entry", _LIST),
    Action("list.page_down", "ctrl+d,pagedown,ctrl+f", "A screen down", _LIST),
    Action("list.page_up", "ctrl+u,pageup,ctrl+b", "A screen up", _LIST),
    Action("list.open", "enter", "Open the entry", _LIST),
    Action("reader.down", "j,down", "Line down", _READER),
    Action("reader.up", "k,up", "Line up", _READER),
    Action("reader.first", "g,home", "Start of the text", _READER),
    Action("reader.last", "G,end", "End of the text", _READER),
    Action("reader.page_down", "ctrl+d,pagedown,ctrl+f", "A screen down", _READER),
    Action("reader.page_up", "ctrl+u,pageup,ctrl+b", "A screen up", _READER),
    Action("reader.next", "n", "Next thing to choose", _READER),
    Action("reader.previous", "N", "Previous thing to choose", _READER),
    Action("reader.choose", "enter", "Follow or copy what is chosen", _READER),
    Action("triage.filter", "slash", "Filter", _TRIAGE, footer=True),
    Action("triage.views", "v", "Saved views", _TRIAGE),
    Action("triage.save_view", "V", "Save the filter as a view", _TRIAGE),
    Action("triage.sort", "o", "Sort", _TRIAGE),
    Action("triage.unread", "M", "Mark as unread", _TRIAGE),
    Action(
        "assistant.suggest", "s", "Suggest", _TRIAGE, Permission.SUGGEST, footer=True
    ),
    Action(
        "assistant.rate", "asterisk", "Rate the suggestion", _TRIAGE, Permission.RATE
    ),
    Action(
        "assistant.outcome",
        "x",
        "Say what became of the suggestion",
        _TRIAGE,
        Permission.RATE,
    ),
    Action("issue.new", "ctrl+n", "New issue", _TRIAGE, _WRITE),
    Action("issue.edit", "e", "Edit in your editor", _TRIAGE, _WRITE),
    Action("issue.comment", "c", "Comment", _TRIAGE, _WRITE, footer=True),
    Action("issue.assign", "a", "Assign", _TRIAGE, _WRITE),
    Action("issue.priority", "p", "Set the priority", _TRIAGE, _WRITE),
    Action("issue.status", "t", "Set the status", _TRIAGE, _WRITE),
    Action("issue.resolve", "r", "Resolve", _TRIAGE, _WRITE, footer=True),
    Action("issue.fix", "f", "Judge the fix", _TRIAGE, Permission.CURATE_FIXES),
    Action("issue.duplicate", "m", "Mark as duplicate", _TRIAGE, _WRITE),
    Action("issue.draft_sop", "d", "Draft an SOP", _TRIAGE, _SOP),
    Action("issue.copy", "y", "Copy as Markdown", _TRIAGE),
    Action("issue.browse", "b", "Open in the browser", _TRIAGE),
    Action("issue.pager", "P", "Read in your pager", _TRIAGE),
    Action("issue.undo", "u", "Undo the last change", _TRIAGE, _WRITE),
    Action("source.sync", "S", "Sync now", _TRIAGE, Permission.SYNC),
    Action("sop.search", "slash", "Search", _SOPS, footer=True),
    Action("sop.filter", "f", "Filter by status or tag", _SOPS),
    Action("sop.queue", "Q", "Review queue", _SOPS, Permission.APPROVE_SOPS),
    Action("sop.new", "ctrl+n", "New SOP", _SOPS, _SOP),
    Action("sop.edit", "e", "Edit in your editor", _SOPS, _SOP, footer=True),
    Action("sop.submit", "S", "Submit for review", _SOPS, _SOP, footer=True),
    Action("sop.approve", "A", "Approve", _SOPS, Permission.APPROVE_SOPS, footer=True),
    Action("sop.reject", "R", "Reject", _SOPS, Permission.APPROVE_SOPS),
    Action("sop.deprecate", "D", "Take out of use", _SOPS, Permission.APPROVE_SOPS),
    Action("sop.history", "H", "Versions", _SOPS),
    Action("sop.diff", "d", "Compare with the version before", _SOPS),
    Action("sop.rate", "asterisk", "Rate", _SOPS, Permission.RATE),
    Action("sop.copy", "y", "Copy as Markdown", _SOPS),
    Action("search.words", "slash", "Search", _SEARCH, footer=True),
    Action("search.mode", "m", "Switch words or meaning", _SEARCH, footer=True),
    Action("search.kinds", "f", "Issues, SOPs or documents", _SEARCH),
    Action("search.explain", "e", "Explain the score", _SEARCH, footer=True),
    Action("search.copy", "y", "Copy as Markdown", _SEARCH),
    Action("help.filter", "slash", "Filter", Place.HELP, footer=True),
    Action("help.close", "escape,question_mark,f1,q", "Close", Place.HELP),
)
LEADS_TO_TYPING = frozenset({"triage.filter", "sop.search", "search.words"})
BY_NAME = {action.name: action for action in ACTIONS}


def actions(place: Place) -> Iterator[Action]:
    """Yield what can be done in a place."""
    return (action for action in ACTIONS if action.place is place)


def bindings(place: Place) -> list[Binding]:
    """Return the key bindings of a place.

    What leads to a line to type in comes before all else, so that what is typed right
    after it goes there.
    """
    return [
        Binding(
            action.keys,
            f"{'lead' if action.name in LEADS_TO_TYPING else 'do'}('{action.name}')",
            action.title,
            show=action.footer,
            priority=action.name in LEADS_TO_TYPING,
            id=action.name,
        )
        for action in actions(place)
    ]
