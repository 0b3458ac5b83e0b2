"""The tables of what principals have looked at; see `issues.seen`."""

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Integer
from sqlmodel import Field, SQLModel

from issuetrack.engine.store.tables import moment


class Seen(SQLModel, table=True):
    """The revision of an issue that a principal looked at; none: unread again."""

    __tablename__ = "seen"
    principal: str = Field(primary_key=True)
    issue_number: int = Field(
        sa_column=Column(
            Integer,
            ForeignKey("issue.number", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
            index=True,
        )
    )
    revision: int | None = None
    at: datetime = moment()


class SeenBaseline(SQLModel, table=True):
    """The moment up to which everything counts as seen by a principal.

    `highest` is the highest number of an issue at that moment.
    """

    __tablename__ = "seen_baseline"
    principal: str = Field(primary_key=True)
    highest: int
    at: datetime = moment()
