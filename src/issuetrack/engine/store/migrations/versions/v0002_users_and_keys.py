"""Audit entries commit to their readable change, so that it can be sealed anew."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the digest of the readable change."""
    op.add_column(
        "audit_entry", sa.Column("change_digest", sa.LargeBinary(), nullable=True)
    )
