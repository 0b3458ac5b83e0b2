"""Jira's REST objects, of versions 2 and 3, in the common vocabulary.

https://docs.atlassian.com/software/jira/docs/api/REST/latest/
https://developer.atlassian.com/cloud/jira/platform/rest/v3/
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from issuetrack.connectors import fields, vocabulary
from issuetrack.connectors.fields import Record
from issuetrack.connectors.mapping import Overrides, Reading
from issuetrack.connectors.markup import adf as jira_adf
from issuetrack.connectors.markup import wiki as jira_wiki
from issuetrack.engine.store.types import (
    CommentKind,
    IssueStatus,
    IssueType,
    LinkKind,
    Priority,
)
from issuetrack.engine.sync.ports import (
    RemoteComment,
    RemoteEvent,
    RemoteIssue,
    RemoteLink,
)

CATEGORY = {
    "new": IssueStatus.OPEN,
    "indeterminate": IssueStatus.IN_PROGRESS,
    "done": IssueStatus.RESOLVED,
}
READ = (
    "summary",
    "description",
    "created",
    "updated",
    "resolutiondate",
    "status",
    "priority",
    "issuetype",
    "project",
    "components",
    "labels",
    "reporter",
    "assignee",
    "resolution",
    "issuelinks",
    "attachment",
    "comment",
)
CHANGES = {
    "status": "status",
    "resolution": "resolution",
    "priority": "priority",
    "assignee": "assignee",
    "labels": "labels",
    "component": "components",
    "components": "components",
    "issuetype": "type",
    "summary": "title",
    "project": "project",
    "key": "key",
}
INTERNAL = {"key": "sd.public.comment", "value": {"internal": True}}
_SITE = re.compile(r"^(https?://[^/]+(?:/[^/]+)*?)/rest/api/")
_DUPLICATES = "duplicates"
_CAUSED_BY = re.compile(r"\b(caused|introduced|broken) by\b")


def looks_like(record: Record) -> bool:
    """Tell whether a record is an issue of Jira."""
    return "key" in record and isinstance(record.get("fields"), dict)


def issue(
    record: Record,
    overrides: Overrides | None = None,
    *,
    site: str | None = None,
    complete: bool = False,
) -> RemoteIssue:
    """Return an issue with its comments, links, and the changes that come with it.

    Args:
        record: as Jira gives it.
        overrides: what the source maps otherwise.
        site: where people see issues; None to read it from the record.
        complete: the record holds all comments, changes and links.

    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    key = fields.required(record, "key")
    content = fields.mapping(record, "fields")
    created = _moment(content, "created")
    updated = vocabulary.moment(fields.text(content, "updated"))
    resolved = vocabulary.moment(fields.text(content, "resolutiondate"))
    labels = fields.texts(content, "labels")
    reading = Reading(content, overrides or Overrides(), labels)
    status = _status(reading, content)
    duplicates, links = _links(content)
    histories = fields.records(fields.mapping(record, "changelog"), "histories")
    return RemoteIssue(
        key=key,
        id=fields.text(record, "id"),
        title=fields.required(content, "summary"),
        body=body(content, "description"),
        type=_type(reading, content),
        status=status,
        priority=_priority(reading, content),
        service=_service(reading, content),
        site=_site(reading),
        category=reading.word(
            "category", "fields.project.name", _name(content, "project"), _itself
        ),
        labels=labels,
        reporter=person(content, "reporter"),
        assignee=person(content, "assignee"),
        url=_browse_url(site, fields.text(record, "self"), key),
        created_at=created,
        updated_at=updated or created,
        resolved_at=resolved,
        closed_at=resolved if status is IssueStatus.CLOSED else None,
        duplicate_of=duplicates,
        resolution=_name(content, "resolution"),
        comments=comments(
            fields.records(fields.mapping(content, "comment"), "comments")
        ),
        events=events(histories),
        links=links,
        attachments=_attachments(content),
        mapped=tuple(reading.mapped),
        complete=complete,
    )


def body(record: Record, name: str) -> str:
    """Return a rich text as Markdown, be it wiki markup or a document.

    Raises:
        ValueError: it is neither.
    """
    value = record.get(name)
    if isinstance(value, Mapping):
        if "content" not in value:
            raise ValueError(f"{name} should be a text or a whole document")
        return jira_adf.markdown(value)
    return jira_wiki.markdown(fields.text(record, name) or "")


def known_status(name: str | None, category: str | None) -> IssueStatus:
    """Return what a status says: by its name, else by its category."""
    known = vocabulary.STATUS.get(vocabulary.word(name or ""))
    return known or CATEGORY.get(category or "", IssueStatus.OPEN)


def category_of(status: Record) -> str | None:
    """Return the key of the category of a status."""
    return fields.text(fields.mapping(status, "statusCategory"), "key")


def person(record: Record, name: str) -> str | None:
    """Return whom a field names; people who were made anonymous keep an id."""
    found = fields.mapping(record, name)
    named = (fields.text(found, key) for key in ("displayName", "name", "accountId"))
    return next((text for text in named if text), None)


def comments(records: Iterable[Record]) -> tuple[RemoteComment, ...]:
    """Return comments; those that not everybody may see are work notes."""
    return tuple(_comment(record) for record in records)


def events(histories: Iterable[Record]) -> tuple[RemoteEvent, ...]:
    """Return the changes of the fields that matter, oldest first."""
    found = [event for history in histories for event in _changes(history)]
    return tuple(sorted(found, key=lambda event: event.at))


def _moment(record: Record, name: str) -> datetime:
    moment = vocabulary.moment(fields.required(record, name))
    assert moment is not None
    return moment


def _name(content: Record, field: str) -> str | None:
    return fields.text(fields.mapping(content, field), "name")


def _itself(said: str | None) -> str | None:
    return said


def _type(reading: Reading, content: Record) -> IssueType:
    value = reading.word(
        "type",
        "fields.issuetype.name",
        _name(content, "issuetype"),
        lambda said: vocabulary.issue_type(said, IssueType.SERVICE_REQUEST),
    )
    return IssueType(value or IssueType.SERVICE_REQUEST)


def _status(reading: Reading, content: Record) -> IssueStatus:
    category = category_of(fields.mapping(content, "status"))
    value = reading.word(
        "status",
        "fields.status.name",
        _name(content, "status"),
        lambda said: known_status(said, category),
    )
    return IssueStatus(value or IssueStatus.OPEN)


def _priority(reading: Reading, content: Record) -> Priority | None:
    value = reading.word(
        "priority",
        "fields.priority.name",
        _name(content, "priority"),
        vocabulary.priority,
    )
    return Priority(value) if value else None


def _service(reading: Reading, content: Record) -> str | None:
    names = [
        fields.text(part, "name") for part in fields.records(content, "components")
    ]
    first = next((name for name in names if name), None)
    return reading.word("service", "fields.components[0].name", first, _itself)


def _site(reading: Reading) -> str | None:
    if "site" not in reading.overrides.places:
        return None
    return reading.word("site", "", None, _itself)


def _attachments(content: Record) -> tuple[str, ...]:
    files = fields.records(content, "attachment")
    return tuple(filter(None, (fields.text(file, "filename") for file in files)))


def _comment(record: Record) -> RemoteComment:
    restricted = bool(fields.mapping(record, "visibility"))
    internal = record.get("jsdPublic") is False or INTERNAL in fields.items(
        record, "properties"
    )
    return RemoteComment(
        body=body(record, "body"),
        created_at=_moment(record, "created"),
        author=person(record, "author"),
        kind=CommentKind.WORK_NOTE if restricted or internal else CommentKind.PUBLIC,
        key=fields.text(record, "id"),
    )


def _changes(history: Record) -> Iterable[RemoteEvent]:
    at = _moment(history, "created")
    number = fields.required(history, "id")
    seen: Counter[str] = Counter()
    for change in fields.records(history, "items"):
        name = CHANGES.get((fields.text(change, "field") or "").lower())
        if name is None:
            continue
        seen[name] += 1
        again = f":{seen[name]}" if seen[name] > 1 else ""
        yield RemoteEvent(
            key=f"{number}:{name}{again}",
            at=at,
            field=name,
            before=fields.text(change, "fromString"),
            after=fields.text(change, "toString"),
            actor=person(history, "author"),
        )


def _links(content: Record) -> tuple[str | None, tuple[RemoteLink, ...]]:
    """Return the original of a duplicate, and the other links."""
    original: str | None = None
    links: list[RemoteLink] = []
    for link in fields.records(content, "issuelinks"):
        for direction in ("outward", "inward"):
            other = fields.mapping(link, f"{direction}Issue")
            target = fields.text(other, "key")
            if not target:
                continue
            kind = _kind(fields.text(fields.mapping(link, "type"), direction))
            if kind is LinkKind.DUPLICATE_OF and original is None:
                original = target
            else:
                links.append(RemoteLink(kind, target))
    return original, tuple(dict.fromkeys(links))


def _kind(phrase: str | None) -> LinkKind:
    words = vocabulary.word(phrase or "")
    if words == _DUPLICATES:
        return LinkKind.DUPLICATE_OF
    return LinkKind.CAUSED_BY if _CAUSED_BY.search(words) else LinkKind.RELATES_TO


def _browse_url(site: str | None, api_url: str | None, key: str) -> str | None:
    match = _SITE.match(api_url or "")
    known = site or (match[1] if match else None)
    return f"{known}/browse/{key}" if known else None
