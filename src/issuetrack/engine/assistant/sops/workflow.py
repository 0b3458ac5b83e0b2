"""How a version of a procedure comes to be, and what becomes of it.

    draft -> in_review -> approved -> deprecated
      ^          |
      +-- reject +

The newest version is the one that is worked on. A new version takes the place of an
older one that nobody approved yet; an approval takes the place of the one approved
before. Whoever wrote a version does not approve it, unless a policy lets them.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select

from issuetrack.engine.assistant.sops import records as sop_records
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.assistant.sops.records import TEXTS, Citation
from issuetrack.engine.errors import ConflictError, PermissionDenied, UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policies import AUTHOR_MAY_APPROVE, is_on
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import procedures
from issuetrack.engine.issues.texts import LONGEST_TITLE
from issuetrack.engine.retrieval.outbox import enqueue_sops
from issuetrack.engine.store.learning_tables import Sop, SopEvent, SopVersion
from issuetrack.engine.store.types import SopStatus
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid

LONGEST_SOP = 1_000_000
OPEN = (SopStatus.DRAFT, SopStatus.IN_REVIEW)
SUPERSEDED = "superseded"


@dataclass(frozen=True)
class NewVersion:
    """What is written as a version.

    Attributes:
        citations: what bears its statements out.
        model: the fingerprint of the language model that put it in words.
        original: the Markdown it was read from, verbatim.
        key: the name of the file it was read from.
    """

    procedure: Procedure
    citations: tuple[Citation, ...] = ()
    model: str | None = None
    original: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class Basis:
    """What a new version was made from.

    Attributes:
        version: the one whose text was read; the parent.
        newest: the newest one that was known then.
    """

    version: int
    newest: int


@dataclass(frozen=True)
class Act:
    """Who does something, when, and why."""

    actor: Actor
    now: datetime
    action: str
    note: str | None = None


def check(procedure: Procedure) -> None:
    """Refuse a procedure that cannot be stored.

    Raises:
        UsageError: it has no title, or is too long.
    """
    if not procedure.title:
        raise UsageError("the SOP has no title", "give one with --title")
    if len(procedure.title) > LONGEST_TITLE:
        raise UsageError(
            f"the title is longer than {LONGEST_TITLE} characters", "make it shorter"
        )
    if sum(len(procedure.field(name)) for name in TEXTS) > LONGEST_SOP:
        raise UsageError(
            f"the SOP is longer than {LONGEST_SOP:,} characters",
            "cut it into several",
        )


def create(uow: UnitOfWork, act: Act, new: NewVersion) -> SopVersion:
    """Begin a procedure with its first version, a draft.

    Raises:
        UsageError: it cannot be stored.
    """
    check(new.procedure)
    sop = Sop(
        uuid=new_uuid(), key=new.key, created_by=act.actor.principal, created_at=act.now
    )
    uow.session.add(sop)
    uow.session.flush()
    return _write(uow, act, sop, new, 1, None)


def add_version(
    uow: UnitOfWork, act: Act, sop: Sop, new: NewVersion, basis: Basis
) -> SopVersion:
    """Write the next version of a procedure, a draft.

    Raises:
        ConflictError: there is a newer version than that.
        UsageError: it cannot be stored.
    """
    check(new.procedure)
    newest = procedures.latest(uow, sop)
    if newest.version != basis.newest:
        who = procedures.names_of(uow).get(newest.author, "somebody")
        raise ConflictError(
            f"S{sop.id} has a version {newest.version} by {who}, "
            f"and yours was made from version {basis.version}",
            f"see what is new: issuetrack sop diff S{sop.id} "
            f"--from {basis.version} --to {newest.version}",
        )
    return _write(uow, act, sop, new, newest.version + 1, basis.version)


def _write(
    uow: UnitOfWork,
    act: Act,
    sop: Sop,
    new: NewVersion,
    version: int,
    parent: int | None,
) -> SopVersion:
    assert sop.id is not None
    uuid, told = new_uuid(), sop_records.citations_json(new.citations)
    content = sop_records.content_json(new.procedure)
    row = SopVersion(
        uuid=uuid,
        sop_id=sop.id,
        version=version,
        parent=parent,
        status=SopStatus.DRAFT,
        title=new.procedure.title,
        tags=list(new.procedure.tags),
        content=uow.seal("sop_version", "content", uuid, content),
        original=uow.seal_optional("sop_version", "original", uuid, new.original),
        citations=uow.seal_optional("sop_version", "citations", uuid, told),
        author=act.actor.principal,
        model=new.model,
        created_at=act.now,
    )
    uow.session.add(row)
    uow.session.flush()
    note_event(uow, act, row)
    _supersede(uow, act, row, OPEN)
    settle(uow, sop, act.now)
    return row


def note_event(uow: UnitOfWork, act: Act, row: SopVersion) -> None:
    """Write what was done with a version into its history."""
    uuid = new_uuid()
    uow.session.add(
        SopEvent(
            uuid=uuid,
            sop_id=row.sop_id,
            version=row.version,
            at=act.now,
            actor=act.actor.principal,
            action=act.action,
            note=uow.seal_optional("sop_event", "note", uuid, act.note),
        )
    )


def _supersede(
    uow: UnitOfWork, act: Act, by: SopVersion, replaced: tuple[SopStatus, ...]
) -> None:
    """Deprecate the other versions of a procedure that are in some status."""
    rows = uow.session.exec(
        select(SopVersion).where(
            SopVersion.sop_id == by.sop_id,
            SopVersion.version != by.version,
            col(SopVersion.status).in_(replaced),
        )
    ).all()
    note = f"by version {by.version}"
    for row in rows:
        row.status, row.decided_at = SopStatus.DEPRECATED, act.now
        note_event(uow, Act(act.actor, act.now, SUPERSEDED, note), row)


def settle(uow: UnitOfWork, sop: Sop, now: datetime) -> None:
    """Put the version that holds into force, and queue it for the index."""
    uow.session.flush()
    rows = uow.session.exec(
        select(SopVersion.version, SopVersion.status)
        .where(SopVersion.sop_id == sop.id)
        .order_by(col(SopVersion.version).desc())
    ).all()
    approved = [version for version, status in rows if status is SopStatus.APPROVED]
    alive = [version for version, status in rows if status is not SopStatus.DEPRECATED]
    current = next(iter(approved or alive), None)
    if current != sop.current:
        assert sop.id is not None
        sop.current = current
        enqueue_sops(uow, [sop.id], now)


def submit(uow: UnitOfWork, act: Act, sop: Sop) -> SopVersion:
    """Ask for the approval of the newest version.

    Raises:
        UsageError: it is no draft.
    """
    row = _newest(uow, sop, SopStatus.DRAFT, "issuetrack sop history")
    row.status = SopStatus.IN_REVIEW
    note_event(uow, act, row)
    return row


def approve(
    uow: UnitOfWork, act: Act, sop: Sop, version: int | None = None
) -> SopVersion:
    """Put the newest version into force.

    Raises:
        ConflictError: that is not the version that was looked at.
        UsageError: it is not in review.
        PermissionDenied: the actor wrote it, and the policy is off.
    """
    check_looked_at(uow, sop, version)
    row = _newest(uow, sop, SopStatus.IN_REVIEW, "issuetrack sop submit")
    if row.author == act.actor.principal:
        check_author_may_approve(uow, f"{act.actor.name} wrote S{sop.id}")
    put_into_force(uow, act, sop, row)
    return row


def put_into_force(uow: UnitOfWork, act: Act, sop: Sop, row: SopVersion) -> None:
    """Approve a version, in the place of the one that was approved before."""
    row.status, row.approved_by = SopStatus.APPROVED, act.actor.principal
    row.decided_at = act.now
    note_event(uow, act, row)
    _supersede(uow, act, row, (SopStatus.APPROVED,))
    settle(uow, sop, act.now)


def check_author_may_approve(uow: UnitOfWork, why: str) -> None:
    """Let whoever wrote something approve it, if the policy does.

    Raises:
        PermissionDenied: it does not.
    """
    if not is_on(uow, AUTHOR_MAY_APPROVE):
        raise PermissionDenied(
            f"{why}: somebody else has to approve it",
            "ask a colleague, or an admin to: issuetrack config set "
            f"{AUTHOR_MAY_APPROVE.name} on",
        )


def check_looked_at(uow: UnitOfWork, sop: Sop, version: int | None) -> None:
    """Refuse a decision about a version that was written after somebody looked.

    Raises:
        ConflictError: the newest version is not the one that was looked at.
    """
    newest = procedures.latest(uow, sop)
    if version is None or newest.version == version:
        return
    who = procedures.names_of(uow).get(newest.author, "somebody")
    raise ConflictError(
        f"S{sop.id} has a version {newest.version} by {who} since you looked",
        f"look at it first, then decide: issuetrack sop diff S{sop.id} "
        f"--from {version} --to {newest.version}",
    )


def reject(
    uow: UnitOfWork, act: Act, sop: Sop, version: int | None = None
) -> SopVersion:
    """Give the newest version back to be worked on.

    Raises:
        ConflictError: that is not the version that was looked at.
        UsageError: it is not in review.
    """
    check_looked_at(uow, sop, version)
    row = _newest(uow, sop, SopStatus.IN_REVIEW, "issuetrack sop history")
    row.status, row.decided_at = SopStatus.DRAFT, act.now
    note_event(uow, act, row)
    return row


def deprecate(
    uow: UnitOfWork, act: Act, sop: Sop, version: int | None = None
) -> SopVersion:
    """Take a procedure out of use: all of its versions, or only one.

    Raises:
        UsageError: it is out of use already.
        NotFoundError: there is no such version.
    """
    alive = uow.session.exec(
        select(SopVersion)
        .where(
            SopVersion.sop_id == sop.id,
            SopVersion.status != SopStatus.DEPRECATED,
        )
        .order_by(col(SopVersion.version))
    ).all()
    if version is not None:
        wanted = procedures.version_of(uow, sop, version)
        alive = [row for row in alive if row is wanted]
    if not alive:
        raise UsageError(
            f"S{sop.id} is deprecated already", f"issuetrack sop history S{sop.id}"
        )
    for row in alive:
        row.status, row.decided_at = SopStatus.DEPRECATED, act.now
        note_event(uow, act, row)
    settle(uow, sop, act.now)
    return alive[-1]


def _newest(uow: UnitOfWork, sop: Sop, wanted: SopStatus, remedy: str) -> SopVersion:
    row = procedures.latest(uow, sop)
    if row.status is not wanted:
        raise UsageError(
            f"S{sop.id} version {row.version} is {_words(row.status)}, "
            f"not {_words(wanted)}",
            f"{remedy} S{sop.id}",
        )
    return row


def _words(status: SopStatus) -> str:
    return {SopStatus.DRAFT: "a draft", SopStatus.IN_REVIEW: "in review"}.get(
        status, status.value
    )


def audited(uow: UnitOfWork, act: Act, row: SopVersion) -> None:
    """Write into the audit trail what was done with a version."""
    audit.record(
        uow,
        act.actor,
        act.now,
        f"sop.{act.action}",
        ("sop", str(row.sop_id)),
        after={
            "version": row.version,
            "title": row.title,
            "status": row.status,
            "note": act.note,
        },
    )
