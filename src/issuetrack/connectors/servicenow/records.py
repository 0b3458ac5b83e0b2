"""ServiceNow's Table API records in the common vocabulary.

https://www.servicenow.com/docs/bundle/zurich-api-reference/page/integrate/inbound-rest/concept/c_TableAPI.html

A field is a text, or an object with `value` and `display_value`, or with `value` and
`link`; dates are UTC in `value`, names and choices are read from `display_value`.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from issuetrack.connectors import fields, vocabulary
from issuetrack.connectors.fields import Record
from issuetrack.connectors.mapping import LABEL, Overrides, Reading
from issuetrack.connectors.markup.html import markdown
from issuetrack.engine.store.types import IssueStatus, IssueType, LinkKind, Priority
from issuetrack.engine.sync.ports import RemoteIssue, RemoteLink

TYPES = {
    "incident": IssueType.INCIDENT,
    "problem": IssueType.PROBLEM,
    "change_request": IssueType.CHANGE,
    "sc_request": IssueType.SERVICE_REQUEST,
    "sc_req_item": IssueType.SERVICE_REQUEST,
    "sc_task": IssueType.SERVICE_REQUEST,
}
_WORK = IssueStatus.IN_PROGRESS
_TASK = {
    "-5": IssueStatus.OPEN,
    "1": IssueStatus.OPEN,
    "2": _WORK,
    "3": IssueStatus.CLOSED,
    "4": IssueStatus.CLOSED,
    "7": IssueStatus.CLOSED,
}
STATES = {
    "incident": {
        "1": IssueStatus.OPEN,
        "2": _WORK,
        "3": _WORK,
        "4": _WORK,
        "5": _WORK,
        "6": IssueStatus.RESOLVED,
        "7": IssueStatus.CLOSED,
        "8": IssueStatus.CLOSED,
    },
    "problem": {
        "1": IssueStatus.OPEN,
        "2": _WORK,
        "3": _WORK,
        "4": IssueStatus.CLOSED,
        "101": IssueStatus.OPEN,
        "102": _WORK,
        "103": _WORK,
        "104": _WORK,
        "105": _WORK,
        "106": IssueStatus.RESOLVED,
        "107": IssueStatus.CLOSED,
    },
    "change_request": {
        "-5": IssueStatus.OPEN,
        "-4": _WORK,
        "-3": _WORK,
        "-2": _WORK,
        "-1": _WORK,
        "0": _WORK,
        "1": IssueStatus.OPEN,
        "2": _WORK,
        "3": IssueStatus.CLOSED,
        "4": IssueStatus.CLOSED,
    },
}
LABELS = {
    "active": _WORK,
    "awaiting user info": _WORK,
    "awaiting problem": _WORK,
    "awaiting vendor": _WORK,
    "awaiting evidence": _WORK,
    "work in progress": _WORK,
    "assess": _WORK,
    "root cause analysis": _WORK,
    "fix in progress": _WORK,
    "known error": _WORK,
    "pending change": _WORK,
    "authorize": _WORK,
    "scheduled": _WORK,
    "implement": _WORK,
    "review": _WORK,
    "closed complete": IssueStatus.CLOSED,
    "closed incomplete": IssueStatus.CLOSED,
    "closed skipped": IssueStatus.CLOSED,
    "closed/resolved": IssueStatus.RESOLVED,
}
DATES = ("sys_updated_on", "sys_created_on", "opened_at", "resolved_at", "closed_at")
JOURNALS = ("comments", "work_notes")
READ = (
    "sys_id",
    "number",
    "sys_class_name",
    "sys_mod_count",
    "short_description",
    "description",
    "active",
    "state",
    "incident_state",
    "problem_state",
    "priority",
    "business_service",
    "cmdb_ci",
    "location",
    "category",
    "subcategory",
    "caller_id",
    "requested_for",
    "opened_by",
    "assigned_to",
    "assignment_group",
    "close_notes",
    "close_code",
    "parent_incident",
    "problem_id",
    "caused_by",
    "rfc",
    "duplicate_of",
    *DATES,
    *JOURNALS,
)
_LINKS = (
    ("parent_incident", LinkKind.RELATES_TO),
    ("problem_id", LinkKind.CAUSED_BY),
    ("caused_by", LinkKind.CAUSED_BY),
    ("rfc", LinkKind.RELATES_TO),
    ("duplicate_of", LinkKind.DUPLICATE_OF),
)
_SYS_ID = re.compile(r"[0-9a-f]{32}")


def looks_like(record: Record) -> bool:
    """Tell whether a record comes from a task table of ServiceNow."""
    return "sys_id" in record and "number" in record


def places(overrides: Overrides) -> tuple[str, ...]:
    """Return the fields that overrides name beyond those that are read anyway."""
    named = (p for p in overrides.places.values() if not p.startswith(LABEL))
    return tuple(dict.fromkeys(place for place in named if place not in READ))


def value(record: Record, name: str) -> str | None:
    """Return what the database holds; None for nothing.

    Raises:
        ValueError: it is of the wrong type.
    """
    said = record.get(name)
    if isinstance(said, bool):
        said = "true" if said else "false"
    if isinstance(said, dict):
        said = fields.text(said, "value")
    return fields.text({name: said}, name) or None


def shown(record: Record, name: str) -> str | None:
    """Return what a person sees of a field; None for nothing, or only a sys_id.

    Raises:
        ValueError: it is of the wrong type.
    """
    said = record.get(name)
    text = fields.text(said, "display_value") if isinstance(said, dict) else None
    text = text or value(record, name)
    return None if text is None or _SYS_ID.fullmatch(text) else text


def moment(record: Record, name: str) -> datetime | None:
    """Return a date.

    Raises:
        ValueError: it is none.
    """
    return vocabulary.moment(value(record, name))


def sys_id(record: Record) -> str:
    """Return the sys_id.

    Raises:
        ValueError: there is none.
    """
    return _needed(value(record, "sys_id"), "sys_id")


def updated(record: Record) -> datetime:
    """Return when a record changed last.

    Raises:
        ValueError: it does not say.
    """
    found = moment(record, "sys_updated_on")
    if found is None:
        raise ValueError("sys_updated_on is missing")
    return found


def _needed(text: str | None, name: str) -> str:
    if not text or not text.strip():
        raise ValueError(f"{name} is missing")
    return text


def text(said: str | None) -> str:
    """Return a text as Markdown, where it is HTML or has HTML between code marks."""
    return markdown(said or "").strip()


def record_url(base_url: str, table: str, record_id: str) -> str:
    """Return the address of a record for people."""
    return f"{base_url}/nav_to.do?uri={table}.do?sys_id={record_id}"


def issue(
    record: Record,
    table: str = "incident",
    overrides: Overrides | None = None,
    base_url: str | None = None,
) -> RemoteIssue:
    """Return an issue; its comments, events and attachments come from other tables.

    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    kind = value(record, "sys_class_name") or table
    key = _needed(value(record, "number"), "number")
    created = moment(record, "opened_at") or moment(record, "sys_created_on")
    if created is None:
        raise ValueError("opened_at and sys_created_on are missing")
    reading = Reading(_view(record), overrides or Overrides())
    status = _status(record, kind, reading)
    found = RemoteIssue(
        id=sys_id(record),
        key=key,
        title=_title(record, key),
        body=text(value(record, "description")),
        status=status,
        created_at=created,
        updated_at=moment(record, "sys_updated_on") or created,
        reporter=_first(record, "caller_id", "requested_for", "opened_by"),
        assignee=_first(record, "assigned_to", "assignment_group"),
        url=record_url(base_url, kind, sys_id(record)) if base_url else None,
        resolved_at=moment(record, "resolved_at"),
        closed_at=moment(record, "closed_at"),
        duplicate_of=shown(record, "duplicate_of"),
        resolution=text(value(record, "close_notes")) or shown(record, "close_code"),
        links=tuple(_links(record)),
    )
    return _read(found, record, kind, reading)


def _read(
    found: RemoteIssue, record: Record, kind: str, reading: Reading
) -> RemoteIssue:
    """Return an issue with what overrides can be about."""
    ours = reading.word("type", "sys_class_name", kind, _type_of)
    urgent = reading.word(
        "priority", "priority", shown(record, "priority"), vocabulary.priority
    )
    service = next(
        (n for n in ("business_service", "cmdb_ci") if shown(record, n)), "cmdb_ci"
    )
    sub = shown(record, "subcategory")
    return replace(
        found,
        type=IssueType(ours or IssueType.INCIDENT),
        priority=Priority(urgent) if urgent else None,
        service=reading.word("service", service, shown(record, service), _same),
        site=reading.word("site", "location", shown(record, "location"), _same),
        category=reading.word(
            "category",
            "category",
            shown(record, "category"),
            lambda said: " / ".join(part for part in (said, sub) if part) or None,
        ),
        mapped=tuple(reading.mapped),
    )


def _title(record: Record, key: str) -> str:
    title = value(record, "short_description") or ""
    lines = text(value(record, "description")).splitlines()
    return title.strip() or (lines[0].strip() if lines else "") or key


def _type_of(table: str | None) -> IssueType:
    known = TYPES.get(table or "")
    return known or vocabulary.issue_type(table, IssueType.SERVICE_REQUEST)


def _same(said: str | None) -> str | None:
    return said


def _first(record: Record, *names: str) -> str | None:
    return next((found for name in names if (found := shown(record, name))), None)


def _links(record: Record) -> Iterable[RemoteLink]:
    for name, kind in _LINKS:
        target = shown(record, name)
        if target:
            yield RemoteLink(kind, target)


def _status(record: Record, kind: str, reading: Reading) -> IssueStatus:
    own = {"incident": "incident_state", "problem": "problem_state"}.get(kind)
    origin = "state" if value(record, "state") or own is None else own
    code = value(record, origin)
    active = value(record, "active") != "false"
    found = reading.word(
        "status",
        origin,
        shown(record, origin),
        lambda said: status_of(kind, said, code, active=active),
    )
    return IssueStatus(found or IssueStatus.OPEN)


def status_of(
    kind: str, label: str | None, code: str | None, *, active: bool = True
) -> IssueStatus:
    """Return the status for a state: by its label, else by its number in a table.

    States of a company's own are open or closed as the record is active or not.
    """
    name = vocabulary.word(label or "")
    known = vocabulary.STATUS.get(name) or LABELS.get(name)
    known = known or STATES.get(kind, _TASK).get(code or "")
    if known is None and not active:
        return IssueStatus.CLOSED
    return known or IssueStatus.OPEN


def _view(record: Record) -> Record:
    """Return a record as overrides name its fields: dotted ones inside one another."""
    view: dict[str, Any] = {}
    for name in record:
        if not isinstance(record[name], list):
            *path, last = name.split(".")
            inner = view
            for step in path:
                inner = inner.setdefault(step, {})
            inner.setdefault(last, {})["value"] = shown(record, name)
    return view
