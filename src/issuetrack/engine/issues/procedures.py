"""Procedures (SOPs) as other rooms see them: which there are, and which version holds."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from issuetrack.engine.errors import NotFoundError
from issuetrack.engine.issues.records import is_number
from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.store.learning_tables import Sop, SopVersion
from issuetrack.engine.store.tables import User
from issuetrack.engine.store.types import SopStatus
from issuetrack.engine.store.unit_of_work import UnitOfWork

AT_ONCE = 500


@dataclass(frozen=True)
class SopSummary:
    """A version of a procedure without its text; it has no issue's number.

    Attributes:
        key: the name of the file it was imported from; None if it was written here.
        author: who wrote this version.
        model: the language model that put it in words; None for a person's or quotes.
        latest: the newest version there is of the procedure.
        decided_at: when it was approved, rejected or deprecated.
    """

    sop: int
    version: int
    title: str
    status: SopStatus
    tags: tuple[str, ...]
    key: str | None
    author: str
    approved_by: str | None
    model: str | None
    created_at: datetime
    decided_at: datetime | None
    latest: int
    number: None = None
    url: None = None

    @property
    def name(self) -> str:
        """Return what people call the procedure."""
        return f"S{self.sop}"


def find(uow: UnitOfWork, name: str) -> Sop:
    """Return the row of a procedure named by `S3`, `3` or its key.

    Raises:
        NotFoundError: there is none.
    """
    wanted = clean_line(name)
    digits = wanted.removeprefix("S").removeprefix("s")
    if is_number(digits):
        found = uow.session.get(Sop, int(digits))
        if found is not None:
            return found
    row = uow.session.exec(select(Sop).where(Sop.key == wanted)).first()
    if row is None:
        raise NotFoundError(f"there is no SOP {wanted}", "list: issuetrack sop list")
    return row


def latest(uow: UnitOfWork, sop: Sop) -> SopVersion:
    """Return the newest version of a procedure, whatever became of it."""
    return uow.session.exec(
        select(SopVersion)
        .where(SopVersion.sop_id == sop.id)
        .order_by(col(SopVersion.version).desc())
        .limit(1)
    ).one()


def worked_on(uow: UnitOfWork, sop: Sop) -> SopVersion:
    """Return the version to be changed: the newest, unless it was given up."""
    newest = latest(uow, sop)
    given_up = newest.status is SopStatus.DEPRECATED and sop.current is not None
    return version_of(uow, sop) if given_up else newest


def version_of(uow: UnitOfWork, sop: Sop, version: int | None = None) -> SopVersion:
    """Return a version of a procedure; by default the one in force, else the newest.

    Raises:
        NotFoundError: there is no such version.
    """
    number = sop.current if version is None else version
    if number is None:
        return latest(uow, sop)
    row = uow.session.exec(
        select(SopVersion).where(
            SopVersion.sop_id == sop.id, SopVersion.version == number
        )
    ).first()
    if row is None:
        raise NotFoundError(
            f"there is no version {number} of S{sop.id}",
            f"list them: issuetrack sop history S{sop.id}",
        )
    return row


def content(uow: UnitOfWork, row: SopVersion) -> dict[str, str]:
    """Return the fields of a version, as Markdown."""
    opened = json.loads(uow.open("sop_version", "content", row.uuid, row.content))
    return {name: text for name, text in opened.items() if isinstance(text, str)}


def names_of(uow: UnitOfWork) -> dict[str, str]:
    """Return the names of principals by uuid."""
    return dict(uow.session.exec(select(User.uuid, User.name)).all())


def summaries(uow: UnitOfWork, rows: Sequence[SopVersion]) -> list[SopSummary]:
    """Return list entries for versions."""
    sops = {row.sop_id for row in rows}
    keys = dict(_in_groups(uow, "SELECT id, key FROM sop WHERE id IN ({})", sops))
    newest = dict(
        _in_groups(
            uow,
            "SELECT sop_id, max(version) FROM sop_version WHERE sop_id IN ({}) "
            "GROUP BY sop_id",
            sops,
        )
    )
    names = names_of(uow)
    return [_summary(row, keys[row.sop_id], newest[row.sop_id], names) for row in rows]


def by_number(uow: UnitOfWork, numbers: Sequence[int]) -> dict[int, SopSummary]:
    """Return the versions in force by the number of their procedure."""
    if not numbers:
        return {}
    rows = uow.session.exec(
        select(SopVersion)
        .join(Sop, col(Sop.id) == col(SopVersion.sop_id))
        .where(col(Sop.id).in_(numbers), col(Sop.current) == col(SopVersion.version))
    ).all()
    return {found.sop: found for found in summaries(uow, rows)}


def _in_groups(
    uow: UnitOfWork, statement: str, numbers: set[int]
) -> Iterator[tuple[Any, ...]]:
    ordered = sorted(numbers)
    for start in range(0, len(ordered), AT_ONCE):
        group = ordered[start : start + AT_ONCE]
        yield from uow.sql(statement.format(",".join("?" * len(group))), *group)


def _summary(
    row: SopVersion, key: str | None, newest: int, names: Mapping[str, str]
) -> SopSummary:
    def named(principal: str | None) -> str | None:
        return None if principal is None else names.get(principal, principal)

    return SopSummary(
        row.sop_id,
        row.version,
        row.title,
        row.status,
        tuple(row.tags),
        key,
        named(row.author) or "",
        named(row.approved_by),
        row.model,
        row.created_at,
        row.decided_at,
        newest,
    )
