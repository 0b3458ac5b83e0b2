"""What people make of the fixes that were mined: confirmed, corrected or rejected.

A person's word holds: no import, sync or later comment replaces it, and a text that
was rejected is never taken for the fix of that issue again. A fix from a work note stays
with the engineers until one of them makes it public or writes it anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, func, select

from issuetrack.engine.errors import UsageError
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import judging, records, resolving
from issuetrack.engine.issues.records import IssueSummary, ResolutionRecord
from issuetrack.engine.issues.resolution import Candidate, Fix, says_something
from issuetrack.engine.issues.texts import checked_body
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.learning_tables import RecommendationSource
from issuetrack.engine.store.tables import Issue, Resolution
from issuetrack.engine.store.types import ResolutionHow, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

Clock = Callable[[], datetime]
EDITED = "an edit"


@dataclass(frozen=True)
class FixEntry:
    """A kept fix as a list shows it.

    Attributes:
        score: 0..1, how sure the miner was; None where a person told it.
        uses: how many recommendations cite its issue.
    """

    issue: IssueSummary
    how: ResolutionHow
    provenance: str
    reader: Role
    score: float | None
    uses: int


@dataclass(frozen=True)
class FixReview:
    """Everything that is needed to judge the fix of one issue.

    Attributes:
        resolution: what is kept; None if nothing is.
        candidates: what else it may be, the best first; what was rejected is left out.
        rejected: how many texts were rejected.
    """

    issue: IssueSummary
    body: str
    resolution: ResolutionRecord | None
    candidates: tuple[Candidate, ...]
    rejected: int


class ReviewService:
    """The review of the fixes of one workspace."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def fixes(
        self, actor: Actor, how: ResolutionHow | None = None, limit: int = 50
    ) -> tuple[list[FixEntry], int]:
        """Return the fixes that are kept, the latest first, and how many there are.

        Args:
            actor: who asks.
            how: only those that are known this way.
            limit: at most so many.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            wanted = [] if how is None else [Resolution.how == how]
            rows = uow.session.exec(
                select(Resolution)
                .where(*wanted)
                .order_by(col(Resolution.created_at).desc(), col(Resolution.id).desc())
                .limit(limit)
            ).all()
            total = uow.session.exec(
                select(func.count()).select_from(Resolution).where(*wanted)
            ).one()
            return _entries(uow, rows), total

    def queue(self, actor: Actor, limit: int = 50) -> tuple[list[FixEntry], int]:
        """Return the mined fixes that nobody has judged, and how many there are.

        First comes what may do most harm: the least certain times the most used.
        """
        authorize(actor, Permission.CURATE_FIXES)
        with self._database.read() as uow:
            mined = uow.session.exec(
                select(Resolution).where(Resolution.how == ResolutionHow.MINED)
            ).all()
            uses = _uses(uow)

            def harm(row: Resolution) -> tuple[float, int]:
                doubt = 1.0 - (row.score or 0.0)
                times = 1 + uses.get(row.issue_number, 0)
                return -doubt * times, -row.issue_number

            return _entries(uow, sorted(mined, key=harm)[:limit]), len(mined)

    def get(self, actor: Actor, name: str) -> FixReview:
        """Return the fix of an issue with what else it may be.

        Raises:
            NotFoundError: there is no such issue.
        """
        authorize(actor, Permission.CURATE_FIXES)
        with self._database.read() as uow:
            return _review(uow, records.find(uow, name))

    def confirm(
        self,
        actor: Actor,
        name: str,
        candidate: int | None = None,
        *,
        public: bool = False,
    ) -> FixReview:
        """Keep a text as the fix for good: the one that is kept, or a candidate.

        Args:
            actor: who confirms it.
            name: the issue.
            candidate: its place among the candidates, from 1; None for what is kept.
            public: let everybody read what is from a work note.

        Raises:
            UsageError: there is nothing to confirm, or no such candidate.
            NotFoundError: there is no such issue.
        """
        authorize(actor, Permission.CURATE_FIXES)
        now = self._clock()
        with self._database.write() as uow:
            row = records.find(uow, name)
            found = judging.chosen(uow, row, candidate)
            reader = Role.VIEWER if public else found.reader
            fix = Fix(
                found.text,
                ResolutionHow.CONFIRMED,
                found.provenance,
                reader,
                found.score,
            )
            before = judging.facts(uow, row)
            resolving.put_resolution(uow, row, fix, now, actor.principal)
            judging.forgive(uow, row, fix.text)
            judging.finish(uow, actor, row, now, "resolution.confirm", before)
            return _review(uow, row)

    def edit(self, actor: Actor, name: str, text: str) -> FixReview:
        """Keep a text that a person wrote as the fix; everybody may read it.

        Raises:
            UsageError: the text says nothing, or the issue is not finished.
            NotFoundError: there is no such issue.
        """
        authorize(actor, Permission.CURATE_FIXES)
        if not says_something(text):
            raise UsageError(
                "that does not say what fixed it",
                "give the cause and the steps in a sentence or more",
            )
        now = self._clock()
        with self._database.write() as uow:
            row = records.find(uow, name)
            judging.check_finished(row)
            assert row.number is not None
            known = resolving.kept(uow, row.number)
            origin = EDITED
            if known is not None:
                again = known.provenance.startswith(EDITED)
                origin = (
                    known.provenance if again else f"{EDITED} of {known.provenance}"
                )
            fix = Fix(
                checked_body(text).strip(),
                ResolutionHow.CONFIRMED,
                origin,
                Role.VIEWER,
            )
            before = judging.facts(uow, row)
            resolving.put_resolution(uow, row, fix, now, actor.principal)
            judging.forgive(uow, row, fix.text)
            judging.finish(uow, actor, row, now, "resolution.edit", before)
            return _review(uow, row)

    def reject(
        self, actor: Actor, name: str, candidate: int | None = None
    ) -> FixReview:
        """Say that a text is not the fix, for good; the next best one takes its place.

        Args:
            actor: who rejects it.
            name: the issue.
            candidate: its place among the candidates, from 1; None for what is kept.

        Raises:
            UsageError: there is nothing to reject, or a person told it here.
            NotFoundError: there is no such issue.
        """
        authorize(actor, Permission.CURATE_FIXES)
        now = self._clock()
        with self._database.write() as uow:
            row = records.find(uow, name)
            assert row.number is not None
            known = resolving.kept(uow, row.number)
            if candidate is None and known is not None and judging.is_told_here(known):
                raise UsageError(
                    f"what fixed #{row.number} was told here by whoever resolved it",
                    f"correct it: issuetrack resolution edit {row.number}",
                )
            found = judging.chosen(uow, row, candidate)
            before = judging.facts(uow, row)
            judging.remember(uow, actor, row, found, now)
            judging.next_best(uow, row, known, found, now)
            judging.finish(uow, actor, row, now, "resolution.reject", before)
            return _review(uow, row)


def _uses(uow: UnitOfWork) -> dict[int, int]:
    """Return how many recommendations cite each issue."""
    rows = uow.session.exec(
        select(RecommendationSource.issue_number, func.count())
        .where(col(RecommendationSource.issue_number).is_not(None))
        .group_by(col(RecommendationSource.issue_number))
    )
    return {number: uses for number, uses in rows if number is not None}


def _entries(uow: UnitOfWork, rows: Sequence[Resolution]) -> list[FixEntry]:
    issues = records.by_number(uow, [row.issue_number for row in rows])
    uses = _uses(uow)
    return [
        FixEntry(
            issues[row.issue_number],
            row.how,
            row.provenance,
            row.reader,
            row.score,
            uses.get(row.issue_number, 0),
        )
        for row in rows
    ]


def _review(uow: UnitOfWork, row: Issue) -> FixReview:
    assert row.number is not None
    return FixReview(
        records.summaries(uow, [row])[0],
        uow.open_optional("issue", "body", row.uuid, row.body) or "",
        records.resolution(uow, row.number),
        judging.open_candidates(uow, row),
        len(resolving.rejected(uow, row.number)),
    )
