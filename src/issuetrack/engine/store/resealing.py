"""Seals stored values under the current keys, in batches between other work."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from issuetrack.engine.errors import PermissionDenied, TamperedError
from issuetrack.engine.store.connections import Progress
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.encryption import key_id_of
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

BATCH = 200


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed values.

    Attributes:
        row: the column that names the row in the place of a value.
        origin: the column with the url that a credential is bound to.
    """

    table: str
    column: str
    row: str = "uuid"
    origin: str | None = None


SEALED_COLUMNS = (
    SealedColumn("issue", "body"),
    SealedColumn("issue", "mapped"),
    SealedColumn("issue_override", "value"),
    SealedColumn("issue_override", "upstream"),
    SealedColumn("comment", "body"),
    SealedColumn("resolution", "text"),
    SealedColumn("recommendation", "question"),
    SealedColumn("recommendation", "payload"),
    SealedColumn("recommendation", "trace"),
    SealedColumn("rating", "feedback"),
    SealedColumn("outcome", "note"),
    SealedColumn("sop_version", "content"),
    SealedColumn("sop_version", "original"),
    SealedColumn("sop_version", "citations"),
    SealedColumn("sop_event", "note"),
    SealedColumn("quarantine", "record"),
    SealedColumn("document", "body"),
    SealedColumn("chunk", "text"),
    SealedColumn("source", "token", origin="base_url"),
    SealedColumn("audit_entry", "change", row="sequence"),
)


def _under(key_id: str) -> bytes:
    """Return bytes 2 and on of values under a key."""
    identifier = key_id.encode()
    return bytes((len(identifier),)) + identifier


def _where(place: SealedColumn) -> str:
    """Return the condition of values under a key; audit entries of schema 0001 stay.

    The hash of such an entry covers the sealed change.
    """
    kept = " AND change_digest IS NOT NULL" if place.table == "audit_entry" else ""
    return f"substr({place.column}, 2, ?) = ?{kept}"


def rows_under(uow: UnitOfWork, key_id: str) -> int:
    """Return how many values can be sealed anew that are under a key."""
    under = _under(key_id)
    total = 0
    for place in SEALED_COLUMNS:
        statement = f"SELECT count(*) FROM {place.table} WHERE {_where(place)}"
        total += uow.sql(statement, len(under), under)[0][0]
    return total


def rows_kept(uow: UnitOfWork, key_id: str) -> int:
    """Return how many audit entries of schema 0001 stay under a key."""
    under = _under(key_id)
    statement = (
        "SELECT count(*) FROM audit_entry "
        "WHERE substr(change, 2, ?) = ? AND change_digest IS NULL"
    )
    return int(uow.sql(statement, len(under), under)[0][0])


def reseal(
    database: Database, old: Iterable[tuple[str, Role]], progress: Progress | None
) -> int:
    """Seal every value under old keys under the current key of the same role.

    Each batch is a transaction of its own; others read and write in between, and a
    killed run is gone on with by the next.

    Args:
        database: where they are.
        old: the ids of the old keys, with their roles.
        progress: called with how many values are done, and how many there are.

    Returns:
        how many values were sealed anew.
    """
    keys = list(old)
    with database.read() as uow:
        total = sum(rows_under(uow, key_id) for key_id, _ in keys)
    done = 0
    for key_id, role in keys:
        for place in SEALED_COLUMNS:
            last: int | None = -1
            while last is not None:
                with database.write() as uow:
                    last, count = _batch(uow, place, key_id, role, last)
                done += count
                if progress is not None:
                    progress(min(done, total), total)
    return done


def _batch(
    uow: UnitOfWork, place: SealedColumn, key_id: str, role: Role, after: int
) -> tuple[int | None, int]:
    """Seal one batch anew; return its last row, None at the end, and its size."""
    under = _under(key_id)
    url = place.origin or "NULL"
    rows = uow.sql(
        f"SELECT rowid, {place.row}, {place.column}, {url} FROM {place.table} "
        f"WHERE rowid > ? AND {_where(place)} ORDER BY rowid LIMIT {BATCH}",
        after,
        len(under),
        under,
    )
    changed = []
    for rowid, row, value, origin in rows:
        name = str(row)
        text = _open(uow, place, name, value, origin)
        if origin is None:
            new = uow.seal(place.table, place.column, name, text, role)
        else:
            new = uow.seal_credential(place.table, place.column, name, text, origin)
        assert key_id_of(new) != key_id
        changed.append((new, rowid))
    uow.sql_many(
        f"UPDATE {place.table} SET {place.column} = ? WHERE rowid = ?", changed
    )
    return (rows[-1][0] if rows else None), len(rows)


def unreadable_values(
    uow: UnitOfWork, progress: Progress | None = None
) -> tuple[int, list[str]]:
    """Open every sealed value that may be read here.

    Args:
        uow: what to read through.
        progress: called with how many were opened, and how many there are.

    Returns:
        how many open, and what is wrong with the others.
    """
    opened, broken = 0, []
    total = sum(
        uow.sql(f"SELECT count({place.column}) FROM {place.table}")[0][0]
        for place in SEALED_COLUMNS
    )
    for place in SEALED_COLUMNS:
        numbers = uow.sql(
            f"SELECT rowid FROM {place.table} WHERE {place.column} IS NOT NULL"
        )
        url = place.origin or "NULL"
        one = f"SELECT {place.row}, {place.column}, {url} FROM {place.table}"
        for (number,) in numbers:
            row, value, origin = uow.sql(f"{one} WHERE rowid = ?", number)[0]
            try:
                with contextlib.suppress(PermissionDenied):
                    _open(uow, place, str(row), value, origin)
                    opened += 1
            except TamperedError as error:
                broken.append(error.message)
            if progress is not None:
                progress(opened, total)
    return opened, broken


def _open(
    uow: UnitOfWork, place: SealedColumn, row: str, value: bytes, origin: str | None
) -> str:
    if origin is None:
        return uow.open(place.table, place.column, row, value)
    return uow.open_credential(place.table, place.column, row, value, origin)
