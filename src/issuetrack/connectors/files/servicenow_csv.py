"""ServiceNow's CSV exports in the common vocabulary: of a list, or of its raw fields.

https://www.servicenow.com/docs/bundle/zurich-platform-administration/page/administer/exporting-data/concept/c_ExportingData.html
Columns are known by their labels or by the names of their fields. A column of a journal
holds every entry, each under a line with its time and author.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from issuetrack.connectors import vocabulary
from issuetrack.connectors.files.csv_dates import DateOrder, moment
from issuetrack.connectors.files.tracker_csv import Row
from issuetrack.engine.store.types import CommentKind, IssueStatus, IssueType, LinkKind
from issuetrack.engine.sync.ports import (
    Mapped,
    RemoteComment,
    RemoteIssue,
    RemoteLink,
)

NUMBER = ("number", "task number")
TITLE = ("short description", "short_description")
CREATED = ("opened", "opened_at", "created", "sys_created_on")
UPDATED = ("updated", "sys_updated_on")
RESOLVED = ("resolved", "resolved_at")
CLOSED = ("closed", "closed_at")
STATE = ("state", "incident state", "incident_state", "problem state")
CLOSE_NOTES = (
    "close notes",
    "resolution notes",
    "close_notes",
    "fix notes",
    "fix_notes",
)
SERVICE = (
    "business service",
    "service",
    "business_service",
    "configuration item",
    "cmdb_ci",
)
ORIGINAL = ("duplicate of", "duplicate_of")
CAUSES = ("caused by change", "caused_by", "caused by", "problem", "problem_id")
JOURNALS = {
    "work notes": CommentKind.WORK_NOTE,
    "work_notes": CommentKind.WORK_NOTE,
    "work notes list": CommentKind.WORK_NOTE,
    "additional comments": CommentKind.PUBLIC,
    "comments": CommentKind.PUBLIC,
    "comments and work notes": CommentKind.WORK_NOTE,
    "comments_and_work_notes": CommentKind.WORK_NOTE,
}
PUBLIC_ENTRY = re.compile(r"(?i)(additional )?comments?( \(customer visible\))?")
OPEN, BUSY = IssueStatus.OPEN, IssueStatus.IN_PROGRESS
DONE, SHUT = IssueStatus.RESOLVED, IssueStatus.CLOSED
STATES = {
    IssueType.INCIDENT: {1: OPEN, 2: BUSY, 3: BUSY, 6: DONE, 7: SHUT, 8: SHUT},
    IssueType.PROBLEM: {
        1: OPEN,
        2: BUSY,
        3: SHUT,
        4: SHUT,
        101: OPEN,
        102: BUSY,
        103: BUSY,
        104: BUSY,
        106: DONE,
        107: SHUT,
    },
    IssueType.CHANGE: {
        -5: OPEN,
        -4: OPEN,
        -3: OPEN,
        -2: OPEN,
        -1: BUSY,
        0: BUSY,
        3: SHUT,
        4: SHUT,
    },
    IssueType.SERVICE_REQUEST: {1: OPEN, 2: BUSY, 3: SHUT, 4: SHUT, 7: SHUT},
}
WORDS = {
    "assess": OPEN,
    "authorize": OPEN,
    "scheduled": OPEN,
    "draft": OPEN,
    "implement": BUSY,
    "review": BUSY,
    "work in progress": BUSY,
    "root cause analysis": BUSY,
    "fix in progress": BUSY,
    "awaiting user info": BUSY,
    "awaiting problem": BUSY,
    "awaiting change": BUSY,
    "awaiting vendor": BUSY,
    "closed complete": SHUT,
    "closed incomplete": SHUT,
    "closed skipped": SHUT,
}
PREFIXES = {
    "INC": IssueType.INCIDENT,
    "PRB": IssueType.PROBLEM,
    "PTASK": IssueType.PROBLEM,
    "CHG": IssueType.CHANGE,
    "CTASK": IssueType.CHANGE,
    "REQ": IssueType.SERVICE_REQUEST,
    "RITM": IssueType.SERVICE_REQUEST,
    "SCTASK": IssueType.SERVICE_REQUEST,
}
_ENTRY = re.compile(
    r"(?m)^(?P<at>\d[^\n]{7,30}?) - (?P<author>[^\n]{1,255}?) "
    r"\((?P<kind>[^()\n]{3,60}(?:\([^()\n]{0,40}\))?)\)[ \t]*$"
)
_PREFIX = re.compile(r"[A-Z]+")


@dataclass(frozen=True)
class _Entry:
    """One entry of a journal; `at` is None where no line tells its time."""

    at: str | None
    author: str | None
    kind: CommentKind
    text: str


class ServiceNowCsv:
    """What is particular to the exports of ServiceNow."""

    name = "ServiceNow"

    def knows(self, header: Sequence[str]) -> bool:
        """Tell whether lower-case column names are those of an export."""
        return all(any(n in header for n in names) for names in (NUMBER, TITLE))

    def moments(self, row: Row) -> Iterable[str]:
        """Return the dates of a record, as they are written."""
        yield from row.every(*CREATED, *UPDATED, *RESOLVED, *CLOSED)
        yield from (entry.at for entry in _journals(row) if entry.at)

    def issue(self, row: Row, order: DateOrder | None) -> RemoteIssue:
        """Return the issue that a record tells of.

        Raises:
            ValueError: a field is missing, or not what it should be.
        """
        key, title = row.first(*NUMBER), row.first(*TITLE)
        if key is None or title is None:
            missing = NUMBER if key is None else TITLE
            raise ValueError(f"{missing[0]} is missing")
        created, updated, resolved, closed = (
            moment(row.first(*names), order)
            for names in (CREATED, UPDATED, RESOLVED, CLOSED)
        )
        first = created or resolved or closed or updated
        if first is None:
            raise ValueError("it has no date: export the column Opened too")
        kind = _kind(key, row)
        status = _status(row, kind)
        priority = vocabulary.priority(row.first("priority"))
        return RemoteIssue(
            key=key.strip(),
            id=row.first("sys id", "sys_id"),
            title=title,
            body=row.first("description") or "",
            type=kind,
            status=status,
            priority=priority,
            service=row.first(*SERVICE),
            site=row.first("location"),
            category=row.first("category"),
            labels=_labels(row),
            reporter=row.first("caller", "caller_id", "opened by", "opened_by"),
            assignee=_assignee(row),
            created_at=first,
            updated_at=updated or closed or resolved or first,
            resolved_at=resolved,
            closed_at=closed,
            duplicate_of=row.first(*ORIGINAL),
            resolution=row.first(*CLOSE_NOTES),
            comments=tuple(_comment(e, first, order) for e in _journals(row)),
            links=tuple(
                RemoteLink(LinkKind.CAUSED_BY, target.strip())
                for target in row.every(*CAUSES)
            ),
            mapped=(
                Mapped("status", status, "State", row.first(*STATE)),
                Mapped("priority", priority, "Priority", row.first("priority")),
                Mapped("type", kind, "Number", key),
            ),
        )


def _kind(key: str, row: Row) -> IssueType:
    prefix = _PREFIX.match(key.strip())
    known = PREFIXES.get(prefix.group()) if prefix else None
    return known or vocabulary.issue_type(row.first("task type", "sys_class_name"))


def _status(row: Row, kind: IssueType) -> IssueStatus:
    said = (row.first(*STATE) or "").strip()
    if re.fullmatch(r"-?\d{1,3}", said):
        known = STATES.get(kind, STATES[IssueType.INCIDENT]).get(int(said))
    else:
        word = vocabulary.word(said)
        known = WORDS.get(word) or vocabulary.STATUS.get(word)
    if known is not None:
        return known
    if row.first(*CLOSED):
        return IssueStatus.CLOSED
    return IssueStatus.RESOLVED if row.first(*RESOLVED) else IssueStatus.OPEN


def _assignee(row: Row) -> str | None:
    person = row.first("assigned to", "assigned_to")
    return person or row.first("assignment group", "assignment_group")


def _labels(row: Row) -> tuple[str, ...]:
    cells = row.every("tags", "sys_tags")
    words = (word.strip() for cell in cells for word in cell.split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def _journals(row: Row) -> Iterator[_Entry]:
    seen: set[_Entry] = set()
    for name, kind in JOURNALS.items():
        for cell in row.every(name):
            for entry in _entries(
                cell.replace("\r\n", "\n"), kind, mixed="and" in name
            ):
                if entry not in seen:
                    seen.add(entry)
                    yield entry


def _entries(cell: str, kind: CommentKind, *, mixed: bool) -> Iterator[_Entry]:
    heads = list(_ENTRY.finditer(cell))
    before = cell[: heads[0].start()] if heads else cell
    if before.strip():
        yield _Entry(None, None, kind, before.strip())
    ends = [*(head.start() for head in heads[1:]), len(cell)]
    for head, end in zip(heads, ends, strict=True):
        text = cell[head.end() : end].strip()
        if text:
            told = _told(head["kind"]) if mixed else kind
            yield _Entry(head["at"], head["author"], told, text)


def _told(label: str) -> CommentKind:
    """Return for whom an entry is; what is not known to be public is a work note."""
    public = PUBLIC_ENTRY.fullmatch(label.strip())
    return CommentKind.PUBLIC if public else CommentKind.WORK_NOTE


def _comment(entry: _Entry, first: datetime, order: DateOrder | None) -> RemoteComment:
    at = moment(entry.at, order) or first
    return RemoteComment(entry.text, at, entry.author, entry.kind)
