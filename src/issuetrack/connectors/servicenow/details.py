"""What belongs to records and is kept in other tables of ServiceNow.

An access rule hides rows without a word, so that an empty answer says little: entries
that a record shows itself and the table does not are hidden, and history that is
missing for all records is asked for once in general.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from issuetrack.connectors.fields import Record
from issuetrack.connectors.mapping import Overrides
from issuetrack.connectors.servicenow import records as servicenow
from issuetrack.connectors.servicenow.api import LIMIT, ROLES, Api, by_owner
from issuetrack.connectors.servicenow.journal import (
    AUDITED,
    comment,
    events,
    journal_text,
    shown_comments,
)
from issuetrack.connectors.servicenow.records import JOURNALS, shown, value
from issuetrack.engine.errors import NotFoundError, RemoteForbidden, UsageError
from issuetrack.engine.sync.connector import Traffic
from issuetrack.engine.sync.ports import (
    BadRecord,
    RemoteComment,
    RemoteIssue,
)

JOURNAL, AUDIT, ATTACHMENT = "sys_journal_field", "sys_audit", "sys_attachment"
ENTRY = ("sys_id", "element_id", "element", "value", "sys_created_on", "sys_created_by")
CHANGE = (
    "sys_id",
    "documentkey",
    "fieldname",
    "oldvalue",
    "newvalue",
    "user",
    "sys_created_on",
)
PEOPLE = {"assigned_to": "sys_user", "assignment_group": "sys_user_group"}
LOST = {
    AUDIT: "the history of changes is left out",
    ATTACHMENT: "the names of attachments are left out",
}


@dataclass(frozen=True)
class Kept:
    """What the other tables hold of some records; None for what may not be read."""

    journal: dict[str, list[Record]] | None
    history: dict[str, list[Record]] | None
    attachments: dict[str, list[Record]] | None


@dataclass
class Details:
    """Makes whole issues of records.

    Attributes:
        base_url: the origin, for the addresses of issues.
        names: of people and groups, by their sys_ids, as far as they were met.
        closed: the tables that may not be read.
    """

    api: Api
    traffic: Traffic
    overrides: Overrides
    base_url: str
    names: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    _audit_seen: bool = False
    _journal_seen: bool | None = None

    def issues(
        self, table: str, records: Sequence[Record]
    ) -> list[RemoteIssue | BadRecord]:
        """Return what the records are; those that cannot be understood as such."""
        ids = [key for record in records if (key := _key(record))]
        if not ids:
            return [
                bad_record(table, record, "sys_id is missing") for record in records
            ]
        self._meet(records)
        kept = Kept(
            self._journal(ids),
            self._history(table, ids, records),
            self._attachments(ids),
        )
        found: list[RemoteIssue | BadRecord] = []
        for record in records:
            try:
                found.append(self._issue(table, record, kept))
            except ValueError as error:
                found.append(bad_record(table, record, str(error)))
        return found

    def comments(self, record: Record) -> tuple[RemoteComment, ...]:
        """Return the comments and work notes of one record."""
        return self._comments(record, self._journal([servicenow.sys_id(record)]))[0]

    def _issue(self, table: str, record: Record, kept: Kept) -> RemoteIssue:
        key = servicenow.sys_id(record)
        comments, all_of_them = self._comments(record, kept.journal)
        found = servicenow.issue(record, table, self.overrides, self.base_url)
        names = (
            shown(row, "file_name") for row in (kept.attachments or {}).get(key, ())
        )
        return replace(
            found,
            comments=comments,
            events=events((kept.history or {}).get(key, ()), table, self.names),
            attachments=tuple(name for name in names if name),
            complete=all_of_them and kept.history is not None,
        )

    def _comments(
        self, record: Record, journal: dict[str, list[Record]] | None
    ) -> tuple[tuple[RemoteComment, ...], bool]:
        rows = (journal or {}).get(servicenow.sys_id(record))
        if rows:
            return tuple(map(comment, rows)), True
        shows = any(journal_text(record, name) for name in JOURNALS)
        if journal is not None and not shows:
            return (), self._journal_open()
        if not self._journal_seen:
            self.closed.add(JOURNAL)
        self._notice(JOURNAL, "comments are taken from the records' own text")
        return shown_comments(record), False

    def _journal(self, ids: Sequence[str]) -> dict[str, list[Record]] | None:
        query = f"element_idIN{','.join(ids)}^elementIN{','.join(JOURNALS)}"
        query = f"{query}^ORDERBYsys_created_on"
        found = self._rows(JOURNAL, query, ENTRY, "element_id")
        self._journal_seen = True if found else self._journal_seen
        return found

    def _journal_open(self) -> bool:
        """Tell whether the journal shows anything; asked for once in general."""
        if self._journal_seen is None:
            query = f"elementIN{','.join(JOURNALS)}"
            self._journal_seen = self._shows(JOURNAL, query)
        return self._journal_seen

    def _shows(self, table: str, query: str) -> bool:
        found = self.api.page(table, query, ("sys_id",), limit=1, counted=False)
        return bool(found.rows)

    def _history(
        self, table: str, ids: Sequence[str], records: Sequence[Record]
    ) -> dict[str, list[Record]] | None:
        query = f"documentkeyIN{','.join(ids)}^fieldnameIN{','.join(AUDITED)}"
        found = self._rows(
            AUDIT, f"{query}^ORDERBYsys_created_on", CHANGE, "documentkey"
        )
        changed = any(_changes(record) != "0" for record in records)
        if found or found is None or self._audit_seen or not changed:
            self._audit_seen = self._audit_seen or bool(found)
            self._name(row for rows in (found or {}).values() for row in rows)
            return found
        self._audit_seen = self._shows(AUDIT, f"tablename={table}")
        if self._audit_seen:
            return found
        self.closed.add(AUDIT)
        self._notice(AUDIT, LOST[AUDIT])
        return None

    def _attachments(self, ids: Sequence[str]) -> dict[str, list[Record]] | None:
        query = f"table_sys_idIN{','.join(ids)}^ORDERBYsys_created_on"
        return self._rows(
            ATTACHMENT, query, ("table_sys_id", "file_name"), "table_sys_id"
        )

    def _rows(
        self, table: str, query: str, names: Sequence[str], owner: str
    ) -> dict[str, list[Record]] | None:
        """Return rows by their owners; None where the table may not be read."""
        if table in self.closed:
            return None
        try:
            pages = list(self.api.all(table, query, names))
        except (RemoteForbidden, UsageError, NotFoundError):
            self.closed.add(table)
            if table != JOURNAL:
                self._notice(table, LOST[table])
            return None
        return by_owner((row for page in pages for row in page.rows), owner)

    def _notice(self, table: str, what: str) -> None:
        self.traffic.notice(
            f"{table} may not be read: {what}; role needed: {ROLES[table]}"
        )

    def _meet(self, records: Sequence[Record]) -> None:
        for record in records:
            for name in PEOPLE:
                said = record.get(name)
                if isinstance(said, dict) and isinstance(said.get("value"), str):
                    words = said.get("display_value")
                    if isinstance(words, str) and words:
                        self.names[said["value"]] = words

    def _name(self, rows: Iterable[Record]) -> None:
        """Ask for the names of those that history names by their sys_ids."""
        wanted: dict[str, set[str]] = {}
        for row in rows:
            table = PEOPLE.get(value(row, "fieldname") or "")
            said = {value(row, "oldvalue"), value(row, "newvalue")}
            if table and table not in self.closed:
                new = {key for key in said if key and key not in self.names}
                wanted.setdefault(table, set()).update(new)
        for table, keys in wanted.items():
            if keys:
                self._ask_names(table, sorted(keys))

    def _ask_names(self, table: str, keys: Sequence[str]) -> None:
        self.names |= {key: key for key in keys}
        for start in range(0, len(keys), LIMIT):
            query = f"sys_idIN{','.join(keys[start : start + LIMIT])}"
            try:
                found = self.api.page(
                    table, query, ("sys_id", "name"), limit=LIMIT, display="false"
                )
            except (RemoteForbidden, UsageError, NotFoundError):
                self.closed.add(table)
                return
            for row in found.rows:
                key = servicenow.sys_id(row)
                self.names[key] = value(row, "name") or key


def _changes(record: Record) -> str | None:
    try:
        return value(record, "sys_mod_count")
    except ValueError:
        return None


def _key(record: Record) -> str | None:
    try:
        return value(record, "sys_id")
    except ValueError:
        return None


def bad_record(table: str, record: object, reason: str) -> BadRecord:
    """Return a record that cannot be understood, with its text."""
    name = table
    if isinstance(record, dict):
        said = record.get("number")
        number = said.get("value") if isinstance(said, dict) else said
        name = f"{table} {number}" if isinstance(number, str) and number else table
    return BadRecord(name, None, reason, json.dumps(record, ensure_ascii=False))
