"""Keeps the search indexes behind what is searched, through an outbox.

A change of an issue, document or procedure puts its number into `index_queue` in its own transaction. A drain
takes numbers out, embeds what has no embedding yet outside any transaction,
and writes the index rows together with the removal from the queue. Stopped anywhere,
it goes on from what is still queued.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from sqlmodel import col, delete, func, select

from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.retrieval import (
    adaptation,
    embedding,
    lexical_index,
    vector_index,
)
from issuetrack.engine.retrieval.documents import IndexedDocument, load
from issuetrack.engine.retrieval.outbox import (
    QUEUED,
    dequeue,
    enqueue,
    enqueue_documents,
    enqueue_sops,
    queued,
    still_queued,
)
from issuetrack.engine.retrieval.page_documents import load_pages
from issuetrack.engine.retrieval.sop_documents import load_sops
from issuetrack.engine.retrieval.subjects import (
    COLUMNS,
    Subject,
    SubjectKind,
    documents_of,
    issues_of,
    sops_of,
)
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.index_tables import Chunk, IndexQueue
from issuetrack.engine.store.learning_tables import Sop
from issuetrack.engine.store.tables import Document, Issue
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid

TITLES = (ChunkKind.TITLE, ChunkKind.DOCUMENT_TITLE, ChunkKind.SOP_TITLE)

Progress = Callable[[int, int], None]


@dataclass
class IndexReport:
    """What a drain did: counts, and seconds by stage."""

    issues: int = 0
    chunks: int = 0
    embedded: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    documents: int = 0
    sops: int = 0

    def spent(self, stage: str, since: float) -> None:
        """Add the time since a `time.perf_counter` reading to a stage."""
        passed = time.perf_counter() - since
        self.seconds[stage] = self.seconds.get(stage, 0.0) + passed


@dataclass(frozen=True)
class IndexStatus:
    """How far the index is, and with which model it was made.

    Attributes:
        indexed: how many of the issues.
        queued: issues, documents and procedures that are out of date.
        documents: how many there are.
        sops: how many there are.
        pairs: how many texts that belong together are known.
        adapted_from: from how many the vector space is adapted; 0 if it is not.
        not_adapted_because: why not; None if nobody and nothing forbids it.
        mrr_plain: mean reciprocal rank of the last backtest without adaptation.
        mrr_adapted: with it.
    """

    issues: int
    indexed: int
    queued: int
    chunks: int
    embeddings: int
    model: str | None
    model_matches: bool
    documents: int = 0
    sops: int = 0
    pairs: int = 0
    adapted_from: int = 0
    not_adapted_because: str | None = None
    mrr_plain: float | None = None
    mrr_adapted: float | None = None


class Indexer:
    """Drains the outbox of one database with one embedding model."""

    def __init__(
        self,
        database: Database,
        model: EmbeddingModel,
        clock: Callable[[], datetime] = partial(datetime.now, UTC),
    ) -> None:
        self._database = database
        self._model = model
        self._clock = clock
        self._transform = adaptation.CurrentTransform()

    def status(self) -> IndexStatus:
        """Return how far the index is."""
        with self._database.read() as uow:

            def count(statement: str) -> int:
                return int(uow.sql(statement)[0][0])

            model = uow.setting(embedding.MODEL_SETTING)
            adapted = adaptation.state(uow)
            effect = adaptation.last_effect(uow)
            return IndexStatus(
                count("SELECT count(*) FROM issue"),
                count("SELECT count(*) FROM chunk WHERE kind = 'title'"),
                count(QUEUED),
                count("SELECT count(*) FROM chunk"),
                count("SELECT count(*) FROM chunk_vector"),
                model,
                model in (None, self._model.fingerprint),
                count("SELECT count(*) FROM document"),
                count("SELECT count(*) FROM sop"),
                adapted.pairs,
                adapted.applied_pairs,
                adapted.off_because,
                *effect,
            )

    def drain(
        self, progress: Progress | None = None, only: Subject | None = None
    ) -> IndexReport:
        """Index what is queued.

        Args:
            progress: called after each batch with how many are done and how many
                there are.
            only: index this alone and leave the others queued.

        Raises:
            ModelError: the model is missing, or not the one the index was made with.
        """
        report = IndexReport()
        with self._database.read() as uow:
            embedding.check_model(uow, self._model)
            total = uow.sql(QUEUED)[0][0]
        while self._drain_batch(report, only):
            if progress is not None:
                done = report.issues + report.documents + report.sops
                progress(done, max(total, done))
        with self._database.read() as uow:
            due = adaptation.is_due(uow)
        if due:
            with self._database.write() as uow:
                adaptation.refresh(uow, self._clock())
        return report

    def _drain_batch(self, report: IndexReport, only: Subject | None) -> bool:
        started = time.perf_counter()
        with self._database.read() as uow:
            waiting = queued(uow, only)
            if not waiting:
                return False
            wanted = [subject for subject, _ in waiting]
            documents = load(uow, self._model, issues_of(wanted))
            documents += load_pages(uow, self._model, documents_of(wanted))
            documents += load_sops(uow, self._model, sops_of(wanted))
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
            mine = still_queued(uow, waiting)
            replaced = forget(uow, issues_of(mine))
            replaced += forget_documents(uow, documents_of(mine))
            replaced += forget_sops(uow, sops_of(mine))
            current = [d for d in documents if d.subject in mine]
            self._write(uow, current, vectors | fresh)
            now = self._clock()
            adaptation.learn(uow, [d.subject for d in current], now)
            if adaptation.is_due(uow, midway=True):
                adaptation.refresh(uow, now, midway=True)
            embedding.drop_unused(uow, replaced)
            dequeue(uow, waiting)
        report.spent("write", started)
        report.issues += len(issues_of(wanted))
        report.documents += len(documents_of(wanted))
        report.sops += len(sops_of(wanted))
        report.chunks += len(pieces)
        report.embedded += len(fresh)
        return True

    def _write(
        self,
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
                        "sop_id": None,
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
        transform = self._transform.of(uow)
        for part, members in by_part.items():
            vector_index.add(uow, part, members, transform)

    @staticmethod
    def adapt(uow: UnitOfWork, now: datetime, *, off: bool) -> None:
        """Adapt the vector space now, or no longer.

        Raises:
            UsageError: too few pairs are known, or an admin has it off.
        """
        if off:
            adaptation.switch_off(uow, "switched off by hand")
        else:
            adaptation.switch_on(uow, now)

    def request_rebuild(self, now: datetime) -> None:
        """Empty the indexes and queue everything; a drain then fills them.

        Embeddings of the same model are kept, so that only new text is embedded.
        """
        with self._database.write() as uow:
            lexical_index.clear(uow)
            vector_index.clear(uow, self._model.dimensions)
            uow.session.exec(delete(Chunk))
            uow.session.exec(delete(IndexQueue))
            if uow.setting(embedding.MODEL_SETTING) != self._model.fingerprint:
                uow.sql("DELETE FROM chunk_vector")
            uow.set_setting(embedding.MODEL_SETTING, self._model.fingerprint)
            adaptation.forget_everything(uow)
            numbers = uow.session.exec(select(Issue.number).order_by(col(Issue.number)))
            enqueue(uow, [n for n in numbers if n is not None], now)
            pages = uow.session.exec(select(Document.id).order_by(col(Document.id)))
            enqueue_documents(uow, [n for n in pages if n is not None], now)
            sops = uow.session.exec(select(Sop.id).order_by(col(Sop.id)))
            enqueue_sops(uow, [n for n in sops if n is not None], now)

    def drop_unused(self) -> None:
        """Forget every embedding of text that is no longer there."""
        with self._database.write() as uow:
            embedding.drop_all_unused(uow)


def forget(uow: UnitOfWork, issues: Sequence[int]) -> list[bytes]:
    """Take everything of these issues out; return the hashes their texts had."""
    return _forget(uow, SubjectKind.ISSUE, issues)


def forget_documents(uow: UnitOfWork, documents: Sequence[int]) -> list[bytes]:
    """Take everything of these documents out; return the hashes their texts had."""
    return _forget(uow, SubjectKind.DOCUMENT, documents)


def forget_sops(uow: UnitOfWork, sops: Sequence[int]) -> list[bytes]:
    """Take everything of these procedures out; return the hashes their texts had."""
    return _forget(uow, SubjectKind.SOP, sops)


def _forget(uow: UnitOfWork, kind: SubjectKind, numbers: Sequence[int]) -> list[bytes]:
    belongs = col(getattr(Chunk, COLUMNS[kind])).in_(numbers)
    rows = uow.session.exec(
        select(Chunk.id, Chunk.kind, Chunk.content_hash).where(belongs)
    ).all()
    if rows:
        adaptation.unlearn(uow, [Subject(kind, number) for number in numbers])
    lexical_index.remove(
        uow, [n for n, part, _ in rows if part in TITLES and n is not None]
    )
    vector_index.remove(uow, [n for n, _, _ in rows if n is not None])
    uow.session.exec(delete(Chunk).where(belongs))
    return [content for _, _, content in rows]
