"""What becomes of an error that nobody foresaw: a report to pass on, and two lines."""

import json
import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from issuetrack import __version__
from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import error_envelope, write

CODE = "internal"
FOLDER = "reports"
KEPT = 20
CAUSES = 5
LIBRARIES = ("cryptography", "numpy", "sqlalchemy", "sqlcipher3", "typer", "xllamacpp")


def report_crash(
    error: Exception, invocation: Invocation | None, as_json: bool
) -> None:
    """Write a report of an unforeseen error and tell the person where it is."""
    from issuetrack.engine.logs_setup import told

    command = invocation.command if invocation else ""
    message = f"the program failed: {type(error).__name__}: {told(error)}"
    try:
        path = keep_report(error, command)
        hint = f"report it, with {path}"
    except (OSError, ValueError):
        hint = "run it again with --debug and report what it shows"
    diagnostics.failed(message, hint)
    if as_json:
        write(error_envelope(command, CODE, message, hint))


def keep_report(error: BaseException, command: str) -> Path:
    """Write a report of an unforeseen error, and return where it is.

    Raises:
        OSError: it cannot be written.
    """
    return _write(_report(error, command))


def versions() -> dict[str, str]:
    """Return the versions of the program and of what it stands on."""
    from importlib import metadata

    found = {"issuetrack": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def reports_folder() -> Path:
    """Return where reports are kept."""
    from issuetrack.engine.settings import state_directory

    return state_directory(os.environ) / FOLDER


def kept_reports() -> list[Path]:
    """Return the reports there are, the oldest first."""
    return sorted(reports_folder().glob("crash-*.json"))


def _report(error: BaseException, command: str) -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(),
        "versions": versions(),
        "platform": platform.platform(),
        "command": command,
        "exceptions": [_exception(one) for one in _chain(error)],
    }


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return an error and what caused it, in this order."""
    found: list[BaseException] = []
    while error is not None and len(found) < CAUSES:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _exception(error: BaseException) -> dict[str, Any]:
    from issuetrack.engine.logs_setup import frames_of, told

    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": told(error),
        "frames": [vars(frame) for frame in frames_of(error.__traceback__)],
    }


def _write(report: dict[str, Any]) -> Path:
    from issuetrack.engine.logs_setup import PRIVATE_FILE, private_folder
    from issuetrack.engine.redaction import redact_value

    folder = reports_folder()
    private_folder(folder.parent)
    private_folder(folder)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = folder / f"crash-{moment}-{os.getpid()}.json"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, PRIVATE_FILE), "w") as file:
        json.dump(redact_value(report), file, indent=1)
    for old in kept_reports()[:-KEPT]:
        old.unlink(missing_ok=True)
    return path
