"""The queue of what the search index is behind with; see `indexing`."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlmodel import col, func, select

from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.index_tables import IndexQueue
from issuetrack.engine.store.unit_of_work import UnitOfWork

BATCH = 32
_QUEUED = {
    SubjectKind.ISSUE: IndexQueue.issue_number,
    SubjectKind.DOCUMENT: IndexQueue.document_id,
    SubjectKind.SOP: IndexQueue.sop_id,
}
Queued = Sequence[tuple[Subject, int]]
QUEUED = (
    "SELECT count(*) FROM "
    "(SELECT DISTINCT issue_number, document_id, sop_id FROM index_queue)"
)


def enqueue(uow: UnitOfWork, issues: Iterable[int], now: datetime) -> None:
    """Note that the index entries of issues are out of date."""
    uow.insert(
        IndexQueue, [{"issue_number": number, "queued_at": now} for number in issues]
    )


def enqueue_documents(uow: UnitOfWork, documents: Iterable[int], now: datetime) -> None:
    """Note that the index entries of documents are out of date."""
    uow.insert(
        IndexQueue, [{"document_id": number, "queued_at": now} for number in documents]
    )


def enqueue_sops(uow: UnitOfWork, sops: Iterable[int], now: datetime) -> None:
    """Note that the index entries of procedures are out of date."""
    uow.insert(IndexQueue, [{"sop_id": number, "queued_at": now} for number in sops])


def is_waiting(uow: UnitOfWork) -> bool:
    """Tell whether the index is behind with anything."""
    return bool(uow.sql("SELECT EXISTS (SELECT 1 FROM index_queue)")[0][0])


def queued(uow: UnitOfWork, only: Subject | None) -> Queued:
    """Return the first of what is queued, each with its last entry."""
    wanted = [] if only is None else [col(_QUEUED[only.kind]) == only.number]
    rows = uow.session.exec(
        select(
            IndexQueue.issue_number,
            IndexQueue.document_id,
            IndexQueue.sop_id,
            func.max(IndexQueue.id),
        )
        .where(*wanted)
        .group_by(
            col(IndexQueue.issue_number),
            col(IndexQueue.document_id),
            col(IndexQueue.sop_id),
        )
        .order_by(func.min(IndexQueue.id))
        .limit(BATCH)
    ).all()
    return [(Subject.of(*owners), last or 0) for *owners, last in rows]


def still_queued(uow: UnitOfWork, read: Queued) -> list[Subject]:
    """Return those that no other drain has indexed since they were read."""
    return [
        subject
        for subject, last in read
        if uow.sql(
            f"SELECT 1 FROM index_queue WHERE {subject.column} = ? AND id <= ? LIMIT 1",
            subject.number,
            last,
        )
    ]


def dequeue(uow: UnitOfWork, done: Queued) -> None:
    """Take out what was indexed as it was when it was read."""
    for subject, last in done:
        uow.sql(
            f"DELETE FROM index_queue WHERE {subject.column} = ? AND id <= ?",
            subject.number,
            last,
        )
