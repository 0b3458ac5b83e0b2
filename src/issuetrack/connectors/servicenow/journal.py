"""ServiceNow's comments and history: journal entries and audit rows.

An entry of the journal is a row of `sys_journal_field`; a record also shows all of
them as one text, newest first, in the time zone of the account:

    2026-01-31 09:05:12 - Ada Lovelace (Work notes)
    the text
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from issuetrack.connectors.fields import Record
from issuetrack.connectors.servicenow import records as servicenow
from issuetrack.connectors.servicenow.records import (
    DATES,
    JOURNALS,
    moment,
    shown,
    value,
)
from issuetrack.engine.store.types import CommentKind
from issuetrack.engine.sync.ports import RemoteComment, RemoteEvent

KINDS = {"comments": CommentKind.PUBLIC, "work_notes": CommentKind.WORK_NOTE}
AUDITED = {
    "state": "status",
    "incident_state": "status",
    "problem_state": "status",
    "priority": "priority",
    "assigned_to": "assignee",
    "assignment_group": "assignment_group",
    "category": "category",
    "close_code": "close_code",
}
FURTHEST = timedelta(hours=14)
STEP = timedelta(minutes=15)
_HEAD = re.compile(
    r"^(?P<when>\S{6,12} \d\S*(?: ?[AaPp][Mm])?) - (?P<who>.+) \([^()]+\)$"
)
LAYOUTS = tuple(
    f"{day} {time}"
    for time in ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I.%M.%S %p", "%H.%M.%S")
    for day in (
        "%Y-%m-%d",
        "%d-%m-%Y",
        "%d/%m/%Y",
        "%d.%m.%Y",
        "%m/%d/%Y",
        "%m-%d-%Y",
        "%Y/%m/%d",
    )
)


def comment(row: Record) -> RemoteComment:
    """Return what a row of `sys_journal_field` says.

    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    created = moment(row, "sys_created_on")
    if created is None:
        raise ValueError("sys_created_on of a journal entry is missing")
    return RemoteComment(
        body=servicenow.text(value(row, "value")),
        created_at=created,
        author=value(row, "sys_created_by"),
        kind=KINDS.get(value(row, "element") or "", CommentKind.WORK_NOTE),
        key=servicenow.sys_id(row),
    )


def shift_of(record: Record, name: str) -> timedelta | None:
    """Return how far a date is shown from UTC; None where that cannot be told."""
    found = _form_of(record, name)
    return found[1] if found else None


def _form_of(record: Record, name: str) -> tuple[str, timedelta] | None:
    """Return the layout of a date as it is shown, and how far it is from UTC."""
    try:
        there, said = moment(record, name), shown(record, name) or ""
    except ValueError:
        return None
    for layout in LAYOUTS:
        here = _parsed(said, layout)
        if there is not None and here is not None:
            shift = STEP * round((here - there) / STEP)
            if abs(shift) <= FURTHEST:
                return layout, shift
    return None


def _parsed(text: str, layout: str) -> datetime | None:
    try:
        return datetime.strptime(f"{text.strip()} +0000", f"{layout} %z")
    except ValueError:
        return None


def shown_comments(record: Record) -> tuple[RemoteComment, ...]:
    """Return the entries in the journal text of a record, oldest first.

    Their keys are made of time, author and kind, as the text holds none.
    """
    found = [entry for name in JOURNALS for entry in _entries(record, name)]
    return tuple(sorted(found, key=lambda entry: (entry.created_at, entry.key)))


def _entries(record: Record, name: str) -> Iterator[RemoteComment]:
    forms = [
        (at, *form)
        for date in DATES
        if (form := _form_of(record, date)) and (at := moment(record, date))
    ]
    layouts = (*(layout for _, layout, _ in forms), *LAYOUTS)
    seen: dict[str, int] = {}
    for when, who, body in reversed(list(_blocks(journal_text(record, name), layouts))):
        at = when
        if forms:
            at -= min(forms, key=lambda known: abs(known[0] + known[2] - when))[2]
        key = f"{at:%Y%m%dT%H%M%S}-{who}-{name}"
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            key = f"{key}-{seen[key]}"
        yield RemoteComment(servicenow.text(body), at, who, KINDS[name], key)


def journal_text(record: Record, name: str) -> str:
    """Return all entries of a journal of a record as one text."""
    try:
        return shown(record, name) or ""
    except ValueError:
        return ""


def _blocks(text: str, layouts: Sequence[str]) -> Iterator[tuple[datetime, str, str]]:
    head: tuple[datetime, str] | None = None
    body: list[str] = []
    for line in text.splitlines():
        found = _head(line, layouts)
        if found is None:
            body.append(line)
            continue
        if head is not None:
            yield *head, "\n".join(body)
        head, body = found, []
    if head is not None:
        yield *head, "\n".join(body)


def _head(line: str, layouts: Sequence[str]) -> tuple[datetime, str] | None:
    match = _HEAD.match(line.strip())
    if match is None:
        return None
    parsed = (_parsed(match["when"], layout) for layout in layouts)
    when = next((moment for moment in parsed if moment), None)
    return (when, match["who"]) if when else None


def events(
    rows: Iterable[Record], table: str, names: Mapping[str, str]
) -> tuple[RemoteEvent, ...]:
    """Return what rows of `sys_audit` about one record say.

    Args:
        rows: in their order.
        table: of the record.
        names: of people and groups, by their sys_ids.

    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    found: list[RemoteEvent] = []
    for row in rows:
        at = moment(row, "sys_created_on")
        if at is None:
            raise ValueError("sys_created_on of an audit row is missing")
        said = value(row, "fieldname") or ""
        event = RemoteEvent(
            key=servicenow.sys_id(row),
            at=at,
            field=AUDITED.get(said, said),
            before=_words(said, value(row, "oldvalue"), table, names),
            after=_words(said, value(row, "newvalue"), table, names),
            actor=value(row, "user"),
        )
        if not any(_same(event, earlier) for earlier in found):
            found.append(event)
    return tuple(found)


def _same(one: RemoteEvent, other: RemoteEvent) -> bool:
    """Tell whether two events are one change: `state` and `incident_state` are."""
    return (one.at, one.field, one.before, one.after, one.actor) == (
        other.at,
        other.field,
        other.before,
        other.after,
        other.actor,
    )


def _words(
    field: str, said: str | None, table: str, names: Mapping[str, str]
) -> str | None:
    if said is None:
        return None
    if AUDITED.get(field) == "status":
        return WORDS.get(table, {}).get(said, said)
    return names.get(said, said)


WORDS = {
    "incident": {
        "1": "New",
        "2": "In Progress",
        "3": "On Hold",
        "6": "Resolved",
        "7": "Closed",
        "8": "Canceled",
    },
    "problem": {
        "101": "New",
        "102": "Assess",
        "103": "Root Cause Analysis",
        "104": "Fix in Progress",
        "106": "Resolved",
        "107": "Closed",
    },
    "change_request": {
        "-5": "New",
        "-4": "Assess",
        "-3": "Authorize",
        "-2": "Scheduled",
        "-1": "Implement",
        "0": "Review",
        "3": "Closed",
        "4": "Canceled",
    },
}
