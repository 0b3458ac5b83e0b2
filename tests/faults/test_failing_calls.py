"""One call of the system, or one allocation, fails: told in words, nothing half done.

The same command is run again without the fault, and then everything is as it must be.
"""

import sys
from pathlib import Path
from typing import Any

import pytest

from faults.injected import COMMANDS, Left, injected

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it takes /proc")
LEAST_HEAP, LARGEST_HEAP = 300_000, 4_000_000
SOME, ALL = 100_000, 400_000
FEW = ("new", "rotate", "rekey", "user")


def heaps(step: int) -> str:
    """Return limits for the memory of SQLite."""
    return ",".join(str(size) for size in range(LEAST_HEAP, LARGEST_HEAP, step))


def assert_clean(lefts: dict[str, Left]) -> None:
    """Check that nothing was wrong, and that something failed at all."""
    for left in lefts.values():
        assert left.failures == [], "\n".join(left.failures)
        assert any(code != "0" for code in left.codes), left.codes


def each(asked: str) -> list[Any]:
    """Return parameters that ask for the same with each command, slowly."""
    slow = pytest.mark.slow
    return [pytest.param({name: asked}, marks=slow, id=name) for name in COMMANDS]


SOME_CALLS = {
    "new": "2,3",
    "import": "2,3",
    "rotate": "7,13",
    "rekey": "9,30,40",
    "backup": "7,10",
    "restore": "8,30",
    "user": "5,6,7",
}


# FAULTS 4
@pytest.mark.parametrize("calls", [pytest.param(SOME_CALLS, id="some"), *each("every")])
def test_failing_call_is_told_and_gone_on_from(
    tmp_path: Path, calls: dict[str, str]
) -> None:
    """EIO from the system at the Nth call on the workspace's folder."""
    assert_clean(injected("call", tmp_path, calls))


# FAULTS 6
@pytest.mark.parametrize(
    "times",
    [
        pytest.param(dict.fromkeys(FEW, f"random:3:{SOME}"), id="some"),
        *each(f"random:80:{ALL}"),
    ],
)
def test_failing_allocation_leaves_a_sound_workspace(
    tmp_path: Path, times: dict[str, str]
) -> None:
    """The interpreter is refused memory, once or a few times in a row."""
    pytest.importorskip("_testcapi", reason="this Python cannot refuse memory")
    assert_clean(injected("memory", tmp_path, times))


# FAULTS 6
@pytest.mark.parametrize(
    "sizes",
    [pytest.param({"rotate": heaps(1_200_000)}, id="some"), *each(heaps(50_000))],
)
def test_small_heap_of_sqlite_leaves_a_sound_workspace(
    tmp_path: Path, sizes: dict[str, str]
) -> None:
    """SQLite is refused memory beyond a limit."""
    assert_clean(injected("heap", tmp_path, sizes))
