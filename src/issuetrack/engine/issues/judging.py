"""The parts of a person's judgement of a fix, inside one unit of work."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import col, update

from issuetrack.engine.errors import UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import records, resolving, workflow
from issuetrack.engine.issues.candidates import Remark, said
from issuetrack.engine.issues.resolution import (
    Candidate,
    candidates,
    carries_fix,
    mine,
    text_digest,
)
from issuetrack.engine.retrieval.outbox import enqueue
from issuetrack.engine.store.tables import (
    Comment,
    Issue,
    Resolution,
    ResolutionRejection,
)
from issuetrack.engine.store.types import ResolutionHow
from issuetrack.engine.store.unit_of_work import UnitOfWork


def is_told_here(known: Resolution) -> bool:
    """Tell whether a person said here what fixed the issue."""
    told = known.how is ResolutionHow.STATED
    return told and known.confirmed_by is not None


def check_finished(row: Issue) -> None:
    """Refuse to judge the fix of an issue that is not finished.

    Raises:
        UsageError: it is not.
    """
    if row.status not in workflow.FINISHED:
        raise UsageError(
            f"#{row.number} is {row.status}: it has no fix yet",
            f"issuetrack resolve {row.number} TEXT says what fixed it",
        )


def open_candidates(uow: UnitOfWork, row: Issue) -> tuple[Candidate, ...]:
    """Return what may be the fix and was not rejected, as far as it can be read."""
    assert row.number is not None
    known = records.resolution(uow, row.number)
    stated = None
    if known is not None and known.provenance == "resolution":
        stated = known.text
    rejected = resolving.rejected(uow, row.number)
    return candidates(resolving.story(uow, row, stated), rejected)


def chosen(uow: UnitOfWork, row: Issue, place: int | None) -> Candidate:
    """Return a candidate by its place from 1, or what is kept as one.

    Raises:
        UsageError: there is no such candidate, or nothing is kept.
    """
    assert row.number is not None
    if place is not None:
        check_finished(row)
        found = open_candidates(uow, row)
        if not 1 <= place <= len(found):
            raise UsageError(
                f"#{row.number} has no candidate {place}",
                f"see them: issuetrack resolution show {row.number}",
            )
        return found[place - 1]
    known = records.resolution(uow, row.number)
    if known is None or known.text is None:
        raise UsageError(
            f"no fix of #{row.number} is kept",
            f"choose a candidate: issuetrack resolution show {row.number}",
        )
    return Candidate(
        known.text, known.provenance, None, known.reader, known.score or 0.0
    )


def facts(uow: UnitOfWork, row: Issue) -> dict[str, Any] | None:
    """Return what is kept, for the trail."""
    assert row.number is not None
    known = records.resolution(uow, row.number)
    if known is None:
        return None
    return {
        "resolution": known.text,
        "how": known.how,
        "provenance": known.provenance,
        "reader": known.reader,
    }


def finish(
    uow: UnitOfWork,
    actor: Actor,
    row: Issue,
    now: datetime,
    action: str,
    before: Mapping[str, Any] | None,
) -> None:
    """Write the audit entry and the index work of a judgement."""
    assert row.number is not None
    entity = ("issue", str(row.number))
    after = facts(uow, row)
    audit.record(uow, actor, now, action, entity, before=before, after=after)
    enqueue(uow, [row.number], now)


def remember(
    uow: UnitOfWork, actor: Actor, row: Issue, found: Candidate, now: datetime
) -> None:
    """Keep that a text is not the fix of an issue."""
    assert row.number is not None
    digest = text_digest(found.text)
    if digest in resolving.rejected(uow, row.number):
        return
    values = {
        "issue_number": row.number,
        "provenance": found.provenance,
        "text_digest": digest,
        "actor": actor.principal,
        "created_at": now,
    }
    uow.insert(ResolutionRejection, [values])
    _mark_comments(uow, row, digest)


def forgive(uow: UnitOfWork, row: Issue, text: str) -> None:
    """Forget that a text was rejected, now that a person takes it."""
    digest = text_digest(text)
    uow.sql(
        "DELETE FROM resolution_rejection WHERE issue_number = ? AND text_digest = ?",
        row.number,
        digest,
    )
    _mark_comments(uow, row, digest)


def _mark_comments(uow: UnitOfWork, row: Issue, digest: bytes) -> None:
    """Let comments that say a text be indexed and evidence unless it is rejected."""
    assert row.number is not None
    rejected = resolving.rejected(uow, row.number)
    for comment in records.comments(uow, row.number):
        remark = Remark(comment.author, comment.kind, comment.body or "", "")
        if comment.body and text_digest(said(remark).text) == digest:
            tells = carries_fix(remark, row.assignee, rejected)
            uow.session.exec(
                update(Comment)
                .where(col(Comment.id) == comment.id)
                .values(carries_fix=tells)
            )


def next_best(
    uow: UnitOfWork,
    row: Issue,
    known: Resolution | None,
    found: Candidate,
    now: datetime,
) -> None:
    """Put the next best text in the place of a rejected one."""
    assert row.number is not None
    if known is None:
        return
    kept = records.resolution(uow, row.number)
    if kept is None or kept.text is None:
        return
    if text_digest(kept.text) != text_digest(found.text):
        return
    resolving.drop_resolution(uow, row.number)
    rejected = resolving.rejected(uow, row.number)
    fix = mine(resolving.story(uow, row, None), rejected)
    if fix is not None:
        resolving.put_resolution(uow, row, fix, now)
