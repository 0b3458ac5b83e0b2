"""Shared parts: a shut-in environment, the shipped model, real workspaces."""

import gc
import ipaddress
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from issuetrack.cli.main import GARBAGE_THRESHOLD
from issuetrack.engine.inference import llama
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.llama_chat import LlamaChat
from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

KEY = "0123456789abcdef0123456789abcdef"
settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")
SHARED = Path(__file__).resolve().parents[2] / "shared"
MODELS = Path(os.environ.get("TEST_MODELS", ".venv/data/models")).resolve()
# Threads of llama.cpp wait for each other by spinning, which costs most where other
# tests run on the same cores.
llama.SETTINGS = replace(llama.SETTINGS, threads=1)
gc.set_threshold(GARBAGE_THRESHOLD)


class Clock:
    """Tells a moment one second later at each call."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


NewFolder = Callable[[], Path]


@pytest.fixture(scope="session")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> NewFolder:
    """Return a maker of empty folders, which need not look at the earlier ones."""
    base, numbers = tmp_path_factory.mktemp("each"), count()

    def make() -> Path:
        folder = base / str(next(numbers))
        folder.mkdir()
        return folder

    return make


@pytest.fixture
def tmp_path(new_folder: NewFolder) -> Path:
    """Return a folder of the test's own.

    pytest's reads the names of all earlier ones, which thousands of tests feel.
    """
    return new_folder()


@pytest.fixture(autouse=True)
def _shut_in(new_folder: NewFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's home, settings, keyring and network out of the tests."""
    for name in list(os.environ):
        if name.startswith(("ISSUETRACK_", "XDG_")) or name in ("PAGER", "NO_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(new_folder()))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = ipaddress.ip_address(address[0])
            assert host.is_loopback, f"a test reached for {address}"
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def home_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the home folder into tmp_path, for tests that search all that is written."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))


class RememberingEmbedder(LlamaEmbedder):
    """The shipped model; what it was asked before it answers from memory."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Vectors] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known |= zip(new, super().embed(new), strict=True)
        rows = [self._known[text] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)


@pytest.fixture(scope="session")
def embedder() -> LlamaEmbedder:
    """Return the shipped model, loaded once for all tests."""
    model = RememberingEmbedder()
    model.load()
    return model


@pytest.fixture(scope="session")
def smollm2_file() -> Path:
    """Return the file of SmolLM2 135M, which `make test-model` fetches."""
    path = MODELS / "smollm2-135m.gguf"
    assert path.exists(), "run: make test-model"
    return path


@pytest.fixture(scope="session")
def smollm2(smollm2_file: Path) -> Iterator[LlamaChat]:
    """Return a real chat model, loaded once for all tests, on one thread."""
    model = LlamaChat(smollm2_file, 2048, name="smollm2-135m", threads=1)
    yield model
    model.close()


@pytest.fixture
def clock() -> Clock:
    """Return a clock that never shows the same moment twice."""
    return Clock()


MakeWorkspace = Callable[..., Workspace]


def new_files(path: Path, clock: Clock) -> None:
    """Create an empty workspace that KEY opens."""
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret], clock)


@dataclass(frozen=True)
class NewFiles:
    """An empty closed workspace, and when it was finished."""

    path: Path
    finished: datetime


@pytest.fixture(scope="session")
def new_template(tmp_path_factory: pytest.TempPathFactory) -> NewFiles:
    """Return an empty closed workspace, to be copied."""
    path, clock = tmp_path_factory.mktemp("new") / "test.db", Clock()
    new_files(path, clock)
    return NewFiles(path, clock.now)


@pytest.fixture
def make_workspace(
    tmp_path: Path, embedder: LlamaEmbedder, clock: Clock, new_template: NewFiles
) -> Iterator[MakeWorkspace]:
    """Return a maker of open workspaces, real files all of them.

    `test.db` is a copy; each other name is a workspace with keys of its own.
    """
    opened: list[Workspace] = []

    def make(name: str = "test.db") -> Workspace:
        path = tmp_path / name
        if name == new_template.path.name and not path.exists():
            copy_files(new_template.path, path)
            clock.now = max(clock.now, new_template.finished)
        elif not path.exists():
            new_files(path, clock)
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


MEMBERS = {
    "owner": Role.ADMIN,
    "second": Role.ADMIN,
    "engineer": Role.ENGINEER,
    "viewer": Role.VIEWER,
    "exporter": Role.NONE,
}


def key_of(name: str) -> str:
    """Return the key that a member of the team has in the environment."""
    return f"the key of {name} in the environment"


def secret_of(name: str) -> SlotSecret:
    """Return the secret that opens the slot of a member of the team."""
    return SlotSecret(SlotKind.ENVIRONMENT, key_of(name).encode())


def copy_files(source: Path, target: Path) -> Path:
    """Copy a closed workspace with its keys and its head, and return the copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for end in ("", ".keys", ".head"):
        shutil.copy(f"{source}{end}", f"{target}{end}")
    return target


@dataclass
class Team:
    """One workspace with a principal of every role; `owner` and `second` are admins.

    Attributes:
        recovery_key: what opens it as the recovery principal.
    """

    path: Path
    clock: Clock
    recovery_key: str = ""
    opened: list[Workspace] = field(default_factory=list)

    def unlock(self, name: str) -> Unlock:
        """Return what a member opens the workspace with."""
        if name == "recovery":
            return Unlock(recovery_key=self.recovery_key)
        return Unlock(environment_key=key_of(name), user=name)

    def open(self, name: str) -> Workspace:
        """Open the workspace as a member, once more at each call."""
        workspace = Workspace.open(self.path, self.unlock(name), clock=self.clock)
        self.opened.append(workspace)
        return workspace

    def close(self) -> None:
        """Close all that was opened."""
        for workspace in self.opened:
            workspace.close()
        self.opened.clear()


@pytest.fixture(scope="session")
def team_template(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Return a closed workspace with its members, to be copied."""
    team = Team(tmp_path_factory.mktemp("team") / "team.db", Clock())
    owner, *others = MEMBERS
    made = Workspace.create(team.path, owner, lambda _: [secret_of(owner)], team.clock)
    team.recovery_key = made.recovery_key
    workspace = team.open(owner)
    for name in others:
        workspace.accounts.add(
            workspace.actor,
            name,
            MEMBERS[name],
            lambda _, name=name: secret_of(name),  # type: ignore[misc]
            service=MEMBERS[name] is Role.NONE,
        )
    team.close()
    return team


@pytest.fixture
def team(team_template: Team, tmp_path: Path, clock: Clock) -> Iterator[Team]:
    """Return a workspace with owner, second, engineer, viewer and exporter."""
    path = copy_files(team_template.path, tmp_path / "team.db")
    clock.now = team_template.clock.now
    copied = Team(path, clock, team_template.recovery_key)
    yield copied
    copied.close()


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
