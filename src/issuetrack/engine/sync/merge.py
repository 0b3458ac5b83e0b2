"""Brings what a source says into the tables: new, changed or as it was.

An issue is known again by its source and by what the source calls it for ever, else
by its key; a change by the digest of all its fields. What has not changed is not
written. Local edits of mirrored fields hold; see `issues.overrides`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlmodel import col, func, select, update

from issuetrack.engine.identity import audit
from issuetrack.engine.issues import overrides, workflow
from issuetrack.engine.issues.candidates import PULL_REQUEST_TITLE
from issuetrack.engine.issues.linking import local_original
from issuetrack.engine.issues.resolution import mine
from issuetrack.engine.issues.resolving import new_resolution, remine
from issuetrack.engine.issues.texts import (
    checked_body,
    checked_title,
    clean_line,
    optional_line,
)
from issuetrack.engine.retrieval.outbox import enqueue
from issuetrack.engine.store.tables import (
    Comment,
    Issue,
    IssueOverride,
    Resolution,
)
from issuetrack.engine.store.types import LinkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid
from issuetrack.engine.sync import parts
from issuetrack.engine.sync.mirrored import Mirrored
from issuetrack.engine.sync.parts import comment_key, comment_row
from issuetrack.engine.sync.ports import (
    BadRecord,
    GoneIssue,
    Item,
    RemoteComment,
    RemoteEvent,
    RemoteIssue,
    RemoteLink,
    SkippedRecord,
)
from issuetrack.engine.sync.quarantine import put_aside

TELLING_CHANGES = frozenset({"status", PULL_REQUEST_TITLE})
MOMENTS = {"status": ("resolved_at", "closed_at")}


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


class Merge:
    """One batch of one source, inside one unit of work.

    Args:
        uow: what to write through.
        source_id: the source.
        now: the moment.
        seen: the moment at which every issue of the batch is noted as still there.
        anew: count a bad record only when it was not put aside before.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        source_id: int,
        now: datetime,
        *,
        seen: datetime | None = None,
        anew: bool = False,
    ) -> None:
        self._uow = uow
        self._source = source_id
        self._now = now
        self._seen = seen
        self._anew = anew
        self._mirrored = Mirrored(uow, source_id)
        self.report = MergeReport()

    def apply(self, items: Sequence[Item]) -> None:
        """Merge items; what cannot be stored goes to the quarantine."""
        issues: dict[str, RemoteIssue] = {}
        keys: dict[str, str] = {}
        for item in items:
            if isinstance(item, RemoteIssue):
                key = clean_line(item.key)
                before = keys.get(item.id or "", key)
                self.report.unchanged += issues.pop(before, None) is not None
                issues[key] = item
                if item.id:
                    keys[item.id] = key
            elif isinstance(item, BadRecord):
                self._quarantine(item)
            elif isinstance(item, SkippedRecord):
                self.report.skipped += 1
        self._merge_issues(issues)
        self._merge_loose(items)
        parts.resolve_duplicates(self._uow, self._source)
        for item in items:
            if isinstance(item, GoneIssue):
                self._gone(item)
        self.report.touched = list(dict.fromkeys(self.report.touched))
        enqueue(self._uow, self.report.touched, self._now)

    def _merge_issues(self, issues: dict[str, RemoteIssue]) -> None:
        by_key = self._mirrored.by_key(issues)
        by_id = self._mirrored.by_id([i.id for i in issues.values() if i.id])
        number = self._uow.session.exec(select(func.max(Issue.number))).one() or 0
        new: list[tuple[int, RemoteIssue]] = []
        known: list[tuple[Issue, RemoteIssue]] = []
        for key, issue in issues.items():
            row = self._mirrored.same(issue, by_key.get(key), by_id.get(issue.id or ""))
            if row is None:
                number += 1
                new.append((number, issue))
            else:
                known.append((row, issue))
        self._uow.session.flush()
        self._meet(known)
        self._insert(new)

    def _meet(self, known: Sequence[tuple[Issue, RemoteIssue]]) -> None:
        edits = overrides.held(self._uow, [row.number or 0 for row, _ in known])
        for row, issue in known:
            digest = remote_digest(issue)
            if row.remote_digest == digest and row.gone is None:
                self.report.unchanged += 1
            else:
                self._update(row, issue, digest, edits.get(row.number or 0, {}))
        if self._seen is not None:
            self._uow.session.exec(
                update(Issue)
                .where(col(Issue.number).in_([row.number for row, _ in known]))
                .values(seen_at=self._seen)
            )

    def _values(self, uuid: str, issue: RemoteIssue, digest: bytes) -> dict[str, Any]:
        body = checked_body(issue.body)
        mapped = json.dumps([asdict(m) for m in issue.mapped]) if issue.mapped else None
        return {
            "external_id": issue.id,
            "external_key": clean_line(issue.key),
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
            "attachments": [clean_line(name) for name in issue.attachments],
            "mapped": self._uow.seal_optional("issue", "mapped", uuid, mapped),
            "seen_at": self._seen,
            "remote_digest": digest,
        }

    def _insert(self, new: Sequence[tuple[int, RemoteIssue]]) -> None:
        rows, comments, resolutions = [], [], []
        events: list[tuple[int, RemoteEvent]] = []
        links: list[tuple[int, RemoteLink]] = []
        for number, issue in new:
            uuid = new_uuid()
            rows.append(
                self._values(uuid, issue, remote_digest(issue))
                | {
                    "number": number,
                    "uuid": uuid,
                    "source_id": self._source,
                    "revision": 1,
                }
            )
            remarks = []
            seen = {comment_key(c): c for c in issue.comments}
            for comment in sorted(seen.values(), key=lambda c: c.created_at):
                row, remark = comment_row(self._uow, number, issue.assignee, comment)
                comments.append(row)
                remarks.append(remark)
            fix = mine(parts.story(issue, remarks))
            if fix is not None:
                resolutions.append(new_resolution(self._uow, number, fix, self._now))
            events += [(number, event) for event in issue.events]
            links += [(number, link) for link in parts.links_of(issue)]
            self.report.touched.append(number)
        self._uow.insert(Issue, rows)
        self._uow.insert(Comment, comments)
        self._uow.insert(Resolution, resolutions)
        parts.put_events(self._uow, events)
        parts.put_links(self._uow, links)
        self.report.created += len(rows)
        self.report.comments += len(comments)
        self.report.resolutions += len(resolutions)

    def _update(
        self,
        row: Issue,
        issue: RemoteIssue,
        digest: bytes,
        edits: Mapping[str, IssueOverride],
    ) -> None:
        assert row.number is not None
        values = self._values(row.uuid, issue, digest)
        if self._seen is None:
            del values["seen_at"]
        for name, edit in edits.items():
            says = checked_body(issue.body) if name == "body" else values[name]
            if overrides.meet(self._uow, edit, says):
                for held in (name, *MOMENTS.get(name, ())):
                    del values[held]
        for name, value in values.items():
            setattr(row, name, value)
        row.gone, row.moved_to = None, None
        row.revision += 1
        self._uow.session.add(row)
        self._uow.session.flush()
        self._put_parts(row, issue)
        remine(self._uow, row, issue.resolution, self._now)
        self.report.updated += 1
        self.report.touched.append(row.number)

    def _put_parts(self, row: Issue, issue: RemoteIssue) -> None:
        assert row.number is not None
        changed = parts.put_comments(self._uow, [(row, c) for c in issue.comments])
        self.report.comments += sum(changed.values())
        if issue.complete:
            keys = [comment_key(comment) for comment in issue.comments]
            parts.drop_other_comments(self._uow, row.number, keys)
            parts.drop_links(self._uow, row.number)
        elif not issue.apart:
            parts.drop_links(self._uow, row.number, LinkKind.DUPLICATE_OF)
        if not issue.apart:
            row.duplicate_of = local_original(self._uow, row.number)
            self._uow.session.flush()
        parts.put_events(self._uow, [(row.number, event) for event in issue.events])
        parts.put_links(
            self._uow, [(row.number, link) for link in parts.links_of(issue)]
        )

    def _merge_loose(self, items: Sequence[Item]) -> None:
        loose = [
            item
            for item in items
            if isinstance(item, RemoteComment | RemoteEvent | RemoteLink)
        ]
        known = self._mirrored.by_key(
            {clean_line(item.issue_key or "") for item in loose}
        )
        comments: list[tuple[Issue, RemoteComment]] = []
        events: list[tuple[int, RemoteEvent]] = []
        links: list[tuple[int, RemoteLink]] = []
        for item in loose:
            row = known.get(clean_line(item.issue_key or ""))
            if row is None or row.number is None:
                self._orphan(item)
            elif isinstance(item, RemoteComment):
                comments.append((row, item))
            elif isinstance(item, RemoteEvent):
                events.append((row.number, item))
            else:
                links.append((row.number, item))
        changed = parts.put_comments(self._uow, comments)
        news = parts.put_events(self._uow, events)
        parts.put_links(self._uow, links)
        self.report.comments += sum(changed.values())
        told = {number for number, name in news if name in TELLING_CHANGES}
        for row in known.values():
            finished = row.status in workflow.FINISHED
            if row.number in changed or (finished and row.number in told):
                remine(self._uow, row, None, self._now)
                self.report.touched.append(row.number or 0)

    def _orphan(self, item: RemoteComment | RemoteEvent | RemoteLink) -> None:
        if isinstance(item, RemoteComment):
            reason = f"its issue {item.issue_key} has not been imported"
            self._quarantine(BadRecord(comment_key(item), None, reason, item.body))

    def _gone(self, gone: GoneIssue) -> None:
        row = self._mirrored.by_key([clean_line(gone.key)]).get(clean_line(gone.key))
        if row is None or row.number is None:
            return
        moved_to = optional_line(gone.moved_to)
        if (row.gone, row.moved_to) == (gone.reason, moved_to):
            self.report.unchanged += 1
            return
        row.gone, row.moved_to = gone.reason, moved_to
        target = self._mirrored.by_key([moved_to]).get(moved_to) if moved_to else None
        if target is not None:
            row.duplicate_of = target.number
        row.revision += 1
        self._uow.session.add(row)
        self._uow.session.flush()
        self.report.updated += 1
        self.report.touched.append(row.number)

    def _quarantine(self, bad: BadRecord) -> None:
        new = put_aside(self._uow, self._source, bad, self._now)
        if new or not self._anew:
            self.report.quarantined += 1
            self.report.problems.append(bad)
