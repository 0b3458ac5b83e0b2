"""What all screens share: navigation, permission, work in the background, errors."""

import logging
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from inspect import CORO_CREATED, getcoroutinestate
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Input, Static
from textual.worker import Worker, WorkerState

from issuetrack.engine.errors import IssueTrackError
from issuetrack.terminal_safety import clean, clean_line
from issuetrack.tui.actions import BY_NAME, Place, bindings
from issuetrack.tui.background import Progress, beside

if TYPE_CHECKING:
    from issuetrack.engine.workspace import Workspace
    from issuetrack.tui.app import TriageApp

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
PLACES = (
    ("1", Place.TRIAGE, "Triage"),
    ("2", Place.SOPS, "SOPs"),
    ("3", Place.SEARCH, "Search"),
)
SECONDS_TOLD = 8


class Page(Screen[None]):
    """A screen of the application.

    Actions are methods `do_<name>`; those that wait for something are coroutines and
    run beside the drawing. Esc cancels what runs, else goes back.
    """

    PLACE: ClassVar[Place]
    PANES: ClassVar[tuple[str, ...]] = ()
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.ANYWHERE)]
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual declares it so
        (0, "-narrow"),
        (100, "-medium"),
        (150, "-wide"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._begun: dict[str, Coroutine[Any, Any, None]] = {}

    @property
    def application(self) -> "TriageApp":
        """Return the application."""
        return cast("TriageApp", self.app)

    @property
    def workspace(self) -> "Workspace":
        """Return the open workspace."""
        workspace = self.application.workspace
        assert workspace is not None
        return workspace

    def compose(self) -> ComposeResult:
        """Lay out: where one is, the screen's own parts, what runs, the keys."""
        yield Static(id="places", markup=False)
        yield from self.parts()
        yield Static(id="running", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def parts(self) -> Iterable[Widget]:
        """Yield the parts of the screen."""
        return ()

    def on_screen_resume(self) -> None:
        """Say where one is."""
        self.tell_place()

    def tell_place(self, more: str = "") -> None:
        """Draw the first line."""
        line = Text(" issuetrack  ", style="bold", no_wrap=True)
        for key, place, title in PLACES:
            here = place is self.PLACE
            line.append(f" {key} {title} ", style="reverse" if here else "")
        workspace = self.application.workspace
        if workspace is not None:
            actor = workspace.actor
            line.append(clean_line(f"   {actor.name} ({actor.role})"))
        if more:
            line.append(f"   {clean_line(more)}")
        self.query_one("#places", Static).update(line)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what the actor may do."""
        if action == "lead" and isinstance(self.focused, Input):
            return False
        if action not in ("do", "lead"):
            return True
        name = str(parameters[0])
        needs = BY_NAME[name].needs
        return needs is None or self.application.may(needs)

    def action_do(self, name: str) -> None:
        """Do what a key, the palette or the mouse asks for."""
        if not self.check_action("do", (name,)):
            return
        method = getattr(self, BY_NAME[name].method)
        done = method()
        if done is not None:
            self.begin(name, done)

    def action_lead(self, name: str) -> None:
        """Go to a line to type in; what is typed there does not come here."""
        self.action_do(name)

    def begin(self, group: str, work: Coroutine[Any, Any, None]) -> Worker[None]:
        """Run something beside the drawing; what runs in the same group is cancelled.

        An error becomes a message with its remedy.
        """
        before = self._begun.get(group)
        if before is not None and getcoroutinestate(before) == CORO_CREATED:
            before.close()
        self._begun[group] = work
        return self.run_worker(
            partial(self._told, work), group=group, exclusive=True, exit_on_error=False
        )

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except IssueTrackError as error:
            self.complain(error.message, error.hint)
        except OSError as error:
            self.complain(str(error), "check the file or the connection")
        except Exception as error:
            logger.exception("an action failed")
            self.application.doors.report(error)
            self.complain(f"that did not work: {type(error).__name__}", "see the log")

    async def beside(
        self, work: Callable[[Progress], Result], running: str = ""
    ) -> Result:
        """Do something in a thread; meanwhile a line says what runs.

        Args:
            work: what to do.
            running: what the line says; empty for work that is over at once.
        """
        if not running:
            return await beside(work)
        line = self.query_one("#running", Static)

        def told(text: str) -> None:
            line.update(
                f" {clean_line(running)}{': ' if text else ''}"
                f"{clean_line(text)}   Esc cancels"
            )

        line.display = True
        told("")
        try:
            return await beside(work, told)
        finally:
            line.display = False

    async def answer(self, question: Screen[Result]) -> Result | None:
        """Ask a person; None where there is no answer."""
        return await self.app.push_screen_wait(question)

    def say(self, message: str) -> None:
        """Tell what was done."""
        self.notify(clean(message), markup=False, timeout=SECONDS_TOLD / 2)

    def complain(self, message: str, hint: str | None = None) -> None:
        """Tell what went wrong and what to do about it."""
        text = clean(message) + (f"\ntry: {clean(hint)}" if hint else "")
        self.notify(text, severity="error", markup=False, timeout=SECONDS_TOLD)

    @property
    def busy(self) -> list[Worker[Any]]:
        """Return what runs on this screen and can be cancelled."""
        over = {WorkerState.SUCCESS, WorkerState.ERROR, WorkerState.CANCELLED}
        return [
            w
            for w in self.workers
            if w.node is self and w.state not in over and w.group in BY_NAME
        ]

    def do_app_back(self) -> None:
        """Cancel what runs, else unzoom, else go back."""
        if self.busy:
            for worker in self.busy:
                worker.cancel()
            self.say("Cancelled")
        elif self.maximized is not None:
            self.minimize()
        else:
            self.back()

    def back(self) -> None:
        """Go back; the first screen stays."""
        if self.PANES and not self.query_one(self.PANES[0]).has_focus:
            self.front(self.PANES[0])
        elif self.PLACE is not Place.TRIAGE:
            self.application.go(Place.TRIAGE)

    def do_app_help(self) -> None:
        """Show every key."""
        self.application.help(self)

    def do_app_palette(self) -> None:
        """Show every command."""
        self.application.action_command_palette()

    def do_app_triage(self) -> None:
        """Go to the issues."""
        self.application.go(Place.TRIAGE)

    def do_app_sops(self) -> None:
        """Go to the procedures."""
        self.application.go(Place.SOPS)

    def do_app_search(self) -> None:
        """Go to the search."""
        self.application.go(Place.SEARCH)

    def do_app_theme(self) -> None:
        """Take the next theme."""
        self.application.next_theme()

    def do_app_quit(self) -> None:
        """End the application."""
        self.application.exit()

    def _pane(self, step: int) -> None:
        held = [n for n, p in enumerate(self.PANES) if self.query_one(p).has_focus]
        if self.maximized is not None:
            self.minimize()
        place = (held[0] if held else -step) + step
        self.front(self.PANES[place % len(self.PANES)])

    def front(self, name: str) -> None:
        """Bring a pane to where the keys go, and into sight where there is little room."""
        pane, panes = self.query_one(name), self.query_one("#panes")
        for child in panes.children:
            child.set_class(child in pane.ancestors_with_self, "-front")
            panes.set_class(child.has_class("-front"), f"-front-{child.id}")
        self.stand(pane)

    def stand(self, widget: Widget) -> None:
        """Have the next key go to a widget, even if it is typed already."""
        if widget.focusable:
            self.set_focus(widget)
        else:
            widget.focus()

    def do_pane_next(self) -> None:
        """Go to the next pane."""
        self._pane(1)

    def do_pane_previous(self) -> None:
        """Go to the pane before."""
        self._pane(-1)

    def do_pane_zoom(self) -> None:
        """Give the pane the whole screen, or take it back."""
        if self.maximized is not None:
            self.minimize()
        elif self.focused is not None:
            self.maximize(self.focused, container=False)

    def do_pane_wider(self) -> None:
        """Give the pane more columns."""
        self._resize(0.25)

    def do_pane_narrower(self) -> None:
        """Give the pane fewer columns."""
        self._resize(-0.25)

    def _resize(self, by: float) -> None:
        pane = self.focused
        if pane is None or f"#{pane.id}" not in self.PANES:
            return
        width = pane.styles.width
        share = width.value if width is not None else 1.0
        pane.styles.width = f"{min(max(share + by, 0.5), 4):.2f}fr"
