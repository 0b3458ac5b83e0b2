"""The program: its commands, and what becomes of errors that no command handled."""

import gc
import io
import os
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any

import typer

from issuetrack import __version__
from issuetrack.cli import diagnostics
from issuetrack.cli.crashes import report_crash
from issuetrack.cli.output import OutputFormat, error_envelope, write
from issuetrack.cli.registration import (
    DbOption,
    DebugOption,
    KeyFileOption,
    NoInputOption,
    OutputOption,
    UserOption,
    VerboseOption,
)
from issuetrack.engine.errors import IssueTrackError

GARBAGE_THRESHOLD = 100_000
PLACES = {
    "initialise": ("init",),
    "demo": ("demo",),
    "triage": ("triage",),
    "issue": ("issue", "resolve"),
    "resolution": ("resolution",),
    "importing": ("import",),
    "document": ("document",),
    "sop": ("sop",),
    "exporting": ("export",),
    "source": ("source",),
    "synchronising": ("sync",),
    "pushing": ("push",),
    "searching": ("search", "similar"),
    "suggesting": ("suggest",),
    "recommendation": ("recommendation",),
    "rating": ("rate",),
    "outcome": ("outcome",),
    "feedback": ("feedback",),
    "config": ("config",),
    "index": ("index",),
    "evaluate": ("eval",),
    "backtest": ("backtest",),
    "models": ("models",),
    "login": ("whoami", "login", "logout"),
    "user": ("user",),
    "key": ("key",),
    "audit": ("audit",),
    "db": ("db",),
    "doctor": ("doctor",),
    "help_topics": ("help",),
}
WITH_VALUE = {"--db", "--key-file", "--user", "--output", "-o"}


def application(places: Iterable[str] = PLACES) -> typer.Typer:
    """Return the program with the commands of some modules, all of them by default.

    To read and build every command takes longer than to run most of them.
    """
    app = typer.Typer(
        name="issuetrack",
        help="Find what fixed it last time. Nothing leaves this machine.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Start with: issuetrack demo. Then: issuetrack init, issuetrack import "
        "FILE, issuetrack suggest --text 'what is wrong'.",
    )
    app.callback(invoke_without_command=True)(program)
    for place in places:
        import_module(f"issuetrack.cli.{place}").register(app)
    return app


def _needed(arguments: list[str]) -> Iterable[str]:
    """Return the module whose command the arguments name; all if that is not clear."""
    left = iter(arguments)
    for argument in left:
        if argument == "--version":
            return ()
        if argument in WITH_VALUE:
            next(left, None)
        elif not argument.startswith("-"):
            return [p for p, names in PLACES.items() if argument in names] or PLACES
    return PLACES


def _version(wanted: bool) -> None:
    if wanted:
        write(__version__)
        raise typer.Exit


def program(
    context: typer.Context,
    db: DbOption = None,
    key_file: KeyFileOption = None,
    user: UserOption = None,
    output: OutputOption = None,
    no_input: NoInputOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Find what fixed it last time. Nothing leaves this machine."""
    context.ensure_object(dict)
    context.obj |= {
        "db": db,
        "key_file": key_file,
        "user": user,
        "output": output,
        "no_input": no_input,
        "verbose": verbose,
        "debug": debug,
    }
    if context.invoked_subcommand is None:
        write(context.get_help())


def _wants_json(arguments: list[str]) -> bool:
    named = os.environ.get("ISSUETRACK_OUTPUT", "")
    for place, argument in enumerate(arguments):
        if argument in ("--output", "-o"):
            named = (arguments[place + 1 : place + 2] or [""])[0]
        elif argument.startswith(("--output=", "-o")):
            named = argument.removeprefix("--output=").removeprefix("-o")
    return named == OutputFormat.JSON


def _usage_failure(error: typer.TyperException, arguments: list[str]) -> int:
    hint = "issuetrack --help"
    context: Any = getattr(error, "ctx", None)
    command = ""
    if context is not None:
        hint = f"{context.command_path} --help"
        _, _, command = context.command_path.partition(" ")
    diagnostics.failed(error.format_message(), hint)
    if _wants_json(arguments):
        write(error_envelope(command, "usage", error.format_message(), hint))
    return error.exit_code


def run(arguments: list[str]) -> int:
    """Run the program and return its exit code."""
    shared: dict[str, Any] = {}
    try:
        app = application(_needed(arguments))
        done = app(arguments, prog_name="issuetrack", standalone_mode=False, obj=shared)
        sys.stdout.flush()
    except typer.TyperException as error:
        return _usage_failure(error, arguments)
    except (typer.Abort, KeyboardInterrupt):
        diagnostics.say("interrupted")
        return diagnostics.INTERRUPTED
    except BrokenPipeError:
        diagnostics.give_up_stdout()
        return 0
    except MemoryError:
        diagnostics.failed("there is not enough memory", "close other programs")
        return 1
    except Exception as error:
        debug = "--debug" in arguments
        if not (debug and isinstance(error, IssueTrackError | OSError)):
            report_crash(error, shared.get("invocation"), _wants_json(arguments))
        if debug:
            raise
        return 1
    return done if isinstance(done, int) else 0


def main() -> None:
    """Run the program with the arguments of the process.

    Garbage is collected seldom: nearly all objects come from imports and stay.
    """
    gc.set_threshold(GARBAGE_THRESHOLD)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))
