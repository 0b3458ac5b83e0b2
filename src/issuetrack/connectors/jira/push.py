"""Writes to Jira: fields first, then the status, then the comment with the mark.

The comment comes last, so that its mark says that all of the change is there. What
goes before it can be sent a second time without harm.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from issuetrack.connectors.answers import Answer
from issuetrack.connectors.fields import Record
from issuetrack.connectors.jira import writing as jira_writing
from issuetrack.connectors.jira.reading import PAGE, SERVICE_PROJECT, Site
from issuetrack.connectors.jira.records import INTERNAL
from issuetrack.connectors.jira.writing import document, mark_of, wiki
from issuetrack.engine.errors import RemoteAnswerError, UsageError
from issuetrack.engine.store.types import CommentKind, IssueStatus
from issuetrack.engine.sync.connector import Change, Request

WRITABLE = ("title", "body", "priority", "labels", "assignee")


@dataclass(frozen=True)
class Writer:
    """Makes changes in one Jira."""

    site: Site

    def requests(self, change: Change) -> list[Request]:
        """Return what a change sends, in order.

        Raises:
            UsageError: Jira cannot do that.
            RemoteAnswerError: what Jira says of the issue makes no sense.
        """
        try:
            return self._requests(change)
        except ValueError as error:
            raise RemoteAnswerError(
                f"Jira tells of {change.key} what cannot be understood: {error}",
                "check the base url and the kind of the source",
            ) from error

    def _requests(self, change: Change) -> list[Request]:
        found: list[Request] = []
        if change.fields:
            content = {"fields": self._fields(change.fields)}
            found.append(self._request("PUT", change, content))
        if change.status is not None:
            found += self._transition(change, change.status)
        if change.comment is not None:
            content = self._comment(change, change.comment)
            found.append(self._request("POST", change, content, "comment"))
        return found

    def send(self, change: Change) -> str | None:
        """Make a change; return the key of its comment."""
        key = None
        for request in self.requests(change):
            answer = self.site.client.send(request.method, request.url, request.content)
            if request.url.endswith("/comment"):
                key = str(answer.record().get("id") or "") or None
        return key

    def sent(self, change: Change) -> str | None:
        """Return the key of the comment that has the mark of a change."""
        if change.comment is None:
            return None
        page = self.site.get(
            "issue", change.key, "comment", orderBy="-created", maxResults=str(PAGE)
        )
        for comment in _records(page, "comments"):
            body = comment.get("body")
            raw = body if isinstance(body, str) else json.dumps(body)
            if jira_writing.carries(raw, change.mark):
                return str(comment.get("id"))
        return None

    def _request(
        self, method: str, change: Change, content: Mapping[str, Any], *under: str
    ) -> Request:
        path = self.site.path("issue", change.key, *under)
        return Request(method, self.site.client.at_origin(path), content)

    def _fields(self, values: Mapping[str, Any]) -> dict[str, Any]:
        strange = [name for name in values if name not in WRITABLE]
        if strange:
            raise UsageError(
                f"{strange[0]} cannot be written to Jira",
                f"what can be written: {', '.join(WRITABLE)}",
            )
        found = jira_writing.simple_fields(values, as_document=self.site.is_v3)
        if "priority" in values:
            known = self.site.get("priority")
            found["priority"] = jira_writing.priority_named(
                str(values["priority"]), _listed(known), self.site.overrides
            )
        if "assignee" in values:
            found["assignee"] = self._account(values["assignee"])
        return found

    def _account(self, wanted: Any) -> dict[str, Any] | None:
        if not wanted:
            return None
        asked, name = (
            ("query", "accountId") if self.site.is_v3 else ("username", "name")
        )
        known = self.site.get("user", "search", **{asked: str(wanted)})
        account = jira_writing.account_named(str(wanted), _listed(known))
        return {name: account.get(name)}

    def _transition(self, change: Change, wanted: IssueStatus) -> list[Request]:
        """Return the step to a status; nothing if the issue is there already."""
        content = self._issue(change.key, "status")
        now = _mapping(content, "status")
        if jira_writing.meaning(now, self.site.overrides) is wanted:
            return []
        answer = self.site.get("issue", change.key, "transitions")
        offered = _records(answer, "transitions")
        number = jira_writing.transition_to(wanted, offered, self.site.overrides)
        step = {"transition": {"id": number}}
        return [self._request("POST", change, step, "transitions")]

    def _comment(self, change: Change, text: str) -> dict[str, Any]:
        marked = f"{text.rstrip()}\n\n{mark_of(change.mark)}"
        body = document(marked) if self.site.is_v3 else wiki(marked)
        content: dict[str, Any] = {"body": body}
        if change.kind is CommentKind.WORK_NOTE:
            project = _mapping(self._issue(change.key, "project"), "project")
            if project.get("projectTypeKey") != SERVICE_PROJECT:
                raise UsageError(
                    f"{change.key} is in no service project, where comments can be "
                    "internal",
                    "make it a public comment",
                )
            content["properties"] = [INTERNAL]
        return content

    def _issue(self, key: str, name: str) -> Record:
        answer = self.site.get("issue", key, fields=name)
        return _mapping(answer.record(), "fields")


def _mapping(record: Record, name: str) -> Record:
    found = record.get(name)
    return found if isinstance(found, Mapping) else {}


def _records(answer: Answer, name: str) -> list[Record]:
    found = answer.record().get(name)
    if not isinstance(found, list):
        raise answer.unexpected(f"a list of {name}")
    return [record for record in found if isinstance(record, Mapping)]


def _listed(answer: Answer) -> list[Record]:
    return [record for record in answer.records() if isinstance(record, Mapping)]
