"""Jira's CSV export in the common vocabulary.

https://confluence.atlassian.com/adminjiraserver/importing-data-from-csv-938847533.html
Several values of one field are several columns of one name. Which comments are for
some readers only is not in the export.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from issuetrack.connectors import vocabulary
from issuetrack.connectors.files.csv_dates import DateOrder, moment
from issuetrack.connectors.files.tracker_csv import Row
from issuetrack.engine.store.types import IssueStatus, IssueType, LinkKind
from issuetrack.engine.sync.ports import (
    Mapped,
    RemoteComment,
    RemoteIssue,
    RemoteLink,
)

KNOWN_BY = ("issue key", "summary")
ONE_OF = ("issue id", "issue type", "project key")
MOMENTS = ("created", "updated", "resolved")
LINKS = {
    "outward issue link (relates)": LinkKind.RELATES_TO,
    "inward issue link (relates)": LinkKind.RELATES_TO,
    "inward issue link (problem/incident)": LinkKind.CAUSED_BY,
    "outward issue link (caused)": LinkKind.CAUSED_BY,
}
DUPLICATE = "outward issue link (duplicate)"
_SAID = re.compile(
    r"(?P<at>[^;\n]{4,40});(?P<author>[^;\n]{0,255});(?P<text>.*)", re.DOTALL
)
_FILE = re.compile(r"[^;]*;[^;]*;(?P<name>[^;]+);")


class JiraCsv:
    """What is particular to the exports of Jira."""

    name = "Jira"

    def knows(self, header: Sequence[str]) -> bool:
        """Tell whether lower-case column names are those of an export."""
        return all(name in header for name in KNOWN_BY) and any(
            name in header for name in ONE_OF
        )

    def moments(self, row: Row) -> Iterable[str]:
        """Return the dates of a record, as they are written."""
        yield from row.every(*MOMENTS)
        for said in row.every("comment"):
            match = _SAID.fullmatch(said)
            if match:
                yield match["at"]

    def issue(self, row: Row, order: DateOrder | None) -> RemoteIssue:
        """Return the issue that a record tells of.

        Raises:
            ValueError: a field is missing, or not what it should be.
        """
        key, title = row.first("issue key"), row.first("summary")
        if key is None or title is None:
            raise ValueError(f"{'issue key' if key is None else 'summary'} is missing")
        created = moment(row.first("created"), order)
        if created is None:
            raise ValueError("created is missing")
        resolved = moment(row.first("resolved"), order)
        status = _status(row)
        kind = vocabulary.issue_type(row.first("issue type"), IssueType.SERVICE_REQUEST)
        priority = vocabulary.priority(row.first("priority"))
        return RemoteIssue(
            key=key.strip(),
            id=row.first("issue id"),
            title=title,
            body=_markdown(row.first("description") or ""),
            type=kind,
            status=status,
            priority=priority,
            service=row.first("component/s", "components", "component"),
            category=row.first("project name", "project key"),
            labels=_labels(row),
            reporter=row.first("reporter", "creator"),
            assignee=row.first("assignee"),
            created_at=created,
            updated_at=moment(row.first("updated"), order) or resolved or created,
            resolved_at=resolved,
            closed_at=resolved if status is IssueStatus.CLOSED else None,
            duplicate_of=row.first(DUPLICATE),
            resolution=row.first("resolution"),
            comments=tuple(_comment(c, created, order) for c in row.every("comment")),
            links=tuple(
                RemoteLink(kind, target.strip())
                for name, kind in LINKS.items()
                for target in row.every(name)
            ),
            attachments=_attachments(row),
            mapped=(
                Mapped("status", status, "Status", row.first("status")),
                Mapped("priority", priority, "Priority", row.first("priority")),
                Mapped("type", kind, "Issue Type", row.first("issue type")),
            ),
        )


def _status(row: Row) -> IssueStatus:
    for name in ("status", "status category"):
        known = vocabulary.STATUS.get(vocabulary.word(row.first(name) or ""))
        if known is not None:
            return known
    return IssueStatus.RESOLVED if row.first("resolved") else IssueStatus.OPEN


def _labels(row: Row) -> tuple[str, ...]:
    words = (word for cell in row.every("labels") for word in cell.split())
    return tuple(dict.fromkeys(words))


def _attachments(row: Row) -> tuple[str, ...]:
    found = (_FILE.match(cell) for cell in row.every("attachment"))
    return tuple(match["name"] for match in found if match)


def _comment(said: str, created: datetime, order: DateOrder | None) -> RemoteComment:
    match = _SAID.fullmatch(said)
    if match:
        at = moment(match["at"], order)
        assert at is not None
        return RemoteComment(_markdown(match["text"]), at, match["author"] or None)
    return RemoteComment(_markdown(said), created)


def _markdown(text: str) -> str:
    from issuetrack.connectors.markup.wiki import markdown

    return markdown(text) if text.strip() else ""
