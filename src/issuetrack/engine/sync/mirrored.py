"""Knows the issues of a source again, by what the source calls them."""

from collections.abc import Iterable

from sqlmodel import col, select

from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.types import GoneReason
from issuetrack.engine.store.unit_of_work import UnitOfWork
from issuetrack.engine.sync.ports import RemoteIssue


class Mirrored:
    """The issues of one source that are in the tables."""

    def __init__(self, uow: UnitOfWork, source_id: int) -> None:
        self._uow = uow
        self._source = source_id

    def by_key(self, keys: Iterable[str]) -> dict[str, Issue]:
        """Return the issues that have one of these keys, by key."""
        rows = self._uow.session.exec(
            select(Issue).where(
                Issue.source_id == self._source,
                col(Issue.external_key).in_(list(keys)),
            )
        )
        return {row.external_key: row for row in rows if row.external_key}

    def by_id(self, ids: Iterable[str]) -> dict[str, Issue]:
        """Return the issues that the source calls so for ever, by that name."""
        rows = self._uow.session.exec(
            select(Issue).where(
                Issue.source_id == self._source, col(Issue.external_id).in_(list(ids))
            )
        )
        return {row.external_id: row for row in rows if row.external_id}

    def same(
        self, issue: RemoteIssue, by_key: Issue | None, by_id: Issue | None
    ) -> Issue | None:
        """Return the row of an issue, whose key may have changed or been used anew."""
        if (
            by_key is not None
            and issue.id
            and by_key.external_id not in (None, issue.id)
        ):
            self._forget_key(by_key)
            by_key = None
        if by_key is None and by_id is not None:
            by_id.external_key = clean_line(issue.key)
            return by_id
        return by_key

    def _forget_key(self, row: Issue) -> None:
        """Take the key from an issue that is gone and whose key is used again."""
        row.external_key = f"{row.external_key} ({row.external_id})"
        row.gone = GoneReason.DELETED
        self._uow.session.add(row)
        self._uow.session.flush()
