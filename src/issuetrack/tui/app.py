"""The application: an open workspace, its screens, its look."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.command import CommandPalette
from textual.screen import Screen

from issuetrack.engine.errors import InputNeeded, UsageError
from issuetrack.engine.identity.permissions import Permission
from issuetrack.tui.actions import Place
from issuetrack.tui.background import beside
from issuetrack.tui.own_commands import OwnCommand, run_on
from issuetrack.tui.page import Page
from issuetrack.tui.preferences import TuiPreferences, keep_view
from issuetrack.tui.screens.issue_page import IssuePage
from issuetrack.tui.themes import THEMES

if TYPE_CHECKING:
    from issuetrack.engine.assistant.suggestions import Suggestion
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.engine.sync.connector import SourceSettings
    from issuetrack.engine.sync.sync import Connect
    from issuetrack.engine.workspace import NewWorkspace, Workspace
    from issuetrack.tui.palette import Commands


WARM_AFTER = 1.0


class PassphraseNeeded(InputNeeded):
    """A passphrase would open the workspace.

    Attributes:
        who: whose passphrase.
    """

    def __init__(self, who: str) -> None:
        super().__init__(f"the passphrase of {who} is needed", "issuetrack login")
        self.who = who


def _no_source(
    _workspace: "Workspace", _settings: "SourceSettings", _token: str
) -> list[str]:
    raise UsageError(
        "no tracker can be connected here", "type: issuetrack source add github"
    )


@dataclass(frozen=True)
class Doors:
    """What the application is given by whoever starts it.

    Attributes:
        database: where the workspace is.
        opened: opens it; with the passphrase that was typed, if one was. Raises
            PassphraseNeeded where one would help.
        created: makes one that the passphrase opens; with None, what `offered` names.
        demo: opens a workspace with the sample incidents that is gone at the end.
        connect: reaches a tracker.
        issue_markdown: writes an issue as Markdown.
        suggestion_markdown: writes a suggestion as Markdown.
        report: keeps a report of an error that nobody foresaw.
        environment: the environment variables.
        clock: tells the time.
        offered: names what can open a new workspace without a passphrase; empty for
            nothing.
        add_source: tries a tracker with a token and keeps it; returns what the token
            may not do.
        warmed: loads the model that finds by meaning.
    """

    database: Path
    opened: "Callable[[str | None], Workspace]"
    created: "Callable[[str | None], NewWorkspace]"
    demo: "Callable[[Callable[[str], None]], Workspace]"
    connect: "Connect"
    issue_markdown: "Callable[[IssueRecord], str]"
    suggestion_markdown: "Callable[[Suggestion], str]"
    report: Callable[[BaseException], None]
    environment: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    offered: Callable[[], str] = str
    add_source: "Callable[[Workspace, SourceSettings, str], list[str]]" = _no_source
    warmed: Callable[[], None] = lambda: None


def _commands() -> "type[Commands]":
    """Return what the palette offers; it is imported when the palette is opened."""
    from issuetrack.tui.palette import Commands

    return Commands


class TriageApp(App[None]):
    """The terminal application.

    Args:
        doors: what it is given.
        preferences: what the person prefers.
        workspace: an open workspace; None to open it when the first screen is there.
    """

    CSS_PATH = "app.tcss"
    TITLE = "issuetrack"
    COMMANDS: ClassVar[set[Any]] = {_commands}
    BINDINGS: ClassVar[list[BindingType]] = []
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "f12"
    ESCAPE_TO_MINIMIZE = False

    def __init__(
        self,
        doors: Doors,
        preferences: TuiPreferences,
        workspace: "Workspace | None" = None,
    ) -> None:
        super().__init__()
        self.doors = doors
        self.preferences = preferences
        self.workspace = workspace
        self.agreed: set[str] = set()
        self.crashed: BaseException | None = None
        self.nothing_here = ""
        self._allowed: frozenset[str] = frozenset()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = preferences.theme
        self.set_keymap(preferences.keymap)
        for place, command in enumerate(preferences.commands):
            self._bindings.bind(command.key, f"own({place})", command.title, show=False)

    def on_mount(self) -> None:
        """Show the first screen."""
        if self.workspace is not None:
            self.enter(self.workspace)
            return
        from issuetrack.tui.screens.opening import OpeningScreen

        self.push_screen(OpeningScreen())

    def enter(self, workspace: "Workspace", nothing_here: str = "") -> None:
        """Go into an open workspace.

        Args:
            workspace: the workspace.
            nothing_here: what an empty list says.
        """
        from issuetrack.engine.identity.policy import allowed

        actor, now = workspace.actor, self.doors.clock()
        self.workspace = workspace
        self.nothing_here = nothing_here
        self.preferences = self.preferences.of(actor.name, now)
        self._allowed = frozenset(allowed(actor.role))
        self.go(Place.TRIAGE)
        self.set_timer(WARM_AFTER, lambda: self.run_worker(self._warm(), group="warm"))

    async def _warm(self) -> None:
        await beside(lambda _: self.doors.warmed())

    def end(self, code: int) -> None:
        """End with an exit code; may be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(partial(self.exit, return_code=code))

    def _fatal_error(self) -> None:
        """End; whoever started the application tells the error."""
        self.crashed = self._exception
        self._close_messages_no_wait()

    def may(self, needs: Permission) -> bool:
        """Tell whether the actor may do something."""
        return needs.value in self._allowed

    def go(self, place: Place) -> None:
        """Show a screen; each keeps its state."""
        name = place.value
        if not self.is_screen_installed(name):
            self.install_screen(self._screen(place), name)
        if len(self.screen_stack) > 1:
            self.switch_screen(name)
        else:
            self.push_screen(name)

    def help(self, page: Page) -> None:
        """Show the keys of a screen."""
        from issuetrack.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(page))

    def save_view(self, name: str, query: str) -> None:
        """Keep a query as a view, here and in config.toml."""
        keep_view(self.doors.environment, name, query)
        views = {**self.preferences.views, name: query}
        self.preferences = replace(self.preferences, views=views)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer own commands where an issue is read."""
        if action == "own":
            return isinstance(self.screen, IssuePage)
        return super().check_action(action, parameters)

    def action_own(self, place: int) -> None:
        """Run an own command by its place in the configuration."""
        self.own(self.preferences.commands[place])

    def own(self, command: OwnCommand) -> None:
        """Run an own command on the issue that is read."""
        page = self.screen
        if not isinstance(page, IssuePage):
            return
        if page.record is None:
            page.complain(f"{command.title}: no issue is open")
            return
        page.begin("own", run_on(page, command, page.record.summary))

    def next_theme(self) -> None:
        """Take the next theme."""
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)]

    def get_system_commands(
        self,
        screen: Screen[Any],  # noqa: ARG002 - the palette offers ours alone
    ) -> Iterable[SystemCommand]:
        """Leave the palette to our own commands."""
        return ()

    def action_command_palette(self) -> None:
        """Show the palette over a page."""
        if not CommandPalette.is_open(cast("App[object]", self)):
            self.push_screen(CommandPalette(placeholder="What to do"))

    def _screen(self, place: Place) -> Screen[Any]:
        """Return a new screen; what is not shown is not imported."""
        if place is Place.SOPS:
            from issuetrack.tui.screens.sops import SopScreen

            return SopScreen()
        if place is Place.SEARCH:
            from issuetrack.tui.screens.search import SearchScreen

            return SearchScreen()
        from issuetrack.tui.screens.triage import TriageScreen

        triage = TriageScreen()
        triage.query_text = self.preferences.query
        return triage
