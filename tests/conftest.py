"""Shared parts: a shut-in environment, the shipped model, real workspaces."""

import ipaddress
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.store.keyslots import SlotKind, SlotSecret
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

KEY = "0123456789abcdef0123456789abcdef"
SHARED = Path(__file__).resolve().parents[2] / "shared"


class Clock:
    """Tells a moment one second later at each call."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture(autouse=True)
def _shut_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's home, settings, keyring and network out of the tests."""
    for name in list(os.environ):
        if name.startswith(("ISSUETRACK_", "XDG_")) or name in ("PAGER", "NO_COLOR"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = ipaddress.ip_address(address[0])
            assert host.is_loopback, f"a test reached for {address}"
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session")
def embedder() -> LlamaEmbedder:
    """Return the shipped model, loaded once for all tests."""
    model = LlamaEmbedder()
    model.load()
    return model


@pytest.fixture
def clock() -> Clock:
    """Return a clock that never shows the same moment twice."""
    return Clock()


MakeWorkspace = Callable[..., Workspace]


@pytest.fixture
def make_workspace(
    tmp_path: Path, embedder: LlamaEmbedder, clock: Clock
) -> Iterator[MakeWorkspace]:
    """Return a maker of open workspaces, real files all of them."""
    opened: list[Workspace] = []

    def make(name: str = "test.db") -> Workspace:
        path = tmp_path / name
        if not path.exists():
            secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
            Workspace.create(path, "owner", lambda _: [secret], clock)
        workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder, clock)
        opened.append(workspace)
        return workspace

    yield make
    for workspace in opened:
        workspace.close()


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    """Return an empty open workspace."""
    return make_workspace()


RunCli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_cli(tmp_path: Path) -> RunCli:
    """Return a runner of the real program in a process of its own.

    It uses `test.db` under tmp_path with the key KEY.
    """

    def run(
        *arguments: str, stdin: str | bytes = "", env: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        environment = {
            **os.environ,
            "ISSUETRACK_DB": str(tmp_path / "test.db"),
            "ISSUETRACK_KEY": KEY,
            **(env or {}),
        }
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [sys.executable, "-m", "issuetrack", *arguments],
            input=given,
            capture_output=True,
            env=environment,
            timeout=120,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args,
            done.returncode,
            done.stdout.decode("utf-8"),
            done.stderr.decode("utf-8", "replace"),
        )

    return run
