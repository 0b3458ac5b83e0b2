"""What principals have looked at, and one index that lists are read through."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

LISTING = (
    "updated_at",
    "number",
    "status",
    "priority",
    "type",
    "service",
    "site",
    "category",
    "assignee",
    "reporter",
    "source_id",
    "external_key",
    "labels",
    "created_at",
    "resolved_at",
    "closed_at",
)


def upgrade() -> None:
    """Make the tables, and the index in place of the two that it covers."""
    op.create_table(
        "seen",
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("issue_number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["issue_number"], ["issue.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("principal", "issue_number"),
    )
    op.create_index("ix_seen_issue_number", "seen", ["issue_number"])
    op.create_table(
        "seen_baseline",
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("highest", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("principal"),
    )
    op.drop_index("ix_issue_status", "issue")
    op.drop_index("ix_issue_updated_at", "issue")
    op.create_index("issue_listing", "issue", list(LISTING))
