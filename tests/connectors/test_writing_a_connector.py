"""The connector that docs/writing-a-connector.md ends with is whole and works."""

import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from conftest import RunCli
from connectors.deskbell_server import Deskbell, running
from issuetrack.connectors import registry
from issuetrack.engine.errors import UsageError
from issuetrack.engine.sync.connector import SourceSettings, Tracker
from issuetrack.testing.contract import ConnectorContract
from issuetrack.testing.upstream import Upstream

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-connector.md"
MODULE = "issuetrack_deskbell"
ENTRY = re.compile(r"\[project\.entry-points\.\"(.+)\"\]\n(\w+) = \"(.+)\"")
TOKEN = "a-token-of-deskbell"


def example() -> str:
    """Return the code that the page ends with."""
    return PAGE.read_text("utf-8").rpartition("```python\n")[2].removesuffix("```\n")


def install(folder: Path) -> None:
    """Install the example as pip would do it."""
    (folder / f"{MODULE}.py").write_text(example(), "utf-8")
    found = ENTRY.search(PAGE.read_text("utf-8"))
    assert found
    group, name, target = found.groups()
    info = folder / f"{MODULE}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {MODULE}\nVersion: 1.0\n", "utf-8"
    )
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n", "utf-8")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder in which the example is installed; this process sees it."""
    folder = tmp_path_factory.mktemp("packages")
    install(folder)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop(MODULE, None)


class TestDeskbell(ConnectorContract):
    """The example keeps to the contract."""

    secret = TOKEN

    @pytest.fixture(autouse=True)
    def _registered(self, installed: Path) -> None:
        self.tracker: Tracker = registry.tracker("deskbell")

    def serve(self) -> AbstractContextManager[Deskbell]:
        return running(self.secret)

    def settings(self, upstream: Upstream) -> SourceSettings:
        return SourceSettings("bell", "deskbell", upstream.server.url)


def test_it_is_among_the_kinds(installed: Path) -> None:
    """The registry finds it by its entry point; others are named where one is missing."""
    assert {"deskbell", "github", "jira", "servicenow"} <= set(registry.kinds())
    assert registry.tracker("deskbell").title == "Deskbell"
    with pytest.raises(UsageError, match="no connector for no-such") as refused:
        registry.tracker("no-such")
    assert "deskbell" in (refused.value.hint or "")


def test_a_connector_that_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and the others go on working."""
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[issuetrack.connectors]\nbroken = no_such_module:TRACKER\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert "broken" in registry.kinds()
    assert registry.tracker("github").kind == "github"
    with pytest.raises(UsageError, match="broken cannot be loaded"):
        registry.tracker("broken")


def test_it_works_from_the_command_line(
    installed: Path, run_cli: RunCli, workspace: object
) -> None:
    """A source of its kind is added and synchronised by the real program."""
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    env = {"PYTHONPATH": path.rstrip(os.pathsep)}
    with running(TOKEN) as desk:
        desk.add("Pump 1 stopped", "It hums.", ["Replaced the fuse."])
        url = desk.server.url
        where = ("deskbell", "--name", "bell", "--base-url", url)
        added = run_cli(
            "source", "add", *where, "--token-stdin", stdin=f"{TOKEN}\n", env=env
        )
        assert added.returncode == 0, added.stderr
        done = run_cli("sync", "bell", env=env)
        assert done.returncode == 0, done.stderr
    shown = run_cli("issue", "show", "1")
    assert "Pump 1 stopped" in shown.stdout
    assert "Replaced the fuse." in shown.stdout
