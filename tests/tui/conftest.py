"""A desk to work at: the application over a small real workspace with a team."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.worker import WorkerState

from conftest import Clock, Team, copy_files
from issuetrack.cli import demo, issue_view, suggesting, suggestion_view
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.workspace import Workspace
from issuetrack.tui.app import Doors, TriageApp
from issuetrack.tui.preferences import TuiPreferences
from issuetrack.tui.screens import triage
from issuetrack.tui.widgets.reader import Reader

WIDE, SMALL = (160, 45), (80, 24)
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
PAST = ("OPS-101", "OPS-102", "OPS-116", "OPS-138", "OPS-146", "OPS-171", "OPS-172")
PROCEDURE = Procedure(
    "Shop cannot get a database connection",
    problem="Checkout fails; the pool has no connection left.",
    cause="More pods than the database has connection slots.",
    steps="1. Scale the shop down to 12 pods: `kubectl scale deploy/shop --replicas=12`\n"
    "2. Watch the pool: waiting falls to 0",
    validation="No request waits for a connection for 10 minutes.",
    rollback="Scale up again: `kubectl scale deploy/shop --replicas=24`",
    tags=("database", "shop"),
)


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open an issue at once, not only when the cursor rests on it."""
    monkeypatch.setattr(triage, "RESTING", 0.0)


def shown(app: App[Any]) -> str:
    """Return what is on the screen, as plain lines."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(part.text for part in strip).rstrip() for strip in strips)


def read(app: App[Any], name: str = "#detail") -> str:
    """Return what a reader holds, seen or not, as plain lines."""
    return "\n".join(app.screen.query_one(name, Reader).lines)


async def settled(pilot: Pilot[Any], most: float = 20) -> None:
    """Wait until nothing runs any more on the screen that is seen."""
    over = {WorkerState.SUCCESS, WorkerState.ERROR, WorkerState.CANCELLED}
    quiet, running = 0, []
    for _ in range(int(most / 0.02)):
        await pilot.pause()
        running = [
            w
            for w in pilot.app.workers
            if w.state not in over and w.node.screen is pilot.app.screen
        ]
        quiet = 0 if running else quiet + 1
        if quiet > 2:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"still running: {running}")


async def waiting(pilot: Pilot[Any], text: str, most: float = 10) -> None:
    """Wait until a text is on the screen."""
    for _ in range(int(most / 0.02)):
        await pilot.pause()
        if text in shown(pilot.app):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"no {text!r} in\n{shown(pilot.app)}")


@dataclass
class Desk:
    """A workspace of its own for one test, and applications over it.

    Attributes:
        team: the workspace with its members.
        model: what finds by meaning.
        doors: what the application is given otherwise than by default.
        reported: the errors that nobody foresaw.
    """

    team: Team
    model: EmbeddingModel
    doors: dict[str, Any] = field(default_factory=dict)
    reported: list[BaseException] = field(default_factory=list)

    def workspace(self, member: str = "owner") -> Workspace:
        """Open the workspace as a member."""
        unlock, clock = self.team.unlock(member), self.team.clock
        opened = Workspace.open(self.team.path, unlock, self.model, clock)
        self.team.opened.append(opened)
        return opened

    def app(
        self,
        member: str = "engineer",
        preferences: TuiPreferences | None = None,
        workspace: Workspace | None = None,
    ) -> TriageApp:
        """Return the application as a member sees it."""
        doors = Doors(
            database=self.team.path,
            opened=lambda _: self.workspace(member),
            created=_not_here,
            demo=_not_here,
            connect=_not_here,
            issue_markdown=issue_view.issue_markdown,
            suggestion_markdown=lambda s: suggestion_view.suggestion_markdown(
                suggesting.result(s).data
            ),
            report=self.reported.append,
            clock=lambda: NOW,
        )
        return TriageApp(
            replace(doors, **self.doors),
            preferences or TuiPreferences(),
            workspace or self.workspace(member),
        )

    @asynccontextmanager
    async def at(
        self,
        member: str = "engineer",
        size: tuple[int, int] = WIDE,
        preferences: TuiPreferences | None = None,
    ) -> AsyncIterator[Pilot[None]]:
        """Sit down: the application runs, and what it reads at first is there."""
        async with self.app(member, preferences).run_test(size=size) as pilot:
            await settled(pilot)
            yield pilot


def closed(
    opened: Callable[[str | None], Workspace], preferences: TuiPreferences
) -> TriageApp:
    """Return the application before a workspace is open."""
    doors = Doors(
        database=Path("/srv/issuetrack/team.db"),
        opened=opened,
        created=_not_here,
        demo=_not_here,
        connect=_not_here,
        issue_markdown=issue_view.issue_markdown,
        suggestion_markdown=_not_here,
        report=_not_here,
    )
    return TriageApp(doors, preferences)


def _not_here(*_arguments: Any) -> Any:
    raise AssertionError("this test gives no such door")


def _incidents() -> Iterator[str]:
    for name in ("sample_incidents.jsonl", "sample_new_incidents.jsonl"):
        for line in demo.sample(name).read_text().splitlines():
            key = json.loads(line)["key"]
            if key in PAST or key.startswith("OPS-20"):
                yield line


def furnished(team_template: Team, model: EmbeddingModel, folder: Path) -> Team:
    """Return a closed workspace with ten issues and an approved SOP, to be copied."""
    team = Team(copy_files(team_template.path, folder / "desk.db"), Clock())
    team.clock.now = NOW.replace(hour=1)
    desk = Desk(team, model)
    owner, second = desk.workspace("owner"), desk.workspace("second")
    file = folder / "issues.jsonl"
    file.write_text("\n".join(_incidents()))
    items = FileReader(file, FileFormat.JSONL, {}).items()
    owner.imports.run(owner.actor, "sample", "jsonl", items)
    sop = owner.sops.create(owner.actor, PROCEDURE).summary.sop
    owner.sops.submit(owner.actor, f"S{sop}")
    second.sops.approve(second.actor, f"S{sop}")
    owner.drain_index()
    team.close()
    return team


def copied(template: Team, folder: Path) -> Team:
    """Return a copy of a closed workspace for one test."""
    clock = Clock()
    clock.now = NOW.replace(hour=2)
    return Team(copy_files(template.path, folder / "desk.db"), clock)


@pytest.fixture(scope="session")
def desk_template(
    team_template: Team,
    embedder: LlamaEmbedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Team:
    """Return a furnished workspace with the model that ships."""
    return furnished(team_template, embedder, tmp_path_factory.mktemp("desk"))


@pytest.fixture
def desk(
    desk_template: Team, embedder: LlamaEmbedder, tmp_path: Path
) -> Iterator[Desk]:
    """Return a desk of its own for one test."""
    desk = Desk(copied(desk_template, tmp_path), embedder)
    yield desk
    desk.team.close()
