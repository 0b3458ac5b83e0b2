"""Backups made while others write: whole, of one moment, and enough by themselves."""

import shutil
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from faults.crowd import crowd
from faults.kit import KEY, issues_of
from faults.test_canaries import HashModel
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.maintenance import MaintenanceService
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.backup import backups_of
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace, now_utc

INDEXED = 12
QUESTION = Question("database pool exhausted on node 3", "the pool of node 3 is empty")


@dataclass(frozen=True)
class State:
    """What a workspace says about itself."""

    issues: list[dict[str, Any]]
    found: list[Any]
    listed: tuple[Any, int]


def state_of(workspace: Workspace) -> State:
    """Return issues, search results and a list; the workspace must be sound."""
    actor = workspace.actor
    assert workspace.integrity_problems() == []
    assert workspace.verify_audit().broken_at is None
    assert all(f.ok for f in workspace.maintenance.check(actor))
    return State(
        issues_of(workspace),
        workspace.finding.similar(actor, QUESTION),
        workspace.issues.matching(actor, "pool"),
    )


# FAULTS 12
@pytest.mark.parametrize("times", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_backup_under_load_is_whole_elsewhere(tmp_path: Path, times: int) -> None:
    """Each holds all that was acknowledged before it, and opens with one paper key."""
    path = tmp_path / "here" / "busy.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    recovery = Workspace.create(path, "owner", lambda _: [secret]).recovery_key
    workspace = Workspace.open(path, Unlock(environment_key=KEY), HashModel())
    for n in range(INDEXED):
        draft = IssueDraft(f"pool exhausted on node {n}", body=f"{n} " * n * 500)
        workspace.issues.create(workspace.actor, draft)
    workspace.drain_index()
    made, moments = [], []
    with crowd(path, "writer", "writer") as done:
        for _ in range(times):
            moments.append(time.time())
            made.append(workspace.maintenance.backup(workspace.actor, keep=2))
            shutil.copytree(made[-1].backup, tmp_path / f"copy-{len(made)}")
            time.sleep(0.3)

    assert [error for did in done for error in did.errors] == []
    assert backups_of("busy.db", path.parent / "backups") == [
        report.backup for report in made[-2:]
    ]
    assert [r.removed for r in made[2:]] == [(r.backup,) for r in made[: times - 2]]
    whole = state_of(workspace)
    workspace.close()
    acknowledged = {title: at for did in done for title, at in did.acknowledged.items()}
    lengths = []
    for number, moment in enumerate(moments, start=1):
        target = tmp_path / f"elsewhere-{number}" / "other.db"
        unlock = Unlock(recovery_key=recovery)
        source = tmp_path / f"copy-{number}"
        MaintenanceService.restore(source, target, unlock, now_utc)
        restored = Workspace.open(target, unlock, HashModel())
        state = state_of(restored)
        restored.close()
        assert state.issues == whole.issues[: len(state.issues)]
        assert (state.found, state.listed) == (whole.found, whole.listed)
        titles = {issue["summary"]["title"] for issue in state.issues}
        early = {title for title, at in acknowledged.items() if at < moment}
        assert early <= titles
        lengths.append(len(state.issues))
    assert INDEXED < lengths[0] < lengths[-1] <= len(whole.issues)
    assert len(whole.found) > 1


# FAULTS 12
def test_backup_of_a_quiet_workspace_is_the_same_in_all(tmp_path: Path) -> None:
    """A restored copy lists, finds and shows what the original does."""
    path = tmp_path / "here" / "quiet.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    unlock = Unlock(environment_key=KEY)
    workspace = Workspace.open(path, unlock, HashModel())
    for n in range(3):
        workspace.issues.create(workspace.actor, IssueDraft(f"pool {n}", body="empty"))
    workspace.drain_index()
    made = workspace.maintenance.backup(workspace.actor, tmp_path / "there")
    expected = state_of(workspace)
    workspace.close()
    shutil.rmtree(path.parent)
    later = now_utc() + timedelta(days=1)
    MaintenanceService.restore(made.backup, path, unlock, lambda: later)
    restored = Workspace.open(path, unlock, HashModel())

    assert state_of(restored) == expected
    restored.close()
