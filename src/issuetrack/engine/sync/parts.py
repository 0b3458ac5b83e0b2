"""What hangs on mirrored issues: comments, events and links, many at a time."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlmodel import col, delete, select

from issuetrack.engine.issues.candidates import Change, Remark, Story
from issuetrack.engine.issues.resolution import carries_fix
from issuetrack.engine.issues.resolving import rejected_of
from issuetrack.engine.issues.texts import checked_body, clean_line, optional_line
from issuetrack.engine.store.tables import Comment, Issue, IssueEvent, Link
from issuetrack.engine.store.types import CommentKind, LinkKind, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid
from issuetrack.engine.sync.ports import (
    RemoteComment,
    RemoteEvent,
    RemoteIssue,
    RemoteLink,
)

Row = dict[str, Any]
LONGEST_MARK = 100
_MARK = re.compile(r"(?:<!-- issuetrack:\w+ -->|\[issuetrack:\w+\])\s*\Z")


def comment_key(comment: RemoteComment) -> str:
    """Return the source's key of a comment, or one made of its content."""
    if comment.key:
        return clean_line(comment.key)
    content = json.dumps([comment.author, comment.created_at.isoformat(), comment.body])
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()[:24]


def comment_row(
    uow: UnitOfWork,
    number: int,
    assignee: str | None,
    comment: RemoteComment,
    rejected: Collection[bytes] = (),
) -> tuple[Row, Remark]:
    """Return the values of a new comment, and the comment as the miner sees it.

    Args:
        uow: what to seal with.
        number: its issue.
        assignee: who works on the issue.
        comment: what the source says.
        rejected: digests of texts that are not the fix of the issue.
    """
    uuid, key = new_uuid(), comment_key(comment)
    note = comment.kind is CommentKind.WORK_NOTE
    body = _unmarked(comment.body)
    author = optional_line(comment.author)
    remark = Remark(author, comment.kind, body, key, comment.created_at)
    reader = Role.ENGINEER if note else Role.VIEWER
    row: Row = {
        "uuid": uuid,
        "issue_number": number,
        "external_key": key,
        "kind": comment.kind,
        "author": author,
        "body": uow.seal("comment", "body", uuid, body, reader),
        "carries_fix": carries_fix(remark, assignee, rejected),
        "created_at": comment.created_at,
    }
    return row, remark


def _unmarked(body: str) -> str:
    """Return a text without the mark that this program sent it with."""
    text = checked_body(body)
    found = _MARK.search(text, max(len(text) - LONGEST_MARK, 0))
    return text[: found.start()].rstrip() if found else text


def put_comments(
    uow: UnitOfWork, wanted: Sequence[tuple[Issue, RemoteComment]]
) -> dict[int, int]:
    """Bring comments in; return how many of which issue were new or changed."""
    numbers = {issue.number or 0 for issue, _ in wanted}
    known, rejected = _known_comments(uow, numbers), rejected_of(uow, numbers)
    changed: dict[int, int] = {}
    new: dict[tuple[int, str], Row] = {}
    old: list[int | None] = []
    last = {(issue.number or 0, comment_key(c)): (issue, c) for issue, c in wanted}
    for place, (issue, comment) in last.items():
        before = known.get(place)
        if before is not None and _is_same(uow, before, comment):
            continue
        if before is not None:
            old.append(before.id)
        number, _ = place
        changed[number] = changed.get(number, 0) + 1
        held = rejected.get(number, ())
        new[place], _ = comment_row(uow, number, issue.assignee, comment, held)
    uow.session.exec(delete(Comment).where(col(Comment.id).in_(old)))
    uow.insert(Comment, new.values())
    return changed


def drop_other_comments(uow: UnitOfWork, number: int, keys: Iterable[str]) -> bool:
    """Forget the mirrored comments of an issue that are not among these keys."""
    known = _known_comments(uow, {number})
    kept = set(keys)
    gone = [row.id for (_, key), row in known.items() if key not in kept]
    uow.session.exec(delete(Comment).where(col(Comment.id).in_(gone)))
    return bool(gone)


def _known_comments(
    uow: UnitOfWork, numbers: Iterable[int]
) -> dict[tuple[int, str], Comment]:
    rows = uow.session.exec(
        select(Comment).where(
            col(Comment.issue_number).in_(list(numbers)),
            col(Comment.external_key).is_not(None),
        )
    )
    return {(row.issue_number, row.external_key or ""): row for row in rows}


def _is_same(uow: UnitOfWork, old: Comment, comment: RemoteComment) -> bool:
    note = old.kind is CommentKind.WORK_NOTE
    if not uow.can_read(Role.ENGINEER if note else Role.VIEWER):
        return False
    body = uow.open("comment", "body", old.uuid, old.body)
    new = _unmarked(comment.body), optional_line(comment.author), comment.kind
    return (body, old.author, old.kind) == new


def put_events(
    uow: UnitOfWork, wanted: Sequence[tuple[int, RemoteEvent]]
) -> set[tuple[int, str]]:
    """Bring in changes that are not known yet; return the issues and fields of them."""
    known = set(
        uow.session.exec(
            select(IssueEvent.issue_number, IssueEvent.external_key).where(
                col(IssueEvent.issue_number).in_({number for number, _ in wanted}),
                col(IssueEvent.external_key).is_not(None),
            )
        )
    )
    rows: dict[tuple[int, str], Row] = {
        (number, clean_line(event.key)): {
            "issue_number": number,
            "at": event.at,
            "external_key": clean_line(event.key),
            "actor": optional_line(event.actor),
            "field": clean_line(event.field),
            "before": optional_line(event.before),
            "after": optional_line(event.after),
        }
        for number, event in wanted
    }
    new = [row for place, row in rows.items() if place not in known]
    uow.insert(IssueEvent, new)
    return {(row["issue_number"], row["field"]) for row in new}


def put_links(uow: UnitOfWork, wanted: Sequence[tuple[int, RemoteLink]]) -> int:
    """Bring in relations that are not known yet; return how many."""
    numbers = {number for number, _ in wanted}
    known = set(
        uow.session.exec(
            select(Link.issue_number, Link.kind, Link.target).where(
                col(Link.issue_number).in_(numbers)
            )
        )
    )
    new = {(n, link.kind.value, clean_line(link.target)): 0 for n, link in wanted}
    rows = [
        {"issue_number": number, "kind": kind, "target": target, "upstream": True}
        for number, kind, target in new
        if (number, kind, target) not in known
    ]
    uow.insert(Link, rows)
    return len(rows)


def links_of(issue: RemoteIssue) -> list[RemoteLink]:
    """Return the relations of an issue, that to its original among them."""
    links = list(issue.links)
    if issue.duplicate_of:
        links.append(RemoteLink(LinkKind.DUPLICATE_OF, issue.duplicate_of))
    return links


def drop_links(uow: UnitOfWork, number: int, kind: LinkKind | None = None) -> None:
    """Forget the mirrored relations of an issue, all or those of a kind."""
    kinds = [] if kind is None else [col(Link.kind) == kind.value]
    uow.session.exec(
        delete(Link).where(col(Link.issue_number) == number, col(Link.upstream), *kinds)
    )


def resolve_duplicates(uow: UnitOfWork, source: int) -> None:
    """Point duplicates at their originals where both are known."""
    uow.sql(
        "UPDATE issue SET duplicate_of = found.number FROM "
        "(SELECT link.issue_number AS issue, target.number AS number FROM link "
        " JOIN issue AS own ON own.number = link.issue_number "
        " JOIN issue AS target ON target.source_id = own.source_id "
        "  AND target.external_key = link.target "
        " WHERE link.kind = ? AND own.source_id = ? AND own.duplicate_of IS NULL"
        "  AND target.number <> own.number) AS found "
        "WHERE issue.number = found.issue",
        LinkKind.DUPLICATE_OF.value,
        source,
    )


def story(issue: RemoteIssue, remarks: Sequence[Remark]) -> Story:
    """Return a new issue as the miner reads it."""
    changes = sorted(issue.events, key=lambda event: event.at)
    return Story(
        issue.status,
        issue.title,
        issue.resolution,
        optional_line(issue.assignee),
        optional_line(issue.reporter),
        issue.resolved_at or issue.closed_at,
        remarks,
        [Change(e.at, e.actor, e.field, e.before, e.after) for e in changes],
        clean_line(issue.key),
    )
