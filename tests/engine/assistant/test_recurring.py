"""What comes back: clusters that chains do not glue, with their cost and their cure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from conftest import KEY, copy_files
from issuetrack.engine.assistant import linkage
from issuetrack.engine.assistant.likeness import Points
from issuetrack.engine.assistant.recurring import HIGHEST, LIKENESS, LOWEST, bar
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.store.learning_tables import Calibration
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.types import (
    CalibrationKind,
    GoneReason,
    IssueStatus,
    OutcomeResult,
)
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.engine.workspace import Workspace

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
DISK = "Disk full on the build server"
DISK_BODY = "no space left on device /var/lib/docker"
FIX = "Root cause: old images were kept. Fix: ran docker image prune on the server."
Floats = npt.NDArray[np.float32]


def points(rows: Floats) -> Points:
    """Return unit rows as points that all have a text."""
    half = rows.shape[1] // 2
    return Points(rows[:, :half], rows[:, half:], np.zeros(len(rows), dtype=bool))


def unit(rows: npt.NDArray[np.float64]) -> Floats:
    """Return rows of length 1."""
    scaled: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f4")
    return scaled


def at_angles(*degrees: float) -> Points:
    """Return points on a circle; the product of two is the cosine between them."""
    turned = np.radians(degrees)
    flat = np.stack([np.cos(turned), np.sin(turned)], axis=1)
    return points(np.hstack([flat, np.zeros_like(flat)]).astype("f4"))


def plainly(
    alike: npt.NDArray[np.float64], clusters: list[list[int]], bar: float
) -> list[tuple[int, ...]]:
    """Return the clusters of average linkage by its definition, greedily."""
    while True:
        best = max(
            (
                (float(alike[np.ix_(one, other)].mean()), i, i + 1 + j)
                for i, one in enumerate(clusters)
                for j, other in enumerate(clusters[i + 1 :])
            ),
            default=(-1.0, 0, 0),
        )
        if best[0] < bar:
            return sorted(tuple(sorted(c)) for c in clusters if len(c) > 1)
        clusters[best[1]] += clusters.pop(best[2])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("linked", [[], [(1, 2), (2, 9)]])
def test_clusters_are_those_of_average_linkage(
    seed: int, linked: list[tuple[int, int]]
) -> None:
    """Chains of neighbours within parts find what the definition finds over all."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(6, 20))
    spread = random.choice([0.4, 0.7, 1.0])
    rows = centres[random.integers(0, 6, 40)] + random.normal(size=(40, 20)) * spread
    unit_rows = unit(rows)
    apart = [[i] for i in range(40)]
    if linked:
        apart = [[1, 2, 9], *([i] for i in range(40) if i not in (1, 2, 9))]
    exact = unit_rows.astype(float)
    found = linkage.groups(points(unit_rows), linked, 0.6)
    assert [g.members for g in found] == plainly(exact @ exact.T, apart, 0.6)


def test_chain_of_half_alike_issues_is_no_cluster() -> None:
    """Each is near the next, and the ends are far apart: two clusters, not one."""
    found = linkage.groups(at_angles(0, 10, 20, 30, 40, 50), [], 0.94)
    assert [g.members for g in found] == [(0, 1), (2, 3), (4, 5)]


def test_too_many_for_one_go_are_still_one_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A part that is clustered first draws the others to it."""
    monkeypatch.setattr(linkage, "MOST_TOGETHER", 20)
    random = np.random.default_rng(1)
    centres = np.repeat(random.normal(size=(2, 30)), 100, axis=0)
    rows = unit(centres + random.normal(size=(200, 30)) * 0.2)
    found = linkage.groups(points(rows), [(3, 150)], 0.5)
    assert sorted(len(g.members) for g in found) == [2, 99, 99]
    assert (3, 150) in [g.members for g in found]


def test_titles_have_to_do_where_there_is_no_text() -> None:
    """Of two with text both count; of one without, the titles."""
    titles = np.array([[1, 0], [1, 0], [1, 0]], dtype="f4")
    texts = np.array([[0, 1], [1, 0], [0, -1]], dtype="f4")
    found = Points.of(titles, texts)
    places = np.arange(3)
    expected = [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    assert found.between(places, places).round(4).tolist() == expected


def take_in(workspace: Workspace, *issues: RemoteIssue) -> None:
    """Import issues and index them."""
    workspace.imports.run(workspace.actor, "ops", "jsonl", issues)
    workspace.drain_index()


def issue(
    key: str,
    day: int,
    title: str = DISK,
    body: str = DISK_BODY,
    hours: int | None = None,
    fix: str | None = None,
    service: str | None = None,
) -> RemoteIssue:
    """Return an issue of a day, resolved after some hours or still open."""
    at = START + timedelta(days=day)
    resolved = None if hours is None else at + timedelta(hours=hours)
    status = IssueStatus.OPEN if hours is None else IssueStatus.RESOLVED
    return RemoteIssue(
        key=key,
        title=title,
        body=body,
        status=status,
        created_at=at,
        updated_at=at,
        resolved_at=resolved,
        service=service,
        resolution=fix,
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder) -> Path:
    """Return a closed workspace: the disk was full three times, a printer jams once."""
    path = tmp_path_factory.mktemp("again") / "again.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    take_in(
        workspace,
        issue("A", 0, hours=2, fix=FIX, service="ci"),
        issue("B", 10, f"{DISK} again", hours=4, service="builds"),
        issue("C", 30),
        issue("D", 5, "Printer on floor 3 jams", "Paper jam in tray two", hours=1),
        issue("E", 6, "Payroll export is empty", "The file has no rows", hours=1),
    )
    workspace.close()
    return path


@pytest.fixture
def recurring(
    template: Path, tmp_path: Path, embedder: LlamaEmbedder
) -> Iterator[Workspace]:
    """Return an open copy of it."""
    path = copy_files(template, tmp_path / "again.db")
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    yield workspace
    workspace.close()


def test_cluster_tells_how_often_and_what_it_costs(recurring: Workspace) -> None:
    """Times, first, last, mean gap, time lost of the resolved ones, services, fix."""
    found = recurring.recurring.clusters(recurring.actor)
    (cluster,) = found.clusters
    assert (found.total, found.looked_at, found.left_out) == (1, 5, 0)
    assert (cluster.issues, cluster.times) == ((1, 2, 3), 3)
    assert cluster.exemplar in (1, 3)
    assert cluster.title == DISK
    assert (cluster.first, cluster.last) == (START, START + timedelta(days=30))
    assert cluster.mean_gap == timedelta(days=15)
    assert (cluster.time_lost, cluster.resolved) == (timedelta(hours=6), 2)
    assert cluster.services == ("builds", "ci")
    assert cluster.fix is not None
    assert (cluster.fix.issue, cluster.fix.text) == (1, FIX)
    assert cluster.sop is None
    assert recurring.recurring.clusters(recurring.actor) == found


def test_since_and_least_and_limit(recurring: Workspace) -> None:
    """Only what was opened since counts; small clusters can be left out."""
    actor = recurring.actor
    since = START + timedelta(days=1)
    (later,) = recurring.recurring.clusters(actor, since).clusters
    assert later.issues == (2, 3)
    assert recurring.recurring.clusters(actor, least=4).total == 0
    assert recurring.recurring.clusters(actor, limit=1).total == 1


def test_duplicate_links_make_a_cluster(recurring: Workspace) -> None:
    """What people linked belongs together, however it is worded."""
    recurring.linking.link(recurring.actor, "5", "4")
    clusters = recurring.recurring.clusters(recurring.actor).clusters
    assert [c.issues for c in clusters] == [(1, 2, 3), (4, 5)]


def test_issue_that_was_moved_does_not_recur(recurring: Workspace) -> None:
    """It is the same issue under another key."""
    with recurring._database.write() as uow:
        for number in (1, 2):
            uow.session.get_one(Issue, number).gone = GoneReason.MOVED
    found = recurring.recurring.clusters(recurring.actor)
    assert (found.clusters, found.looked_at) == ((), 3)


def test_empty_and_unindexed_workspaces_have_no_clusters(workspace: Workspace) -> None:
    """Nothing is compared, and nothing fails."""
    assert workspace.recurring.clusters(workspace.actor).clusters == ()
    items = [issue("A", 0), issue("B", 1)]
    workspace.imports.run(workspace.actor, "ops", "jsonl", items)
    assert workspace.recurring.clusters(workspace.actor).clusters == ()


def test_procedure_that_helped_is_named(recurring: Workspace) -> None:
    """A procedure named as the fix of one of them is the one for all of them."""
    actor = recurring.actor
    recurring.sops.create(actor, Procedure("Clean up", steps="1. Prune the images"))
    recurring.feedback.outcome(actor, "S1", OutcomeResult.ACCEPTED, "2")
    (cluster,) = recurring.recurring.clusters(actor).clusters
    assert cluster.sop is not None
    assert (cluster.sop.sop, cluster.sop.title, cluster.sop.how) == (
        1,
        "Clean up",
        "used",
    )


def test_procedure_that_says_nearly_the_same_is_named(recurring: Workspace) -> None:
    """A procedure for the very problem is near."""
    recurring.sops.create(recurring.actor, Procedure(DISK, problem=DISK_BODY))
    recurring.drain_index()
    (cluster,) = recurring.recurring.clusters(recurring.actor).clusters
    assert cluster.sop is not None
    assert cluster.sop.how == "near"


@pytest.mark.parametrize(
    ("measured", "expected"),
    [(None, LIKENESS), (0.9, 0.9), (0.2, LOWEST), (1.0, HIGHEST)],
)
def test_backtest_draws_the_line_within_reason(
    workspace: Workspace, measured: float | None, expected: float
) -> None:
    """The bar is what was measured, never absurdly low or high."""
    from issuetrack.engine.assistant.confidence import CALIBRATED

    row = Calibration(
        kind=CalibrationKind.DUPLICATE,
        created_at=START,
        fitted_on=100,
        positives=50,
        ratings=0,
        features=list(CALIBRATED[CalibrationKind.DUPLICATE]),
        metrics={"duplicate_similarity": measured},
    )
    with workspace._database.write() as uow:
        uow.session.add(row)
    with workspace._database.read() as uow:
        assert bar(uow) == expected
