"""Imported documents as other rooms see them, and what a person may do with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import and_, col, delete, func, or_, select, text

from issuetrack.engine.errors import NotFoundError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.records import is_number
from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.retrieval.lexical_index import match_all
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.index_tables import IndexQueue
from issuetrack.engine.store.tables import Document, Source
from issuetrack.engine.store.unit_of_work import UnitOfWork

HOLDING = (
    "document.id IN (SELECT chunk.document_id FROM chunk WHERE chunk.id IN "
    "(SELECT rowid FROM chunk_lexical WHERE chunk_lexical MATCH :expression))"
)


@dataclass(frozen=True)
class DocumentSummary:
    """A document without its text: what a list shows; it has no issue's number."""

    document: int
    key: str
    source: str
    title: str
    url: str | None
    updated_at: datetime
    created_at: datetime

    @property
    def number(self) -> None:
        """Return None: it is not an issue."""

    @property
    def status(self) -> None:
        """Return None: it is not an issue."""


@dataclass(frozen=True)
class DocumentRecord:
    """A document with its text, as Markdown."""

    summary: DocumentSummary
    body: str


def find(uow: UnitOfWork, name: str) -> Document:
    """Return the row of a document named by `D5`, `5`, its key or its url.

    Raises:
        NotFoundError: there is none, or a key names several.
    """
    wanted = clean_line(name)
    digits = wanted.removeprefix("D").removeprefix("d")
    if is_number(digits):
        found = uow.session.get(Document, int(digits))
        if found is not None:
            return found
    rows = uow.session.exec(
        select(Document).where(
            (col(Document.external_key) == wanted) | (col(Document.url) == wanted)
        )
    ).all()
    if len(rows) > 1:
        numbers = ", ".join(f"D{row.id}" for row in rows)
        raise NotFoundError(
            f"{wanted} names several documents: {numbers}", "use one of the numbers"
        )
    if not rows:
        raise NotFoundError(
            f"there is no document {wanted}", "list them: issuetrack document list"
        )
    return rows[0]


def summaries(uow: UnitOfWork, rows: Sequence[Document]) -> list[DocumentSummary]:
    """Return list entries for rows."""
    names = dict(uow.session.exec(select(Source.id, Source.name)).all())
    return [
        DocumentSummary(
            row.id or 0,
            row.external_key,
            names[row.source_id],
            row.title,
            row.url,
            row.updated_at,
            row.created_at,
        )
        for row in rows
    ]


def by_number(uow: UnitOfWork, numbers: Sequence[int]) -> dict[int, DocumentSummary]:
    """Return list entries by number."""
    if not numbers:
        return {}
    rows = uow.session.exec(select(Document).where(col(Document.id).in_(numbers)))
    return {found.document: found for found in summaries(uow, rows.all())}


def record(uow: UnitOfWork, row: Document) -> DocumentRecord:
    """Return a document with its text."""
    (summary,) = summaries(uow, [row])
    return DocumentRecord(summary, uow.open("document", "body", row.uuid, row.body))


def drop(uow: UnitOfWork, numbers: Sequence[int]) -> None:
    """Delete documents with all that the search indexes hold of them."""
    from issuetrack.engine.retrieval import embedding
    from issuetrack.engine.retrieval.indexing import forget_documents

    embedding.drop_unused(uow, forget_documents(uow, numbers))
    uow.session.exec(delete(IndexQueue).where(col(IndexQueue.document_id).in_(numbers)))
    uow.session.exec(delete(Document).where(col(Document.id).in_(numbers)))


class DocumentService:
    """The documents of one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def matching(
        self, actor: Actor, words: str = "", limit: int = 50
    ) -> tuple[list[DocumentSummary], int]:
        """Return documents that hold every word, latest first, and how many there are.

        A document that is not indexed yet is found by words of its title only.
        """
        authorize(actor, Permission.READ)
        conditions = []
        expression = match_all(words)
        if expression is not None:
            holding = text(HOLDING).bindparams(expression=expression)
            title = col(Document.title)
            titled = (title.icontains(word, autoescape=True) for word in words.split())
            conditions.append(or_(holding, and_(*titled)))
        with self._database.read() as uow:
            total = uow.session.exec(
                select(func.count(col(Document.id))).where(*conditions)
            ).one()
            rows = uow.session.exec(
                select(Document)
                .where(*conditions)
                .order_by(col(Document.updated_at).desc(), col(Document.id).desc())
                .limit(limit)
            ).all()
            return summaries(uow, rows), total

    def get(self, actor: Actor, name: str) -> DocumentRecord:
        """Return a document.

        Raises:
            NotFoundError: there is no such document.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            return record(uow, find(uow, name))

    def remove(self, actor: Actor, name: str) -> DocumentSummary:
        """Delete a document; importing it again brings it back.

        Raises:
            NotFoundError: there is no such document.
        """
        authorize(actor, Permission.IMPORT)
        with self._database.write() as uow:
            (summary,) = summaries(uow, [find(uow, name)])
            drop(uow, [summary.document])
            told = {
                "source": summary.source,
                "key": summary.key,
                "title": summary.title,
            }
            audit.record(
                uow,
                actor,
                self._clock(),
                "document.remove",
                ("document", str(summary.document)),
                before=told,
            )
        return summary
