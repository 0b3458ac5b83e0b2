"""Reads whole issues of one Jira: what a search leaves out is asked for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from issuetrack.connectors import fields
from issuetrack.connectors.answers import Answer, Paging
from issuetrack.connectors.fields import Record
from issuetrack.connectors.http import Client
from issuetrack.connectors.jira import records as jira
from issuetrack.connectors.jira.refusals import NoIssue
from issuetrack.connectors.mapping import LABEL, Overrides
from issuetrack.engine.sync.ports import BadRecord, RemoteIssue

PAGE = 100
GATEWAY = "/ex/jira/"
SERVICE_PROJECT = "service_desk"
CLOUD_COMMENTS = 20
CLOUD_CHANGES = 40
UNREADABLE = (ValueError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Site:
    """One Jira, and how to talk to it.

    Attributes:
        context: the path under which it lies, such as `/jira`.
        version: of its REST API.
    """

    client: Client
    context: str
    version: str
    overrides: Overrides

    @property
    def is_v3(self) -> bool:
        """Tell whether it is spoken to as Jira Cloud."""
        return self.version == "3"

    @cached_property
    def address(self) -> str:
        """Return where people see it; behind Atlassian's gateway it has to be asked."""
        known = self.client.base_url + self.context
        if not self.context.startswith(GATEWAY):
            return known
        told = self.get("serverInfo").record().get("baseUrl")
        return str(told).rstrip("/") if told else known

    @property
    def fields(self) -> list[str]:
        """Return the names of the fields to ask for."""
        places = self.overrides.places.values()
        own = [p.partition(".")[0] for p in places if not p.startswith(LABEL)]
        return list(dict.fromkeys([*jira.READ, *own]))

    def path(self, *parts: str) -> str:
        """Return the path of a resource."""
        quoted = "/".join(quote(part, safe="") for part in parts)
        return f"{self.context}/rest/api/{self.version}/{quoted}"

    def get(self, *parts: str, **params: str) -> Answer:
        """Ask for a resource."""
        return self.client.get(self.path(*parts), params)

    def issue(self, record: Any) -> RemoteIssue | BadRecord:
        """Return a whole issue, or why it cannot be understood."""
        try:
            if not isinstance(record, Mapping):
                raise ValueError("it should be an object")  # noqa: TRY004 - about data
            whole, complete = self._whole(record)
            return jira.issue(
                whole, self.overrides, site=self.address, complete=complete
            )
        except UNREADABLE as error:
            return BadRecord(self._origin(record), None, str(error), _dumped(record))

    def _origin(self, record: Any) -> str:
        for name in ("key", "id", "self"):
            value = record.get(name) if isinstance(record, Mapping) else None
            if isinstance(value, str | int) and value:
                return str(value)
        return self.address

    def _whole(self, record: Record) -> tuple[Record, bool]:
        """Return a record with all comments and changes; tell if that succeeded."""
        content = dict(fields.mapping(record, "fields"))
        whole = {**record, "fields": content}
        name = fields.required(record, "id" if record.get("id") else "key")
        comments = fields.mapping(content, "comment")
        changes = fields.mapping(record, "changelog")
        try:
            cut = self._is_cut(comments, "comments", CLOUD_COMMENTS)
            if cut or _may_be_internal(content):
                found = list(
                    self._rest(name, "comment", "comments", expand="properties")
                )
                content["comment"] = {"comments": found}
            if self.is_v3 and self._is_cut(changes, "histories", CLOUD_CHANGES):
                found = list(self._rest(name, "changelog", "values"))
                whole["changelog"] = {"histories": found}
        except NoIssue:
            return whole, False
        return whole, True

    def _is_cut(self, page: Record, name: str, most: int) -> bool:
        held = len(fields.items(page, name))
        total = page.get("total")
        known = isinstance(total, int) and total > held
        return known or (self.is_v3 and held >= most)

    def _rest(self, issue: str, what: str, name: str, **more: str) -> Iterator[Record]:
        """Yield all comments or changes of an issue, each once."""
        paging, seen, start = Paging(f"the {what} of {issue}"), set[str](), 0
        while True:
            answer = self.get(
                "issue",
                issue,
                what,
                startAt=str(start),
                maxResults=str(PAGE),
                **more,
            )
            page = answer.record()
            found = fields.records(page, name)
            for record in found:
                key = fields.text(record, "id") or ""
                if key not in seen:
                    yield record
                seen.add(key)
            start += len(found)
            if is_end(page, start, found):
                return
            paging.turn(str(min(start, len(seen))), empty=not found)


def _may_be_internal(content: Record) -> bool:
    """Tell whether comments of a service project do not say for whom they are."""
    project = fields.mapping(content, "project")
    if project.get("projectTypeKey") != SERVICE_PROJECT:
        return False
    comments = fields.records(fields.mapping(content, "comment"), "comments")
    return any("jsdPublic" not in comment for comment in comments)


def is_end(page: Record, start: int, found: Sequence[Any]) -> bool:
    """Tell whether a page that ends at `start` is the last one."""
    total = page.get("total")
    if not found or page.get("isLast") is True:
        return True
    return isinstance(total, int) and start >= total


def _dumped(record: Any) -> str:
    try:
        return json.dumps(record, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""
