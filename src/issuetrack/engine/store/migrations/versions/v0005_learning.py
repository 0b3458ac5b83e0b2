"""The loop: procedures, outcomes, calibration, adaptation, and what votes are about.

The chunks keep their numbers, by which the search indexes know them.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ONE_OWNER = (
    "(issue_number IS NOT NULL) + (document_id IS NOT NULL) + (sop_id IS NOT NULL) = 1"
)
ONE_TARGET = "(recommendation_id IS NULL) <> (sop_id IS NULL)"
COPIED = {
    "chunk": "id, uuid, issue_number, document_id, kind, source_row, ordinal, heading, "
    "text, content_hash",
    "index_queue": "id, issue_number, document_id, queued_at",
    "rating": "id, uuid, recommendation_id, rater, stars, feedback, created_at",
}
INDEXED = (
    ("chunk", "content_hash"),
    ("chunk", "issue_number"),
    ("chunk", "document_id"),
    ("chunk", "sop_id"),
    ("index_queue", "issue_number"),
    ("index_queue", "document_id"),
    ("index_queue", "sop_id"),
    ("rating", "recommendation_id"),
    ("rating", "sop_id"),
    ("outcome", "recommendation_id"),
    ("outcome", "sop_id"),
    ("recommendation_source", "recommendation_id"),
    ("recommendation_source", "issue_number"),
    ("recommendation_source", "document_id"),
    ("recommendation_source", "sop_id"),
    ("resolution_rejection", "issue_number"),
    ("sop_version", "sop_id"),
    ("sop_version", "status"),
    ("sop_event", "sop_id"),
    ("sop_use", "sop_id"),
    ("sop_use", "issue_number"),
    ("sop_use", "recommendation_id"),
)


def _number(name: str = "id", *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _word(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.String(24), nullable=False)


def _bytes(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(), nullable=nullable)


def _real(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Float(), nullable=nullable)


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), nullable=False)


def _goes_with(name: str, key: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([name], [key], ondelete="CASCADE")


def _owners() -> tuple[Any, ...]:
    return (
        _number("issue_number", nullable=True),
        _number("document_id", nullable=True),
        _number("sop_id", nullable=True),
    )


def _owner_keys() -> tuple[Any, ...]:
    return (
        _goes_with("issue_number", "issue.number"),
        _goes_with("document_id", "document.id"),
        _goes_with("sop_id", "sop.id"),
    )


def upgrade() -> None:
    """Make the new tables, then make the ones anew that gain an owner."""
    op.add_column("resolution", _real("score", nullable=True))
    for name in ("trace", "title_vector", "text_vector"):
        op.add_column("recommendation", _bytes(name))
    _sops()
    _learning()
    _new_chunk()
    _new_queue()
    _new_rating()
    for table, columns in COPIED.items():
        op.execute(f"INSERT INTO new_{table}({columns}) SELECT {columns} FROM {table}")
        op.drop_table(table)
        op.rename_table(f"new_{table}", table)
    for table, column in INDEXED:
        op.create_index(f"ix_{table}_{column}", table, [column])


def _sops() -> None:
    op.create_table(
        "sop",
        _number(),
        _text("uuid"),
        _text("key", nullable=True),
        _number("current", nullable=True),
        _text("created_by"),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uuid"),
        sa.UniqueConstraint("key"),
    )
    op.create_table(
        "sop_version",
        _number(),
        _text("uuid"),
        _number("sop_id"),
        _number("version"),
        _number("parent", nullable=True),
        _word("status"),
        _text("title"),
        _json("tags"),
        _bytes("content", nullable=False),
        _bytes("original"),
        _bytes("citations"),
        _text("author"),
        _text("model", nullable=True),
        _text("approved_by", nullable=True),
        _moment("created_at"),
        _moment("decided_at", nullable=True),
        _goes_with("sop_id", "sop.id"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uuid"),
        sa.UniqueConstraint("sop_id", "version"),
    )
    op.create_table(
        "sop_event",
        _number(),
        _text("uuid"),
        _number("sop_id"),
        _number("version"),
        _moment("at"),
        _text("actor"),
        _text("action"),
        _bytes("note"),
        _goes_with("sop_id", "sop.id"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uuid"),
    )
    op.create_table(
        "sop_use",
        _number(),
        _number("sop_id"),
        _number("issue_number", nullable=True),
        _number("recommendation_id", nullable=True),
        _text("actor"),
        _moment("at"),
        _goes_with("sop_id", "sop.id"),
        _goes_with("issue_number", "issue.number"),
        _goes_with("recommendation_id", "recommendation.id"),
        sa.PrimaryKeyConstraint("id"),
    )


def _learning() -> None:
    op.create_table(
        "resolution_rejection",
        _number(),
        _number("issue_number"),
        _text("provenance"),
        _bytes("text_digest", nullable=False),
        _text("actor"),
        _moment("created_at"),
        _goes_with("issue_number", "issue.number"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("issue_number", "text_digest"),
    )
    op.create_table(
        "recommendation_source",
        _number(),
        _number("recommendation_id"),
        *_owners(),
        _real("share"),
        sa.CheckConstraint(ONE_OWNER),
        _goes_with("recommendation_id", "recommendation.id"),
        *_owner_keys(),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "outcome",
        _number(),
        _text("uuid"),
        _number("recommendation_id", nullable=True),
        _number("sop_id", nullable=True),
        _number("issue_number", nullable=True),
        _word("result"),
        _bytes("note"),
        _text("actor"),
        _moment("created_at"),
        sa.CheckConstraint(ONE_TARGET),
        _goes_with("recommendation_id", "recommendation.id"),
        _goes_with("sop_id", "sop.id"),
        sa.ForeignKeyConstraint(
            ["issue_number"], ["issue.number"], ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uuid"),
    )
    op.create_table(
        "calibration",
        _number(),
        _word("kind"),
        _moment("created_at"),
        _number("fitted_on"),
        _number("positives"),
        _number("ratings"),
        _json("features"),
        _json("parameters"),
        _json("metrics"),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "adaptation",
        _number(),
        _text("fingerprint"),
        _number("pairs"),
        _bytes("scatter", nullable=False),
        _bytes("transform"),
        _number("applied_pairs"),
        _text("off_because", nullable=True),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("id"),
    )


def _new_chunk() -> None:
    op.create_table(
        "new_chunk",
        _number(),
        _text("uuid"),
        *_owners(),
        _word("kind"),
        _number("source_row", nullable=True),
        _number("ordinal"),
        _text("heading", nullable=True),
        _bytes("text", nullable=False),
        _bytes("content_hash", nullable=False),
        sa.CheckConstraint(ONE_OWNER),
        *_owner_keys(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uuid"),
    )


def _new_queue() -> None:
    op.create_table(
        "new_index_queue",
        _number(),
        *_owners(),
        _moment("queued_at"),
        sa.CheckConstraint(ONE_OWNER),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )


def _new_rating() -> None:
    op.create_table(
        "new_rating",
        _number(),
        _text("uuid"),
        _number("recommendation_id", nullable=True),
        _number("sop_id", nullable=True),
        _text("rater"),
        _text("credited", nullable=True),
        _number("stars"),
        _bytes("feedback"),
        _moment("created_at"),
        sa.CheckConstraint(ONE_TARGET),
        _goes_with("recommendation_id", "recommendation.id"),
        _goes_with("sop_id", "sop.id"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uuid"),
    )
