"""Many processes on one workspace: nobody is refused, and nothing is lost or doubled.

One admin changes all field keys and the page key in the middle of it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from faults.crowd import Did, body_of, crowd, stop_file
from faults.kill_work import assert_opens_nothing, key_ids_in_use, page_keys_of
from faults.kit import Bench, NewBench
from issuetrack.engine.workspace import Workspace

LONGEST_LOG = 100_000_000


@contextmanager
def watched_log(bench: Bench) -> Iterator[list[int]]:
    """Measure the write-ahead log during the block."""
    sizes = [0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            sizes.append(bench.log_size())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield sizes
    finally:
        ended.set()
        watcher.join()


def assert_complete(workspace: Workspace, done: list[Did]) -> None:
    """Check that the file is sound and holds what was acknowledged, once."""
    assert workspace.integrity_problems() == []
    assert workspace.verify_audit().broken_at is None
    issues = list(workspace.issues.every(workspace.actor))
    titles = [issue.summary.title for issue in issues]
    acknowledged = [title for did in done for title in did.acknowledged]
    assert sorted(titles) == sorted(acknowledged)
    assert all(i.body == body_of(i.summary.title) for i in issues)
    bad = [f for f in workspace.maintenance.check(workspace.actor) if not f.ok]
    assert bad == []


# FAULTS 9
@pytest.mark.parametrize("seconds", [4, pytest.param(300, marks=pytest.mark.slow)])
def test_nobody_is_refused_in_a_crowd(
    new_bench: NewBench, tmp_path: Path, seconds: int
) -> None:
    """Writers, readers, searches, backups and an admin who changes every key."""
    bench = new_bench()
    roles = ("writer", "commenter", "reader", "searcher", "backup", "opener")
    workspace = bench.open()
    old_pages = page_keys_of(bench.path)
    old_ids = {
        g.key_id.encode() for g in workspace._database.keychain.file.state.generations
    }
    with watched_log(bench) as log, crowd(bench.path, *roles) as done:
        time.sleep(seconds / 3)
        workspace.keys.rotate(workspace.actor)
        time.sleep(seconds / 3)
        workspace.keys.rekey(workspace.actor)
        time.sleep(seconds / 3)
    assert not stop_file(bench.path).exists()

    assert [error for did in done for error in did.errors] == []
    assert all(did.rounds > 1 for did in done)
    assert max(did.longest for did in done) < 60
    assert 0 < max(log) < LONGEST_LOG
    assert_complete(workspace, done)
    assert not key_ids_in_use(workspace) & old_ids
    workspace.close()
    assert_opens_nothing(bench.path, old_pages)
    assert bench.content().queued == sum(len(did.acknowledged) for did in done)


# FAULTS 9
@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_admins_who_change_keys_at_the_same_time_lose_nothing(
    new_bench: NewBench, seconds: int
) -> None:
    """Two rotate, two change the page key, others write and read meanwhile."""
    bench = new_bench()
    roles = ("rotator", "rotator", "rekeyer", "rekeyer", "writer", "reader")
    with crowd(bench.path, *roles) as done:
        time.sleep(seconds)

    assert [error for did in done for error in did.errors] == []
    workspace = bench.open()
    assert_complete(workspace, done)
    workspace.keys.rotate(workspace.actor)
    workspace.keys.finish_rekey(workspace.actor)
    assert not workspace.keys.status(workspace.actor).unfinished
    workspace.close()
