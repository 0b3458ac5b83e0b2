"""What one invocation of the program knows: options, environment, open workspace."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.output import OutputFormat, Result, render
from issuetrack.engine.errors import InputNeeded, ModelError, UsageError

if TYPE_CHECKING:
    from issuetrack.engine.store.unlock import Unlock
    from issuetrack.engine.workspace import Workspace


@dataclass
class Invocation:
    """The options that every command takes, and what they lead to."""

    command: str = ""
    db: Path | None = None
    key_file: Path | None = None
    user: str | None = None
    output: OutputFormat | None = None
    no_input: bool = False
    verbose: bool = False
    debug: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def format(self) -> OutputFormat:
        """Return the form of output: option, ISSUETRACK_OUTPUT, config.toml, table.

        Raises:
            UsageError: the environment or the file names a form that there is not.
        """
        from issuetrack.engine.settings import preferences

        if self.output is not None:
            return self.output
        said = os.environ.get("ISSUETRACK_OUTPUT")
        named = said or preferences(os.environ).output
        if not named:
            return OutputFormat.TABLE
        try:
            return OutputFormat(named)
        except ValueError as error:
            where = "ISSUETRACK_OUTPUT=" if said else "output in config.toml, "
            raise UsageError(
                f"{where}{named} is not a form of output",
                f"use one of: {', '.join(OutputFormat)}",
            ) from error

    @property
    def database(self) -> Path:
        """Return the path of the database to use."""
        from issuetrack.engine.settings import database_path

        return database_path(self.db, os.environ)

    @property
    def interactive(self) -> bool:
        """Tell whether somebody can be asked."""
        return not self.no_input and sys.stdin.isatty()

    def ask(self, prompt: str, option: str, *, hide: bool = False) -> str:
        """Ask a person.

        Raises:
            InputNeeded: nobody can be asked; names the option to use instead.
        """
        if not self.interactive:
            raise InputNeeded(f"{prompt.lower()} is needed", f"use {option}")
        return str(typer.prompt(prompt, hide_input=hide, err=True))

    @contextmanager
    def workspace(self, *, model_soon: bool = False) -> "Iterator[Workspace]":
        """Open the workspace, and close it at the end.

        Args:
            model_soon: load the embedding model meanwhile; it will be needed.

        Raises:
            NotFoundError: there is none.
            AuthenticationError: it does not open.
        """
        from issuetrack.engine.settings import data_directory, preferences

        prefers, model = preferences(os.environ), None
        if model_soon and prefers.embedding_model is None:
            from issuetrack.engine.inference.llama import LlamaEmbedder

            model = LlamaEmbedder()
            model.load_soon()
        from issuetrack.engine.inference.choice import InstalledModels
        from issuetrack.engine.workspace import Workspace

        choice = InstalledModels(prefers, data_directory(os.environ))
        opened = Workspace.open(self.database, self.unlock(), model, choice=choice)
        try:
            yield opened
        finally:
            opened.close()

    def unlock(self, *, cached: bool = True) -> "Unlock":
        """Return what options, environment and person offer to open a workspace.

        Args:
            cached: also what `login` keeps.
        """
        from issuetrack.engine.store.login_cache import LoginCache
        from issuetrack.engine.store.unlock import Unlock

        return Unlock.from_environment(
            os.environ,
            self.key_file,
            self._passphrase_asker(),
            self.user,
            LoginCache() if cached else None,
        )

    def _passphrase_asker(self) -> Callable[[], str] | None:
        if not self.interactive:
            return None
        return lambda: self.ask("Passphrase", "ISSUETRACK_PASSPHRASE_FILE", hide=True)

    def index_one(self, workspace: "Workspace", number: int) -> None:
        """Make one issue findable now; a missing model is only a warning."""
        try:
            workspace.drain_index(only=number)
        except ModelError as error:
            self.warn(f"#{number} is kept but cannot be found yet: {error.message}")

    def warn(self, message: str) -> None:
        """Note what went less than well, for the person and for the envelope."""
        self.warnings.append(message)
        diagnostics.warn(message)

    def show(self, result: Result) -> None:
        """Write a result in the form that was asked for."""
        merged = replace(result, warnings=[*result.warnings, *self.warnings])
        render(merged, self.command, self.format)


def text_argument(value: str) -> str:
    """Return a text given on the command line; `-` reads it from stdin."""
    if value != "-":
        return value
    data = sys.stdin.buffer.read()
    return data.decode("utf-8", "replace")


def edited(text: str, option: str = "--body") -> str:
    """Let a person change a text in VISUAL or EDITOR.

    Args:
        text: what there is.
        option: what gives the text without an editor.

    Raises:
        UsageError: the editor cannot be run, or fails.
    """
    import shlex
    import subprocess
    import tempfile

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="issuetrack-") as folder:
        path = Path(folder) / "issue.md"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(path)], check=True)  # noqa: S603
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise UsageError(
                f"the editor {editor!r} failed; nothing was changed",
                f"set EDITOR, or give the text with {option}",
            ) from error
        return path.read_text(encoding="utf-8", errors="replace")
