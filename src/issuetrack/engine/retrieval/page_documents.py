"""What is indexed of an imported document: its title and its text, cut by heading."""

from collections.abc import Sequence

from sqlmodel import col, select

from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.retrieval.documents import (
    LEXICAL_CHARACTERS,
    Cut,
    IndexedDocument,
    Piece,
    cut,
)
from issuetrack.engine.retrieval.lexical_index import LexicalDocument
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.tables import Document
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

WHOLE_PAGE = Cut(characters=200_000, most=128)


def load_pages(
    uow: UnitOfWork, model: EmbeddingModel, numbers: Sequence[int]
) -> list[IndexedDocument]:
    """Read documents and cut them; the ones that no longer exist are left out."""
    rows = uow.session.exec(select(Document).where(col(Document.id).in_(numbers)))
    return [_page(uow, model, row) for row in rows]


def _page(uow: UnitOfWork, model: EmbeddingModel, row: Document) -> IndexedDocument:
    assert row.id is not None
    body = uow.open("document", "body", row.uuid, row.body)
    pieces = [Piece(ChunkKind.DOCUMENT_TITLE, None, 0, None, row.title, row.title)]
    pieces += cut(model, row.title, body, ChunkKind.DOCUMENT, None, WHOLE_PAGE)
    lexical = LexicalDocument(row.title, body[:LEXICAL_CHARACTERS], "")
    return IndexedDocument(
        Subject(SubjectKind.DOCUMENT, row.id), lexical, tuple(pieces)
    )
