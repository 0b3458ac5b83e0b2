"""Failed unlocks: kept beside the database, then told in the audit trail."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conftest import KEY, Team, key_of
from issuetrack.engine.errors import AuthenticationError, StoreError, WrongKeyError
from issuetrack.engine.identity.audit_log import AuditFilter, AuditRecord
from issuetrack.engine.settings import operating_system_user
from issuetrack.engine.store.denial_spool import (
    LARGEST,
    MOST_TAKEN,
    FailedUnlock,
    note,
    taken,
)
from issuetrack.engine.store.file_guard import spool_path
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

NOW = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
WRONG = "S3CR3T wrong key in the environment"


def fail(team: Team, user: str | None = None, key: str = WRONG) -> None:
    """Try to open the workspace with a key that does not fit."""
    with pytest.raises(AuthenticationError):
        Workspace.open(team.path, Unlock(environment_key=key, user=user))


def told(team: Team) -> list[AuditRecord]:
    """Return the failed unlocks in the audit trail, oldest first."""
    owner = team.open("owner")
    found = owner.trail.entries(owner.actor, AuditFilter(action="unlock"), 9999)
    assert owner.verify_audit().broken_at is None
    return found[::-1]


def test_failed_unlock_is_told_by_the_next_that_works(team: Team) -> None:
    """Who tried, as whom and why it failed; then the spool is empty."""
    fail(team)
    fail(team, "viewer")
    fail(team, "nobody")
    assert spool_path(team.path).stat().st_size > 0
    assert stat.S_IMODE(spool_path(team.path).stat().st_mode) == 0o600
    team.open("viewer")
    found = told(team)

    assert spool_path(team.path).stat().st_size == 0
    assert [e.action for e in found] == ["unlock.failed"] * 3
    assert {e.actor for e in found} == {"viewer"}
    assert [(e.after["user"], e.after["code"]) for e in found] == [
        (None, "wrong_key"),
        ("viewer", "wrong_key"),
        ("nobody", "authentication"),
    ]
    assert {e.after["system_user"] for e in found} == {operating_system_user()}
    assert len(told(team)) == 3


def test_spool_holds_no_secret(team: Team) -> None:
    """Neither what was offered nor what would have fitted is written down."""
    fail(team)
    fail(team, key=key_of("owner") + "x")
    text = spool_path(team.path).read_text(encoding="utf-8")

    assert WRONG not in text
    assert "S3CR3T" not in text
    assert key_of("owner") not in text
    assert {key for line in text.splitlines() for key in json.loads(line)} == {
        *("at", "code", "system_user", "user")
    }


def test_spool_does_not_grow_without_end(team: Team) -> None:
    """Somebody who tries for ever does not fill the disk."""
    for number in range(1000):
        note(team.path, NOW, "wrong_key", "u" * 500, f"{number}" * 500)
    size = spool_path(team.path).stat().st_size

    assert LARGEST <= size < LARGEST + 500
    found = told(team)
    assert 0 < len(found) <= MOST_TAKEN
    assert len(found[0].after["user"]) == 64
    assert len(found[0].after["system_user"]) == 64


def test_garbage_in_the_spool_is_passed_over(team: Team) -> None:
    """Anybody can write to the spool: nothing in it stops an unlock."""
    good = {"at": "2026", "code": "wrong_key", "system_user": "u", "user": None}
    lines = [
        b"no json",
        b"\xff\xfe\0",
        b"[]",
        b"null",
        b"7",
        b'{"at": "2026"}',
        b"[" * 10_000,
        json.dumps(good).encode(),
        json.dumps(dict.fromkeys(good, "x" * 10_000)).encode(),
        json.dumps({key: ["\x1b[31m"] for key in good}).encode(),
    ]
    spool_path(team.path).write_bytes(b"\n".join(lines))
    found = told(team)

    assert [len(e.after["code"]) for e in found] == [9, 40, 12]
    assert found[0].after["user"] is None


def test_empty_spool_is_no_entry(team: Team) -> None:
    """Opening a workspace writes nothing of itself."""
    spool_path(team.path).touch()
    before = team.open("owner").verify_audit().entries

    assert told(team) == []
    assert team.open("owner").verify_audit().entries == before


def test_spool_is_kept_if_it_cannot_be_told(tmp_path: Path) -> None:
    """What was not written to the trail is not thrown away."""
    path = tmp_path / "a.db"
    note(path, NOW, "wrong_key", "u", "anna")
    with pytest.raises(StoreError), taken(path) as attempts:  # noqa: PT012 - in the middle
        assert attempts == [FailedUnlock(NOW.isoformat(), "wrong_key", "u", "anna")]
        raise StoreError("in the middle")
    with taken(path) as again:
        assert len(again) == 1
    with taken(path) as empty:
        assert empty == []


def test_spool_that_cannot_be_written_is_let_go(tmp_path: Path) -> None:
    """A folder that nobody can write to does not hide why the unlock failed."""
    folder = tmp_path / "file"
    folder.touch()
    note(folder / "a.db", NOW, "wrong_key", "u", None)
    with taken(folder / "a.db") as attempts:
        assert attempts == []
    spool_path(tmp_path / "b.db").mkdir()
    note(tmp_path / "b.db", NOW, "wrong_key", "u", None)
    with taken(tmp_path / "b.db") as attempts:
        assert attempts == []


def test_right_key_is_no_failure(team: Team) -> None:
    """A workspace that opens leaves no spool."""
    team.open("viewer")

    assert not spool_path(team.path).exists()
    with pytest.raises(WrongKeyError):
        Workspace.open(team.path, Unlock(environment_key=KEY))
    assert spool_path(team.path).exists()
