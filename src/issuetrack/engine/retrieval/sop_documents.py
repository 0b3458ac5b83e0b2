"""What is indexed of a procedure: the title and the fields of its current version."""

import json
from collections.abc import Sequence

from sqlmodel import col, select

from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.retrieval.documents import (
    LEXICAL_CHARACTERS,
    IndexedDocument,
    Piece,
    cut,
)
from issuetrack.engine.retrieval.lexical_index import LexicalDocument
from issuetrack.engine.retrieval.page_documents import WHOLE_PAGE
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.learning_tables import Sop, SopVersion
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

ABOUT = ("problem", "symptoms", "cause", "notes")
DONE = ("steps", "validation", "rollback")


def load_sops(
    uow: UnitOfWork, model: EmbeddingModel, numbers: Sequence[int]
) -> list[IndexedDocument]:
    """Read procedures and cut them; those without a current version are left out."""
    rows = uow.session.exec(
        select(SopVersion)
        .join(Sop, col(Sop.id) == col(SopVersion.sop_id))
        .where(col(Sop.id).in_(numbers), col(Sop.current) == col(SopVersion.version))
    )
    return [_procedure(uow, model, row) for row in rows]


def _procedure(
    uow: UnitOfWork, model: EmbeddingModel, row: SopVersion
) -> IndexedDocument:
    content = uow.open("sop_version", "content", row.uuid, row.content)
    fields: dict[str, str] = json.loads(content)

    def joined(names: Sequence[str]) -> str:
        return "\n\n".join(fields[name] for name in names if fields.get(name))

    about, done = joined(ABOUT), joined(DONE)
    pieces = [Piece(ChunkKind.SOP_TITLE, None, 0, None, row.title, row.title)]
    text = f"{about}\n\n{done}"
    pieces += cut(model, row.title, text, ChunkKind.SOP, None, WHOLE_PAGE)
    tagged = " ".join([row.title, *row.tags])
    lexical = LexicalDocument(
        tagged, about[:LEXICAL_CHARACTERS], done[:LEXICAL_CHARACTERS]
    )
    return IndexedDocument(Subject(SubjectKind.SOP, row.sop_id), lexical, tuple(pieces))
