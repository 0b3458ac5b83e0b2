"""`doctor`: checks that everything is as it should be, and says what to do."""

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack import __version__
from issuetrack.cli.context import Invocation
from issuetrack.cli.diagnostics import exit_code
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.engine.errors import IssueTrackError
from issuetrack.terminal_safety import clean_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from issuetrack.engine.workspace import Workspace

LIBRARIES = ("sqlmodel", "sqlalchemy", "cryptography", "xllamacpp", "numpy", "typer")
COLUMNS = ("check", "ok", "detail", "remedy")

BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", help="Pack versions, log and reports into this zip file."),
]
EgressOption = Annotated[
    bool,
    typer.Option("--egress", help="List every host that was contacted, and why."),
]
EGRESS = ("host", "port", "purpose", "outcome", "first", "last", "count")


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

    @command(
        app,
        "doctor",
        needs="verify",
        examples="issuetrack doctor\nissuetrack doctor --bundle support.zip\n"
        "issuetrack doctor --egress",
    )
    def doctor(
        run: Invocation, bundle: BundleOption = None, egress: EgressOption = False
    ) -> None:
        """Check libraries, models, key, schema, file, audit chain and index."""
        if egress:
            _show_egress(run)
            return
        if bundle is not None:
            _bundle(run, bundle)
            return
        checks = [*_machine_checks(), *_workspace_checks(run)]
        run.show(Result(_rows(checks), COLUMNS))
        failed = [check for check in checks if not check.ok]
        if failed:
            raise typer.Exit(exit_code(failed[0].code or ""))


def _show_egress(run: Invocation) -> None:
    from issuetrack.engine.egress import FILE, Ledger
    from issuetrack.engine.settings import state_directory

    entries = Ledger(state_directory(os.environ) / FILE).entries()
    rows = [{name: getattr(entry, name) for name in EGRESS} for entry in entries]
    run.show(Result(rows, EGRESS, fields=EGRESS))


def _rows(checks: Iterable[Check]) -> list[dict[str, Any]]:
    return [{name: vars(check)[name] for name in COLUMNS} for check in checks]


def _bundle(run: Invocation, path: Path) -> None:
    """Pack what helps to find a fault; that something is wrong is no failure here."""
    from issuetrack.cli.bundle import write_bundle

    checks = list(_machine_checks())
    try:
        checks += _workspace_checks(run)
    except Exception as error:  # noqa: BLE001 - what is broken is why one asks for help
        checks.append(Check("workspace", False, type(error).__name__, None, "failure"))
    members = write_bundle(path, run, _rows(checks))
    run.show(
        Result(
            {"path": str(path), "members": members},
            ("path", "members"),
            table=lambda: _told_bundle(path, members),
        )
    )


def _told_bundle(path: Path, members: Sequence[str]) -> "RenderableType":
    from rich.text import Text

    return Text(clean_line(f"{path}: {', '.join(members)}"))


def _tried(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except IssueTrackError as error:
        return Check(name, False, error.message, error.hint, error.code)


def _machine_checks() -> Iterator[Check]:
    yield Check("program", True, f"{__version__}, Python {platform.python_version()}")
    yield _tried("libraries", _libraries)
    yield _tried("model", _model)
    yield from _installed_models()


def _libraries() -> str:
    from importlib import metadata

    from issuetrack.engine.store.sqlcipher import check_library, library_versions

    check_library()
    versions = library_versions()
    versions |= {name: metadata.version(name) for name in LIBRARIES}
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _model() -> str:
    from issuetrack.engine.inference.llama import LlamaEmbedder

    model = LlamaEmbedder()
    model.embed(["a sentence"])
    return f"{model.fingerprint}, answers"


def _installed_models() -> Iterator[Check]:
    """Look at the files of the models; one that is chosen and missing is a failure."""
    from issuetrack.engine.inference.library import ModelLibrary
    from issuetrack.engine.inference.registry import chosen_chat_model
    from issuetrack.engine.settings import data_directory, preferences

    data = data_directory(os.environ)

    def chosen() -> str:
        model = chosen_chat_model(preferences(os.environ), data)
        return "none: suggestions do without" if model is None else model.name

    yield _tried("chat model", chosen)
    library = ModelLibrary(data, os.environ)
    try:
        installed = library.manifest.models()
    except IssueTrackError as error:
        yield Check("models", False, error.message, error.hint, error.code)
        return
    for model in installed:
        found = library.usable(model)
        if found is None:
            detail = f"{model.provider}, {model.url or 'its file is sound'}"
            yield Check(f"model {model.name}", True, detail)
        else:
            yield Check(
                f"model {model.name}", False, found.message, found.hint, found.code
            )


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
    detail = f"{status.indexed} of {status.issues} issues, {status.chunks} chunks"
    if status.documents:
        detail = f"{status.documents} documents, {detail}"
    remedy = "issuetrack index update" if waiting else None
    yield Check("index", not waiting, f"{detail}, {waiting} waiting", remedy)
