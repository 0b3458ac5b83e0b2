"""Every command in every role: who is refused, and that nothing is left of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import LOCAL_FIX, LOCAL_TITLE, PAST, Cli, write_jsonl
from cli.test_documentation import commands
from conftest import Team, copy_files, key_of, secret_of
from connectors.github_server import TOKEN, FakeGitHub, running
from engine.inference.tiny_models import INSTALLED, install
from issuetrack.cli import demo
from issuetrack.connectors import registry
from issuetrack.connectors.files.pages import PageReader
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.connectors.github.tracker import TRACKER
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.identity.policy import LEAST_ROLE, Permission
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.types import Priority, Role
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.connector import SourceSettings
from issuetrack.engine.sync.credentials import CredentialFrom, CredentialSource
from issuetrack.engine.sync.runs import Wish
from issuetrack.engine.workspace import Workspace

# FAULTS 34
ACTORS = {
    Role.NONE: "exporter",
    Role.VIEWER: "viewer",
    Role.ENGINEER: "engineer",
    Role.ADMIN: "owner",
}
NEEDS: dict[str, str | None] = {
    name: getattr(command.callback, "needs", "nothing that was declared")
    for name, command in commands()
}
ROOT = ("--option", "api-path=/")
SAMPLES: dict[str, tuple[str, ...]] = {
    "init": ("--db", "{new}/new.db", "--env-key"),
    "demo": (),
    "triage": (),
    "resolve": ("3", LOCAL_FIX),
    "import": ("{more}", "--no-index"),
    "export": ("--to", "{new}/all.jsonl"),
    "search": ("certificate",),
    "similar": ("4",),
    "suggest": ("4",),
    "recommendation list": (),
    "recommendation show": ("R1",),
    "recommendation replay": ("R1",),
    "rate": ("R1", "4"),
    "outcome": ("R1", "partly"),
    "feedback list": (),
    "config list": (),
    "config get": ("sop.draft_on_resolve",),
    "config set": ("sop.draft_on_resolve", "on"),
    "config unset": ("sop.draft_on_resolve",),
    "config path": (),
    "whoami": (),
    "login": (),
    "logout": (),
    "doctor": (),
    "issue list": (),
    "issue show": ("1",),
    "issue new": (LOCAL_TITLE,),
    "issue link": ("3", "--duplicate-of", "1"),
    "issue unlink": ("4",),
    "issue recurring": (),
    "issue edit": ("3", "--priority", "P2"),
    "issue comment": ("3", "Looked at it."),
    "issue assign": ("3", "oncall"),
    "issue start": ("3",),
    "issue close": ("3",),
    "issue reopen": ("1",),
    "issue resolve": ("3", LOCAL_FIX),
    "resolution list": (),
    "resolution show": ("OPS-2",),
    "resolution review": (),
    "resolution confirm": ("OPS-2",),
    "resolution edit": ("OPS-2", "--text", LOCAL_FIX),
    "resolution reject": ("OPS-2",),
    "models list": (),
    "models info": (INSTALLED,),
    "models test": (),
    "models pull": (INSTALLED,),
    "models add": ("box", "--url", "http://127.0.0.1:9/v1"),
    "models use": ("none",),
    "models remove": (INSTALLED,),
    "sop list": (),
    "sop show": ("S1",),
    "sop history": ("S1",),
    "sop diff": ("S1",),
    "sop search": ("disk full",),
    "sop stats": (),
    "sop draft": ("1", "--no-llm"),
    "sop new": ("Disk full",),
    "sop edit": ("S2", "--title", "Disk full on any worker"),
    "sop submit": ("S2",),
    "sop approve": ("S1",),
    "sop reject": ("S1", "--note", "Step 2 is missing."),
    "sop deprecate": ("S2",),
    "sop import": ("{page}", "--no-index"),
    "sop export": ("S1",),
    "document list": (),
    "document show": ("D1",),
    "document remove": ("D1",),
    "issue revert": ("acme/shop#1", "--field", "priority"),
    "source add": ("github", "--repo", "acme/shop", "--base-url", "{tracker}", *ROOT),
    "source list": (),
    "source show": ("tracker",),
    "source test": ("tracker",),
    "source edit": ("tracker", "--map", "priority:sev1=P1"),
    "source pause": ("tracker",),
    "source resume": ("tracker",),
    "source remove": ("tracker", "--yes"),
    "source status": (),
    "source log": (),
    "sync": ("tracker", "--no-index"),
    "push": ("acme/shop#1", "--comment", "Looked at it.", "--yes"),
    "backtest": (),
    "index status": (),
    "index update": (),
    "index adapt": (),
    "index rebuild": (),
    "eval duplicates": ("{issues}", "{pairs}"),
    "user list": (),
    "user show": ("viewer",),
    "user add": ("newcomer", "--new-key-file", "{new}/new.key"),
    "user role": ("second", "viewer"),
    "user disable": ("second",),
    "user enable": ("away",),
    "user remove": ("second", "--yes"),
    "user passwd": ("--new-passphrase-file", "{words}"),
    "key status": (),
    "key rotate": (),
    "key rekey": (),
    "key add-slot": ("--new-key-file", "{new}/own.key"),
    "key remove-slot": ("{slot}",),
    "key recover": ("second", "--new-key-file", "{new}/second.key"),
    "key export-recovery": (),
    "audit log": (),
    "audit verify": (),
    "audit export": ("--to", "{new}/trail.jsonl"),
    "db backup": ("--to", "{new}/backups"),
    "db restore": ("{backup}", "--yes"),
    "db check": (),
    "db compact": (),
    "help permissions": (),
}
NOT_OPENED = ("db restore",)
ON_TERMINAL = ("triage",)


@dataclass(frozen=True)
class Template:
    """A closed workspace with a principal of each role, issues and a suggestion.

    Attributes:
        rows: every row of every table but the audit trail.
        slots: a slot that may be removed, by the name of its owner.
        files: what the samples name.
    """

    path: Path
    recovery_key: str
    rows: Mapping[str, Any]
    audited: int
    slots: Mapping[str, str]
    files: Mapping[str, str]


def opened(path: Path, embedder: LlamaEmbedder) -> Workspace:
    """Open a workspace as its owner."""
    return Workspace.open(path, Unlock(environment_key=key_of("owner")), embedder)


def rows_of(workspace: Workspace) -> dict[str, Any]:
    """Return every row of every table but the audit trail."""
    with workspace._database.read() as uow:
        found = uow.sql("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            name: uow.sql(f"SELECT * FROM [{name}]")
            for (name,) in found
            if name != "audit_entry" and not name.startswith("sqlite_")
        }


@pytest.fixture(scope="session")
def tracker() -> Iterator[str]:
    """Return the url of a GitHub with one issue."""
    github = FakeGitHub()
    github.repo()
    github.add_issue("Badge readers are slow")
    with running(github) as server:
        yield server.url


def connected(workspace: Workspace, url: str) -> None:
    """Add the tracker as a source, read it, and edit its issue."""
    actor = workspace.actor
    options = {"repo": "acme/shop", "api-path": "/"}
    settings = TRACKER.settle(SourceSettings("tracker", "github", url, None, options))
    token = CredentialSource(CredentialFrom.STORED, TOKEN)
    workspace.sources.add(actor, settings, "acme/shop", token, write_back=True)
    workspace.sync.run(actor, "tracker", registry.connect, Wish(), environment={})
    workspace.issues.edit(actor, "acme/shop#1", {"priority": Priority.P4})


def proposed(path: Path, embedder: LlamaEmbedder) -> None:
    """Have `second` write a procedure that is in review, and one that is a draft."""
    unlock = Unlock(environment_key=key_of("second"))
    workspace = Workspace.open(path, unlock, embedder)
    for title in ("Badge reader is dead", "Disk full on a worker"):
        workspace.sops.create(workspace.actor, Procedure(title, steps="1. Restart."))
    workspace.sops.submit(workspace.actor, "S1")
    workspace.close()


@pytest.fixture(scope="session")
def template(
    tmp_path_factory: pytest.TempPathFactory,
    team_template: Team,
    embedder: LlamaEmbedder,
    tracker: str,
) -> Template:
    """Return what every case starts with a copy of."""
    folder = tmp_path_factory.mktemp("roles")
    path = copy_files(team_template.path, folder / "roles.db")
    past = write_jsonl(folder / "past.jsonl", *PAST)
    slots = {}
    proposed(path, embedder)
    workspace = opened(path, embedder)
    try:
        actor = workspace.actor
        reader = FileReader(past, FileFormat.JSONL, {})
        workspace.imports.run(actor, "past", "jsonl", reader.items())
        page = folder / "page.md"
        page.write_text("# Badge readers\n\n## Fix\n\n1. Restart the controller.\n")
        workspace.document_imports.run(actor, "wiki", "pages", PageReader(page))
        connected(workspace, tracker)
        workspace.drain_index()
        workspace.suggestions.suggest(actor, Question("too many clients already"))
        workspace.accounts.add(actor, "away", Role.VIEWER, lambda _: secret_of("away"))
        workspace.accounts.disable(actor, "away")
        backup = workspace.maintenance.backup(actor, folder / "backups").backup
    finally:
        workspace.close()
    for name in ACTORS.values():
        unlock = Unlock(environment_key=key_of(name))
        workspace = Workspace.open(path, unlock, embedder)
        if workspace.actor.role is not Role.NONE:
            second = secret_of(f"{name}, the second")
            workspace.keys.add_slot(workspace.actor, lambda _, key=second: key)  # type: ignore[misc]
        workspace.close()
    file = KeyFile.load(key_file_path(path))
    for principal in file.principals():
        slots[principal.name] = str(file.slots(principal.uuid)[-1]["id"])
    (folder / "words").write_text("four unrelated words\n")
    alike = ({"key": "A", "title": "disk full"}, {"key": "B", "title": "disk is full"})
    pair = {"a": "A", "b": "B"}
    files = {
        "tracker": tracker,
        "backup": str(backup),
        "issues": str(write_jsonl(folder / "alike.jsonl", *alike)),
        "pairs": str(write_jsonl(folder / "pairs.jsonl", pair)),
        "more": str(write_jsonl(folder / "more.jsonl", {"key": "N-1", "title": "n"})),
        "words": str(folder / "words"),
        "page": str(page),
    }
    workspace = opened(path, embedder)
    rows, audited = rows_of(workspace), workspace.verify_audit().entries
    workspace.close()
    return Template(path, team_template.recovery_key, rows, audited, slots, files)


def content(path: Path) -> dict[str, bytes]:
    """Return the files of a workspace that say something about it."""
    return {
        file.name: file.read_bytes()
        for file in path.parent.iterdir()
        if file.is_file() and not file.name.endswith((".lock", "-wal", "-shm"))
    }


@pytest.mark.parametrize("name", list(NEEDS))
def test_every_command_declares_what_it_needs(name: str) -> None:
    """`needs` of each command is a permission, or None; each has a sample here."""
    needs = NEEDS[name]
    assert needs is None or needs in set(Permission), f"{name}: {needs!r}"
    assert name in SAMPLES, f"{name} has no sample arguments in this test"


def test_samples_are_of_commands_that_exist() -> None:
    """No sample is left over, and the walk sees the commands."""
    assert set(SAMPLES) == set(NEEDS)
    assert len({needs for needs in NEEDS.values() if needs}) == len(Permission)


def every_command_in_every_role() -> Iterator[Any]:
    """Yield all cases; all but the least role that may and the one below are slow."""
    for name, needs in NEEDS.items():
        permission = next((each for each in Permission if each == needs), None)
        least = LEAST_ROLE[permission] if permission else Role.NONE
        for role in Role:
            near = role.rank in (least.rank, least.rank - 1)
            marks = [] if near else [pytest.mark.slow]
            yield pytest.param(name, role, id=f"{name}-{role}", marks=marks)


@pytest.mark.parametrize(("name", "role"), every_command_in_every_role())
def test_role_decides(
    bare_cli: Cli,
    template: Template,
    embedder: LlamaEmbedder,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    role: Role,
) -> None:
    """A role that is too small exits 3 and leaves only a line in the audit trail."""
    # FAULTS 34
    new = tmp_path / "new"
    new.mkdir()
    path = copy_files(template.path, tmp_path / "test.db")
    monkeypatch.chdir(new)
    install(tmp_path / "data")
    monkeypatch.setenv("ISSUETRACK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(demo, "sample", lambda _: Path(template.files["more"]))
    monkeypatch.setenv("ISSUETRACK_KEY", key_of(ACTORS[role]))
    monkeypatch.setenv("ISSUETRACK_RECOVERY_KEY", template.recovery_key)
    named = {
        **template.files,
        "new": str(new),
        "slot": template.slots[ACTORS[role]],
    }
    before = content(path)
    arguments = [part.format(**named) for part in SAMPLES[name]]
    done = bare_cli(*name.split(), *arguments, "--no-input", code=None)
    if name in ON_TERMINAL:
        assert (done.code, content(path)) == (5, before)
        return
    needs = NEEDS[name]
    if needs is None or role.includes(LEAST_ROLE[Permission(needs)]):
        assert done.code == 0, done
        return
    assert done.code == 3, done
    assert list(new.iterdir()) == []
    if name in NOT_OPENED:
        assert content(path) == before
        return
    after = content(path)
    assert set(after) == set(before)
    assert after["test.db.keys"] == before["test.db.keys"]
    workspace = opened(path, embedder)
    try:
        assert rows_of(workspace) == template.rows
        entries = workspace.trail.entries(workspace.actor, AuditFilter(), 1000)
        assert workspace.verify_audit().broken_at is None
    finally:
        workspace.close()
    (entry,) = entries[: len(entries) - template.audited]
    assert (entry.action, entry.actor, entry.role) == (
        "access.denied",
        ACTORS[role],
        role,
    )
