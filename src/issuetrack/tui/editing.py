"""Gives the terminal to an editor or a pager for a while; keeps what people wrote."""

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from issuetrack.engine.errors import UsageError
from issuetrack.engine.settings import state_directory

EDITORS = ("VISUAL", "EDITOR")
EDITOR, PAGER = "vi", "less -R"
KEPT = "kept"


@contextmanager
def handed_over(app: App[Any]) -> Iterator[None]:
    """Leave the terminal to another program; Ctrl+C is for that one.

    Raises:
        UsageError: this terminal cannot be left.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with nullcontext() if app.is_headless else app.suspend():
            yield
    except SuspendNotSupported as error:
        raise UsageError(
            "this terminal cannot be given to another program",
            "run issuetrack tui in a terminal of its own",
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)


def has_editor(environment: Mapping[str, str]) -> bool:
    """Tell whether the person has named an editor."""
    return any(environment.get(name) for name in EDITORS)


def edited(
    app: App[Any], environment: Mapping[str, str], text: str, name: str = "issue"
) -> str:
    """Let a person change a text in VISUAL, EDITOR or vi.

    Args:
        app: the application, which waits meanwhile.
        environment: the environment variables.
        text: what there is.
        name: what the file is called.

    Raises:
        UsageError: the editor cannot be run, or fails; says where the text is kept if
            something was written.
    """
    chosen = next((environment[n] for n in EDITORS if environment.get(n)), EDITOR)
    with tempfile.TemporaryDirectory(prefix="issuetrack-") as folder:
        path = Path(folder) / f"{name}.md"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        try:
            with handed_over(app):
                subprocess.run([*shlex.split(chosen), str(path)], check=True)  # noqa: S603
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            told = f"the editor {chosen!r} failed; nothing was changed"
            written = _text(path)
            if written != text:
                told += f"; your text is kept in {keep(environment, written, name)}"
            raise UsageError(told, "set EDITOR to an editor that is here") from error
        return _text(path)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def paged(app: App[Any], environment: Mapping[str, str], text: str) -> None:
    """Show a cleaned text in PAGER, or in less.

    Raises:
        UsageError: the pager cannot be run.
    """
    chosen = environment.get("PAGER") or PAGER
    try:
        with handed_over(app):
            subprocess.run(shlex.split(chosen), input=text.encode(), check=False)  # noqa: S603
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the pager {chosen!r} cannot be run", "set PAGER, as PAGER='less -R'"
        ) from error


def keep(environment: Mapping[str, str], text: str, name: str) -> Path:
    """Write a text into a new file that only its owner can read."""
    folder = state_directory(environment) / KEPT
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".md", dir=folder)
    with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return Path(path)
