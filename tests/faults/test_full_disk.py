"""No room, and no right to write: told in words, and nothing half done."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.injected import injected
from faults.kit import (
    ISSUES,
    KEY,
    Bench,
    NewBench,
    Undisturbed,
    batch_ends,
    difference,
)
from issuetrack.engine.errors import StoreError
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.keyslots import key_file_path
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

EVERY_SIZE = ",".join(str(size) for size in range(0, 1_000_000, 16_384))
SOME_SIZES = {
    "rotate": "8192,65536",
    "rekey": "0,262144",
    "backup": "65536",
    "restore": "200000",
    "user": "8192",
}
LIMITED = """
import resource, runpy, sys

limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
runpy.run_module("issuetrack", run_name="__main__", alter_sys=True)
"""


def mount(*arguments: str) -> bool:
    """Run mount; tell whether it is allowed."""
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting takes root")
    if not mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)):
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, left: int = 0) -> Path:
    """Take up the room of a file system, but for some bytes."""
    path = folder / "filler"
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    if left:
        with path.open("r+b") as file:
            file.truncate(max(path.stat().st_size - left, 0))
    return path


def fill_up(workspace: Workspace) -> None:
    """Open big issues until that is refused."""
    draft = IssueDraft("big", body="x" * 100_000)
    for _ in range(100):
        workspace.issues.create(workspace.actor, draft)


# FAULTS 5
def test_import_stops_at_a_full_disk_and_goes_on_later(
    new_bench: NewBench, small: Path, undisturbed: Undisturbed
) -> None:
    """What was written before stays, whole batches of it; with room the rest comes."""
    arguments = ("import", str(undisturbed.source), "--no-index")
    expected = undisturbed.content
    bench = new_bench().move_to(small)
    stopped = bench.run(*arguments)
    fill(small)
    listed = bench.run("issue", "list")

    assert stopped.returncode == 1
    assert "no space left" in stopped.stderr
    assert "Traceback" not in stopped.stderr + listed.stderr
    assert listed.returncode in (0, 1)
    assert mount("-o", "remount,size=64m", str(small))
    left = bench.content().issues
    assert left == expected.issues[: len(left)]
    assert len(left) in batch_ends(undisturbed.source) - {0, ISSUES}
    assert bench.run(*arguments).returncode == undisturbed.code
    assert difference(expected, bench.content()) == []


# FAULTS 5
def test_full_disk_still_lets_read(new_bench: NewBench, small: Path) -> None:
    """Without any room a workspace that is open refuses to write and still reads."""
    bench = new_bench().move_to(small)
    workspace = bench.open()
    try:
        actor = workspace.actor
        workspace.issues.create(actor, IssueDraft("before"))
        filler = fill(small)
        with pytest.raises(StoreError, match="space"):
            fill_up(workspace)
        acknowledged = workspace.issues.matching(actor)[1]
        filler.unlink()
        workspace.issues.create(actor, IssueDraft("after"))
        titles = [record.summary.title for record in workspace.issues.every(actor)]
        assert titles == ["before", *["big"] * (acknowledged - 1), "after"]
        assert workspace.integrity_problems() == []
        assert workspace.verify_audit().entries == 2 + acknowledged
    finally:
        workspace.close()


# FAULTS 5
@pytest.mark.parametrize("left", [0, 4096, 65536, 200_000, 300_000])
def test_workspace_is_not_half_made_on_a_full_disk(small: Path, left: int) -> None:
    """`init` without room says so, and leaves no file behind."""
    fill(small, left)
    bench = Bench(small / "new.db", small)
    done = bench.run("init", "--env-key")
    names = {path.name for path in small.iterdir()} - {"filler"}

    assert "Traceback" not in done.stderr
    if done.returncode == 0:
        assert names == {"new.db", "new.db.keys"}
        return
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert names == set()


# FAULTS 5
def test_workspace_is_not_half_made_without_room_for_a_name(small: Path) -> None:
    """A file system that holds no more files is full as well."""
    assert mount("-o", "remount,nr_inodes=1", str(small))
    done = Bench(small / "new.db", small).run("init", "--env-key")

    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert list(small.iterdir()) == []


# FAULTS 5
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(SOME_SIZES, id="some"),
        *(
            pytest.param({name: EVERY_SIZE}, marks=pytest.mark.slow, id=name)
            for name in SOME_SIZES
        ),
    ],
)
def test_change_of_the_files_is_not_half_done_on_a_full_disk(
    small: Path, sizes: dict[str, str]
) -> None:
    """It fails in words, all is as before, and with room it succeeds."""
    assert mount("-o", "remount,size=6m", str(small))
    for left in injected("full", small / "run", sizes).values():
        assert left.failures == [], "\n".join(left.failures)
        assert any(code != "0" for code in left.codes), left.codes


# FAULTS 5
@pytest.mark.skipif(sys.platform == "win32", reason="it has no RLIMIT_FSIZE")
@pytest.mark.parametrize(
    "limit",
    [
        300_000,
        1_000_000,
    ],
)
def test_import_stops_at_the_longest_file(
    new_bench: NewBench, undisturbed: Undisturbed, limit: int
) -> None:
    """A limit on the length of files is met like a full disk: without root."""
    bench = new_bench()
    arguments = ("import", str(undisturbed.source), "--no-index")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *arguments],
        env=bench.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
    assert "file system failed" in done.stderr or "space" in done.stderr
    assert "Traceback" not in done.stderr
    left = bench.content().issues
    assert left == undisturbed.content.issues[: len(left)]
    assert len(left) in batch_ends(undisturbed.source) - {ISSUES}


@pytest.fixture
def read_only(new_bench: NewBench, small: Path) -> Iterator[Bench]:
    """Return a workspace on a file system that cannot be written to."""
    bench = new_bench().move_to(small)
    workspace = bench.open()
    workspace.issues.create(workspace.actor, IssueDraft("before"))
    workspace.close()
    if not mount("-o", "remount,ro", str(small)):
        pytest.skip("mounting is not allowed here")
    yield bench
    mount("-o", "remount,rw", str(small))


# FAULTS 11
def test_read_only_folder_is_refused_in_words(read_only: Bench) -> None:
    """Opening where nothing can be written names the place and the remedy."""
    with pytest.raises(StoreError, match="cannot be opened for writing") as raised:
        Workspace.open(read_only.path, Unlock(environment_key=KEY))

    assert str(read_only.path.parent) in (raised.value.hint or "")


# FAULTS 11
@pytest.mark.parametrize(
    "arguments",
    [("issue", "list"), ("issue", "new", "another"), ("init", "--env-key")],
    ids=" ".join,
)
def test_commands_fail_cleanly_in_a_read_only_folder(
    read_only: Bench, arguments: tuple[str, ...]
) -> None:
    """No command shows a traceback, and none claims to have written."""
    path = read_only.path
    if arguments[0] == "init":
        path = path.with_name("another.db")
    done = Bench(path, read_only.temporary).run(*arguments)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-2].startswith("error: ")
    assert done.stderr.splitlines()[-1].startswith("  try: ")


# FAULTS 11
def test_workspace_is_writable_again_after_a_read_only_time(
    read_only: Bench, small: Path
) -> None:
    """A remount is all it takes."""
    with pytest.raises(StoreError):
        read_only.open()
    assert mount("-o", "remount,rw", str(small))

    assert [i["summary"]["title"] for i in read_only.content().issues] == ["before"]
    assert key_file_path(read_only.path).exists()
