"""Registers commands: the options all of them take, and one place for failures."""

import errno
import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import OutputFormat, error_envelope, write
from issuetrack.cli.run_log import log_failure, logged
from issuetrack.engine.errors import IssueTrackError

DbOption = Annotated[
    Path | None, typer.Option("--db", help="The database file [env: ISSUETRACK_DB].")
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option("--key-file", help="The key to it [env: ISSUETRACK_KEY_FILE]."),
]
UserOption = Annotated[
    str | None,
    typer.Option("--user", help="Who you are in it [env: ISSUETRACK_USER]."),
]
OutputOption = Annotated[
    OutputFormat | None,
    typer.Option("--output", "-o", help="The form of output [env: ISSUETRACK_OUTPUT]."),
]
NoInputOption = Annotated[bool, typer.Option("--no-input", help="Never ask anything.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", help="Show what is logged meanwhile.")
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Show where an error arose.")
]
COMMON: dict[str, tuple[Any, Any]] = {
    "db": (DbOption, None),
    "key_file": (KeyFileOption, None),
    "user": (UserOption, None),
    "output": (OutputOption, None),
    "no_input": (NoInputOption, False),
    "verbose": (VerboseOption, False),
    "debug": (DebugOption, False),
}


def _common_parameters() -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, (annotation, default) in COMMON.items()
    ]


def _merged(context: typer.Context, given: dict[str, Any]) -> Invocation:
    """Return the options given to the command over those given to the program."""
    base = context.find_root().obj or {}
    chosen = {name: given[name] or base.get(name, given[name]) for name in COMMON}
    _, _, command = context.command_path.partition(" ")
    invocation = Invocation(command=command, **chosen)
    base["invocation"] = invocation
    return invocation


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    needs: str | None,
    examples: str = "",
    **options: Any,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command; its first argument is the invocation.

    Args:
        app: the group that the command belongs to.
        name: its name; None for the function's.
        needs: the permission that the engine asks of whoever runs it, by its value;
            None for what needs no workspace.
        examples: command lines to show in its help.
        options: passed on to typer.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function).parameters.values())[1:]

        @wraps(function)
        def wrapper(context: typer.Context, **given: Any) -> None:
            invocation = _merged(context, given)
            arguments = {n: v for n, v in given.items() if n not in COMMON}
            guarded(invocation, lambda: function(invocation, **arguments))

        first = inspect.Parameter(
            "context",
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            annotation=typer.Context,
        )
        keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [first, *keyword_only, *_common_parameters()]
        )
        epilog = "\n\n".join(f"  {line}" for line in examples.strip().splitlines())
        wrapper.needs = needs  # type: ignore[attr-defined]
        app.command(
            name, epilog=f"Examples:\n\n{epilog}" if epilog else None, **options
        )(wrapper)
        return function

    return decorate


def invoke(
    context: typer.Context, function: Callable[..., None], verb: str, **arguments: Any
) -> None:
    """Run a command as the default verb of its noun."""
    given = {name: default for name, (_, default) in COMMON.items()}
    invocation = _merged(context, given)
    invocation.command = f"{invocation.command} {verb}"
    guarded(invocation, lambda: function(invocation, **arguments))


def guarded(invocation: Invocation, action: Callable[[], None]) -> None:
    """Run a command; tell a failure in one line of cause and one of remedy.

    Raises:
        typer.Exit: with the exit code of the failure.
    """
    with logged(invocation):
        _told(invocation, action)


def _told(invocation: Invocation, action: Callable[[], None]) -> None:
    try:
        _ = invocation.format
        action()
    except IssueTrackError as error:
        if invocation.debug:
            raise
        report(invocation, error)
        raise typer.Exit(diagnostics.exit_code(error.code)) from None
    except BrokenPipeError:
        diagnostics.give_up_stdout()
        raise typer.Exit(0) from None
    except OSError as error:
        if invocation.debug:
            raise
        failure = IssueTrackError(
            f"{error.filename or 'the system'}: {error.strerror or error}",
            "free some space" if error.errno == errno.ENOSPC else "check the path",
        )
        failure.__cause__ = error
        report(invocation, failure)
        raise typer.Exit(1) from None


def report(invocation: Invocation, error: IssueTrackError) -> None:
    """Tell a failure on stderr, and in the envelope where JSON was asked for."""
    log_failure(error)
    diagnostics.failed(error.message, error.hint)
    try:
        as_json = invocation.format is OutputFormat.JSON
    except IssueTrackError:
        as_json = False
    if as_json:
        write(error_envelope(invocation.command, error.code, error.message, error.hint))
