"""What is logged of each run of a command: that it ran, how long, how it ended.

Neither the arguments nor the messages of failures are logged: both may hold what is in
a ticket. Nothing is imported before a command runs, so that help stays quick.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.engine.errors import IssueTrackError

if TYPE_CHECKING:
    import logging

LOGGER = "issuetrack.cli"


@contextmanager
def logged(invocation: Invocation) -> Iterator[None]:
    """Log a run of a command at its end, and show the log where that was asked for."""
    import logging

    from issuetrack.engine import egress
    from issuetrack.engine.logs_setup import PLAIN, logging_to
    from issuetrack.engine.settings import state_directory

    begun = time.monotonic()
    state = state_directory(os.environ)
    with (
        logging_to(state, *_shown(invocation)),
        egress.recording_to(state / egress.FILE),
    ):
        code = 0
        try:
            yield
        except BaseException as error:
            code = _exit_code(error)
            if _is_unexpected(error):
                logging.getLogger(LOGGER).exception("%s: internal", invocation.command)
            raise
        finally:
            seconds = time.monotonic() - begun
            logging.getLogger(LOGGER).info(
                "%s: exit code %d after %.3f s",
                invocation.command,
                code,
                seconds,
                extra=PLAIN,
            )


def log_failure(error: IssueTrackError) -> None:
    """Log the name and class of a failure."""
    import logging

    kinds = [type(e).__qualname__ for e in (error, error.__cause__) if e is not None]
    logging.getLogger(LOGGER).error("%s: %s", error.code, " from ".join(kinds))


def _exit_code(error: BaseException) -> int:
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        return diagnostics.INTERRUPTED
    return error.exit_code if isinstance(error, typer.TyperException) else 1


def _is_unexpected(error: BaseException) -> bool:
    expected = (typer.Exit, typer.Abort, typer.TyperException, IssueTrackError, OSError)
    return isinstance(error, Exception) and not isinstance(error, expected)


def _shown(invocation: Invocation) -> "list[logging.Handler]":
    """Return what shows the log to a person: nothing unless asked for."""
    import logging

    if not (invocation.verbose or invocation.debug):
        return []
    from issuetrack.engine.redaction import redact

    class ToPerson(logging.Handler):
        """Tells records where everything else is told."""

        def emit(self, record: logging.LogRecord) -> None:
            level = record.levelname.lower()
            diagnostics.say(f"{level}: {record.name}: {redact(record.getMessage())}")

    return [ToPerson(logging.DEBUG if invocation.debug else logging.INFO)]
