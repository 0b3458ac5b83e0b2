"""`triage`: the application in the terminal."""

import atexit
import os
import sys
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from issuetrack.cli.context import Invocation
from issuetrack.cli.output import OutputFormat
from issuetrack.cli.registration import command
from issuetrack.engine.errors import InputNeeded, UsageError

if TYPE_CHECKING:
    from issuetrack.tui.preferences import TuiPreferences

INSTEAD = "type: issuetrack issue list"
CLOSING_SECONDS = 3.0
SWITCH_SECONDS = 0.001
NOT_DRAWN_ON = ("", "dumb", "unknown")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "triage",
        needs="read",
        examples="issuetrack triage\n"
        "issuetrack triage 'priority:P1,P2 service:checkout'\n"
        "issuetrack triage --view Mine --theme light",
    )
    def triage(
        run: Invocation,
        query: Annotated[
            list[str] | None,
            typer.Argument(help="What the list shows at first."),
        ] = None,
        view: Annotated[
            str | None, typer.Option("--view", help="A saved view to show at first.")
        ] = None,
        theme: Annotated[
            str | None,
            typer.Option("--theme", help="dark, light or high-contrast."),
        ] = None,
    ) -> None:
        """Work on issues in the terminal: read, search, suggest, resolve.

        Without a workspace it offers to make one. ? shows every key; docs/tui.md tells
        how to change keys, views and colours.
        """
        _check_terminal(run)
        _heed_colours()
        chosen = _chosen(" ".join(query) if query else None, view, theme)
        _use(run, chosen)


def _check_terminal(run: Invocation) -> None:
    """Refuse what cannot be drawn.

    Raises:
        UsageError: another form of output is asked for.
        InputNeeded: there is no terminal.
    """
    if run.output not in (None, OutputFormat.TABLE):
        raise UsageError(
            f"triage is drawn on a terminal: it has no --output {run.output}",
            f"{INSTEAD} --output {run.output}",
        )
    if run.no_input or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputNeeded("triage needs a terminal", INSTEAD)
    if os.environ.get("TERM", "") in NOT_DRAWN_ON:
        raise InputNeeded(
            f"the terminal cannot be drawn on: TERM={os.environ.get('TERM', '')}",
            f"set TERM, as xterm-256color, or {INSTEAD}",
        )


def _heed_colours() -> None:
    """Draw without colours where the terminal has none."""
    try:
        import curses
    except ImportError:
        return
    with suppress(curses.error):
        curses.setupterm()
        if curses.tigetnum("colors") <= 0:
            os.environ.setdefault("NO_COLOR", "1")


def _chosen(query: str | None, view: str | None, theme: str | None) -> "TuiPreferences":
    """Return what the person prefers, the options before the file.

    Raises:
        UsageError: there is no such view or theme, or the file is wrong.
    """
    from dataclasses import replace

    from issuetrack.tui import preferences

    prefers = preferences.read(os.environ)
    if query is not None and view is not None:
        raise UsageError("both a query and --view were given", "give one of them")
    if view is not None:
        named = {name.lower(): text for name, text in prefers.views.items()}
        if view.lower() not in named:
            raise UsageError(
                f"there is no view {view!r}", f"one of: {', '.join(prefers.views)}"
            )
        query = named[view.lower()]
    if query is not None:
        prefers = replace(prefers, query=query)
    if theme is not None:
        prefers = replace(prefers, theme=preferences.theme_named(theme))
    return prefers


def _use(run: Invocation, prefers: "TuiPreferences") -> None:
    """Run the application, and leave the terminal as it was.

    Raises:
        typer.Exit: it did not end by itself.
    """
    from issuetrack.cli.terminal_guard import guarded_terminal
    from issuetrack.cli.triage_doors import doors_of
    from issuetrack.tui.app import TriageApp

    sys.setswitchinterval(SWITCH_SECONDS)
    kept = ExitStack()
    app = TriageApp(doors_of(run, kept), prefers)
    try:
        with guarded_terminal(app.end):
            app.run()
    finally:
        _close(kept, app.return_code or 0)
    if app.crashed is not None:
        raise app.crashed
    if app.return_code:
        raise typer.Exit(app.return_code)


def _close(kept: ExitStack, code: int) -> None:
    """Close what is open; what still runs beside does not keep the program from ending.

    A thread may hang in a tracker or in a model. Nothing is lost with it: what is
    written, is written in transactions.
    """
    closing = threading.Thread(target=kept.close, name="closing", daemon=True)
    closing.start()
    closing.join(CLOSING_SECONDS)
    if threading.active_count() > 1:
        atexit.register(_end_now, code)


def _end_now(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
