"""New keys for everything, while other processes write and read all the time."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from faults.kill_work import key_ids_in_use, live_keys
from faults.kit import KEY, NewBench
from issuetrack.engine.errors import PermissionDenied, StoreError, TamperedError
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.encryption import FieldCipher, Place, key_id_of
from issuetrack.engine.store.keyslots import KeyFile
from issuetrack.engine.store.tables import Comment, Issue
from issuetrack.engine.store.types import CommentKind, IssueStatus, IssueType, Role
from issuetrack.engine.store.unit_of_work import new_uuid
from issuetrack.engine.workspace import Workspace, now_utc

OTHER = """
import json, random, sys
from pathlib import Path
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

path, key, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
stop = path.with_name("stop")
workspace = Workspace.open(path, Unlock(environment_key=key))
actor, chance = workspace.actor, random.Random(name)
total = workspace.issues.matching(actor)[1]
written, read = [], 0
print("ready", flush=True)
while not stop.exists():
    if name == "writer":
        title = f"{name} {len(written)}"
        workspace.issues.create(actor, IssueDraft(title, body=f"body of {title}"))
        written.append(title)
    newest = workspace.issues.matching(actor)[1]
    for number in (chance.randint(1, total), newest):
        issue = workspace.issues.get(actor, str(number))
        assert issue.body == f"body of {issue.summary.title}", issue
        assert all(c.body == f"note {number}" for c in issue.comments)
        read += 1
workspace.close()
print(json.dumps([written, read]))
"""


def fill(workspace: Workspace, number: int) -> None:
    """Insert issues with a work note each, without going through the services."""
    now = now_utc()
    with workspace._database.write() as uow:
        issues, notes = [], []
        for n in range(1, number + 1):
            uuid, note = new_uuid(), new_uuid()
            issues.append(
                {
                    "number": n,
                    "uuid": uuid,
                    "type": IssueType.INCIDENT,
                    "status": IssueStatus.OPEN,
                    "labels": [],
                    "title": f"{n}",
                    "body": uow.seal("issue", "body", uuid, f"body of {n}"),
                    "created_at": now,
                    "updated_at": now,
                    "revision": 1,
                }
            )
            body = uow.seal("comment", "body", note, f"note {n}", Role.ENGINEER)
            notes.append(
                {
                    "uuid": note,
                    "issue_number": n,
                    "kind": CommentKind.WORK_NOTE,
                    "body": body,
                    "carries_fix": False,
                    "created_at": now,
                }
            )
        uow.insert(Issue, issues)
        uow.insert(Comment, notes)
        uow.sql(
            "INSERT INTO index_queue(issue_number, queued_at) "
            "SELECT number, created_at FROM issue"
        )


def stored(workspace: Workspace) -> Iterator[tuple[Place, bytes]]:
    """Yield some sealed values as they are stored, with where they are."""
    with workspace._database.read() as uow:
        for table in ("issue", "comment"):
            rows = uow.sql(f"SELECT uuid, body FROM {table} ORDER BY rowid LIMIT 20")
            yield from ((Place(table, "body", row), value) for row, value in rows)


def under(value: bytes, key_id: str) -> bytes:
    """Return a value that claims to be under another key."""
    name = key_id.encode()
    return value[:1] + bytes((len(name),)) + name + value[2 + value[1] :]


def assert_opens_none(cipher: FieldCipher, values: list[tuple[Place, bytes]]) -> None:
    """Check that none of some values opens, as it is or under any key's name."""
    for place, value in values:
        for claimed in (value, *(under(value, key_id) for key_id in cipher._keys)):
            with pytest.raises((PermissionDenied, TamperedError)):
                cipher.open(claimed, place)


def without_reload(cipher: FieldCipher) -> FieldCipher:
    """Return a cipher with the keys of now, as somebody who kept them would."""
    return FieldCipher(cipher._database, dict(cipher._keys), dict(cipher._current))


# FAULTS 31
@pytest.mark.parametrize("rows", [400, pytest.param(25_000, marks=pytest.mark.slow)])
def test_everything_is_readable_while_it_is_rotated(
    new_bench: NewBench, rows: int
) -> None:
    """Nothing is under the old keys afterwards, and they open nothing any more."""
    bench = new_bench()
    workspace = bench.open()
    fill(workspace, rows)
    old_cipher = without_reload(workspace._database.keychain.cipher)
    old_values = list(stored(workspace))
    old = {key_id_of(value).encode() for _, value in old_values}
    assert len(old) == 2
    assert old_cipher.open(old_values[0][1], old_values[0][0]) == "body of 1"
    others = [
        subprocess.Popen(
            [sys.executable, "-c", OTHER, str(bench.path), KEY, name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("writer", "reader")
    ]
    assert [o.stdout and o.stdout.readline() for o in others] == ["ready\n"] * 2
    before = workspace.issues.matching(workspace.actor)[1]
    done = workspace.keys.rotate(workspace.actor)
    during = workspace.issues.matching(workspace.actor)[1] - before
    bench.path.with_name("stop").touch()
    told = [other.communicate(timeout=60) for other in others]

    assert [other.returncode for other in others] == [0, 0], told
    written, _ = json.loads(told[0][0])
    assert during > 0
    assert done >= 2 * rows
    assert not key_ids_in_use(workspace) & old
    assert live_keys(workspace).isdisjoint(old)
    issues = list(workspace.issues.every(workspace.actor))
    titles = [issue.summary.title for issue in issues]
    assert titles == [*(str(n) for n in range(1, rows + 1)), *written]
    assert all(i.body == f"body of {i.summary.title}" for i in issues)
    assert all(f.ok for f in workspace.maintenance.check(workspace.actor))
    assert_opens_none(old_cipher, list(stored(workspace)))
    assert_opens_none(without_reload(workspace._database.keychain.cipher), old_values)
    workspace.close()


# FAULTS 31
def test_values_are_readable_before_the_key_file_is_written(
    new_bench: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New keys are known to whoever has the database open, even before the file is."""
    bench = new_bench()
    admin, writer, reader = bench.open(), bench.open(), bench.open()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(KeyFile, "save", lambda *_: (_ for _ in ()).throw(OSError))
            with pytest.raises(StoreError, match="the change is made"):
                admin.keys.rotate(admin.actor)
        number = writer.issues.create(writer.actor, IssueDraft("t", body="text"))
        found = reader.issues.get(reader.actor, str(number.summary.number))
        assert found.body == "text"
    finally:
        for workspace in (admin, writer, reader):
            workspace.close()
