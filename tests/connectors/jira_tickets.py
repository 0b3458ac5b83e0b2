"""Issues of the Jira on loopback."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

START = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
STATUSES = {
    "Open": "new",
    "In Progress": "indeterminate",
    "Verify": "indeterminate",
    "Done": "done",
    "Closed": "done",
}


def stamp(moment: datetime) -> str:
    """Return a moment as Jira writes it, in a zone that is not UTC."""
    local = moment.astimezone(ZoneInfo("Asia/Kolkata"))
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03}{local:%z}"


def rich(text: str) -> dict[str, Any]:
    """Return a text as a document of Cloud."""
    lines = text.split("\n") if text else []
    return {
        "type": "doc",
        "version": 1,
        "content": [
            {"type": "paragraph", "content": [{"type": "text", "text": line}]}
            for line in lines
        ],
    }


@dataclass
class Ticket:
    """An issue.

    Attributes:
        fields: over what the others say.
        comments: raw, their bodies texts or, once posted, as they came.
        indexed: when the search thinks that it was updated; None for right.
    """

    number: int
    updated: datetime
    project: str = "OPS"
    summary: str = "Checkout is down"
    description: str = "since noon"
    status: str = "Open"
    fields: dict[str, Any] = field(default_factory=dict)
    comments: list[dict[str, Any]] = field(default_factory=list)
    histories: list[dict[str, Any]] = field(default_factory=list)
    indexed: datetime | None = None

    @property
    def key(self) -> str:
        return f"{self.project}-{self.number}"

    @property
    def id(self) -> str:
        return str(10000 + self.number)

    def comment(self, text: str, **changes: Any) -> None:
        """Add a comment."""
        number = 1000 * self.number + len(self.comments)
        made = START + timedelta(seconds=len(self.comments))
        comment = {
            "id": str(number),
            "body": text,
            "author": {"displayName": "Worker"},
            "created": stamp(made),
        }
        self.comments.append(comment | changes)

    def change(self, *items: tuple[str, str | None, str | None]) -> None:
        """Add an entry to the history."""
        number = 5000 * self.number + len(self.histories)
        self.histories.append(
            {
                "id": str(number),
                "author": {"displayName": "Worker"},
                "created": stamp(START + timedelta(minutes=len(self.histories))),
                "items": [
                    {"field": name, "fromString": old, "toString": new}
                    for name, old, new in items
                ],
            }
        )


def status(name: str) -> dict[str, Any]:
    """Return a status as Jira shows it."""
    return {"name": name, "statusCategory": {"key": STATUSES[name]}}


def moment(ticket: Ticket) -> datetime:
    """Return when the search thinks that an issue was updated."""
    return ticket.indexed or ticket.updated


def place(ticket: Ticket) -> str:
    """Return by what the search sorts."""
    return f"{moment(ticket).isoformat(timespec='milliseconds')} {ticket.number:06}"
