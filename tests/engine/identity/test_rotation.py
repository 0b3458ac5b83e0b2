"""New keys for what is stored: every value under them, the old ones worth nothing."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2 as driver

from conftest import Clock, Team, copy_files
from issuetrack.connectors.files.pages import PageReader
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.errors import (
    ConflictError,
    PermissionDenied,
    TamperedError,
    WrongKeyError,
)
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store import sqlcipher
from issuetrack.engine.store.connections import Connections
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.encryption import FieldCipher, Place
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.learning_tables import Outcome, Sop, SopEvent, SopVersion
from issuetrack.engine.store.resealing import BATCH, SEALED_COLUMNS, rows_under
from issuetrack.engine.store.types import (
    READER_ROLES,
    CommentKind,
    OutcomeResult,
    Role,
    SopStatus,
)
from issuetrack.engine.sync.ports import Mapped, RemoteIssue
from issuetrack.engine.workspace import Workspace

URL = "https://jira.example.com"
FIRST = [f"{role}-1" for role in READER_ROLES]
SECOND = [f"{role}-2" for role in READER_ROLES]


class StopError(Exception):
    """What a test stops a rotation with."""


@contextmanager
def raw(workspace: Workspace) -> Iterator[Any]:
    """Give a connection of the driver alone."""
    with workspace._database.raw() as connection:
        yield connection


def values_by_key(workspace: Workspace, key_ids: list[str]) -> Counter[str]:
    """Count the values of any column of any table that begin as a sealed one does."""
    found: Counter[str] = Counter()
    starts = {bytes((len(k),)) + k.encode(): k for k in key_ids}
    with raw(workspace) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' "
            "AND sql NOT LIKE 'CREATE VIRTUAL%'"
        ).fetchall()
        assert len(tables) > 20
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    data = value.encode() if isinstance(value, str) else value
                    if isinstance(data, bytes):
                        for start, key in starts.items():
                            found[key] += data[1 : 1 + len(start)] == start
    return found


@pytest.fixture(scope="module")
def full_template(
    team_template: Team,
    embedder: LlamaEmbedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Team:
    """Return a closed workspace with values in every sealed column, to be copied."""
    folder, clock = tmp_path_factory.mktemp("full"), Clock()
    clock.now = team_template.clock.now
    path = copy_files(team_template.path, folder / "team.db")
    team = Team(path, clock, team_template.recovery_key)
    workspace = team.open("owner")
    import_all(workspace, folder)
    workspace = reopened(team, workspace, embedder)
    suggest_and_rate(workspace)
    fill_the_loop(workspace)
    team.close()
    return team


@pytest.fixture
def full(team: Team, full_template: Team, embedder: LlamaEmbedder) -> Workspace:
    """Return a workspace with values in every sealed column, open as its owner."""
    copy_files(full_template.path, team.path)
    team.clock.now = full_template.clock.now
    workspace = Workspace.open(team.path, team.unlock("owner"), embedder, team.clock)
    team.opened.append(workspace)
    return workspace


def import_all(workspace: Workspace, folder: Path) -> None:
    """Import issues, one that is put aside, one that is mirrored, and a page."""
    actor = workspace.actor
    lines = folder / "past.jsonl"
    lines.write_text(
        '{"key": "A-1", "title": "the node is down", "body": "it does not answer", '
        '"status": "closed", "resolution": "the cause was the switch; restart it"}\n'
        '{"key": "A-2", "title": ""}\n',
        encoding="utf-8",
    )
    reader = FileReader(lines, FileFormat.JSONL, {})
    workspace.imports.run(actor, "past", FileFormat.JSONL, reader.items())
    workspace.issues.create(actor, IssueDraft("the node is down again", body="again"))
    workspace.issues.comment(actor, "2", "a note", CommentKind.WORK_NOTE)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    read = Mapped("status", "open", "state", "new")
    mirrored = RemoteIssue("A-3", "the gate is shut", now, now, mapped=(read,))
    workspace.imports.run(actor, "past", FileFormat.JSONL, [mirrored])
    workspace.issues.edit(actor, "A-3", {"service": "gates"})
    page = folder / "page.md"
    page.write_text("# Gates\n\nThey open inwards.\n", encoding="utf-8")
    workspace.document_imports.run(actor, "wiki", "pages", PageReader(page))


def suggest_and_rate(workspace: Workspace) -> None:
    """Index it all, rate a suggestion, and keep a credential."""
    actor = workspace.actor
    workspace.drain_index()
    made = workspace.suggestions.suggest(actor, Question("the node is down"))
    workspace.feedback.rate(actor, f"R{made.recommendation}", 5, "it helped")
    with workspace._database.write() as uow:
        ((uuid,),) = uow.sql("SELECT uuid FROM source WHERE name = 'past'")
        token = uow.seal_credential("source", "token", uuid, "S3CR3T", URL)
        where = "UPDATE source SET base_url = ?, token = ? WHERE uuid = ?"
        uow.sql(where, URL, token, uuid)


def fill_the_loop(workspace: Workspace) -> None:
    """Give a procedure, an outcome and a trace their sealed values."""
    now = datetime(2026, 3, 3, tzinfo=UTC)
    who = workspace.actor.principal
    with workspace._database.write() as uow:
        ((uuid,),) = uow.sql("SELECT uuid FROM recommendation LIMIT 1")
        trace = uow.seal("recommendation", "trace", uuid, "{}")
        uow.sql("UPDATE recommendation SET trace = ? WHERE uuid = ?", trace, uuid)
        sop = {"uuid": "s1", "created_by": who, "created_at": now}
        uow.insert(Sop, [{"id": 1} | sop])
        sealed = {
            column: uow.seal("sop_version", column, "v1", "{}")
            for column in ("content", "original", "citations")
        }
        version = {"uuid": "v1", "sop_id": 1, "version": 1, "title": "Gates"}
        version |= {"status": SopStatus.DRAFT, "tags": [], "author": who}
        uow.insert(SopVersion, [version | sealed | {"created_at": now}])
        note = uow.seal("sop_event", "note", "e1", "made")
        event = {"uuid": "e1", "sop_id": 1, "version": 1, "at": now, "actor": who}
        uow.insert(SopEvent, [event | {"action": "draft", "note": note}])
        note = uow.seal("outcome", "note", "o1", "it did")
        outcome = {"uuid": "o1", "sop_id": 1, "result": OutcomeResult.ACCEPTED}
        uow.insert(Outcome, [outcome | {"note": note, "actor": who, "created_at": now}])


def reopened(team: Team, workspace: Workspace, model: LlamaEmbedder) -> Workspace:
    """Open the workspace once more, with the shared model."""
    workspace.close()
    again = Workspace.open(team.path, team.unlock("owner"), model, team.clock)
    team.opened.append(again)
    return again


def test_every_sealed_column_has_values(full: Workspace) -> None:
    """The tests below rotate something in each place there is."""
    with raw(full) as connection:
        for place in SEALED_COLUMNS:
            ((count,),) = connection.execute(
                f"SELECT count({place.column}) FROM {place.table}"
            ).fetchall()
            assert count > 0, place


def test_rotation_leaves_no_value_under_an_old_key(full: Workspace) -> None:
    """Not one value in any column of any table is under a key of before."""
    before = values_by_key(full, [*FIRST, *SECOND])
    told: list[tuple[int, int]] = []
    done = full.keys.rotate(full.actor, lambda at, of: told.append((at, of)))
    after = values_by_key(full, [*FIRST, *SECOND])

    assert {key: before[key] > 0 for key in [*FIRST, *SECOND]} == {
        **dict.fromkeys(FIRST, True),
        **dict.fromkeys(SECOND, False),
    }
    assert [after[key] for key in FIRST] == [0, 0, 0]
    assert sum(after[key] for key in SECOND) >= done == told[-1][1]
    assert told[-1][0] == done
    assert full.issues.get(full.actor, "1").body == "it does not answer"
    assert full.verify_audit().broken_at is None
    assert all(finding.ok for finding in full.maintenance.check(full.actor))
    with full._database.read() as uow:
        ((uuid, token),) = uow.sql("SELECT uuid, token FROM source WHERE name = 'past'")
        assert uow.open_credential("source", "token", uuid, token, URL) == "S3CR3T"


def test_retired_keys_are_held_by_nobody(team: Team, full: Workspace) -> None:
    """The key file seals only current keys, and status says that all is done."""
    full.keys.rotate(full.actor)
    file = KeyFile.load(key_file_path(team.path))
    sealed = {key for p in file.principals() for key in file.sealed(p.uuid)}
    status = full.keys.status(full.actor)

    assert sealed == {"page-1", *SECOND}
    assert [(k.key, k.role, k.current) for k in status.keys] == [
        ("page-1", None, True),
        *((key, role, True) for key, role in zip(SECOND, READER_ROLES, strict=True)),
    ]
    assert all(k.rows for k in status.keys if k.role)
    assert not status.unfinished


def test_retired_key_opens_nothing(full: Workspace) -> None:
    """Whoever kept the old keys reads none of the values that are there now."""
    kept = dict(full._database.keychain.keys.role_keys)
    full.keys.rotate(full.actor)
    cipher = FieldCipher(full._database.keychain.file.database, kept, {})
    with full._database.read() as uow:
        rows = uow.sql("SELECT uuid, body FROM issue WHERE body IS NOT NULL")

    assert rows
    for uuid, body in rows:
        with pytest.raises(PermissionDenied):
            cipher.open(body, Place("issue", "body", uuid))


@pytest.mark.parametrize("stop", [1, 2, 7, 19, 20])
def test_interrupted_rotation_goes_on(full: Workspace, stop: int) -> None:
    """Stopped after any batch nothing is lost, and the next run does the rest."""
    calls = 0

    def until(_at: int, _of: int) -> None:
        nonlocal calls
        calls += 1
        if calls == stop:
            raise StopError

    with pytest.raises(StopError):
        full.keys.rotate(full.actor, until)
    status = full.keys.status(full.actor)
    assert status.unfinished
    assert {k.key for k in status.keys if k.role} == {*FIRST, *SECOND}
    assert full.issues.get(full.actor, "1").body == "it does not answer"
    assert full.issues.get(full.actor, "2").comments[0].body == "a note"
    assert full.keys.finish(full.actor) >= 0

    assert sum(values_by_key(full, FIRST).values()) == 0
    assert not full.keys.status(full.actor).unfinished
    assert full.verify_audit().broken_at is None
    assert full.keys.finish(full.actor) == 0


def test_next_rotation_finishes_the_one_before(full: Workspace) -> None:
    """Two keys back there is nothing left either."""

    def stop(_at: int, _of: int) -> None:
        raise StopError

    with pytest.raises(StopError):
        full.keys.rotate(full.actor, stop)
    full.keys.rotate(full.actor)

    assert sum(values_by_key(full, [*FIRST, *SECOND]).values()) == 0
    assert not full.keys.status(full.actor).unfinished


def test_others_work_while_keys_are_rotated(team: Team, full: Workspace) -> None:
    """Between any two batches others read and write, under the new keys only."""
    other, viewer = team.open("engineer"), team.open("viewer")
    first = other.issues.create(other.actor, IssueDraft("before", body="before"))
    bodies: list[str] = []

    def work(_at: int, _of: int) -> None:
        made = other.issues.create(other.actor, IssueDraft("during", body="during"))
        other.issues.comment(other.actor, str(made.number), "x", CommentKind.WORK_NOTE)
        bodies.append(viewer.issues.get(viewer.actor, str(made.number)).body or "")
        bodies.append(viewer.issues.get(viewer.actor, str(first.number)).body or "")

    full.keys.rotate(full.actor, work)
    after = other.issues.create(other.actor, IssueDraft("after", body="after"))

    assert set(bodies) == {"before", "during"}
    assert viewer.issues.get(viewer.actor, str(after.number)).body == "after"
    assert sum(values_by_key(full, FIRST).values()) == 0
    assert full.verify_audit().broken_at is None
    assert all(finding.ok for finding in full.maintenance.check(full.actor))


def test_many_values_take_several_batches(team: Team) -> None:
    """A table of more rows than one batch is gone through to its end."""
    owner = team.open("owner")
    with owner._database.write() as uow:
        for number in range(2 * BATCH + 1):
            uuid = f"{number:032}"
            uow.sql(
                "INSERT INTO issue(uuid, type, status, labels, title, body, created_at,"
                " updated_at, revision) VALUES (?, 'bug', 'open', '[]', 'x', ?,"
                " '2026-01-01', '2026-01-01', 1)",
                uuid,
                uow.seal("issue", "body", uuid, f"body {number}"),
            )
    told: list[int] = []
    owner.keys.rotate(owner.actor, lambda at, _: told.append(at))

    assert told[:4] == [BATCH, 2 * BATCH, 2 * BATCH + 1, 2 * BATCH + 1]
    assert sum(values_by_key(owner, FIRST).values()) == 0
    last = 2 * BATCH + 1
    assert owner.issues.get(owner.actor, str(last)).body == f"body {last - 1}"


def test_value_written_under_an_old_key_meanwhile_stops_the_retiring(
    full: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that still protects something is not thrown away."""
    with full._database.change_keys() as (_, changes):
        changes.new_role_key(Role.VIEWER)
    monkeypatch.setattr("issuetrack.engine.identity.keys.reseal", lambda *_: 0)
    with pytest.raises(ConflictError, match="values are still under viewer-1"):
        full.keys.finish(full.actor)
    monkeypatch.undo()

    assert full.issues.get(full.actor, "1").body == "it does not answer"
    assert full.keys.finish(full.actor) > 0


def test_tampered_value_stops_a_rotation(full: Workspace) -> None:
    """A value that does not open is told, and its key is kept."""
    with full._database.write() as uow:
        uow.sql("UPDATE issue SET uuid = 'another' WHERE number = 1")
    with pytest.raises(TamperedError, match="body of issue another"):
        full.keys.rotate(full.actor)

    with full._database.write() as uow:
        assert rows_under(uow, "viewer-1") > 0
        uow.sql("DELETE FROM issue WHERE number = 1")
    full.keys.finish(full.actor)
    assert sum(values_by_key(full, FIRST).values()) == 0


def test_removed_member_cannot_read_on_after_finish(team: Team) -> None:
    """With the page key and all keys of before, nothing in the file opens."""
    engineer = team.open("engineer")
    engineer.issues.create(engineer.actor, IssueDraft("one", body="known"))
    kept = dict(engineer._database.keychain.keys.role_keys)
    owner = team.open("owner")
    owner.accounts.remove(owner.actor, "engineer")
    assert owner.keys.status(owner.actor).unfinished
    assert owner.keys.finish(owner.actor) > 0
    cipher = FieldCipher(owner._database.keychain.file.database, kept, {})
    with owner._database.read() as uow:
        ((uuid, body),) = uow.sql("SELECT uuid, body FROM issue")
        with pytest.raises(PermissionDenied):
            cipher.open(body, Place("issue", "body", uuid))


@pytest.mark.parametrize("name", ["engineer", "viewer", "exporter"])
@pytest.mark.parametrize(
    "work",
    [
        lambda w: w.keys.rotate(w.actor),
        lambda w: w.keys.finish(w.actor),
        lambda w: w.keys.rekey(w.actor),
        lambda w: w.keys.finish_rekey(w.actor),
    ],
    ids=["rotate", "finish", "rekey", "finish rekey"],
)
def test_only_admins_change_keys(
    team: Team, name: str, work: Callable[[Workspace], object]
) -> None:
    """Others are refused before anything is made."""
    before = key_file_path(team.path).read_bytes()
    with pytest.raises(PermissionDenied):
        work(team.open(name))

    assert key_file_path(team.path).read_bytes() == before


def page_keys(workspace: Workspace) -> dict[bytes, bytes]:
    """Return the page keys that somebody holds, by salt."""
    return dict(workspace._database.keychain.keys.page_keys)


def opens(path: Path, page_key: bytes) -> bool:
    """Tell whether a page key opens a file."""
    try:
        sqlcipher.connect(path, page_key).close()
    except driver.DatabaseError:
        return False
    return True


def test_old_page_key_does_not_open_the_file(team: Team) -> None:
    """After a rekey the file, its log and its salt are of the new key only."""
    owner = team.open("owner")
    owner.issues.create(owner.actor, IssueDraft("one", body="for all"))
    ((salt, old),) = page_keys(owner).items()
    told: list[tuple[int, int]] = []
    name = owner.keys.rekey(owner.actor, lambda at, of: told.append((at, of)))
    ((new_salt, new),) = page_keys(owner).items()
    owner.issues.comment(owner.actor, "1", "afterwards")
    team.close()

    assert (name, told[-1][0]) == ("page-2", told[-1][1])
    assert team.path.read_bytes()[:16] == new_salt != salt
    assert not opens(team.path, old)
    assert opens(team.path, new)
    assert team.open("viewer").verify_audit().broken_at is None
    status = team.open("owner").keys.status(team.opened[0].actor)
    assert [k.key for k in status.keys if k.role is None] == ["page-2"]
    assert not status.unfinished


def test_others_go_on_after_a_rekey(team: Team) -> None:
    """Those who have the file open, with connections at rest, notice nothing."""
    engineer, viewer = team.open("engineer"), team.open("viewer")
    for number in range(3):
        engineer.issues.create(engineer.actor, IssueDraft(f"{number}", body="x" * 9999))
    with engineer._database.read() as one, engineer._database.read() as two:
        assert one.sql("SELECT count(*) FROM issue") == [(3,)]
        assert two.sql("SELECT count(*) FROM issue") == [(3,)]
    assert viewer.issues.matching(viewer.actor)[1] == 3
    owner = team.open("owner")
    for turn in range(3):
        owner.keys.rekey(owner.actor)
        assert viewer.issues.matching(viewer.actor)[1] == 3 + turn
        engineer.issues.create(engineer.actor, IssueDraft(f"after {turn}", body="y"))
        assert viewer.issues.get(viewer.actor, str(4 + turn)).body == "y"

    assert owner.issues.matching(owner.actor)[1] == 6
    assert viewer.integrity_problems() == []
    assert owner.verify_audit().broken_at is None
    team.close()
    assert team.open("owner").integrity_problems() == []


OTHER = """
import sys
from pathlib import Path
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

workspace = Workspace.open(Path(sys.argv[1]), Unlock(environment_key=sys.argv[2]))
for line in sys.stdin:
    workspace.issues.create(workspace.actor, IssueDraft(line.strip(), body="x" * 5000))
    print(workspace.issues.matching(workspace.actor)[1], flush=True)
workspace.close()
"""


def test_another_process_goes_on_after_a_rekey(team: Team) -> None:
    """A program that keeps the file open reads and writes on under the new key."""
    owner = team.open("owner")
    key = team.unlock("engineer").environment_key or ""
    command = [sys.executable, "-W", "error", "-c", OTHER, str(team.path), key]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for number in range(1, 4):
            other.stdin.write(f"issue {number}\n")
            other.stdin.flush()
            assert other.stdout.readline() == f"{2 * number - 1}\n"
            owner.keys.rekey(owner.actor)
            owner.issues.create(owner.actor, IssueDraft("by the owner"))
        _, errors = other.communicate(timeout=60)

    assert (other.returncode, errors) == (0, "")
    assert owner.integrity_problems() == []
    assert owner.verify_audit().broken_at is None


def stop_before(
    monkeypatch: pytest.MonkeyPatch, target: object, name: str, owner: Workspace
) -> None:
    """Let a rekey stop, as a kill would, just before one step of it."""

    def killed(*_: object) -> None:
        raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(target, name, killed)
        with pytest.raises(StopError):
            owner.keys.rekey(owner.actor)


def leftovers(team: Team) -> list[str]:
    """Return what lies beside the workspace and should not."""
    return sorted(p.name for p in team.path.parent.glob(f"{team.path.name}.rek*"))


def test_rekey_stopped_before_its_copy_was_made_changes_nothing(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old file goes on; the key that nothing is under is told and retired."""
    owner = team.open("owner")
    old = page_keys(owner)
    stop_before(monkeypatch, sqlcipher, "copy_content", owner)
    (team.path.with_name(f"{team.path.name}.rekeying")).write_bytes(b"half a copy")
    team.close()
    owner = team.open("owner")

    assert leftovers(team) == []
    assert owner.keys.status(owner.actor).unfinished
    owner.keys.finish_rekey(owner.actor)
    before = owner.verify_audit().entries
    owner.keys.finish_rekey(owner.actor)
    assert owner.verify_audit().entries == before
    assert page_keys(owner) == old
    assert not owner.keys.status(owner.actor).unfinished
    assert owner.keys.rekey(owner.actor) == "page-3"


def test_copy_that_another_is_making_is_left_alone(team: Team) -> None:
    """Whoever opens the file while it is rekeyed does not throw the copy away."""
    owner = team.open("owner")
    found: list[list[str]] = []

    def look(_at: int, _of: int) -> None:
        database = Database(team.path, owner._database.keychain)
        found.append(leftovers(team))
        database.close()

    owner.keys.rekey(owner.actor, look)

    assert found[0] == ["team.db.rekeying"]
    assert leftovers(team) == []


def test_rekey_stopped_before_its_copy_was_put_in_is_finished(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the copy is whole the next to open the workspace puts it in place."""
    owner = team.open("owner")
    owner.issues.create(owner.actor, IssueDraft("one", body="for all"))
    ((_, old),) = page_keys(owner).items()
    stop_before(monkeypatch, Connections, "_swap_in", owner)
    team.close()
    assert leftovers(team) == ["team.db.rekeyed"]
    assert opens(team.path, old)
    viewer = team.open("viewer")

    assert leftovers(team) == []
    assert viewer.issues.get(viewer.actor, "1").body == "for all"
    assert viewer.integrity_problems() == []
    assert not opens(team.path, old)
    owner = team.open("owner")
    assert owner.keys.status(owner.actor).unfinished
    owner.keys.finish_rekey(owner.actor)
    assert not owner.keys.status(owner.actor).unfinished
    assert list(page_keys(owner)) == [team.path.read_bytes()[:16]]


def test_rekey_stopped_in_the_middle_of_putting_in_is_finished(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is half of the old key and half of the new one is made whole."""
    owner = team.open("owner")
    owner.issues.create(owner.actor, IssueDraft("one", body="for all"))
    stop_before(monkeypatch, Connections, "_swap_in", owner)
    team.close()
    new = team.path.with_name(f"{team.path.name}.rekeyed").read_bytes()
    old = team.path.read_bytes()
    team.path.write_bytes(new[: len(new) // 2] + old[len(new) // 2 :])
    owner = team.open("owner")

    assert leftovers(team) == []
    assert owner.integrity_problems() == []
    assert owner.issues.get(owner.actor, "1").body == "for all"


def test_key_file_of_before_a_rekey_is_refused(team: Team) -> None:
    """An old key file has no key for the file as it is now."""
    path = key_file_path(team.path)
    old = path.read_bytes()
    owner = team.open("owner")
    owner.keys.rekey(owner.actor)
    team.close()
    path.write_bytes(old)

    for name in ("owner", "viewer"):
        with pytest.raises(TamperedError, match="has no key for the database"):
            team.open(name)


def test_database_of_before_a_rekey_is_refused(team: Team) -> None:
    """The page key of an old file is not kept; nor is it taken as it is."""
    old = team.path.read_bytes()
    owner = team.open("owner")
    owner.keys.rekey(owner.actor)
    team.close()
    team.path.write_bytes(old)

    with pytest.raises(TamperedError, match="has no key for the database"):
        team.open("owner")


def test_database_of_before_a_rotation_is_refused(team: Team) -> None:
    """Under the same page key, it is older than its key file."""
    old = team.path.read_bytes()
    owner = team.open("owner")
    owner.keys.rotate(owner.actor)
    team.close()
    team.path.write_bytes(old)

    with pytest.raises(TamperedError, match="is older than"):
        team.open("owner")


def test_file_that_lost_its_beginning_is_no_database(team: Team) -> None:
    """A file shorter than a salt is told to be none."""
    team.path.write_bytes(b"short")

    with pytest.raises(WrongKeyError, match="does not open"):
        team.open("owner")
