"""What becomes of items before they are merged: cut, checked, or only foreseen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlmodel import col, select

from issuetrack.engine.issues.texts import MOST_BODY, clean_line
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Issue, Source
from issuetrack.engine.store.types import GoneReason
from issuetrack.engine.sync.merge import MergeReport, remote_digest
from issuetrack.engine.sync.ports import (
    BadRecord,
    Item,
    RemoteComment,
    RemoteIssue,
    SkippedRecord,
)

BATCH = 100


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield items, checked, some at a time."""
    batch: list[Item] = []
    for item in items:
        batch.append(checked(item))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def checked(item: Item) -> Item:
    """Turn an issue or a comment that cannot be stored into a bad record."""
    if isinstance(item, RemoteComment) and len(item.body) > MOST_BODY:
        return BadRecord(
            f"comment of {item.issue_key}", None, "it is longer than 16 MiB", ""
        )
    if not isinstance(item, RemoteIssue):
        return item
    reason = None
    if not clean_line(item.title):
        reason = "its title is empty"
    elif any(len(t) > MOST_BODY for t in (item.body, *(c.body for c in item.comments))):
        reason = "its text is longer than 16 MiB"
    if reason is None:
        return item
    return BadRecord(item.key, None, reason, item.title)


class Foresight:
    """Tells what a merge would do, and writes nothing."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self._source = source
        self._seen: set[str] = set()

    def look(self, batch: Sequence[Item]) -> MergeReport:
        """Return what a merge of a batch would do after those before it."""
        remote = [item for item in batch if isinstance(item, RemoteIssue)]
        issues = {
            clean_line(issue.key): issue
            for issue in remote
            if clean_line(issue.key) not in self._seen
        }
        self._seen.update(issues)
        known = self._known(issues)
        foreseen = MergeReport(unchanged=len(remote) - len(issues))
        for key, issue in issues.items():
            if key not in known:
                foreseen.created += 1
                foreseen.comments += len(issue.comments)
            elif known[key] == (remote_digest(issue), None):
                foreseen.unchanged += 1
            else:
                foreseen.updated += 1
        for item in batch:
            if isinstance(item, BadRecord):
                foreseen.quarantined += 1
                foreseen.problems.append(item)
            elif isinstance(item, SkippedRecord):
                foreseen.skipped += 1
            elif isinstance(item, RemoteComment):
                foreseen.comments += 1
        return foreseen

    def _known(
        self, issues: Mapping[str, RemoteIssue]
    ) -> dict[str, tuple[bytes | None, GoneReason | None]]:
        """Return the digest of each issue that is known by its id or key."""
        ids = {issue.id: key for key, issue in issues.items() if issue.id}
        found = {}
        with self._database.read() as uow:
            rows = uow.session.exec(
                select(Issue)
                .join(Source, col(Source.id) == col(Issue.source_id))
                .where(
                    Source.name == self._source,
                    col(Issue.external_key).in_(list(issues))
                    | col(Issue.external_id).in_(list(ids)),
                )
            )
            for row in rows:
                key = ids.get(row.external_id or "", row.external_key or "")
                issue = issues.get(key)
                if issue and row.external_id in (None, issue.id or row.external_id):
                    found[key] = row.remote_digest, row.gone
        return found
