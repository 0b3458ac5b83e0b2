"""What people say of recommendations and procedures: stars, outcomes, and why.

Everything that was ever said is kept. Of the ratings that one person gave the same
thing the last one counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import col, select

from issuetrack.engine.assistant.calibration import learn
from issuetrack.engine.assistant.feedback_log import (
    FeedbackEntry,
    FeedbackFilter,
    entries,
)
from issuetrack.engine.assistant.targets import Target, cited, credited
from issuetrack.engine.errors import UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import records
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.learning_tables import (
    Outcome,
    Rating,
    Recommendation,
    SopUse,
    SopVersion,
)
from issuetrack.engine.store.types import OutcomeResult, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid

MOST_STARS = 5
RECENT = 5


@dataclass(frozen=True)
class RatingRecord:
    """A rating as it was stored.

    Attributes:
        source: the one cited source that it is about, such as `#17`; None for all.
    """

    recommendation: int | None
    sop: int | None
    stars: int
    rater: str
    source: str | None


@dataclass(frozen=True)
class OutcomeRecord:
    """An outcome as it was stored."""

    recommendation: int | None
    sop: int | None
    result: OutcomeResult
    issue: int | None
    actor: str


@dataclass(frozen=True)
class Help:
    """Something that may have helped with an issue.

    Attributes:
        at: when it was recommended.
        confidence: what was said of a recommendation; None for a procedure.
        about: what it cites, or the title of a procedure.
    """

    target: Target
    at: datetime
    confidence: float | None
    about: str


class FeedbackService:
    """Keeps what people say of the answers of one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def rate(
        self,
        actor: Actor,
        name: str,
        stars: int,
        feedback: str | None = None,
        source: str | None = None,
    ) -> RatingRecord:
        """Keep a person's judgement of a recommendation or a procedure.

        Args:
            actor: who judges.
            name: `R12` or `S3`.
            stars: 1 to 5.
            feedback: why; engineers may read it.
            source: the one cited source that is judged; None for all of them.

        Raises:
            UsageError: the stars are not 1 to 5, or the source is not cited.
            NotFoundError: there is nothing of that name.
        """
        authorize(actor, Permission.RATE)
        target = Target.named(name)
        if not 1 <= stars <= MOST_STARS:
            raise UsageError(f"{stars} is not a rating", "give 1 (useless) to 5 stars")
        now, uuid, text = self._clock(), new_uuid(), (feedback or "").strip()
        with self._database.write() as uow:
            target.check(uow)
            only = credited(uow, target, source).name if source else None
            uow.session.add(
                Rating(
                    uuid=uuid,
                    recommendation_id=target.recommendation,
                    sop_id=target.sop,
                    rater=actor.principal,
                    stars=stars,
                    credited=only,
                    feedback=_sealed(uow, "rating", "feedback", uuid, text),
                    created_at=now,
                )
            )
            after = {"stars": stars, "feedback": text, "source": only}
            kind, entity = target.entity
            audit.record(uow, actor, now, f"{kind}.rate", (kind, entity), after=after)
            learn(uow, now)
        return RatingRecord(target.recommendation, target.sop, stars, actor.name, only)

    def outcome(
        self,
        actor: Actor,
        name: str,
        result: OutcomeResult,
        issue: str | None = None,
        note: str | None = None,
    ) -> OutcomeRecord:
        """Keep what became of a recommendation or a procedure that was followed.

        A procedure that helped counts as used.

        Args:
            actor: who followed it.
            name: `R12` or `S3`.
            result: how it ended.
            issue: for which issue; None for the one it was recommended for.
            note: more about it; engineers may read it.

        Raises:
            NotFoundError: there is nothing of that name, or no such issue.
        """
        authorize(actor, Permission.RATE)
        target, text = Target.named(name), (note or "").strip()
        now, uuid = self._clock(), new_uuid()
        with self._database.write() as uow:
            target.check(uow)
            number = _issue_of(uow, target, issue)
            uow.session.add(
                Outcome(
                    uuid=uuid,
                    recommendation_id=target.recommendation,
                    sop_id=target.sop,
                    issue_number=number,
                    result=result,
                    note=_sealed(uow, "outcome", "note", uuid, text),
                    actor=actor.principal,
                    created_at=now,
                )
            )
            _note_use(uow, actor, target, result, number, now)
            after = {"result": result, "issue": number, "note": text}
            kind, entity = target.entity
            audit.record(
                uow, actor, now, f"{kind}.outcome", (kind, entity), after=after
            )
            learn(uow, now)
        return OutcomeRecord(
            target.recommendation, target.sop, result, number, actor.name
        )

    def entries(
        self, actor: Actor, wanted: FeedbackFilter, limit: int
    ) -> list[FeedbackEntry]:
        """Return what was said, the latest first."""
        authorize(actor, Permission.READ_FEEDBACK)
        tenures = self._database.keychain.file.state.tenures
        names = {tenure.principal: tenure.name for tenure in tenures}
        with self._database.read() as uow:
            if wanted.target is not None:
                wanted.target.check(uow)
            return entries(uow, wanted, names, limit)

    def check(self, actor: Actor, name: str) -> Target:
        """Return what a name names, where it exists.

        Raises:
            UsageError: it is no such name.
            NotFoundError: there is nothing of that name.
        """
        authorize(actor, Permission.RATE)
        target = Target.named(name)
        with self._database.read() as uow:
            target.check(uow)
        return target

    def recent(self, actor: Actor, issue: str) -> list[Help]:
        """Return what was recommended for an issue lately, the latest first.

        Raises:
            NotFoundError: there is no such issue.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            number = records.find(uow, issue).number
            assert number is not None
            rows = uow.session.exec(
                select(Recommendation)
                .where(Recommendation.issue_number == number)
                .order_by(col(Recommendation.id).desc())
                .limit(RECENT)
            ).all()
            numbers = [row.id for row in rows if row.id is not None]
            given = [_recommended(uow, row) for row in rows]
            return given + _procedures(uow, number, numbers)


def _sealed(
    uow: UnitOfWork, table: str, column: str, uuid: str, text: str
) -> bytes | None:
    return uow.seal(table, column, uuid, text, Role.ENGINEER) if text else None


def _issue_of(uow: UnitOfWork, target: Target, issue: str | None) -> int | None:
    if issue is not None:
        return records.find(uow, issue).number
    if target.recommendation is None:
        return None
    row = uow.session.get(Recommendation, target.recommendation)
    return row.issue_number if row is not None else None


def _note_use(
    uow: UnitOfWork,
    actor: Actor,
    target: Target,
    result: OutcomeResult,
    issue: int | None,
    now: datetime,
) -> None:
    if target.sop is None or result is OutcomeResult.REJECTED:
        return
    use = SopUse(sop_id=target.sop, issue_number=issue, actor=actor.principal, at=now)
    uow.session.add(use)


def _recommended(uow: UnitOfWork, row: Recommendation) -> Help:
    assert row.id is not None
    names = ", ".join(subject.name for subject in cited(uow, row.id))
    about = f"from {names}" if names else ""
    return Help(Target(row.id), row.created_at, row.confidence, about)


def _procedures(uow: UnitOfWork, issue: int, recommended: Sequence[int]) -> list[Help]:
    """Return the procedures that were evidence for an issue, or named for it."""
    marks = ",".join("?" * len(recommended))
    rows = uow.sql(
        "SELECT sop_id, max(at) FROM ("
        f"SELECT sop_id, created_at AS at FROM recommendation_source "
        "JOIN recommendation ON recommendation.id = recommendation_id "
        f"WHERE sop_id IS NOT NULL AND recommendation_id IN ({marks}) "
        "UNION ALL SELECT sop_id, at FROM sop_use WHERE issue_number = ?"
        ") GROUP BY sop_id ORDER BY max(at) DESC, sop_id LIMIT ?",
        *recommended,
        issue,
        RECENT,
    )
    return [
        Help(
            Target(sop=int(sop)),
            datetime.fromisoformat(at).replace(tzinfo=UTC),
            None,
            _title(uow, int(sop)),
        )
        for sop, at in rows
    ]


def _title(uow: UnitOfWork, sop: int) -> str:
    """Return the title of the latest version of a procedure."""
    found = uow.session.exec(
        select(SopVersion.title)
        .where(SopVersion.sop_id == sop)
        .order_by(col(SopVersion.version).desc())
    ).first()
    return found or ""
