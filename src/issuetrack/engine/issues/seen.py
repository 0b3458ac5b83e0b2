"""What one principal has looked at: which issues are new, which have changed since.

Looking at an issue is no change of it: nothing of this is in the audit trail, and
nobody sees the marks of somebody else.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, and_, case, func, literal, or_, select
from sqlmodel import col

from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.records import IssueSummary
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.reading_tables import Seen, SeenBaseline
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.unit_of_work import UnitOfWork

HIGHEST = 2**63 - 1


class Mark(StrEnum):
    """How an issue stands to who looks at a list of them."""

    NEW = "new"
    CHANGED = "changed"
    SEEN = "seen"


@dataclass(frozen=True)
class UnreadCounts:
    """How many issues a principal has not seen, or not as they are now."""

    new: int
    changed: int


class SeenService:
    """The reading marks of one workspace.

    An issue is known by its revision, which every change counts, that of a source too:

    - looked at: CHANGED where its revision is another one than then, else SEEN;
    - forgotten: NEW;
    - never looked at and come in after the baseline, whatever its age: NEW. Numbers
      are given in the order of coming in; one that was free again is told by the
      moment at which its issue was opened;
    - never looked at and there at the baseline: CHANGED where it was updated later,
      by the clock of its source, else SEEN.

    Before there is a baseline nothing is new.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def begin(self, actor: Actor) -> None:
        """Count everything there is as seen, at the first call for a principal."""
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            if uow.session.get(SeenBaseline, actor.principal) is not None:
                return
        now = self._clock()
        with self._database.write() as uow:
            if uow.session.get(SeenBaseline, actor.principal) is None:
                highest = uow.session.scalar(select(func.max(col(Issue.number))))
                uow.session.add(
                    SeenBaseline(
                        principal=actor.principal, highest=highest or 0, at=now
                    )
                )

    def look(self, actor: Actor, number: int, revision: int | None = None) -> None:
        """Note that an issue was looked at; one that is gone is left alone.

        Args:
            actor: who looked.
            number: the issue.
            revision: the one that was shown; None for the one that it has now.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            present, known = _revisions(uow, actor, number)
        if present is None or known == (revision or present):
            return
        with self._database.write() as uow:
            present, _ = _revisions(uow, actor, number)
            if present is not None:
                self._keep(uow, actor, number, revision or present)

    def forget(self, actor: Actor, number: int) -> None:
        """Make an issue unread again; one that is gone is left alone."""
        authorize(actor, Permission.READ)
        with self._database.write() as uow:
            present, _ = _revisions(uow, actor, number)
            if present is not None:
                self._keep(uow, actor, number, None)

    def _keep(
        self, uow: UnitOfWork, actor: Actor, number: int, revision: int | None
    ) -> None:
        mark = Seen(
            principal=actor.principal,
            issue_number=number,
            revision=revision,
            at=self._clock(),
        )
        uow.session.merge(mark)

    def marks(self, actor: Actor, summaries: Iterable[IssueSummary]) -> dict[int, Mark]:
        """Return how issues stand to an actor, by number; what is gone is left out."""
        authorize(actor, Permission.READ)
        numbers = [summary.number for summary in summaries]
        with self._database.read() as uow:
            wanted = _marks(actor, _baseline(uow, actor)).where(
                col(Issue.number).in_(numbers)
            )
            rows = uow.session.connection().execute(wanted)
            return {number: Mark(mark) for number, mark in rows}

    def counts(self, actor: Actor) -> UnreadCounts:
        """Return how many issues are new and how many have changed."""
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            baseline = _baseline(uow, actor)
            looked_at = select(col(Seen.issue_number)).where(
                col(Seen.principal) == actor.principal
            )
            found = (
                _marks(actor, baseline)
                .where(
                    or_(
                        col(Issue.number) > baseline.highest,
                        col(Issue.updated_at) > baseline.at,
                        col(Issue.number).in_(looked_at),
                    )
                )
                .subquery()
            )
            rows = uow.session.connection().execute(
                select(found.c.mark, func.count()).group_by(found.c.mark)
            )
            counted = {str(mark): int(count) for mark, count in rows}
        return UnreadCounts(counted.get(Mark.NEW, 0), counted.get(Mark.CHANGED, 0))


def _baseline(uow: UnitOfWork, actor: Actor) -> SeenBaseline:
    """Return the baseline of an actor, or one before which everything is."""
    last = datetime.max.replace(tzinfo=UTC)
    return uow.session.get(SeenBaseline, actor.principal) or SeenBaseline(
        principal=actor.principal, highest=HIGHEST, at=last
    )


def _revisions(
    uow: UnitOfWork, actor: Actor, number: int
) -> tuple[int | None, int | None]:
    """Return the revision an issue has, and the one that an actor looked at."""
    rows = uow.session.connection().execute(
        select(col(Issue.revision), col(Seen.revision))
        .join_from(Issue, Seen, _by(actor), isouter=True)
        .where(col(Issue.number) == number)
    )
    found = rows.one_or_none()
    return (None, None) if found is None else (found[0], found[1])


def _by(actor: Actor) -> Any:
    """Return the condition that joins the looks of an actor to their issues."""
    return and_(
        col(Seen.issue_number) == col(Issue.number),
        col(Seen.principal) == actor.principal,
    )


def _marks(actor: Actor, baseline: SeenBaseline) -> Select[Any]:
    """Return the statement of numbers with their marks; see `SeenService`."""
    mark = case(
        (col(Seen.revision) == col(Issue.revision), literal(Mark.SEEN.value)),
        (col(Seen.revision).is_not(None), literal(Mark.CHANGED.value)),
        (
            or_(
                col(Seen.principal).is_not(None),
                col(Issue.number) > baseline.highest,
                col(Issue.created_at) > baseline.at,
            ),
            literal(Mark.NEW.value),
        ),
        (col(Issue.updated_at) > baseline.at, literal(Mark.CHANGED.value)),
        else_=literal(Mark.SEEN.value),
    )
    return select(col(Issue.number), mark.label("mark")).join_from(
        Issue, Seen, _by(actor), isouter=True
    )
