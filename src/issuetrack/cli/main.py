"""The program: its commands, and what becomes of errors that no command handled."""

import gc
import io
import os
import sys
from typing import Annotated, Any

import typer

from issuetrack import __version__
from issuetrack.cli import (
    demo,
    diagnostics,
    doctor,
    evaluate,
    exporting,
    importing,
    index,
    initialise,
    issue,
    rating,
    searching,
    suggesting,
)
from issuetrack.cli.output import OutputFormat, error_envelope, write
from issuetrack.cli.registration import (
    DbOption,
    DebugOption,
    KeyFileOption,
    NoInputOption,
    OutputOption,
)

app = typer.Typer(
    name="issuetrack",
    help="Find what fixed it last time. Nothing leaves this machine.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: issuetrack demo. Then: issuetrack init, issuetrack import "
    "FILE, issuetrack suggest --text 'what is wrong'.",
)

GARBAGE_THRESHOLD = 100_000


def _version(wanted: bool) -> None:
    if wanted:
        write(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def program(
    context: typer.Context,
    db: DbOption = None,
    key_file: KeyFileOption = None,
    output: OutputOption = None,
    no_input: NoInputOption = False,
    debug: DebugOption = False,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Find what fixed it last time. Nothing leaves this machine."""
    context.obj = {
        "db": db,
        "key_file": key_file,
        "output": output,
        "no_input": no_input,
        "debug": debug,
    }
    if context.invoked_subcommand is None:
        write(context.get_help())


initialise.register(app)
demo.register(app)
issue.register(app)
importing.register(app)
exporting.register(app)
searching.register(app)
suggesting.register(app)
rating.register(app)
index.register(app)
evaluate.register(app)
doctor.register(app)


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
    try:
        done = app(arguments, prog_name="issuetrack", standalone_mode=False)
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
        if "--debug" in arguments:
            raise
        diagnostics.failed(
            f"the program failed: {type(error).__name__}: {error}",
            "run it again with --debug and report what it shows",
        )
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
