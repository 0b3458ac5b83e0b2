"""Documents: pages of knowledge, indexed beside the issues.

The chunks keep their numbers, by which the search indexes know them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

CHUNK = "id, uuid, issue_number, kind, source_row, ordinal, heading, text, content_hash"
QUEUE = "id, issue_number, queued_at"
ONE_OWNER = "(issue_number IS NULL) <> (document_id IS NULL)"


def upgrade() -> None:
    """Make the table, and let chunks and queue entries belong to a document."""
    op.create_table(
        "document",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("external_key", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source_id", "external_key"),
        sa.UniqueConstraint("uuid"),
    )
    op.create_index("ix_document_external_key", "document", ["external_key"])
    _new_chunk()
    _new_queue()
    for table, column in (
        ("chunk", "content_hash"),
        ("chunk", "issue_number"),
        ("chunk", "document_id"),
        ("index_queue", "issue_number"),
        ("index_queue", "document_id"),
    ):
        op.create_index(f"ix_{table}_{column}", table, [column])


def _new_chunk() -> None:
    op.create_table(
        "new_chunk",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(), nullable=False),
        sa.Column("issue_number", sa.Integer(), nullable=True),
        sa.Column("document_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("source_row", sa.Integer(), nullable=True),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("heading", sa.String(), nullable=True),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(ONE_OWNER),
        sa.ForeignKeyConstraint(["issue_number"], ["issue.number"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uuid"),
    )
    op.execute(f"INSERT INTO new_chunk({CHUNK}) SELECT {CHUNK} FROM chunk")
    op.drop_table("chunk")
    op.rename_table("new_chunk", "chunk")


def _new_queue() -> None:
    op.create_table(
        "new_queue",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue_number", sa.Integer(), nullable=True),
        sa.Column("document_id", sa.Integer(), nullable=True),
        sa.Column("queued_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint(ONE_OWNER),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.execute(f"INSERT INTO new_queue({QUEUE}) SELECT {QUEUE} FROM index_queue")
    op.drop_table("index_queue")
    op.rename_table("new_queue", "index_queue")
