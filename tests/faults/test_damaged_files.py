"""Files that a disk or a hand has changed: noticed or harmless, never misread."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.kit import KEY, Bench, issues_of
from issuetrack.engine.errors import IssueTrackError, TamperedError
from issuetrack.engine.identity.audit import Verification
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.audit_head import head_file_path
from issuetrack.engine.store.keyslots import key_file_path
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

ISSUES = 12
PAGE = 4096
Damage = Callable[[bytearray, random.Random], None]
Issues = list[dict[str, Any]]


def flip(data: bytearray, chance: random.Random) -> None:
    """Turn one bit round."""
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def zero(data: bytearray, chance: random.Random) -> None:
    """Empty one page."""
    start = chance.randrange(0, len(data), PAGE)
    data[start : start + PAGE] = bytes(len(data[start : start + PAGE]))


def cut(data: bytearray, chance: random.Random) -> None:
    """Lose the end."""
    del data[chance.randrange(len(data)) :]


def swap(data: bytearray, chance: random.Random) -> None:
    """Put two pages, or two pieces of a short file, in each other's place."""
    size = min(PAGE, len(data) // 4)
    one, two = (size * chance.randrange(len(data) // size) for _ in range(2))
    first, second = data[one : one + size], data[two : two + size]
    data[one : one + size], data[two : two + size] = second, first


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, empty_bench: Bench) -> Path:
    """Return copies of a database with and without its log, as a crash leaves them."""
    folder = tmp_path_factory.mktemp("files")
    bench = empty_bench.move_to(folder / "work")
    workspace = bench.open()
    for number in range(ISSUES):
        draft = IssueDraft(f"issue {number}", body=f"body {number} " * 300)
        workspace.issues.create(workspace.actor, draft)
    assert bench.log_size() > ISSUES * PAGE
    shutil.copy(bench.path, folder / "crashed.db")
    shutil.copy(bench.log, folder / "crashed.db-wal")
    workspace.close()
    assert not bench.log.exists()
    shutil.copy(bench.path, folder / "closed.db")
    for name in ("crashed.db", "closed.db"):
        shutil.copy(key_file_path(bench.path), key_file_path(folder / name))
        shutil.copy(head_file_path(bench.path), head_file_path(folder / name))
    return folder


def look(path: Path) -> tuple[Issues, Verification]:
    """Open a workspace, read all of it and check its audit chain."""
    workspace = Workspace.open(path, Unlock(environment_key=KEY))
    try:
        return issues_of(workspace), workspace.verify_audit()
    finally:
        workspace.close()


def read(path: Path) -> Issues:
    """Open a workspace and read all of it; its audit chain must be whole."""
    found, verified = look(path)
    assert verified.broken_at is None
    return found


def read_earlier(path: Path) -> Issues:
    """Read a workspace that may have lost entries: if it has, its audit tells so."""
    found, verified = look(path)
    told = (verified.reason or "").startswith("the audit trail ends at entry")
    assert told == (len(found) < ISSUES)
    return found


def copy_damaged(files: Path, name: str, end: str, to: Path, change: Damage) -> Path:
    """Copy a database with its companions, one of the files changed."""
    to.mkdir()
    for path in files.glob(f"{name}*"):
        shutil.copy(path, to / path.name)
    target = to / f"{name}{end}"
    data = bytearray(target.read_bytes())
    change(data, random.Random(to.name))
    target.write_bytes(data)
    return to / name


@pytest.fixture(scope="module")
def whole(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Issues:
    """Return what is in the files when nobody has changed them."""
    folder = tmp_path_factory.mktemp("whole")
    found = [
        read(copy_damaged(files, name, "", folder / name, lambda *_: None))
        for name in ("closed.db", "crashed.db")
    ]
    assert len(found[0]) == ISSUES
    assert found[0] == found[1]
    return found[0]


# FAULTS 7
@pytest.mark.parametrize("times", [15, pytest.param(250, marks=pytest.mark.slow)])
@pytest.mark.parametrize("change", [flip, zero, cut, swap])
@pytest.mark.parametrize("end", ["", ".keys"])
def test_damaged_file_is_noticed_or_harmless(
    files: Path, whole: Issues, tmp_path: Path, end: str, change: Damage, times: int
) -> None:
    """What can be read of a damaged database is what was written."""
    refused = 0
    for number in range(times):
        name = f"{change.__name__}-{number}"
        path = copy_damaged(files, "closed.db", end, tmp_path / name, change)
        try:
            assert read(path) == whole
        except IssueTrackError:
            refused += 1
    assert refused or change is swap


# FAULTS 7
@pytest.mark.parametrize("times", [10, pytest.param(250, marks=pytest.mark.slow)])
@pytest.mark.parametrize("change", [flip, zero, cut, swap])
def test_damaged_head_is_noticed_or_harmless(
    files: Path, whole: Issues, tmp_path: Path, change: Damage, times: int
) -> None:
    """A head that is not the one that was written never passes for it."""
    noticed = 0
    for number in range(times):
        name = f"{change.__name__}-{number}"
        path = copy_damaged(files, "closed.db", ".head", tmp_path / name, change)
        written = head_file_path(files / "closed.db").read_bytes()
        kept = head_file_path(path).read_bytes() == written
        workspace = Workspace.open(path, Unlock(environment_key=KEY))
        try:
            assert issues_of(workspace) == whole
            found = workspace.verify_audit()
            noticed += found.broken_at is not None
            earlier = kept or head_file_path(path).read_bytes() < written
            assert found.broken_at is not None or earlier
            if found.broken_at is not None:
                with pytest.raises(TamperedError):
                    workspace.issues.create(workspace.actor, IssueDraft("more"))
        finally:
            workspace.close()
    assert noticed or change is swap


def leaves(content: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value of a JSON document."""
    if not isinstance(content, dict | list) or not content:
        yield way
        return
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in pairs:
        yield from leaves(value, (*way, key))


def change_leaf(content: Any, way: tuple[Any, ...], chance: random.Random) -> None:
    """Change one value of a JSON document to one that looks like it."""
    *before, last = way
    for key in before:
        content = content[key]
    old = content[last]
    if isinstance(old, int):
        content[last] = old + chance.choice([-1, 1, 1000])
    elif isinstance(old, str) and old:
        place = chance.randrange(len(old))
        new = chance.choice([c for c in "0123456789abcdef" if c != old[place]])
        content[last] = old[:place] + new + old[place + 1 :]
    else:
        del content[last]


# FAULTS 7
@pytest.mark.parametrize("times", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_changed_field_of_the_key_file_is_noticed_or_harmless(
    files: Path, whole: Issues, tmp_path: Path, times: int
) -> None:
    """Revision, log, slots and sealed keys: what opens shows what was written."""
    text = key_file_path(files / "closed.db").read_text(encoding="utf-8")
    ways = list(leaves(json.loads(text)))
    path = copy_damaged(files, "closed.db", "", tmp_path / "one", lambda *_: None)
    data, head = path.read_bytes(), head_file_path(path).read_bytes()
    chance, refused = random.Random(7), 0
    for number in range(times):
        content = json.loads(text)
        change_leaf(content, ways[number % len(ways)], chance)
        key_file_path(path).write_text(json.dumps(content), encoding="utf-8")
        path.write_bytes(data)
        head_file_path(path).write_bytes(head)
        try:
            assert read(path) == whole
        except IssueTrackError:
            refused += 1
    assert refused > times // 2


# FAULTS 8
@pytest.mark.parametrize("times", [15, pytest.param(250, marks=pytest.mark.slow)])
@pytest.mark.parametrize("change", [flip, zero, cut, swap])
def test_damaged_log_leaves_an_earlier_state(
    files: Path, whole: Issues, tmp_path: Path, change: Damage, times: int
) -> None:
    """Of a log that lost something the transactions before it are there, whole."""
    states = set()
    for number in range(times):
        name = f"{change.__name__}-{number}"
        path = copy_damaged(files, "crashed.db", "-wal", tmp_path / name, change)
        try:
            found = read_earlier(path)
        except IssueTrackError:
            continue
        assert found == whole[: len(found)]
        states.add(len(found))
    assert states != {ISSUES}


# FAULTS 8
def test_missing_log_leaves_an_earlier_state(
    files: Path, whole: Issues, tmp_path: Path
) -> None:
    """A database that was copied without its log is old, and not broken."""
    path = copy_damaged(files, "crashed.db", "", tmp_path / "lost", lambda *_: None)
    Path(f"{path}-wal").unlink()
    found = read_earlier(path)

    assert found == whole[: len(found)]
