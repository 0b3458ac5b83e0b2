"""The command line in this process, and in another one on a real terminal."""

import fcntl
import io
import json
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY, Team, copy_files, key_of
from issuetrack.cli.main import run
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

FORMS = ("table", "json", "jsonl", "csv", "markdown")
COLUMNS_ON_TERMINAL = 250

FIX = """\
**Root cause:** the connection pool of checkout was smaller than the number of pods.

## Steps

1. Look at who holds the connections:

   ```
   psql -c 'SELECT usename, count(*) FROM pg_stat_activity GROUP BY 1'
   ```

2. Raise the limit with `kubectl set env deployment/checkout DB_POOL_MAX=8`.

## Validation

- The error rate is back to 0.02 % and `kubectl get pods` shows no restarts.

## Rollback

- `kubectl rollout undo deployment/checkout`
"""
COMMENT_FIX = (
    "Fixed by renewing the certificate: `certbot renew --force-renewal`. "
    "Root cause was a timer that had been switched off."
)
PAST: tuple[dict[str, Any], ...] = (
    {
        "key": "OPS-1",
        "title": "Checkout returns 500, too many clients already",
        "body": "PSQLException: FATAL: sorry, too many clients already",
        "type": "incident",
        "status": "closed",
        "priority": "P1",
        "service": "checkout",
        "site": "DC1",
        "category": "database",
        "labels": ["database", "shop"],
        "reporter": "monitoring",
        "assignee": "oncall-db",
        "url": "https://tracker.example/OPS-1",
        "created_at": "2026-01-05T08:00:00+00:00",
        "updated_at": "2026-01-06T08:00:00+00:00",
        "resolved_at": "2026-01-05T12:00:00+00:00",
        "closed_at": "2026-01-06T08:00:00+00:00",
        "resolution": FIX,
        "comments": [
            {
                "key": "c1",
                "author": "oncall-db",
                "kind": "public",
                "body": "Looking at the pool now.",
                "created_at": "2026-01-05T09:00:00+00:00",
            },
            {
                "key": "c2",
                "author": "oncall-db",
                "kind": "work_note",
                "body": "The replica was slow as well.",
                "created_at": "2026-01-05T10:00:00+00:00",
            },
        ],
    },
    {
        "key": "OPS-2",
        "title": "Portal certificate expired",
        "body": "Browsers refuse the staff portal since this morning.",
        "status": "resolved",
        "assignee": "platform",
        "created_at": "2026-02-01T08:00:00+00:00",
        "resolved_at": "2026-02-01T10:00:00+00:00",
        "comments": [
            {
                "key": "c1",
                "author": "platform",
                "body": COMMENT_FIX,
                "created_at": "2026-02-01T10:00:00+00:00",
            }
        ],
    },
    {
        "key": "OPS-3",
        "title": "Printer on floor 3 jams",
        "status": "open",
        "priority": "P4",
        "created_at": "2026-03-01T08:00:00+00:00",
    },
    {
        "key": "OPS-4",
        "title": "Checkout fails again, too many clients",
        "body": "FATAL: sorry, too many clients already, since the newsletter",
        "status": "open",
        "priority": "P1",
        "service": "checkout",
        "duplicate_of": "OPS-1",
        "created_at": "2026-04-01T08:00:00+00:00",
    },
)
LOCAL_TITLE = "Badge reader at the gate is dead"
LOCAL_FIX = "Root cause: a loose plug. Fix: plug it in again and restart the reader."


@dataclass(frozen=True)
class Done:
    """What a run of the program left: exit code, data, talk."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        """Return stdout as one JSON object."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def data(self) -> Any:
        """Return the data of the envelope."""
        return self.envelope["data"]


class Cli:
    """Runs the program in this process, its stdin a pipe."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(
        self, *arguments: str, stdin: str | bytes = "", code: int | None = 0
    ) -> Done:
        """Run it; `code` is the exit code to expect, None for any."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        self._capsys.readouterr()
        found = run(list(arguments))
        told = self._capsys.readouterr()
        done = Done(found, told.out, told.err)
        assert code is None or done.code == code, (arguments, done)
        return done


def in_words(value: object) -> str | None:
    """Return the name of a case made of command line arguments."""
    if isinstance(value, list | tuple):
        return ascii(" ".join(value)).strip("'\"")
    return None


def write_jsonl(path: Path, *records: dict[str, Any]) -> Path:
    """Write records as JSON lines, and return the path."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def copy_workspace(source: Path, target: Path) -> None:
    """Copy a closed workspace with its keys and its head."""
    for end in ("", ".keys", ".head"):
        shutil.copy(f"{source}{end}", f"{target}{end}")


def _create(path: Path) -> None:
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])


@pytest.fixture(scope="session")
def empty_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a closed workspace without issues."""
    path = tmp_path_factory.mktemp("empty") / "empty.db"
    _create(path)
    return path


@pytest.fixture(scope="session")
def past_template(
    tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder
) -> Path:
    """Return the path of a closed workspace: PAST as #1 to #4, a local one as #5."""
    folder = tmp_path_factory.mktemp("past")
    path = folder / "past.db"
    _create(path)
    reader = FileReader(write_jsonl(folder / "past.jsonl", *PAST), FileFormat.JSONL, {})
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    try:
        workspace.imports.run(workspace.actor, "past", "jsonl", reader.items())
        made = workspace.issues.create(workspace.actor, IssueDraft(LOCAL_TITLE))
        workspace.issues.resolve(workspace.actor, str(made.number), LOCAL_FIX)
        workspace.drain_index()
    finally:
        workspace.close()
    return path


@pytest.fixture
def bare_cli(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    embedder: LlamaEmbedder,
) -> Cli:
    """Return the program without a workspace and without a key.

    Its embedding model is the one of all tests: loading another for each run is slow.
    """
    name = "issuetrack.engine.inference.llama.LlamaEmbedder"
    monkeypatch.setattr(name, lambda: embedder)
    monkeypatch.setenv("ISSUETRACK_DB", str(tmp_path / "test.db"))
    monkeypatch.setenv("COLUMNS", "100")
    return Cli(capsys, monkeypatch)


@pytest.fixture
def cli(
    bare_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_template: Path
) -> Cli:
    """Return the program with an empty workspace, `test.db` under tmp_path."""
    monkeypatch.setenv("ISSUETRACK_KEY", KEY)
    copy_workspace(empty_template, tmp_path / "test.db")
    return bare_cli


@pytest.fixture
def past_cli(
    bare_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, past_template: Path
) -> Cli:
    """Return the program with the issues of PAST, indexed, and a local one."""
    monkeypatch.setenv("ISSUETRACK_KEY", KEY)
    copy_workspace(past_template, tmp_path / "test.db")
    return bare_cli


class TeamCli:
    """Runs the program as one of the members of a team.

    Attributes:
        folder: where its workspace is, as `test.db`.
        recovery_key: what opens it as the recovery principal.
    """

    def __init__(
        self,
        cli: Cli,
        monkeypatch: pytest.MonkeyPatch,
        folder: Path,
        recovery_key: str,
    ) -> None:
        self._cli = cli
        self._monkeypatch = monkeypatch
        self.folder = folder
        self.recovery_key = recovery_key

    def __call__(
        self,
        *arguments: str,
        by: str | None = "owner",
        code: int | None = 0,
        env: Mapping[str, str] | None = None,
        **variables: str,
    ) -> Done:
        """Run it by a member, by `recovery`, or by somebody without a key."""
        environment = {**(env or {}), **variables}
        if by == "recovery":
            environment |= {"ISSUETRACK_RECOVERY_KEY": self.recovery_key}
        elif by is not None:
            environment |= {"ISSUETRACK_KEY": key_of(by)}
        with self._monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return self._cli(*arguments, code=code)

    def refused(
        self,
        *arguments: str,
        code: int,
        told: str,
        by: str | None = "owner",
        env: Mapping[str, str] | None = None,
        **variables: str,
    ) -> None:
        """Check that a call fails, tells it once, and changes no key and no file."""
        before, keys = self.files(), self.keys()
        done = self(*arguments, by=by, code=code, env=env, **variables)
        lines = done.err.splitlines()
        assert sum(line.startswith("error: ") for line in lines) == 1, done.err
        assert sum(line.startswith("  try: ") for line in lines) == 1, done.err
        assert told in done.err
        assert done.out == ""
        assert (self.files(), self.keys()) == (before, keys)

    def files(self) -> list[str]:
        """Return the names of all files but those of the database."""
        return sorted(
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if not path.name.startswith("test.db")
        )

    def keys(self) -> bytes:
        """Return the content of the key file of the workspace."""
        return (self.folder / "test.db.keys").read_bytes()


@pytest.fixture
def team_cli(
    bare_cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    team_template: Team,
) -> TeamCli:
    """Return the program with the members of `team_template`."""
    copy_files(team_template.path, tmp_path / "test.db")
    monkeypatch.chdir(tmp_path)
    return TeamCli(bare_cli, monkeypatch, tmp_path, team_template.recovery_key)


Answer = tuple[bytes, bytes | Callable[["subprocess.Popen[bytes]"], None]]
OnTerminal = Callable[..., tuple[int, bytes]]


def run_on_terminal(
    command: Sequence[str],
    *,
    answers: Sequence[Answer] = (),
    timeout: float = 120,
    **environment: str,
) -> tuple[int, bytes]:
    """Run a program on a pseudo-terminal and return its exit code and all bytes.

    Args:
        command: the program and its arguments.
        answers: what to wait for in the output, and then what to type, or what to
            do with the process.
        timeout: seconds after which it is killed.
        environment: variables beside those of this process.
    """
    ours, theirs = pty.openpty()
    size = struct.pack("HHHH", 50, COLUMNS_ON_TERMINAL, 0, 0)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    process = subprocess.Popen(
        list(command),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "", **environment},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        told = _conversation(process, ours, list(answers), time.monotonic() + timeout)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return told


def _conversation(
    process: "subprocess.Popen[bytes]", ours: int, answers: list[Answer], until: float
) -> tuple[int, bytes]:
    told, seen = b"", 0
    while time.monotonic() < until:
        ready, _, _ = select.select([ours], [], [], 0.2)
        try:
            part = os.read(ours, 65536) if ready else b""
        except OSError:
            return process.wait(timeout=10), told
        told += part
        if answers and answers[0][0] in told[seen:]:
            seen = len(told)
            answer = answers.pop(0)[1]
            if isinstance(answer, bytes):
                os.write(ours, answer)
            else:
                answer(process)
    raise AssertionError(f"no end after: {told[-2000:]!r}")


@pytest.fixture
def on_terminal(tmp_path: Path) -> OnTerminal:
    """Return a runner of the program on a pseudo-terminal, with `test.db`."""

    def go(*arguments: str, **options: Any) -> tuple[int, bytes]:
        settings = {
            "ISSUETRACK_DB": str(tmp_path / "test.db"),
            "ISSUETRACK_KEY": KEY,
        } | options
        command = [sys.executable, "-m", "issuetrack", *arguments]
        return run_on_terminal(command, **settings)

    return go
