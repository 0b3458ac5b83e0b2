"""Kills forked children in the middle of their work, hundreds of times a minute.

Run as a program of its own, `python -m faults.forked WORKS FOLDER KILLS`, so that
nothing has started a thread before the first fork. Each child gets a copy of a folder,
opens the workspace in it, says that it begins, does its work and tells what is
acknowledged. What is found wrong goes to stdout as JSON.
"""

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

BEGUN, FAILED = "begun", "failed: "
MOST_FAILURES = 3
MEASURED = 2
LATEST = 1.4
Tell = Callable[[str], None]


class Work(ABC):
    """Something that is killed in the middle.

    Attributes:
        path: the database, in the folder that a child is given.
    """

    name = "work.db"

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Fill the folder that every child gets a copy of."""

    @abstractmethod
    def run(self, path: Path, tell: Tell) -> None:
        """Work in the child; tell BEGUN first, then what is acknowledged."""

    @abstractmethod
    def check(self, path: Path, told: list[str]) -> str:
        """Check what a kill left, finish the work, and say what state it was in."""


@dataclass
class Told:
    """What came of many kills.

    Attributes:
        kills: how many children were started.
        killed: how many of them had not come to their end.
        seconds: how long the work takes undisturbed.
        states: how often what was found after a kill.
        failures: tracebacks of what was wrong.
    """

    kills: int
    killed: int = 0
    seconds: float = 0.0
    states: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def child(work: Work, path: Path, pipe: int) -> None:
    """Do the work in a forked process and end it without any clearing up."""
    code = 0

    def tell(line: str) -> None:
        os.write(pipe, f"{line}\n".encode())

    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        work.run(path, tell)
    except BaseException:  # noqa: BLE001 - it is told to the parent
        tell(FAILED + traceback.format_exc().replace("\n", " | "))
        code = 1
    os._exit(code)


def run_child(work: Work, path: Path, pause: float | None) -> tuple[list[str], float]:
    """Fork a child and kill it after a pause; None lets it come to its end.

    Returns:
        what it told after BEGUN, and how long it worked.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        child(work, path, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        first = pipe.readline().decode().rstrip("\n")
        began = time.monotonic()
        if pause is not None:
            time.sleep(pause)
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        seconds = time.monotonic() - began
        told = pipe.read().decode().splitlines()
    bad = [line for line in (first, *told) if line.startswith(FAILED)]
    assert not bad, bad[0].replace(" | ", "\n")
    assert first == BEGUN
    return told, seconds


def kill_often(work: Work, folder: Path, kills: int, seed: int) -> Told:
    """Kill children at random points of their measured running time."""
    chance = random.Random(seed)
    template = folder / "template"
    template.mkdir(parents=True)
    work.prepare(template)
    threads = Path("/proc/self/task")
    assert not threads.is_dir() or len(list(threads.iterdir())) == 1
    told = Told(kills)

    def place(number: int | str) -> Path:
        return Path(shutil.copytree(template, folder / f"{number}")) / work.name

    measured = []
    for number in range(MEASURED):
        path = place(f"measured-{number}")
        lines, seconds = run_child(work, path, None)
        assert lines
        work.check(path, lines)
        measured.append(seconds)
        shutil.rmtree(path.parent)
    told.seconds = statistics.median(measured)
    for number in range(kills):
        path = place(number)
        pause = chance.uniform(0.0, LATEST * told.seconds)
        try:
            lines, seconds = run_child(work, path, pause)
            told.killed += "done" not in lines
            state = work.check(path, lines)
            told.states[state] = told.states.get(state, 0) + 1
            shutil.rmtree(path.parent)
        except Exception:  # noqa: BLE001 - it is told to the test
            told.failures.append(
                f"kill {number} after {pause:.6f} s\n{traceback.format_exc()}"
            )
        if len(told.failures) == MOST_FAILURES:
            break
    return told


def killed(works: Sequence[str], folder: Path, kills: int) -> dict[str, Told]:
    """Run the program of this module and return what it tells of each work."""
    tests = str(Path(__file__).resolve().parents[1])
    paths = [tests, *filter(None, [os.environ.get("PYTHONPATH")])]
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "faults.forked"),
            *(",".join(works), str(folder), str(kills)),
        ],
        env={**os.environ, **one, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return {work: Told(**content) for work, content in told.items()}


def main(works: str, folder: str, kills: str, seed: str = "1") -> None:
    """Kill works, and tell what came of it."""
    from faults import kill_sync_work, kill_work

    known = {**kill_work.WORKS, **kill_sync_work.WORKS}
    told = {}
    for name in works.split(","):
        place = Path(folder) / name
        told[name] = asdict(kill_often(known[name](), place, int(kills), int(seed)))
        shutil.rmtree(place)
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
