"""The history of one GitHub issue: its timeline as comments, events and links.

https://docs.github.com/en/rest/issues/timeline
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from issuetrack.connectors.github import records as github
from issuetrack.connectors.github.walk import bad
from issuetrack.engine.sync.ports import (
    BadRecord,
    Item,
    RemoteComment,
    RemoteEvent,
    RemoteIssue,
    RemoteLink,
)


def with_history(issue: RemoteIssue, timeline: Iterable[Any]) -> list[Item]:
    """Return an issue with all of its timeline, and the entries that are bad."""
    comments: list[RemoteComment] = []
    events: list[RemoteEvent] = []
    links: list[RemoteLink] = []
    wrong: list[Item] = []
    for entry in timeline:
        for item in _entry(entry, issue.key):
            if isinstance(item, RemoteComment):
                comments.append(replace(item, issue_key=None))
            elif isinstance(item, RemoteEvent):
                events.append(replace(item, issue_key=None))
            elif isinstance(item, RemoteLink):
                links.append(replace(item, issue_key=None))
            elif isinstance(item, BadRecord):
                wrong.append(item)
    whole = replace(
        issue,
        comments=tuple(comments),
        events=tuple(events),
        links=tuple(links),
        complete=not wrong,
    )
    return [whole, *wrong]


def _entry(entry: Any, key: str) -> Sequence[Item]:
    """Return what an entry of a timeline says."""
    try:
        kind = entry.get("event")
        if kind == "commented":
            at = {"issue_url": f"/repos/{key.replace('#', '/issues/')}"}
            comment = github.comment(at | entry)
            return [comment, *github.duplicates(key, comment.body)]
        if kind == "cross-referenced":
            return github.cross_reference(entry, key)
        return github.event(entry, key)
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        return [bad(key, error, entry)]
