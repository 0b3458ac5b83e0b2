"""Brings what a source says into the tables: new, changed or as it was.

An issue is known again by its source and key, and a change by the digest of all its
fields; what has not changed is not written.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime

from sqlmodel import col, delete, func, select

from issuetrack.engine.identity import audit
from issuetrack.engine.issues.resolution import Remark, carries_fix, mine
from issuetrack.engine.issues.resolving import new_resolution, remine
from issuetrack.engine.issues.texts import (
    checked_body,
    checked_title,
    clean_line,
    optional_line,
)
from issuetrack.engine.retrieval.indexing import enqueue
from issuetrack.engine.store.tables import (
    Comment,
    Issue,
    Link,
    Quarantine,
    Resolution,
)
from issuetrack.engine.store.types import CommentKind, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid
from issuetrack.engine.sync.ports import (
    BadRecord,
    Item,
    RemoteComment,
    RemoteIssue,
    SkippedRecord,
)

QUARANTINED_CHARACTERS = 65536
DUPLICATE_OF = "duplicate_of"


@dataclass
class MergeCounts:
    """How many records became what."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    comments: int = 0
    resolutions: int = 0
    skipped: int = 0
    quarantined: int = 0

    def add(self, other: "MergeCounts") -> None:
        """Add the counts of another batch."""
        for count in fields(MergeCounts):
            total = getattr(self, count.name) + getattr(other, count.name)
            setattr(self, count.name, total)


@dataclass
class MergeReport(MergeCounts):
    """What a merge did, to which issues, and what it put aside."""

    touched: list[int] = field(default_factory=list)
    problems: list[BadRecord] = field(default_factory=list)


def remote_digest(issue: RemoteIssue) -> bytes:
    """Return the digest by which a change of the source is known."""
    return audit.digest(asdict(issue))


def comment_key(comment: RemoteComment) -> str:
    """Return the source's key of a comment, or one made of its content."""
    if comment.key:
        return clean_line(comment.key)
    content = json.dumps([comment.author, comment.created_at.isoformat(), comment.body])
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()[:24]


class Merge:
    """One batch of one source, inside one unit of work."""

    def __init__(self, uow: UnitOfWork, source_id: int, now: datetime) -> None:
        self._uow = uow
        self._source = source_id
        self._now = now
        self.report = MergeReport()

    def apply(self, items: Sequence[Item]) -> None:
        """Merge items; what cannot be stored goes to the quarantine."""
        issues: dict[str, RemoteIssue] = {}
        for item in items:
            if isinstance(item, RemoteIssue):
                key = clean_line(item.key)
                self.report.unchanged += 1 if key in issues else 0
                issues[key] = item
            elif isinstance(item, BadRecord):
                self._quarantine(item)
            elif isinstance(item, SkippedRecord):
                self.report.skipped += 1
        self._merge_issues(issues)
        loose = [item for item in items if isinstance(item, RemoteComment)]
        self._merge_loose_comments(loose)
        self._resolve_duplicates()
        enqueue(self._uow, self.report.touched, self._now)

    def _merge_issues(self, issues: dict[str, RemoteIssue]) -> None:
        known = self._known(issues)
        number = self._uow.session.exec(select(func.max(Issue.number))).one() or 0
        new: list[tuple[int, RemoteIssue]] = []
        for key, issue in issues.items():
            row = known.get(key)
            if row is None:
                number += 1
                new.append((number, issue))
            elif row.remote_digest == remote_digest(issue):
                self.report.unchanged += 1
            else:
                self._update(row, issue)
        self._insert(new)

    def _known(self, keys: Iterable[str]) -> dict[str, Issue]:
        rows = self._uow.session.exec(
            select(Issue).where(
                Issue.source_id == self._source,
                col(Issue.external_key).in_(list(keys)),
            )
        )
        return {row.external_key: row for row in rows if row.external_key}

    def _values(self, uuid: str, issue: RemoteIssue) -> dict[str, object]:
        body = checked_body(issue.body)
        return {
            "url": optional_line(issue.url),
            "type": issue.type,
            "status": issue.status,
            "priority": issue.priority,
            "service": optional_line(issue.service),
            "site": optional_line(issue.site),
            "category": optional_line(issue.category),
            "labels": [clean_line(label) for label in issue.labels],
            "reporter": optional_line(issue.reporter),
            "assignee": optional_line(issue.assignee),
            "title": checked_title(issue.title),
            "body": self._uow.seal_optional("issue", "body", uuid, body),
            "created_at": issue.created_at,
            "updated_at": issue.updated_at,
            "resolved_at": issue.resolved_at,
            "closed_at": issue.closed_at,
            "remote_digest": remote_digest(issue),
        }

    def _insert(self, new: Sequence[tuple[int, RemoteIssue]]) -> None:
        rows, comments, resolutions, links = [], [], [], []
        for number, issue in new:
            uuid = new_uuid()
            rows.append(
                self._values(uuid, issue)
                | {
                    "number": number,
                    "uuid": uuid,
                    "source_id": self._source,
                    "external_key": clean_line(issue.key),
                    "revision": 1,
                }
            )
            remarks = []
            seen = {comment_key(c): c for c in issue.comments}
            for comment in sorted(seen.values(), key=lambda c: c.created_at):
                row, remark = self._comment(number, issue.assignee, comment)
                comments.append(row)
                remarks.append(remark)
            fix = mine(issue.status, issue.resolution, issue.assignee, remarks)
            if fix is not None:
                resolutions.append(new_resolution(self._uow, number, fix, self._now))
            if issue.duplicate_of:
                links.append(
                    {
                        "issue_number": number,
                        "kind": DUPLICATE_OF,
                        "target": clean_line(issue.duplicate_of),
                    }
                )
            self.report.touched.append(number)
        self._uow.insert(Issue, rows)
        self._uow.insert(Comment, comments)
        self._uow.insert(Resolution, resolutions)
        self._uow.insert(Link, links)
        self.report.created += len(rows)
        self.report.comments += len(comments)
        self.report.resolutions += len(resolutions)

    def _comment(
        self, number: int, assignee: str | None, comment: RemoteComment
    ) -> tuple[dict[str, object], Remark]:
        uuid, key = new_uuid(), comment_key(comment)
        note = comment.kind is CommentKind.WORK_NOTE
        body = checked_body(comment.body)
        author = optional_line(comment.author)
        remark = Remark(author, comment.kind, body, key)
        row = {
            "uuid": uuid,
            "issue_number": number,
            "external_key": key,
            "kind": comment.kind,
            "author": author,
            "body": self._uow.seal(
                "comment", "body", uuid, body, Role.ENGINEER if note else Role.VIEWER
            ),
            "carries_fix": carries_fix(remark, assignee),
            "created_at": comment.created_at,
        }
        return row, remark

    def _update(self, row: Issue, issue: RemoteIssue) -> None:
        assert row.number is not None
        for name, value in self._values(row.uuid, issue).items():
            setattr(row, name, value)
        row.revision += 1
        self._uow.session.add(row)
        self._uow.session.flush()
        self._put_comments(row, issue.comments)
        self._put_duplicate(row, issue.duplicate_of)
        remine(self._uow, row, issue.resolution, self._now)
        self.report.updated += 1
        self.report.touched.append(row.number)

    def _put_duplicate(self, row: Issue, original: str | None) -> None:
        assert row.number is not None
        self._uow.session.exec(
            delete(Link).where(
                col(Link.issue_number) == row.number, col(Link.kind) == DUPLICATE_OF
            )
        )
        row.duplicate_of = None
        if original:
            link = {"issue_number": row.number, "kind": DUPLICATE_OF}
            self._uow.insert(Link, [link | {"target": clean_line(original)}])
        self._uow.session.flush()

    def _put_comments(self, row: Issue, comments: Iterable[RemoteComment]) -> int:
        assert row.number is not None
        by_key = {comment_key(comment): comment for comment in comments}
        known = {
            old.external_key: old
            for old in self._uow.session.exec(
                select(Comment).where(
                    Comment.issue_number == row.number,
                    col(Comment.external_key).in_(list(by_key)),
                )
            )
        }
        changed = 0
        for key, comment in by_key.items():
            values, remark = self._comment(row.number, row.assignee, comment)
            old = known.get(key)
            if old is None:
                self._uow.insert(Comment, [values])
            elif self._is_same(old, remark):
                continue
            else:
                self._uow.session.delete(old)
                self._uow.session.flush()
                self._uow.insert(Comment, [values])
            changed += 1
        self.report.comments += changed
        return changed

    def _is_same(self, old: Comment, remark: Remark) -> bool:
        note = old.kind is CommentKind.WORK_NOTE
        if not self._uow.can_read(Role.ENGINEER if note else Role.VIEWER):
            return False
        body = self._uow.open("comment", "body", old.uuid, old.body)
        return (body, old.author, old.kind) == (
            remark.body,
            remark.author,
            remark.kind,
        )

    def _merge_loose_comments(self, comments: Sequence[RemoteComment]) -> None:
        by_issue: dict[str, list[RemoteComment]] = {}
        for comment in comments:
            key = clean_line(comment.issue_key or "")
            by_issue.setdefault(key, []).append(comment)
        known = self._known(by_issue)
        for key, group in by_issue.items():
            row = known.get(key)
            if row is None:
                for comment in group:
                    reason = f"its issue {key} has not been imported"
                    self._quarantine(
                        BadRecord(comment_key(comment), None, reason, comment.body)
                    )
            elif self._put_comments(row, group):
                remine(self._uow, row, None, self._now)
                assert row.number is not None
                self.report.touched.append(row.number)

    def _resolve_duplicates(self) -> None:
        self._uow.sql(
            "UPDATE issue SET duplicate_of = found.number FROM "
            "(SELECT link.issue_number AS issue, target.number AS number FROM link "
            " JOIN issue AS own ON own.number = link.issue_number "
            " JOIN issue AS target ON target.source_id = own.source_id "
            "  AND target.external_key = link.target "
            " WHERE link.kind = ? AND own.source_id = ?) AS found "
            "WHERE issue.number = found.issue AND issue.duplicate_of IS NULL",
            DUPLICATE_OF,
            self._source,
        )

    def _quarantine(self, bad: BadRecord) -> None:
        uuid = new_uuid()
        content = bad.content[:QUARANTINED_CHARACTERS]
        digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()
        self.report.quarantined += 1
        self.report.problems.append(bad)
        exists = self._uow.session.exec(
            select(Quarantine.id).where(
                Quarantine.source_id == self._source,
                Quarantine.origin == bad.origin,
                Quarantine.record_digest == digest,
            )
        ).first()
        if exists is None:
            self._uow.insert(
                Quarantine,
                [
                    {
                        "uuid": uuid,
                        "source_id": self._source,
                        "origin": bad.origin,
                        "line": bad.line,
                        "reason": bad.reason,
                        "record_digest": digest,
                        "record": self._uow.seal(
                            "quarantine", "record", uuid, content, Role.ENGINEER
                        ),
                        "created_at": self._now,
                    }
                ],
            )
