"""From the tracker into an encrypted workspace, with real files."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import GoneReason
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.credentials import CredentialFrom, CredentialSource
from issuetrack.engine.sync.runs import Progress, SyncReport, Wish
from issuetrack.engine.workspace import Workspace
from issuetrack.testing.contract.basis import Basis
from issuetrack.testing.upstream import Upstream

KEY = "the key of the contract's workspaces"
NAME = "contract"
START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
FILES = ("", ".keys", ".head")
MOST_RUNS = 60

MakeWorkspace = Callable[[str], Workspace]
Kept = dict[str | None, tuple[str, str, str, tuple[str | None, ...]]]


class _Killed(BaseException):
    """Stands for a process that is killed."""


class KeepingContract(Basis):
    """Runs of a source."""

    @pytest.fixture(scope="class")
    def empty(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return a workspace without anything, to be copied."""
        path = tmp_path_factory.mktemp("empty") / "empty.db"
        secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
        Workspace.create(path, "owner", lambda _: [secret], lambda: START)
        return path

    @pytest.fixture
    def make_workspace(
        self, tmp_path: Path, upstream: Upstream, empty: Path
    ) -> Iterator[MakeWorkspace]:
        """Return a maker of workspaces that have the source."""
        opened: list[Workspace] = []
        clock = _Clock()

        def make(name: str) -> Workspace:
            path = tmp_path / f"{name}.db"
            for end in FILES:
                shutil.copy(f"{empty}{end}", f"{path}{end}")
            workspace = Workspace.open(path, Unlock(environment_key=KEY), clock=clock)
            opened.append(workspace)
            self._add_source(workspace, upstream)
            return workspace

        yield make
        for workspace in opened:
            workspace.close()

    def _add_source(self, workspace: Workspace, upstream: Upstream) -> None:
        given = self.settings(upstream)
        settled = self.tracker.settle(replace(given, name=NAME))
        workspace.sources.add(
            workspace.actor,
            settled,
            self.tracker.scope(settled),
            CredentialSource(CredentialFrom.STORED, self.secret),
        )

    def run(
        self,
        workspace: Workspace,
        wish: Wish = Wish(),
        progress: Progress = lambda _: None,
    ) -> SyncReport:
        """Synchronise the source."""
        return workspace.sync.run(
            workspace.actor,
            NAME,
            self.connect,
            wish,
            environment={},
            progress=progress,
        )

    def test_a_second_run_changes_nothing(
        self, upstream: Upstream, make_workspace: MakeWorkspace
    ) -> None:
        """What was read is kept once; what changed since is brought up to date."""
        keys = self.fill(upstream)
        workspace = make_workspace("one")
        first = self.run(workspace)
        assert (first.created, first.partial) == (len(keys), False)
        assert self.secret not in repr(first)
        kept = _kept(workspace)
        second = self.run(workspace)
        assert (second.created, second.updated, second.partial) == (0, 0, False)
        assert _kept(workspace) == kept
        upstream.wait(60)
        upstream.edit(keys[1], "Pump 1 is loud")
        assert self.run(workspace).updated == 1
        assert self.run(workspace, Wish(full=True)).updated == 0
        assert _kept(workspace)[keys[1]][0] == "Pump 1 is loud"

    def test_runs_that_are_killed(
        self, upstream: Upstream, make_workspace: MakeWorkspace
    ) -> None:
        """Killed behind each page, it comes to the same as in one go."""
        # FAULTS 1
        self.fill(upstream)
        whole, broken = make_workspace("whole"), make_workspace("broken")
        self.run(whole)
        for _ in range(MOST_RUNS):
            with suppress(_Killed):
                self.run(broken, progress=_kill)
            if _kept(broken).keys() == _kept(whole).keys():
                break
        self.run(broken)
        assert _kept(broken) == _kept(whole)

    def test_what_is_gone_is_noted(
        self, upstream: Upstream, make_workspace: MakeWorkspace
    ) -> None:
        """A full run finds what was deleted; it is kept and marked."""
        keys = self.fill(upstream, 3)
        workspace = make_workspace("one")
        self.run(workspace)
        upstream.delete(keys[1])
        report = self.run(workspace, Wish(full=True))
        assert report.gone == 1
        gone = workspace.issues.get(workspace.actor, keys[1])
        assert gone.upstream.gone is GoneReason.DELETED


class _Clock:
    """Tells a moment one second later at each call."""

    def __init__(self) -> None:
        self._now = START

    def __call__(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


def _kill(_: SyncReport) -> None:
    raise _Killed


def _kept(workspace: Workspace) -> Kept:
    """Return what the workspace has of each issue."""
    return {
        record.summary.key: (
            record.summary.title,
            record.summary.status,
            record.body,
            tuple(sorted(c.body or "" for c in record.comments)),
        )
        for record in workspace.issues.every(workspace.actor)
    }
