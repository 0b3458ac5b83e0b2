"""One transaction: its session, and the sealing of the values it writes."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlmodel import Session, SQLModel, select

from issuetrack.engine.store.audit_head import Head, HeadFile
from issuetrack.engine.store.encryption import FieldCipher, Place, origin_of
from issuetrack.engine.store.tables import Setting
from issuetrack.engine.store.types import Role


def new_uuid() -> str:
    """Return a random row identifier, 32 hexadecimal digits."""
    return uuid.uuid4().hex


class UnitOfWork:
    """What a service does its reading and writing through.

    Args:
        session: the transaction.
        cipher: seals and opens.
        head: the head file of the audit chain.
        meet_keys: brings the cipher to the keys that the transaction knows.
    """

    def __init__(
        self,
        session: Session,
        cipher: FieldCipher,
        head: HeadFile,
        meet_keys: Callable[["UnitOfWork"], None],
    ) -> None:
        self.session = session
        self._meet_keys = meet_keys
        self.head = head
        self.audited: Head | None = None
        self._cipher = cipher

    def seal(
        self, table: str, column: str, row: str, text: str, reader: Role = Role.VIEWER
    ) -> bytes:
        """Seal a text for the row it is stored in and the role that may read it."""
        return self._cipher.seal(text, Place(table, column, row), reader)

    def seal_optional(
        self, table: str, column: str, row: str, text: str | None
    ) -> bytes | None:
        """Seal a text that may be absent; absent and empty texts are not stored."""
        return self.seal(table, column, row, text) if text else None

    def open(self, table: str, column: str, row: str, value: bytes) -> str:
        """Open a sealed value.

        Raises:
            PermissionDenied: the principal may not read it.
            TamperedError: it was not written for this place.
        """
        return self._open(value, Place(table, column, row))

    def _open(self, value: bytes, place: Place) -> str:
        if not self._cipher.knows(value):
            self.meet_keys()
        return self._cipher.open(value, place)

    def meet_keys(self) -> None:
        """Know the keys and the principals that the transaction knows."""
        self._meet_keys(self)

    def open_optional(
        self, table: str, column: str, row: str, value: bytes | None
    ) -> str | None:
        """Open a sealed value that may be absent."""
        return None if value is None else self.open(table, column, row, value)

    def seal_credential(
        self, table: str, column: str, row: str, secret: str, url: str
    ) -> bytes:
        """Seal a credential for engineers, bound to where it may be sent.

        Args:
            table: where it is stored.
            column: where it is stored.
            row: where it is stored.
            secret: the credential.
            url: any url of the tracker; scheme, host and port count.

        Raises:
            UsageError: it is no http(s) url.
        """
        place = Place(table, column, row, origin_of(url))
        return self._cipher.seal(secret, place, Role.ENGINEER)

    def open_credential(
        self, table: str, column: str, row: str, value: bytes, url: str
    ) -> str:
        """Open a credential for where it is about to be sent.

        Raises:
            TamperedError: it is meant for another scheme, host or port.
            PermissionDenied: the principal may not use it.
        """
        return self._open(value, Place(table, column, row, origin_of(url)))

    def current_key(self, role: Role) -> str:
        """Return the id of the key that values for a role are sealed under."""
        return self._cipher.current(role)

    def can_read(self, role: Role) -> bool:
        """Tell whether values for this role can be opened here."""
        return self._cipher.can_read(role)

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement in the driver's words (?) and return its rows."""
        result = self.session.connection().exec_driver_sql(statement, parameters)
        return list(result.cursor.fetchall()) if result.returns_rows else []

    def sql_many(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Run a statement once for every row of parameters."""
        if rows:
            self.session.connection().exec_driver_sql(statement, rows)

    def insert(self, table: type[SQLModel], rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert many rows at once, without making objects of them."""
        values = list(rows)
        if values:
            self.session.connection().execute(
                table.__table__.insert(),  # type: ignore[attr-defined]
                values,
            )

    def setting(self, key: str) -> str | None:
        """Return a named value of the workspace."""
        return self.session.exec(
            select(Setting.value).where(Setting.key == key)
        ).first()

    def set_setting(self, key: str, value: str) -> None:
        """Keep a named value of the workspace."""
        self.session.merge(Setting(key=key, value=value))
