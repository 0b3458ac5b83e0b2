"""Backup, restore, checks and compaction of real workspaces."""

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Team
from issuetrack.engine.errors import (
    IssueTrackError,
    NotFoundError,
    PermissionDenied,
    StoreError,
    TamperedError,
    UsageError,
    WrongKeyError,
)
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.maintenance import MaintenanceService
from issuetrack.engine.store import backup as module
from issuetrack.engine.store.audit_head import HeadFile, head_file_path
from issuetrack.engine.store.backup import backups_of, database_in
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.file_guard import restored_path
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.types import CommentKind, Role
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace


class StopError(Exception):
    """What a test stops a restore with."""


def backed_up(team: Team) -> Path:
    """Return a backup in which there is one issue."""
    owner = team.open("owner")
    owner.issues.create(owner.actor, IssueDraft("one", body="in the backup"))
    return owner.maintenance.backup(owner.actor).backup


def restored(team: Team, source: Path, name: str = "owner") -> None:
    """Put a backup in the place of the workspace, as a member."""
    MaintenanceService.restore(source, team.path, team.unlock(name), team.clock)


def files_of(team: Team) -> dict[str, bytes]:
    """Return the files of the workspace, and whatever lies beside it."""
    return {
        path.name: path.read_bytes() if path.is_file() else b""
        for path in team.path.parent.iterdir()
        if path.name.startswith(team.path.name) and path.suffix != ".lock"
    }


def test_backup_is_a_workspace_of_its_own(team: Team) -> None:
    """It opens with everybody's keys, and its trail ends with the backup itself."""
    folder = backed_up(team)
    copied = Team(database_in(folder), team.clock, team.recovery_key)
    for name in ("owner", "viewer", "recovery"):
        workspace = copied.open(name)
        assert workspace.issues.get(workspace.actor, "1").body == "in the backup"
        assert workspace.verify_audit().broken_at is None
        assert workspace.integrity_problems() == []
    owner = copied.open("owner")
    (last,) = owner.trail.entries(owner.actor, AuditFilter(), 1)
    copied.close()

    assert last.action == "db.backup"
    assert last.after == {"to": str(folder.parent)}


def test_backup_is_three_private_files(team: Team) -> None:
    """Database, keys and head; no log, no lock, nothing half made beside it."""
    owner = team.open("owner")
    report = owner.maintenance.backup(owner.actor)
    files = list(report.backup.iterdir())

    assert report.backup.parent == team.path.parent / "backups"
    assert {p.name for p in files} == {"team.db", "team.db.keys", "team.db.head"}
    assert {stat.S_IMODE(p.stat().st_mode) for p in files} == {0o600}
    assert stat.S_IMODE(report.backup.stat().st_mode) == 0o700
    assert report.bytes == sum(p.stat().st_size for p in files)
    assert list(report.backup.parent.iterdir()) == [report.backup]
    assert report.removed == ()


def test_backup_is_of_one_moment(team: Team) -> None:
    """What others write meanwhile, keys included, is in none of its files."""
    owner, engineer = team.open("owner"), team.open("engineer")
    pages: list[tuple[int, int]] = []

    def meanwhile(at: int, of: int) -> None:
        pages.append((at, of))
        engineer.issues.create(engineer.actor, IssueDraft("meanwhile"))
        second = team.open("second")
        second.accounts.disable(second.actor, "viewer")

    report = owner.maintenance.backup(owner.actor, progress=meanwhile)
    copied = Team(database_in(report.backup), team.clock)
    viewer = copied.open("viewer")
    assert viewer.issues.matching(viewer.actor)[1] == 0
    assert viewer.verify_audit().broken_at is None
    copied.close()

    assert pages
    assert pages[-1][0] == pages[-1][1]
    assert owner.issues.matching(owner.actor)[1] == 1


def test_only_the_newest_backups_are_kept(team: Team) -> None:
    """Older ones of the same workspace go; what else lies there does not."""
    owner = team.open("owner")
    folder = team.path.parent / "kept [here]"
    (folder / "team.db-not a backup-Z").mkdir(parents=True)
    (folder / "other.db-20200101T000000000000Z").mkdir()
    (folder / "other.db-20200101T000000000000Z" / "other.db").touch()
    made = [owner.maintenance.backup(owner.actor, folder).backup for _ in range(3)]
    report = owner.maintenance.backup(owner.actor, folder, keep=2)

    assert report.removed == tuple(made[:2])
    assert backups_of("team.db", folder) == [made[2], report.backup]
    assert len(list(folder.iterdir())) == 4
    for keep in (0, -1):
        with pytest.raises(UsageError, match="would keep none"):
            owner.maintenance.backup(owner.actor, folder, keep=keep)


def test_name_of_a_database_is_no_pattern(team: Team) -> None:
    """Brackets in a name stand for themselves."""
    folder = team.path.parent
    for name in ("[ab].db", "a.db"):
        made = folder / f"{name}-20200101T000000000000Z"
        made.mkdir()
        (made / name).touch()

    assert [p.name[:2] for p in backups_of("[ab].db", folder)] == ["[a"]


def test_backup_that_cannot_be_made_leaves_nothing(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that cannot be written to, or a copy that is not sound, is told."""
    owner = team.open("owner")
    (team.path.parent / "file").touch()
    with pytest.raises(StoreError, match="cannot write to"):
        owner.maintenance.backup(owner.actor, team.path.parent / "file" / "folder")
    folder = team.path.parent / "backups"
    monkeypatch.setattr(Database, "integrity_problems", lambda _: ["page 7"])
    with pytest.raises(StoreError, match="not sound: page 7"):
        owner.maintenance.backup(owner.actor)

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["viewer", "exporter"])
def test_backup_and_compaction_take_an_engineer(team: Team, name: str) -> None:
    """A viewer checks; who may not even read does not."""
    lower = team.open(name)
    with pytest.raises(PermissionDenied):
        lower.maintenance.backup(lower.actor)
    with pytest.raises(PermissionDenied):
        lower.maintenance.compact(lower.actor)
    if name == "exporter":
        with pytest.raises(PermissionDenied):
            lower.maintenance.check(lower.actor)
    else:
        assert all(f.ok for f in lower.maintenance.check(lower.actor))
    assert not (team.path.parent / "backups").exists()


def test_restored_backup_is_the_workspace(team: Team) -> None:
    """What came after it is gone from there, kept beside, and told in the trail."""
    folder = backed_up(team)
    owner = team.open("owner")
    owner.issues.create(owner.actor, IssueDraft("two", body="after the backup"))
    owner.accounts.disable(owner.actor, "viewer")
    last = owner.verify_audit().entries
    team.close()
    restored(team, folder)
    owner = team.open("owner")
    (entry,) = owner.trail.entries(owner.actor, AuditFilter(action="db.restore"))

    assert owner.issues.matching(owner.actor)[1] == 1
    assert owner.verify_audit().broken_at is None
    assert (entry.before, entry.after) == (
        {"audit entries": last},
        {"from": str(folder)},
    )
    assert team.open("viewer").actor.role is Role.VIEWER
    aside = team.path.with_name("team.db.before-restore-1")
    kept = Team(aside / "team.db", team.clock)
    before = kept.open("owner")
    assert before.issues.get(before.actor, "2").body == "after the backup"
    assert before.verify_audit().broken_at is None
    kept.close()
    team.close()
    restored(team, folder)
    assert team.path.with_name("team.db.before-restore-2").is_dir()
    assert {p.name for p in folder.iterdir()} == {
        *("team.db", "team.db.keys", "team.db.head")
    }


def test_backup_is_restored_where_nothing_is(team: Team) -> None:
    """On a new machine there is nothing to keep, and nothing is left beside."""
    folder = backed_up(team)
    team.close()
    target = team.path.with_name("new") / "machine.db"
    source = folder.with_name("renamed")
    folder.rename(source)
    for path in list(source.iterdir()):
        path.rename(path.with_name(path.name.replace("team", "machine")))
    MaintenanceService.restore(source, target, team.unlock("owner"), team.clock)
    moved = Team(target, team.clock)
    owner = moved.open("owner")
    assert owner.issues.get(owner.actor, "1").body == "in the backup"
    assert owner.verify_audit().broken_at is None
    moved.close()

    names = {p.name for p in target.parent.iterdir()}
    assert names - {"machine.db.lock"} == {
        *("machine.db", "machine.db.keys", "machine.db.head")
    }


def test_backup_from_before_a_change_of_keys_is_restored(team: Team) -> None:
    """A backup has the keys of its own time with it."""
    folder = backed_up(team)
    owner = team.open("owner")
    owner.keys.rekey(owner.actor)
    owner.keys.rotate(owner.actor)
    team.close()
    restored(team, folder, "recovery")
    engineer = team.open("engineer")

    assert engineer.issues.get(engineer.actor, "1").body == "in the backup"
    assert team.path.read_bytes()[:16] == (folder / "team.db").read_bytes()[:16]


@pytest.mark.parametrize(
    ("unlock", "error"),
    [
        (lambda t: t.unlock("engineer"), PermissionDenied),
        (lambda t: t.unlock("exporter"), PermissionDenied),
        (lambda _: Unlock(environment_key="f" * 32), WrongKeyError),
        (lambda _: Unlock(), IssueTrackError),
    ],
    ids=["engineer", "service", "wrong key", "no key"],
)
def test_restore_takes_an_admin_of_the_backup(
    team: Team, unlock: Callable[[Team], Unlock], error: type[Exception]
) -> None:
    """Nobody else puts an old state in the place of the present one."""
    folder = backed_up(team)
    team.close()
    before = files_of(team)
    with pytest.raises(error):
        MaintenanceService.restore(folder, team.path, unlock(team), team.clock)

    assert files_of(team) == before


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def _edit(folder: Path, statement: str) -> None:
    unlock = Unlock(environment_key="the key of owner in the environment")
    workspace = Workspace.open(folder / "team.db", unlock)
    with workspace._database.write() as uow:
        uow.sql(statement)
    workspace.close()


def _old_keys(folder: Path) -> None:
    path = key_file_path(folder / "team.db")
    file = KeyFile.load(path)
    file.copy(revision=file.revision + 1).save(path)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda f: _flip(f / "team.db", 9000), id="page"),
        pytest.param(lambda f: _flip(f / "team.db.keys", 900), id="keys"),
        pytest.param(lambda f: (f / "team.db.head").unlink(), id="no head"),
        pytest.param(
            lambda f: HeadFile(f / "team.db").put(99, bytes(32)), id="another head"
        ),
        pytest.param(_old_keys, id="newer keys"),
        pytest.param(
            lambda f: _edit(f, "UPDATE issue SET uuid = 'another'"), id="value"
        ),
        pytest.param(
            lambda f: _edit(f, "DELETE FROM audit_entry WHERE sequence = 6"),
            id="audit",
        ),
    ],
)
def test_damaged_backup_is_not_restored(
    team: Team, damage: Callable[[Path], object]
) -> None:
    """It is looked through before anything is touched."""
    folder = backed_up(team)
    team.close()
    damage(folder)
    before = files_of(team)
    with pytest.raises(IssueTrackError):
        restored(team, folder)

    assert files_of(team) == before
    assert team.open("owner").verify_audit().broken_at is None


@pytest.mark.parametrize("make", ["nothing", "empty", "no keys", "no database", "two"])
def test_what_is_no_backup_is_told(team: Team, make: str) -> None:
    """A folder without exactly one database and its keys is none."""
    folder = team.path.parent / "folder"
    if make != "nothing":
        folder.mkdir()
    if make in ("no keys", "two"):
        (folder / "a.db").touch()
    if make in ("no database", "two"):
        (folder / "b.db.keys").touch()
    if make == "two":
        (folder / "a.db.keys").touch()
    with pytest.raises(NotFoundError, match="is not a backup"):
        restored(team, folder)


HOLDER = """
import sys
from pathlib import Path
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

workspace = Workspace.open(Path(sys.argv[1]), Unlock(environment_key=sys.argv[2]))
print(workspace.issues.matching(workspace.actor)[1], flush=True)
sys.stdin.read()
workspace.close()
"""


def test_workspace_in_use_is_not_replaced(team: Team) -> None:
    """A program that has it open would go on with a file that is gone."""
    folder = backed_up(team)
    team.close()
    before = files_of(team)
    key = team.unlock("viewer").environment_key or ""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HOLDER, str(team.path), key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        with pytest.raises(StoreError, match=r"has team\.db open"):
            restored(team, folder)
        holder.communicate(timeout=60)

    assert holder.returncode == 0
    assert files_of(team) == before
    restored(team, folder)


@pytest.mark.parametrize("step", range(4))
def test_restore_stopped_anywhere_is_finished_by_the_next(
    team: Team, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Once the copy is whole, keys, head and database are all exchanged, or none."""
    folder = backed_up(team)
    owner = team.open("owner")
    owner.issues.create(owner.actor, IssueDraft("two", body="after the backup"))
    owner.keys.rotate(owner.actor)
    team.close()
    real, calls = module._exchange, 0

    def stopping(*arguments: object) -> None:
        nonlocal calls
        if calls == step:
            raise StopError
        calls += 1
        real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(module, "_exchange", stopping)
        if step < 3:
            with pytest.raises(StopError):
                restored(team, folder)
        else:
            restored(team, folder)
    viewer = team.open("viewer")

    assert viewer.issues.matching(viewer.actor)[1] == 1
    assert viewer.verify_audit().broken_at is None
    assert sorted(p.name for p in team.path.parent.glob("team.db.*re*")) == [
        "team.db.before-restore-1"
    ]
    aside = team.path.with_name("team.db.before-restore-1")
    kept = Team(aside / "team.db", team.clock)
    before = kept.open("owner")
    assert before.issues.matching(before.actor)[1] == 2
    assert before.verify_audit().broken_at is None
    kept.close()


def test_restore_killed_while_it_copies_changes_nothing(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a copy is thrown away by the next restore, and hinders nobody."""
    folder = backed_up(team)
    team.close()
    before = files_of(team)
    left = team.path.with_name("team.db.restoring")
    left.mkdir()
    (left / "team.db").write_bytes(b"half a copy")
    assert team.open("owner").issues.matching(team.opened[0].actor)[1] == 1
    team.close()
    restored(team, folder)

    assert not left.exists()
    assert before.keys() <= files_of(team).keys()


def test_waiting_restore_is_not_written_over(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restored workspace that was not put in place yet comes first."""
    folder = backed_up(team)
    team.close()

    def killed(target: Path) -> None:
        if restored_path(target).exists():
            raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(module, "finish_restore", killed)
        with pytest.raises(StopError):
            restored(team, folder)
        with (
            pytest.raises(StoreError, match="is in the way"),
            module.staged(folder / "team.db", team.path),
        ):
            pytest.fail("there is one waiting")
    restored(team, folder)

    assert team.path.with_name("team.db.before-restore-2").is_dir()
    owner = team.open("owner")
    assert owner.verify_audit().broken_at is None


def test_sound_workspace_passes_every_check(
    team: Team, embedder: LlamaEmbedder
) -> None:
    """File, values, index and audit, each with what was looked at."""
    owner = team.open("owner")
    owner.model = embedder
    owner.issues.create(owner.actor, IssueDraft("one", body="a body"))
    owner.issues.comment(owner.actor, "1", "a note", CommentKind.WORK_NOTE)
    told: list[tuple[int, int]] = []
    found = owner.maintenance.check(owner.actor, lambda at, of: told.append((at, of)))
    entries = owner.verify_audit().entries

    assert [(f.check, f.ok, f.remedy) for f in found] == [
        ("file", True, None),
        ("values", True, None),
        ("index", True, None),
        ("audit", True, None),
    ]
    assert found[1].detail == f"{2 + entries} sealed values open"
    assert found[3].detail == f"{entries} entries, unbroken"
    assert told[-1] == (2 + entries, 2 + entries)
    viewer = team.open("viewer")
    seen = viewer.maintenance.check(viewer.actor)
    assert [f.ok for f in seen] == [True] * 4
    assert seen[1].detail == "1 sealed values open"


@pytest.mark.parametrize(
    ("check", "statement", "words"),
    [
        ("values", "UPDATE issue SET uuid = uuid || 'x'", "and 1 more"),
        ("index", "DELETE FROM index_queue", "2 issues neither indexed nor queued"),
        ("audit", "UPDATE audit_entry SET action = 'x' WHERE sequence = 3", "entry 3:"),
    ],
)
def test_each_check_finds_its_fault(
    team: Team, check: str, statement: str, words: str
) -> None:
    """The first fault is told, how many more there are, and what to do."""
    owner = team.open("owner")
    for number in range(2):
        owner.issues.create(owner.actor, IssueDraft(f"{number}", body="a body"))
    with owner._database.write() as uow:
        uow.sql(statement)
    found = {f.check: f for f in owner.maintenance.check(owner.actor)}

    assert {name for name, f in found.items() if not f.ok} == {check}
    assert words in found[check].detail
    assert "issuetrack" in (found[check].remedy or "")


def test_compaction_gives_room_back(team: Team) -> None:
    """What was deleted no longer takes room; others go on meanwhile."""
    engineer, viewer = team.open("engineer"), team.open("viewer")
    with engineer._database.write() as uow:
        for number in range(200):
            key = f"filler {number}"
            uow.set_setting(key, "x" * 10_000)
    with engineer._database.write() as uow:
        uow.sql("DELETE FROM setting WHERE key LIKE 'filler%'")
    engineer.integrity_problems()
    size = team.path.stat().st_size
    assert viewer.issues.matching(viewer.actor)[1] == 0
    report = engineer.maintenance.compact(engineer.actor)

    assert report.bytes_before == size > 2_000_000
    assert report.bytes_after == team.path.stat().st_size < 500_000
    assert viewer.issues.matching(viewer.actor)[1] == 0
    engineer.issues.create(engineer.actor, IssueDraft("one"))
    assert viewer.verify_audit().broken_at is None
    assert viewer.integrity_problems() == []


def test_damage_found_in_a_backup_is_named(team: Team) -> None:
    """Whoever tries to restore is told what is wrong, and that nothing changed."""
    folder = backed_up(team)
    team.close()
    head_file_path(folder / "team.db").unlink()
    with pytest.raises(TamperedError, match="the backup is damaged: audit") as raised:
        restored(team, folder)

    assert "nothing was changed" in (raised.value.hint or "")
