"""Keeps the search indexes behind issues and documents, through an outbox.

A change of one puts its number into `index_queue` in its own transaction. A drain
takes numbers out, embeds what has no embedding yet outside any transaction,
and writes the index rows together with the removal from the queue. Stopped anywhere,
it goes on from what is still queued.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, func, select

from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.retrieval import embedding, lexical_index, vector_index
from issuetrack.engine.retrieval.documents import IndexedDocument, load
from issuetrack.engine.retrieval.outbox import enqueue, enqueue_documents
from issuetrack.engine.retrieval.page_documents import load_pages
from issuetrack.engine.retrieval.subjects import Subject, documents_of, issues_of
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Chunk, Document, IndexQueue, Issue
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid

BATCH = 32
TITLES = (ChunkKind.TITLE, ChunkKind.DOCUMENT_TITLE)

Progress = Callable[[int, int], None]
Queued = Sequence[tuple[Subject, int]]
QUEUED = (
    "SELECT count(*) FROM (SELECT DISTINCT issue_number, document_id FROM index_queue)"
)


@dataclass
class IndexReport:
    """What a drain did: counts, and seconds by stage."""

    issues: int = 0
    chunks: int = 0
    embedded: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    documents: int = 0

    def spent(self, stage: str, since: float) -> None:
        """Add the time since a `time.perf_counter` reading to a stage."""
        passed = time.perf_counter() - since
        self.seconds[stage] = self.seconds.get(stage, 0.0) + passed


@dataclass(frozen=True)
class IndexStatus:
    """How far the index is, and with which model it was made.

    Attributes:
        indexed: how many of the issues.
        queued: issues and documents that are out of date.
        documents: how many there are.
    """

    issues: int
    indexed: int
    queued: int
    chunks: int
    embeddings: int
    model: str | None
    model_matches: bool
    documents: int = 0


class Indexer:
    """Drains the outbox of one database with one embedding model."""

    def __init__(self, database: Database, model: EmbeddingModel) -> None:
        self._database = database
        self._model = model

    def status(self) -> IndexStatus:
        """Return how far the index is."""
        with self._database.read() as uow:

            def count(statement: str) -> int:
                return int(uow.sql(statement)[0][0])

            model = uow.setting(embedding.MODEL_SETTING)
            return IndexStatus(
                count("SELECT count(*) FROM issue"),
                count("SELECT count(*) FROM chunk WHERE kind = 'title'"),
                count(QUEUED),
                count("SELECT count(*) FROM chunk"),
                count("SELECT count(*) FROM chunk_vector"),
                model,
                model in (None, self._model.fingerprint),
                count("SELECT count(*) FROM document"),
            )

    def drain(
        self, progress: Progress | None = None, only: int | None = None
    ) -> IndexReport:
        """Index what is queued.

        Args:
            progress: called after each batch with how many are done and how many
                there are.
            only: index this one issue and leave the others queued.

        Raises:
            ModelError: the model is missing, or not the one the index was made with.
        """
        report = IndexReport()
        with self._database.read() as uow:
            embedding.check_model(uow, self._model)
            total = uow.sql(QUEUED)[0][0]
        while self._drain_batch(report, only):
            if progress is not None:
                done = report.issues + report.documents
                progress(done, max(total, done))
        return report

    def _drain_batch(self, report: IndexReport, only: int | None) -> bool:
        started = time.perf_counter()
        with self._database.read() as uow:
            queued = _queued(uow, only)
            if not queued:
                return False
            wanted = [subject for subject, _ in queued]
            documents = load(uow, self._model, issues_of(wanted))
            documents += load_pages(uow, self._model, documents_of(wanted))
            pieces = [piece for d in documents for piece in d.pieces]
            vectors = embedding.stored(uow, (p.content_hash for p in pieces))
        report.spent("cut", started)

        started = time.perf_counter()
        fresh = embedding.embed(
            self._model, [p.embedded for p in pieces if p.content_hash not in vectors]
        )
        report.spent("embed", started)

        started = time.perf_counter()
        with self._database.write() as uow:
            embedding.check_model(uow, self._model)
            uow.set_setting(embedding.MODEL_SETTING, self._model.fingerprint)
            mine = _still_queued(uow, queued)
            replaced = forget(uow, issues_of(mine))
            replaced += forget_documents(uow, documents_of(mine))
            current = [d for d in documents if d.subject in mine]
            self._write(uow, current, vectors | fresh)
            embedding.drop_unused(uow, replaced)
            _dequeue(uow, queued)
        report.spent("write", started)
        report.issues += len(issues_of(wanted))
        report.documents += len(documents_of(wanted))
        report.chunks += len(pieces)
        report.embedded += len(fresh)
        return True

    @staticmethod
    def _write(
        uow: UnitOfWork,
        documents: Sequence[IndexedDocument],
        vectors: dict[bytes, bytes],
    ) -> None:
        number = uow.session.exec(select(func.max(Chunk.id))).one() or 0
        rows = []
        by_part: dict[ChunkKind, dict[int, bytes]] = {}
        used: dict[bytes, bytes] = {}
        for document in documents:
            for piece in document.pieces:
                number += 1
                row = new_uuid()
                rows.append(
                    {
                        "id": number,
                        "uuid": row,
                        "issue_number": None,
                        "document_id": None,
                        "kind": piece.kind,
                        "source_row": piece.source_row,
                        "ordinal": piece.ordinal,
                        "heading": piece.heading,
                        "text": uow.seal("chunk", "text", row, piece.text),
                        "content_hash": piece.content_hash,
                    }
                    | {document.subject.column: document.subject.number}
                )
                vector = used[piece.content_hash] = vectors[piece.content_hash]
                by_part.setdefault(piece.kind, {})[number] = vector
                if piece.kind in TITLES:
                    lexical_index.put(uow, number, document.lexical)
        uow.insert(Chunk, rows)
        embedding.keep(uow, used)
        for part, members in by_part.items():
            vector_index.add(uow, part, members)

    def request_rebuild(self, now: datetime) -> None:
        """Empty the indexes and queue everything; a drain then fills them.

        Embeddings of the same model are kept, so that only new text is embedded.
        """
        with self._database.write() as uow:
            lexical_index.clear(uow)
            uow.sql("DELETE FROM chunk_bits")
            uow.session.exec(delete(Chunk))
            uow.session.exec(delete(IndexQueue))
            if uow.setting(embedding.MODEL_SETTING) != self._model.fingerprint:
                uow.sql("DELETE FROM chunk_vector")
            uow.set_setting(embedding.MODEL_SETTING, self._model.fingerprint)
            numbers = uow.session.exec(select(Issue.number).order_by(col(Issue.number)))
            enqueue(uow, [n for n in numbers if n is not None], now)
            pages = uow.session.exec(select(Document.id).order_by(col(Document.id)))
            enqueue_documents(uow, [n for n in pages if n is not None], now)

    def drop_unused(self) -> None:
        """Forget every embedding of text that is no longer there."""
        with self._database.write() as uow:
            embedding.drop_all_unused(uow)


def _queued(uow: UnitOfWork, only: int | None) -> Queued:
    """Return the first of what is queued, each with its last entry."""
    wanted = [] if only is None else [IndexQueue.issue_number == only]
    rows = uow.session.exec(
        select(IndexQueue.issue_number, IndexQueue.document_id, func.max(IndexQueue.id))
        .where(*wanted)
        .group_by(col(IndexQueue.issue_number), col(IndexQueue.document_id))
        .order_by(func.min(IndexQueue.id))
        .limit(BATCH)
    ).all()
    return [(Subject.of(issue, page), last or 0) for issue, page, last in rows]


def _still_queued(uow: UnitOfWork, queued: Queued) -> list[Subject]:
    """Return those that no other drain has indexed since they were read."""
    return [
        subject
        for subject, last in queued
        if uow.sql(
            f"SELECT 1 FROM index_queue WHERE {subject.column} = ? AND id <= ? LIMIT 1",
            subject.number,
            last,
        )
    ]


def _dequeue(uow: UnitOfWork, queued: Queued) -> None:
    for subject, last in queued:
        uow.sql(
            f"DELETE FROM index_queue WHERE {subject.column} = ? AND id <= ?",
            subject.number,
            last,
        )


def forget(uow: UnitOfWork, issues: Sequence[int]) -> list[bytes]:
    """Take everything of these issues out; return the hashes their texts had."""
    return _forget(uow, col(Chunk.issue_number).in_(issues))


def forget_documents(uow: UnitOfWork, documents: Sequence[int]) -> list[bytes]:
    """Take everything of these documents out; return the hashes their texts had."""
    return _forget(uow, col(Chunk.document_id).in_(documents))


def _forget(uow: UnitOfWork, belongs: ColumnElement[bool]) -> list[bytes]:
    rows = uow.session.exec(
        select(Chunk.id, Chunk.kind, Chunk.content_hash).where(belongs)
    ).all()
    lexical_index.remove(
        uow, [n for n, kind, _ in rows if kind in TITLES and n is not None]
    )
    vector_index.remove(uow, [n for n, _, _ in rows if n is not None])
    uow.session.exec(delete(Chunk).where(belongs))
    return [content for _, _, content in rows]
