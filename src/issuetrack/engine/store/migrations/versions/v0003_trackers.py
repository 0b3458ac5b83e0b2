"""Trackers: how a source is reached, its runs, and what an issue has there."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _columns() -> dict[str, tuple[sa.Column[Any], ...]]:
    return {
        "source": (
            sa.Column("username", sa.String(), nullable=True),
            sa.Column("options", sa.JSON(), nullable=False, server_default="{}"),
            sa.Column("mapping", sa.JSON(), nullable=False, server_default="[]"),
            sa.Column("write_back", sa.Boolean(), nullable=False, server_default="0"),
            sa.Column("paused", sa.Boolean(), nullable=False, server_default="0"),
        ),
        "issue": (
            sa.Column("external_id", sa.String(), nullable=True),
            sa.Column("mapped", sa.LargeBinary(), nullable=True),
            sa.Column("attachments", sa.JSON(), nullable=False, server_default="[]"),
            sa.Column("seen_at", sa.DateTime(), nullable=True),
            sa.Column("gone", sa.String(24), nullable=True),
            sa.Column("moved_to", sa.String(), nullable=True),
        ),
        "issue_event": (sa.Column("external_key", sa.String(), nullable=True),),
        "link": (
            sa.Column("upstream", sa.Boolean(), nullable=False, server_default="1"),
        ),
    }


def upgrade() -> None:
    """Add the columns, then the tables."""
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    op.create_index(
        "issue_external_id", "issue", ["source_id", "external_id"], unique=False
    )
    op.create_index(
        "issue_event_key", "issue_event", ["issue_number", "external_key"], unique=True
    )
    op.create_table(
        "sync_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("full", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(24), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sync_run_source_id", "sync_run", ["source_id"], unique=False)
    op.create_table(
        "issue_override",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(), nullable=False),
        sa.Column("issue_number", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("upstream", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["issue_number"], ["issue.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("issue_number", "field"),
        sa.UniqueConstraint("uuid"),
    )
    op.create_table(
        "outgoing_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(), nullable=False),
        sa.Column("issue_number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("remote_key", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["issue_number"], ["issue.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uuid"),
    )
    for table in ("issue_override", "outgoing_change"):
        op.create_index(
            f"ix_{table}_issue_number", table, ["issue_number"], unique=False
        )
