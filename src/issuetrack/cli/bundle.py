"""The support bundle of `doctor`: what helps to find a fault, without any secret."""

import io
import json
import os
import platform
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from issuetrack.cli.context import Invocation
from issuetrack.cli.crashes import kept_reports, versions
from issuetrack.engine.errors import UsageError

LOG_LINES = 500


def write_bundle(
    path: Path, run: Invocation, checks: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Pack a support bundle and return the names of its members.

    Args:
        path: the zip file to make.
        run: the invocation, which knows where things are.
        checks: the rows of the doctor.

    Raises:
        UsageError: there is a file of this name already.
        OSError: it cannot be written.
    """
    from issuetrack.engine.logs_setup import PRIVATE_FILE
    from issuetrack.engine.redaction import redact

    members = {name: redact(_homeless(text)) for name, text in _members(run, checks)}
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    packed = _packed(members)
    try:
        target = os.open(path, flags, PRIVATE_FILE)
    except FileExistsError as error:
        raise UsageError(f"{path} exists already", "name another file") from error
    try:
        with os.fdopen(target, "wb") as file:
            file.write(packed)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return list(members)


def _packed(members: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text.encode("utf-8", "backslashreplace"))
    return buffer.getvalue()


def _homeless(text: str) -> str:
    """Return a text without the name of the person's home folder."""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def _members(
    run: Invocation, checks: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    from issuetrack.engine.logs_setup import last_lines
    from issuetrack.engine.redaction import redact_value
    from issuetrack.engine.settings import state_directory

    state = state_directory(os.environ)
    told = {
        "versions.json": {**versions(), "platform": platform.platform()},
        "settings.json": _settings(run, state),
        "doctor.json": list(checks),
    }
    members = [
        (name, json.dumps(redact_value(v), indent=1)) for name, v in told.items()
    ]
    members.append(("log.jsonl", "\n".join(last_lines(state, LOG_LINES)) + "\n"))
    for report in kept_reports():
        text = report.read_text(encoding="utf-8", errors="replace")
        members.append((f"reports/{report.name}", text))
    return members


def _settings(run: Invocation, state: Path) -> dict[str, Any]:
    """Return paths, and the names of our variables that are set: never a value."""
    return {
        "database": str(run.database),
        "state": str(state),
        "key_file_given": run.key_file is not None,
        "environment": sorted(n for n in os.environ if n.startswith("ISSUETRACK_")),
    }
