"""Workspaces to be hurt, and an import that was left alone."""

from pathlib import Path

import pytest

from faults.kit import ISSUES, KEY, Bench, NewBench, Undisturbed, watched, write_issues
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.workspace import Workspace


@pytest.fixture(scope="session")
def empty_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return an empty workspace, to be copied."""
    folder = tmp_path_factory.mktemp("bench")
    path = folder / "bench.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    temporary = folder / "tmp"
    temporary.mkdir()
    return Bench(path, temporary)


@pytest.fixture
def new_bench(tmp_path: Path, empty_bench: Bench) -> NewBench:
    """Return a maker of empty workspaces."""
    made = 0

    def make() -> Bench:
        nonlocal made
        made += 1
        return empty_bench.move_to(tmp_path / f"bench-{made}")

    return make


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, empty_bench: Bench
) -> Undisturbed:
    """Return an import that nobody killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    source = folder / "ops.jsonl"
    write_issues(source, ISSUES)
    bench = empty_bench.move_to(folder / "bench")
    code, log, seconds = watched(bench, "import", str(source), "--no-index")
    content = bench.content()
    assert len(content.issues) == ISSUES
    assert len(content.quarantine) == 24
    return Undisturbed(source, code, content, log, seconds)
