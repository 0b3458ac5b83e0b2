"""`doctor`: checks that everything is as it should be, and says what to do."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from issuetrack import __version__
from issuetrack.cli.context import Invocation
from issuetrack.cli.diagnostics import exit_code
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.engine.errors import IssueTrackError

if TYPE_CHECKING:
    from issuetrack.engine.workspace import Workspace

LIBRARIES = ("sqlmodel", "sqlalchemy", "cryptography", "xllamacpp", "numpy", "typer")
COLUMNS = ("check", "ok", "detail", "remedy")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    check: str
    ok: bool
    detail: str
    remedy: str | None = None
    code: str | None = None


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app, "doctor", examples="issuetrack doctor\nissuetrack doctor -o json")
    def doctor(run: Invocation) -> None:
        """Check libraries, model, key, schema, file, audit chain and index."""
        checks = [*_machine_checks(), *_workspace_checks(run)]
        rows = [asdict(check) for check in checks]
        for row in rows:
            del row["code"]
        run.show(Result(rows, COLUMNS))
        failed = [check for check in checks if not check.ok]
        if failed:
            raise typer.Exit(exit_code(failed[0].code or ""))


def _tried(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except IssueTrackError as error:
        return Check(name, False, error.message, error.hint, error.code)


def _machine_checks() -> Iterator[Check]:
    yield Check("program", True, f"{__version__}, Python {platform.python_version()}")
    yield _tried("libraries", _libraries)
    yield _tried("model", _model)


def _libraries() -> str:
    from importlib import metadata

    from issuetrack.engine.store.database import check_library, library_versions

    check_library()
    versions = library_versions()
    versions |= {name: metadata.version(name) for name in LIBRARIES}
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _model() -> str:
    from issuetrack.engine.inference.llama import LlamaEmbedder

    model = LlamaEmbedder()
    model.embed(["a sentence"])
    return f"{model.fingerprint}, answers"


def _workspace_checks(run: Invocation) -> Iterator[Check]:
    try:
        with run.workspace() as workspace:
            yield Check("key", True, f"opens as {workspace.actor.name}")
            schema = workspace.schema_version()
            yield Check("schema", True, f"{schema}, {workspace.path}")
            yield _integrity(workspace)
            yield _audit(workspace)
            yield from _index(workspace)
    except IssueTrackError as error:
        yield Check("workspace", False, error.message, error.hint, error.code)


def _integrity(workspace: "Workspace") -> Check:
    problems = workspace.integrity_problems()
    if not problems:
        return Check("file", True, "sound")
    return Check("file", False, problems[0], "restore the last backup")


def _audit(workspace: "Workspace") -> Check:
    found = workspace.verify_audit()
    if found.broken_at is None:
        return Check("audit", True, f"{found.entries} entries, unbroken")
    detail = f"entry {found.broken_at}: {found.reason}"
    return Check("audit", False, detail, "restore the last backup, and ask who had it")


def _index(workspace: "Workspace") -> Iterator[Check]:
    status = workspace.index_status()
    if not status.model_matches:
        yield Check(
            "index",
            False,
            "another model made it",
            "issuetrack index rebuild",
            "model_unavailable",
        )
        return
    waiting = status.queued
    detail: Any = f"{status.indexed} of {status.issues} issues, {status.chunks} chunks"
    remedy = "issuetrack index update" if waiting else None
    yield Check("index", not waiting, f"{detail}, {waiting} waiting", remedy)
