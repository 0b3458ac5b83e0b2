"""The tables of the search index."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from issuetrack.engine.store.learning_tables import ONE_OWNER
from issuetrack.engine.store.tables import moment, owned_by, words
from issuetrack.engine.store.types import ChunkKind


class Chunk(SQLModel, table=True):
    """A piece of an issue, document or procedure that the vector index knows."""

    __tablename__ = "chunk"
    __table_args__ = (CheckConstraint(ONE_OWNER),)
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    issue_number: int | None = owned_by("issue.number", nullable=True)
    document_id: int | None = owned_by("document.id", nullable=True)
    sop_id: int | None = owned_by("sop.id", nullable=True)
    kind: ChunkKind = words(ChunkKind)
    source_row: int | None = None
    ordinal: int
    heading: str | None = None
    text: bytes
    content_hash: bytes = Field(index=True)


class ChunkVector(SQLModel, table=True):
    """The raw embedding of a text, found by the hash of the text."""

    __tablename__ = "chunk_vector"
    content_hash: bytes = Field(primary_key=True)
    vector: bytes


class IndexQueue(SQLModel, table=True):
    """Issues, documents and procedures whose index entries are out of date."""

    __tablename__ = "index_queue"
    __table_args__ = (CheckConstraint(ONE_OWNER), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, primary_key=True)
    issue_number: int | None = Field(default=None, index=True)
    document_id: int | None = Field(default=None, index=True)
    sop_id: int | None = Field(default=None, index=True)
    queued_at: datetime = moment()
