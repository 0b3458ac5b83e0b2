"""Opens the workspace while the application is drawn already."""

import logging
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from issuetrack.engine.errors import IssueTrackError, NotFoundError, WrongKeyError
from issuetrack.terminal_safety import clean, clean_line
from issuetrack.tui.actions import Place
from issuetrack.tui.app import PassphraseNeeded
from issuetrack.tui.page import Page

if TYPE_CHECKING:
    from issuetrack.engine.workspace import Workspace
    from issuetrack.tui.app import Doors

logger = logging.getLogger(__name__)
WRONG = "That passphrase does not open it."
EMPTY = "It is empty; type the passphrase."
HINT = "Enter opens it, Esc quits"


class BeforeWork(Page):
    """A screen that is there before a workspace is open."""

    PLACE = Place.ANYWHERE
    OFFERED: ClassVar[frozenset[str]] = frozenset({"app.quit", "app.back", "app.theme"})

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what needs no workspace."""
        return action != "do" or parameters[0] in self.OFFERED

    def tell_place(self, more: str = "") -> None:  # noqa: ARG002 - there is no more
        """Say which workspace it is about."""
        line = Text(" issuetrack", style="bold", no_wrap=True, overflow="ellipsis")
        line.append(
            f"   {clean_line(str(self.application.doors.database))}", "not bold"
        )
        self.query_one("#places", Static).update(line)

    def enter(self, workspace: "Workspace", nothing_here: str = "") -> None:
        """Go into a workspace, once what runs here is over."""
        self.app.call_later(self.application.enter, workspace, nothing_here)

    def do_app_back(self) -> None:
        """Quit."""
        self.application.exit()


class OpeningScreen(BeforeWork):
    """Opens the workspace; asks for the passphrase where one would help."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Try again", id="opening.again")
    ]
    DEFAULT_CSS = """
    OpeningScreen #told { height: 1fr; padding: 1 2; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.failed = False

    def parts(self) -> Iterable[Widget]:
        """Yield the place for what there is to tell."""
        yield Static(id="told", markup=False)

    def on_mount(self) -> None:
        """Open it."""
        self.begin("opening", self._open())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer another try where one failed."""
        if action == "again":
            return self.failed
        return super().check_action(action, parameters)

    def action_again(self) -> None:
        """Try again."""
        self.begin("opening", self._open())

    def _tell(self, *lines: str, failed: bool = False) -> None:
        self.failed = failed
        told = clean("\n".join(lines)).expandtabs(4)
        self.query_one("#told", Static).update(Text(told))
        self.refresh_bindings()

    async def _open(self) -> None:
        self._tell("Opening the workspace. q quits.")
        try:
            workspace = await self._opened()
        except NotFoundError as error:
            if self.application.doors.database.exists():
                self._fail(error.message, error.hint)
                return
            from issuetrack.tui.screens.welcome import WelcomeScreen

            self.app.call_later(self.app.switch_screen, WelcomeScreen())
        except IssueTrackError as error:
            self._fail(error.message, error.hint)
        except OSError as error:
            self._fail(str(error), "check the file")
        except Exception as error:
            logger.exception("the workspace did not open")
            self.application.doors.report(error)
            self._fail(
                f"that did not work: {type(error).__name__}", "issuetrack doctor"
            )
        else:
            if workspace is None:
                self.application.exit()
            else:
                self.enter(workspace)

    def _fail(self, message: str, hint: str | None) -> None:
        remedy = (f"try: {hint}",) if hint else ()
        self._tell(
            "The workspace did not open.",
            "",
            message,
            *remedy,
            "",
            "r tries again, q quits",
            failed=True,
        )

    async def _opened(self) -> "Workspace | None":
        """Return the open workspace; None where nobody wants to type the passphrase."""
        doors = self.application.doors
        passphrase: str | None = None
        who, wrong = "", ""
        while True:
            try:
                return await self.beside(partial(_beside, doors, passphrase))
            except PassphraseNeeded as error:
                who = error.who
            except WrongKeyError:
                if passphrase is None:
                    raise
                wrong = WRONG
            passphrase = await self._passphrase(who, wrong)
            if passphrase is None:
                return None

    async def _passphrase(self, who: str, wrong: str) -> str | None:
        from issuetrack.tui.widgets.dialogs import Ask

        database = self.application.doors.database
        while True:
            said = f"{wrong}\n" if wrong else ""
            question = f"{said}Passphrase of {clean_line(who)} for {database}"
            typed = await self.answer(Ask(question, hint=HINT, secret=True))
            if typed != "":
                return typed
            wrong = EMPTY


def _beside(doors: "Doors", passphrase: str | None, _: object) -> "Workspace":
    return opened(doors, passphrase)


def opened(doors: "Doors", passphrase: str | None) -> "Workspace":
    """Open the workspace, and read what the first screen is made of.

    Raises:
        PermissionDenied: the actor may not read issues.
    """
    from issuetrack.engine.identity.permissions import Permission
    from issuetrack.engine.identity.policy import authorize

    workspace = doors.opened(passphrase)
    authorize(workspace.actor, Permission.READ)
    import_module("issuetrack.tui.screens.triage")
    return workspace
