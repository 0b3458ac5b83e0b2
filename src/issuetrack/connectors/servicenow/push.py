"""Changes records of ServiceNow: one request, which its mark makes known again.

An access rule lets a field be left as it was without a word, so that what comes back is
compared with what was sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from issuetrack.connectors.fields import Record
from issuetrack.connectors.servicenow.api import ROLES, Api, changing
from issuetrack.connectors.servicenow.records import sys_id, value
from issuetrack.engine.errors import (
    NotFoundError,
    RemoteForbidden,
    UsageError,
)
from issuetrack.engine.store.types import CommentKind, IssueStatus
from issuetrack.engine.sync.connector import Change, Request

FIELDS = {
    "title": "short_description",
    "body": "description",
    "category": "category",
    "resolution": "close_notes",
}
_TASKS = {IssueStatus.OPEN: "1", IssueStatus.IN_PROGRESS: "2", IssueStatus.CLOSED: "3"}
STATES = {
    "incident": {
        IssueStatus.OPEN: "1",
        IssueStatus.IN_PROGRESS: "2",
        IssueStatus.RESOLVED: "6",
        IssueStatus.CLOSED: "7",
    },
    "sc_req_item": _TASKS,
    "sc_task": _TASKS,
}
ENDED = (IssueStatus.RESOLVED, IssueStatus.CLOSED)
JOURNAL = {CommentKind.PUBLIC: "comments", CommentKind.WORK_NOTE: "work_notes"}
SOLVED = "Resolved with issuetrack."


def mark_line(mark: str) -> str:
    """Return the last line of a comment, by which a change is known."""
    return f"[issuetrack:{mark}]"


@dataclass
class Writer:
    """Makes changes.

    Attributes:
        close_code: what an incident is resolved with.
    """

    api: Api
    base_url: str
    close_code: str

    def requests(self, change: Change, table: str, record: Record) -> list[Request]:
        """Return the one request that makes a change; none if all is so already.

        Raises:
            UsageError: that cannot be done; says why.
        """
        content = {
            **self._fields(change.fields),
            **self._state(change, table, record),
            **_journal(change),
        }
        url = f"{self.base_url}{changing(table, sys_id(record))}"
        return [Request("PATCH", url, content)] if content else []

    def send(self, change: Change, table: str, record: Record) -> None:
        """Make a change.

        Raises:
            RemoteForbidden: a field was silently left as it was.
        """
        for request in self.requests(change, table, record):
            after = self.api.change(request)
            _compare(change.key, table, request.content, after)

    def _fields(self, wanted: Mapping[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, new in wanted.items():
            if name == "priority":
                raise UsageError(
                    "ServiceNow works out the priority from impact and urgency",
                    "change those in ServiceNow",
                )
            if name == "assignee":
                found["assigned_to"] = self._person(str(new)) if new else ""
            elif name in FIELDS:
                found[FIELDS[name]] = "" if new is None else str(new)
            else:
                known = ", ".join((*FIELDS, "assignee"))
                raise UsageError(
                    f"{name} cannot be changed in ServiceNow from here",
                    f"what can be: {known}",
                )
        return found

    def _person(self, name: str) -> str:
        if "^" in name:
            raise UsageError(f"{name!r} is no name of a user")
        query = f"user_name={name}^ORemail={name}^ORname={name}^active=true"
        found = self.api.page(
            "sys_user", query, ("sys_id", "user_name"), limit=2, display="false"
        ).rows
        if len(found) != 1:
            known = "more than one user" if found else "no user that may be seen"
            raise UsageError(
                f"ServiceNow has {known} named {name}",
                "give the user id (user_name) or the email address",
            )
        return sys_id(found[0])

    def _state(self, change: Change, table: str, record: Record) -> dict[str, str]:
        if change.status is None:
            return {}
        code = STATES.get(table, {}).get(change.status)
        if code is None:
            raise UsageError(
                f"a record of {table} cannot be moved to {change.status} from here",
                "move it in ServiceNow, which asks for what is needed",
            )
        if value(record, "state") == code:
            return {}
        found = {"state": code}
        if table == "incident" and change.status in ENDED:
            self._refuse_unknown_code()
            found["close_code"] = self.close_code
            if not change.fields.get("resolution"):
                found["close_notes"] = change.comment or SOLVED
        return found

    def _refuse_unknown_code(self) -> None:
        """Refuse a close code that the instance does not offer, where it tells."""
        query = "name=incident^element=close_code^inactive=false"
        try:
            found = self.api.page("sys_choice", query, ("value",), display="false")
        except (RemoteForbidden, UsageError, NotFoundError):
            return
        known = sorted({said for row in found.rows if (said := value(row, "value"))})
        if known and self.close_code not in known:
            raise UsageError(
                f"this instance has no close code {self.close_code!r}",
                f"use --close-code with one of: {', '.join(known)}",
            )


def _journal(change: Change) -> dict[str, str]:
    """Return the comment with its mark."""
    if change.comment is None:
        return {}
    text = f"{change.comment.rstrip()}\n\n{mark_line(change.mark)}"
    return {JOURNAL[change.kind]: text}


def _compare(key: str, table: str, content: Mapping[str, Any], after: Record) -> None:
    left = [
        name
        for name, wanted in content.items()
        if name in after
        and name not in JOURNAL.values()
        and (value(after, name) or "").strip() != str(wanted).strip()
    ]
    if left:
        raise RemoteForbidden(
            f"{key} was changed, but ServiceNow left {', '.join(left)} as it was",
            f"role needed: {ROLES.get(table, 'itil')}; a rule of the table may also "
            "prevent it",
        )
