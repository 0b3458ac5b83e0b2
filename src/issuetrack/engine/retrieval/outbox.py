"""The queue of what the search index is behind with; see `indexing`."""

from collections.abc import Iterable
from datetime import datetime

from issuetrack.engine.store.tables import IndexQueue
from issuetrack.engine.store.unit_of_work import UnitOfWork


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


def is_waiting(uow: UnitOfWork) -> bool:
    """Tell whether the index is behind with anything."""
    return bool(uow.sql("SELECT EXISTS (SELECT 1 FROM index_queue)")[0][0])
