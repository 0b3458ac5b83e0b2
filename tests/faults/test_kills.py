"""`kill -9` in the middle of what changes the files themselves: it can be gone on with.

Children forked from a warm process are killed at random points of their work.
"""

import sys
from pathlib import Path
from typing import Any

import pytest

from faults.forked import Told, killed
from faults.kill_work import WORKS
from faults.kit import NewBench
from issuetrack.engine.errors import ConflictError
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.maintenance import MaintenanceService
from issuetrack.engine.store.connections import Connections
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace, now_utc

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it has no fork")
KEY = "0123456789abcdef0123456789abcdef"


MANY = 100
FEW = 2


def assert_survived(told: Told) -> None:
    """Check that nothing was wrong, and that kills fell into the work."""
    assert told.failures == [], "\n".join(told.failures)
    assert sum(told.states.values()) == told.kills
    assert told.killed >= told.kills // 3
    assert len(told.states) > 1 or told.kills < MANY


@pytest.fixture(scope="session")
def few_kills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """Return what came of a few kills of each work, all by one process."""
    return killed([*WORKS], tmp_path_factory.mktemp("kills"), FEW)


@pytest.fixture
def told(request: pytest.FixtureRequest, tmp_path: Path, work: str, kills: int) -> Told:
    """Return what came of the kills of a work."""
    if kills == FEW:
        few: dict[str, Told] = request.getfixturevalue("few_kills")
        return few[work]
    return killed([work], tmp_path, kills)[work]


def kills(number: int, *works: str) -> pytest.MarkDecorator:
    """Return parameters: some works, killed a few times and many times."""
    slow = pytest.mark.slow
    return pytest.mark.parametrize(
        ("work", "kills"),
        [
            *((work, FEW) for work in works),
            *(pytest.param(work, number, marks=slow) for work in works),
        ],
    )


# FAULTS 1
@kills(1000, "import")
def test_forked_import_goes_on_where_it_was(told: Told) -> None:
    """What a kill leaves is whole batches; the rest comes with the next run, once."""
    assert_survived(told)


# FAULTS 2
@kills(200, "rotation", "rekey", "removal")
def test_killed_change_of_keys_is_gone_on_with(told: Told) -> None:
    """Everything is readable after the kill; run again, old keys open nothing."""
    assert_survived(told)


# FAULTS 2
@kills(200, "migration")
def test_killed_migration_is_gone_on_with(told: Told) -> None:
    """A workspace of schema 0001 is of that or of the new schema, and opens."""
    assert_survived(told)


# FAULTS 2
@kills(200, "restore")
def test_killed_restore_leaves_the_one_or_the_other(told: Told) -> None:
    """What opens is the workspace before or the backup; the former is kept beside."""
    assert_survived(told)


# FAULTS 2
@kills(200, "init")
def test_killed_init_leaves_none_or_a_whole_workspace(told: Told) -> None:
    """Either `init` can be run again, or there is a workspace that opens."""
    assert_survived(told)


def stop_before_swap(bench: NewBench, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return an open workspace whose change of the page key ended at its swap."""
    workspace = bench().open()
    workspace.issues.create(workspace.actor, IssueDraft("before"))
    with monkeypatch.context() as patched:
        patched.setattr(Connections, "_swap_in", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            workspace.keys.rekey(workspace.actor)
    assert workspace.path.with_name(f"{workspace.path.name}.rekeyed").exists()
    return workspace


# FAULTS 2
def test_whoever_has_it_open_finishes_a_killed_rekey(
    new_bench: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written to the old pages once the new ones are ready."""
    workspace = stop_before_swap(new_bench, monkeypatch)
    workspace.issues.create(workspace.actor, IssueDraft("after"))
    other = Workspace.open(workspace.path, Unlock(environment_key=KEY))
    try:
        for reader in (workspace, other):
            every = reader.issues.every(reader.actor)
            titles = [record.summary.title for record in every]
            assert titles == ["before", "after"]
            assert reader.integrity_problems() == []
            assert reader.verify_audit().broken_at is None
    finally:
        workspace.close()
        other.close()


# FAULTS 2
def test_restore_puts_a_killed_rekey_aside(
    tmp_path: Path, new_bench: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup is not taken for the file whose page key was being changed."""
    unlock = Unlock(environment_key=KEY)
    backed_up = new_bench().open()
    made = backed_up.maintenance.backup(backed_up.actor, tmp_path / "backups")
    backed_up.close()
    workspace = stop_before_swap(new_bench, monkeypatch)
    workspace.close()
    MaintenanceService.restore(made.backup, workspace.path, unlock, now_utc)
    restored = Workspace.open(workspace.path, unlock)
    try:
        assert restored.issues.matching(restored.actor)[1] == 0
        assert restored.integrity_problems() == []
    finally:
        restored.close()


# FAULTS 2
def test_rekey_leaves_others_who_have_it_open_at_work(new_bench: NewBench) -> None:
    """A log of the old page key is not read under the new one."""
    bench = new_bench()
    one, two = bench.open(), bench.open()
    try:
        for number in range(3):
            one.issues.create(one.actor, IssueDraft(f"one {number}"))
            two.issues.create(two.actor, IssueDraft(f"two {number}"))
            one.keys.rekey(one.actor)
            two.issues.create(two.actor, IssueDraft(f"after {number}"))
        for workspace in (one, two):
            assert workspace.issues.matching(workspace.actor)[1] == 9
            assert workspace.integrity_problems() == []
            assert workspace.verify_audit().broken_at is None
    finally:
        one.close()
        two.close()


# FAULTS 2
def test_two_changes_of_the_page_key_do_not_lose_it(
    new_bench: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page key that another admin drops meanwhile is not put to use."""
    bench = new_bench()
    one, two = bench.open(), bench.open()
    one.issues.create(one.actor, IssueDraft("before"))
    real = Database.rekey

    def late(self: Database, *arguments: Any) -> None:
        monkeypatch.setattr(Database, "rekey", real)
        two.keys.rotate(two.actor)
        two.keys.finish_rekey(two.actor)
        real(self, *arguments)

    monkeypatch.setattr(Database, "rekey", late)
    with pytest.raises(ConflictError, match="at the same time"):
        one.keys.rekey(one.actor)
    one.keys.rekey(one.actor)
    two.keys.rekey(two.actor)
    for workspace in (one, two):
        assert workspace.issues.matching(workspace.actor)[1] == 1
        assert workspace.verify_audit().broken_at is None
        workspace.close()

    assert len(bench.content().issues) == 1
