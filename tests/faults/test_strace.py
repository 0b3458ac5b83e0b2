"""The real program with failing system calls, SQLite's own among them.

strace (a Debian package) has the Nth call of a kind fail on the workspace's files.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from faults.injected import COMMANDS, Command
from faults.kit import KEY

STRACE = shutil.which("strace")
CALLS = (
    *("pwrite64", "write", "fsync", "fdatasync", "ftruncate"),
    *("rename", "renameat", "openat"),
)
ENDS = (
    *("", "-wal", "-shm", ".keys", ".head", ".lock", ".rekeying", ".rekeyed"),
    *(".restoring", ".restored"),
)
FEW, MANY = (2,), (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)
NAMES = ("new", "import", "rotate", "rekey", "backup")

pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(STRACE is None, reason="strace is not installed"),
]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Command]:
    """Return the commands, each with a workspace to copy."""
    made = {}
    for name in NAMES:
        made[name] = Command(name)
        made[name].template = tmp_path_factory.mktemp(name)
        made[name].prepare(made[name].template)
    return made


def traced(folder: Path, name: str, call: str, number: int) -> tuple[int, str, bool]:
    """Run a command under strace.

    Returns:
        the exit code, stderr, and whether there was a call that failed.
    """
    log = folder.parent / "strace.log"
    files = [str(folder), *(f"{folder / Command.name}{end}" for end in ENDS)]
    done = subprocess.run(
        [
            *(str(STRACE), "-f", "-qq", "-o", str(log), "-e", f"trace={call}"),
            *("-e", f"inject={call}:error=EIO:when={number}"),
            *(option for file in files for option in ("-P", file)),
            *(sys.executable, "-P", "-m", "issuetrack"),
            *(*COMMANDS[name], "--no-input"),
        ],
        cwd=folder,
        env={
            **os.environ,
            "ISSUETRACK_DB": str(folder / Command.name),
            "ISSUETRACK_KEY": KEY,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("tracing is not allowed here")
    return done.returncode, done.stderr, "INJECTED" in log.read_text("utf-8")


# FAULTS 4
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("rekey", FEW),
        *(pytest.param(name, MANY, marks=pytest.mark.slow) for name in NAMES),
    ],
)
def test_failing_system_call_is_told_and_gone_on_from(
    tmp_path: Path,
    templates: dict[str, Command],
    name: str,
    call: str,
    numbers: tuple[int, ...],
) -> None:
    """It ends in words, everything is sound, and run again the command succeeds."""
    command = templates[name]
    for number in numbers:
        folder = tmp_path / f"{number}" / "work"
        shutil.copytree(command.template, folder)
        code, said, hit = traced(folder, name, call, number)
        if not hit:
            break
        assert "Traceback" not in said
        ended = [line[:6] for line in said.splitlines()[-2:]]
        assert code == 0 or (code in (1, 4) and ended == ["error:", "  try:"]), said
        command.look(folder, code)
        command.again(folder)
        if code and not (name == "new" and command.is_done(folder)):
            shutil.rmtree(folder / "made", ignore_errors=True)
            code, said, _ = traced(folder, name, call, 1 << 15)
            assert code == 0, said
            command.look(folder, code)
