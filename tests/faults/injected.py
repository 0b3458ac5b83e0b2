"""Runs commands in forked children in which one call fails, and looks at what is left.

Run as a program of its own: `python -m faults.injected KIND FOLDER JSON`.
The kinds of fault: the Nth call that touches the workspace's folder (`call`), the Nth
allocation of the interpreter (`memory`), SQLite's memory beyond N bytes (`heap`), and
all but N bytes of the file system taken (`full`). What is found wrong goes to stdout
as JSON.
"""

import contextlib
import errno
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any

from faults.kill_work import (
    MARK,
    UNLOCK,
    Filled,
    assert_opens_nothing,
    sound_content,
)
from faults.kit import KEY, content_of
from issuetrack.cli import context, main
from issuetrack.engine.store.backup import backups_of
from issuetrack.engine.workspace import Workspace

MOST_FAILURES = 3
NEVER = 1 << 40
RECORDS = 30
CALLS = {
    "path": ("open", "replace", "rename", "mkdir", "unlink", "rmdir"),
    "descriptor": ("fsync", "pwrite", "write", "ftruncate"),
}
COMMANDS = {
    "new": ("issue", "new", MARK),
    "import": ("import", "more.jsonl", "--no-index"),
    "rotate": ("key", "rotate"),
    "rekey": ("key", "rekey"),
    "backup": ("db", "backup", "--to", "made"),
    "restore": ("db", "restore", "backup", "--yes"),
    "user": ("user", "add", "bob", "--role", "engineer", "--env-key"),
}


@dataclass
class Left:
    """What came of many faults.

    Attributes:
        calls: how many calls there are in an undisturbed run.
        codes: how often a run ended with an exit code; negative is a signal.
        sayings: the lines of cause that were shown.
        failures: tracebacks of what was wrong.
    """

    calls: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    sayings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Command(Filled):
    """One command on a workspace with issues and a backup.

    Attributes:
        template: the folder that was prepared.
    """

    template: Path

    def __init__(self, name: str) -> None:
        self.command = name

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        records = (f'{{"key": "M-{n}", "title": "more {n}"}}' for n in range(RECORDS))
        (folder / "more.jsonl").write_text("\n".join(records), encoding="utf-8")
        path = folder / self.name
        workspace = Workspace.open(path, UNLOCK)
        made = workspace.maintenance.backup(workspace.actor, folder / "backups")
        made.backup.rename(folder / "backup")
        (folder / "backups").rmdir()
        self.content = sound_content(workspace)
        workspace.close()

    def run_program(self, folder: Path) -> int:
        """Run the program in this process, in the folder of the workspace."""
        context.Invocation.index_one = lambda *_: None  # type: ignore[method-assign]
        os.chdir(folder)
        os.environ["ISSUETRACK_DB"] = str(folder / self.name)
        os.environ["ISSUETRACK_KEY"] = KEY
        os.environ["ISSUETRACK_NEW_KEY"] = KEY[::-1]
        return main.run([*COMMANDS[self.command], "--no-input"])

    def look(self, folder: Path, code: int) -> None:
        """Check the workspace after a fault, or after a run that went well."""
        workspace = Workspace.open(folder / self.name, UNLOCK)
        try:
            found = content_of(workspace)
            told = [MARK] if code == 0 and self.command == "new" else []
            new = [i for i in found.issues if i not in self.content.issues]
            if self.command == "import":
                assert len(new) in ((RECORDS,) if code == 0 else (0, RECORDS))
            else:
                queued = self.content.queued + len(new)
                assert found.queued in (queued, self.content.queued)
                self.compare(replace(found, queued=queued), told)
            assert all(f.ok for f in workspace.maintenance.check(workspace.actor))
            if code == 0:
                self.complete(folder, workspace)
        finally:
            workspace.close()

    def complete(self, folder: Path, workspace: Workspace) -> None:
        """Check what is true after the command went well."""
        state = workspace._database.keychain.file.state
        if self.command == "rotate":
            assert not workspace.keys.status(workspace.actor).unfinished
            assert {g.key_id.encode() for g in state.generations} > self.old_keys
        if self.command == "rekey":
            assert not workspace.keys.status(workspace.actor).unfinished
            assert_opens_nothing(workspace.path, self.old_pages)
        if self.command == "user":
            assert state.named("bob") is not None
        if self.command == "backup":
            (made,) = backups_of(self.name, folder / "made")
            assert len(list(made.iterdir())) == 3

    def again(self, folder: Path) -> None:
        """Check that nothing is half done: what is there is whole."""
        made = folder / "made"
        assert all(p.name.endswith("Z") for p in made.glob("*")), list(made.glob("*"))
        assert not list(folder.glob("*.restor*ing"))

    def is_done(self, folder: Path) -> bool:
        """Tell whether a command that ended badly had been committed."""
        workspace = Workspace.open(folder / self.name, UNLOCK)
        try:
            if self.command == "user":
                state = workspace._database.keychain.file.state
                return state.named("bob") is not None
            every = workspace.issues.every(workspace.actor)
            return MARK in {record.summary.title for record in every}
        finally:
            workspace.close()

    def work(self, workspace: Workspace) -> None:
        raise AssertionError

    def state(self, workspace: Workspace, told: list[str]) -> str:
        raise AssertionError

    def finished(self, path: Path, workspace: Workspace) -> None:
        raise AssertionError


def below(folder: str, target: Any) -> bool:
    """Tell whether a path, or what a descriptor stands for, is in a folder."""
    if isinstance(target, int):
        with contextlib.suppress(OSError):
            target = Path(f"/proc/self/fd/{target}").readlink()
    return str(target).startswith(folder)


def fail_call(folder: Path, number: int) -> Callable[[], int]:
    """Have the Nth call on the folder fail; return what tells how many there were."""
    count = 0

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real)
        def call(target: Any, *rest: Any, **options: Any) -> Any:
            nonlocal count
            if below(str(folder), target):
                count += 1
                if count == number:
                    named = () if isinstance(target, int) else (str(target),)
                    raise OSError(errno.EIO, os.strerror(errno.EIO), *named)
            return real(target, *rest, **options)

        return call

    for name in (*CALLS["path"], *CALLS["descriptor"]):
        setattr(os, name, failing(getattr(os, name)))
    return lambda: count


def fail_memory(_folder: Path, number: int) -> Callable[[], int]:
    """Have the Nth allocation of the interpreter fail, and a few behind it."""
    if number < NEVER:
        set_nomemory: Any = importlib.import_module("_testcapi").set_nomemory
        set_nomemory(number, number + 1 + number % 5)
    return lambda: 0


def limit_heap(_folder: Path, number: int) -> Callable[[], int]:
    """Have SQLite refuse to use more than so many bytes."""
    from issuetrack.engine.store import sqlcipher

    if number < NEVER:
        limit = f"PRAGMA hard_heap_limit = {number}"
        setattr(sqlcipher, "PRAGMAS", (*sqlcipher.PRAGMAS, limit))  # noqa: B010
    return lambda: 0


def no_fault(_folder: Path, _number: int) -> Callable[[], int]:
    """Have nothing fail from inside."""
    return lambda: 0


KINDS = {
    "call": fail_call,
    "memory": fail_memory,
    "heap": limit_heap,
    "full": no_fault,
}


@contextmanager
def filled_up(kind: str, folder: Path, left: int) -> Iterator[None]:
    """Take all but some bytes of the file system during the block."""
    if kind != "full" or left >= NEVER:
        yield
        return
    filler = folder.parent / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with filler.open("r+b") as file:
        file.truncate(max(filler.stat().st_size - left, 0))
    yield
    filler.unlink()


def run_child(
    command: Command, folder: Path, kind: str, number: int
) -> tuple[int, int, str]:
    """Run a command in a forked child; return code, number of calls and stderr."""
    said = os.memfd_create("stderr")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.dup2(said, 2)
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            counted = KINDS[kind](folder, number)
            code = command.run_program(folder)
            os._exit(code if os.write(writing, str(counted()).encode()) else 99)
        except BaseException:  # noqa: BLE001 - it is told to the parent
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        calls = int(pipe.read() or b"0")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with os.fdopen(said, "rb") as file:
        file.seek(0)
        return status, calls, file.read().decode(errors="replace")


def inject(command: Command, kind: str, folder: Path, number: int, left: Left) -> None:
    """Run a command with one fault, look, run it again without, and look again."""
    with filled_up(kind, folder, number):
        code, _, said = run_child(command, folder, kind, number)
    left.codes[str(code)] = left.codes.get(str(code), 0) + 1
    lines = said.splitlines()
    ended = [line[:6] for line in lines[-2:]] == ["error:", "  try:"]
    clean = code == 0 or (code in (1, 4) and ended)
    if kind != "memory":
        assert clean, f"exit code {code}: {said}"
        assert code >= 0
    assert "Traceback" not in said or kind == "memory", said
    saying = "".join(lines[-2:-1]).replace(str(folder), "")
    if saying not in left.sayings:
        left.sayings.append(saying)
    command.look(folder, code)
    command.again(folder)
    done = code == 0 or (command.command in ("new", "user") and command.is_done(folder))
    if not done:
        shutil.rmtree(folder / "made", ignore_errors=True)
        code, _, said = run_child(command, folder, kind, NEVER)
        assert code == 0, said
        command.look(folder, code)


def numbers(asked: str, calls: int) -> list[int]:
    """Return which calls to fail: `every`, `random:HOW MANY:UP TO`, or as listed."""
    if asked == "every":
        return list(range(1, calls + 1))
    if asked.startswith("random:"):
        _, count, most = asked.split(":")
        chance = random.Random(count)
        top = int(most) or calls
        return [chance.randint(1, top) for _ in range(int(count))]
    return [int(number) for number in asked.split(",")]


def inject_often(name: str, kind: str, folder: Path, asked: str) -> Left:
    """Run a command with one fault after the other."""
    command, left = Command(name), Left()
    template = folder / "template"
    template.mkdir(parents=True)
    command.prepare(template)
    whole = Path(shutil.copytree(template, folder / "whole" / "work"))
    code, left.calls, said = run_child(command, whole, kind, NEVER)
    assert code == 0, said
    command.look(whole, code)
    shutil.rmtree(whole.parent)
    for number in numbers(asked, left.calls):
        place = Path(shutil.copytree(template, folder / "one" / "work"))
        try:
            inject(command, kind, place, number, left)
        except Exception:  # noqa: BLE001 - it is told to the test
            left.failures.append(f"{kind} {number}\n{traceback.format_exc()}")
        shutil.rmtree(place.parent)
        if len(left.failures) == MOST_FAILURES:
            break
    return left


def injected(kind: str, folder: Path, asked: dict[str, str]) -> dict[str, Left]:
    """Run the program of this module: for each command the numbers of its faults."""
    tests = str(Path(__file__).resolve().parents[1])
    paths = [tests, *filter(None, [os.environ.get("PYTHONPATH")])]
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "faults.injected", kind, str(folder), json.dumps(asked)],
        env={**os.environ, **one, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return {command: Left(**left) for command, left in told.items()}


def report(kind: str, folder: str, asked: str) -> None:
    """Inject faults, and tell what came of them."""
    told = {}
    for command, which in json.loads(asked).items():
        place = Path(folder) / command
        told[command] = asdict(inject_often(command, kind, place, which))
        shutil.rmtree(place)
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    report(*sys.argv[1:])
