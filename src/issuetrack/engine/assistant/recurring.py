"""Issues that come back: clusters of those that are the same problem again.

Issues are first put together by their duplicate links, then by average linkage over
their likeness, cut where the backtest draws the line between duplicates and others.
Average linkage does not let a chain of half-alike issues grow into one cluster. See
`linkage` for how that is done within seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlmodel import col, func, or_, select

from issuetrack.engine.assistant import linkage
from issuetrack.engine.assistant.calibration import active
from issuetrack.engine.assistant.known_cures import Cures, KnownFix, KnownSop
from issuetrack.engine.assistant.likeness import points
from issuetrack.engine.assistant.linkage import Group, Progress
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.workflow import FINISHED
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.types import CalibrationKind, GoneReason
from issuetrack.engine.store.unit_of_work import UnitOfWork

MOST_ISSUES = 20_000
LIKENESS = 0.85
LOWEST, HIGHEST = 0.75, 0.95
MEASURED = "duplicate_similarity"


@dataclass(frozen=True)
class Cluster:
    """Issues that are the same problem again.

    Attributes:
        issues: their numbers, in the order of time.
        exemplar: the one most like all of them.
        title: of the exemplar.
        first: when the first was opened.
        last: when the last was opened.
        mean_gap: the mean time from one to the next.
        time_lost: the time from opening to resolving, of those that are resolved.
        resolved: how many are; the time of the others is not counted.
        services: what they concern.
        fix: what fixed it the last time, where that is known.
        sop: the procedure for it, where there is one.
    """

    issues: tuple[int, ...]
    exemplar: int
    title: str
    first: datetime
    last: datetime
    mean_gap: timedelta
    time_lost: timedelta
    resolved: int
    services: tuple[str, ...]
    fix: KnownFix | None
    sop: KnownSop | None

    @property
    def times(self) -> int:
        """Return how often it happened."""
        return len(self.issues)


@dataclass(frozen=True)
class Recurrences:
    """The clusters, the most frequent first.

    Attributes:
        clusters: as many of them as were asked for.
        total: how many there are.
        looked_at: how many issues were compared.
        left_out: how many older ones were not.
    """

    clusters: tuple[Cluster, ...]
    total: int
    looked_at: int
    left_out: int


class RecurringService:
    """Looks for what comes back in one workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def clusters(
        self,
        actor: Actor,
        since: datetime | None = None,
        least: int = 2,
        limit: int = 20,
        progress: Progress | None = None,
    ) -> Recurrences:
        """Return the clusters of issues, the most frequent and costly first.

        Args:
            actor: who asks.
            since: only issues opened then or later.
            least: the fewest issues of a cluster.
            limit: at most so many clusters.
            progress: called with how many issues were compared, and how many there are.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            rows, left_out = _issues(uow, since)
            compared = points(uow, [row.number for row in rows])
            found = linkage.groups(compared, _linked(uow, rows), bar(uow), progress)
            every = [_cluster(rows, group) for group in found]
            wanted = [cluster for cluster in every if cluster.times >= least]
            wanted.sort(key=lambda c: (-c.times, -c.time_lost, c.issues))
            cures = Cures(uow)
            shown = [
                replace(
                    cluster,
                    fix=cures.fix(cluster.issues),
                    sop=cures.sop(cluster.exemplar, cluster.issues),
                )
                for cluster in wanted[:limit]
            ]
        return Recurrences(tuple(shown), len(wanted), len(rows), left_out)


def bar(uow: UnitOfWork) -> float:
    """Return how alike issues have to be: what the last backtest found, within reason.

    It is measured on known duplicates, of which few trackers know all; so it is only
    believed between `LOWEST` and `HIGHEST`.
    """
    known = active(uow, CalibrationKind.DUPLICATE)
    measured = known.metrics.get(MEASURED) if known is not None else None
    return min(max(float(measured or LIKENESS), LOWEST), HIGHEST)


@dataclass(frozen=True)
class _Row:
    """What is read of an issue."""

    number: int
    title: str
    service: str | None
    created_at: datetime
    finished_at: datetime | None
    original: int | None


def _issues(uow: UnitOfWork, since: datetime | None) -> tuple[list[_Row], int]:
    """Return the latest issues in the order of time, and how many were left out.

    One that was moved is the same as the one it was moved to, and is no recurrence.
    """
    conditions = [
        or_(col(Issue.gone).is_(None), col(Issue.gone) != GoneReason.MOVED),
        *([] if since is None else [col(Issue.created_at) >= since]),
    ]
    total = uow.session.exec(
        select(func.count(col(Issue.number))).where(*conditions)
    ).one()
    found = uow.session.exec(
        select(Issue)
        .where(*conditions)
        .order_by(col(Issue.created_at).desc(), col(Issue.number).desc())
        .limit(MOST_ISSUES)
    )
    rows = [_row(issue) for issue in found]
    return rows[::-1], total - len(rows)


def _row(issue: Issue) -> _Row:
    assert issue.number is not None
    finished = issue.resolved_at or issue.closed_at
    return _Row(
        issue.number,
        issue.title,
        issue.service,
        issue.created_at,
        finished if issue.status in FINISHED else None,
        issue.duplicate_of,
    )


def _linked(uow: UnitOfWork, rows: Sequence[_Row]) -> list[tuple[int, int]]:
    """Return the places of issues that are duplicates of the same one, by pairs."""
    originals = {
        int(number): int(original)
        for number, original in uow.sql(
            "SELECT number, duplicate_of FROM issue WHERE duplicate_of IS NOT NULL"
        )
    }
    first: dict[int, int] = {}
    pairs = []
    for place, row in enumerate(rows):
        root = _root(row.number, originals)
        pairs.append((first.setdefault(root, place), place))
    return [pair for pair in pairs if pair[0] != pair[1]]


def _root(number: int, originals: Mapping[int, int]) -> int:
    """Return the end of a chain of duplicates; of a ring its lowest number."""
    seen = [number]
    while (following := originals.get(seen[-1])) is not None:
        if following in seen:
            return min(seen[seen.index(following) :])
        seen.append(following)
    return seen[-1]


def _cluster(rows: Sequence[_Row], group: Group) -> Cluster:
    members = [rows[place] for place in group.members]
    spent = [
        row.finished_at - row.created_at
        for row in members
        if row.finished_at is not None and row.finished_at >= row.created_at
    ]
    first, last = members[0].created_at, members[-1].created_at
    exemplar = rows[group.exemplar]
    return Cluster(
        tuple(row.number for row in members),
        exemplar.number,
        exemplar.title,
        first,
        last,
        (last - first) / (len(members) - 1),
        sum(spent, timedelta()),
        len(spent),
        tuple(sorted({row.service for row in members if row.service})),
        None,
        None,
    )
