"""Says that an issue is a duplicate of another one.

A link that was made here holds until it is taken back here, whatever a source says
meanwhile; see `local_original`.
"""

from collections.abc import Callable
from datetime import datetime

from sqlmodel import col, delete, select

from issuetrack.engine.errors import UsageError
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import changing, records
from issuetrack.engine.issues.history import record_event
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.issues.standing import find_as_read
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Issue, Link
from issuetrack.engine.store.types import LinkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

DUPLICATE = LinkKind.DUPLICATE_OF.value


class LinkService:
    """The duplicates of one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def link(
        self, actor: Actor, name: str, original: str, *, revision: int | None = None
    ) -> IssueRecord:
        """Say that an issue is a duplicate of another one.

        Raises:
            ConflictError: the issue was changed since that revision was read.
            NotFoundError: there is no such issue.
            UsageError: it is that one itself, is linked to it already, or that one is
                a duplicate of it.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        with self._database.write() as uow:
            row = find_as_read(uow, name, revision)
            target = records.find(uow, original)
            _check(uow, row, target)
            assert row.number is not None
            _forget(uow, row.number)
            link = Link(
                issue_number=row.number,
                kind=DUPLICATE,
                target=f"#{target.number}",
                upstream=False,
            )
            uow.session.add(link)
            return self._point(uow, actor, row, target.number, "issue.link")

    def unlink(
        self, actor: Actor, name: str, *, revision: int | None = None
    ) -> IssueRecord:
        """Say that an issue is no duplicate after all.

        Raises:
            ConflictError: the issue was changed since that revision was read.
            NotFoundError: there is no such issue.
            UsageError: it is not linked to another one.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        with self._database.write() as uow:
            row = find_as_read(uow, name, revision)
            if row.duplicate_of is None:
                raise UsageError(
                    f"#{row.number} is no duplicate of another issue",
                    f"issuetrack issue link {row.number} --duplicate-of ISSUE",
                )
            assert row.number is not None
            _forget(uow, row.number)
            return self._point(uow, actor, row, None, "issue.unlink")

    def _point(
        self,
        uow: UnitOfWork,
        actor: Actor,
        row: Issue,
        original: int | None,
        action: str,
    ) -> IssueRecord:
        now, before = self._clock(), row.duplicate_of
        row.duplicate_of = original
        names = [None if n is None else f"#{n}" for n in (before, original)]
        record_event(uow, actor, row, now, DUPLICATE, *names)
        told = {DUPLICATE: before}, {DUPLICATE: original}
        changing.finish(uow, actor, row, now, action, *told)
        uow.session.flush()
        return records.record(uow, row)


def _check(uow: UnitOfWork, row: Issue, target: Issue) -> None:
    if target.number == row.number:
        raise UsageError(
            f"#{row.number} cannot be a duplicate of itself", "name another issue"
        )
    if row.duplicate_of == target.number:
        raise UsageError(
            f"#{row.number} is a duplicate of #{target.number} already",
            f"take it back: issuetrack issue unlink {row.number}",
        )
    if row.number in originals(uow, target):
        raise UsageError(
            f"#{target.number} is a duplicate of #{row.number}",
            f"take that back first: issuetrack issue unlink {target.number}",
        )


def originals(uow: UnitOfWork, row: Issue) -> list[int]:
    """Return what an issue is a duplicate of, what that is one of, and so on."""
    found: list[int] = []
    following = row.duplicate_of
    while following is not None and following not in found:
        found.append(following)
        original = uow.session.get(Issue, following)
        following = original.duplicate_of if original is not None else None
    return found


def local_original(uow: UnitOfWork, number: int) -> int | None:
    """Return what an issue is a duplicate of by a link made here, if it is there."""
    target = uow.session.exec(
        select(Link.target).where(
            Link.issue_number == number,
            Link.kind == DUPLICATE,
            col(Link.upstream).is_(False),
        )
    ).first()
    if target is None:
        return None
    original = int(target.removeprefix("#"))
    return original if uow.session.get(Issue, original) is not None else None


def _forget(uow: UnitOfWork, number: int) -> None:
    """Forget every link of an issue to an original."""
    uow.session.exec(
        delete(Link).where(
            col(Link.issue_number) == number, col(Link.kind) == DUPLICATE
        )
    )
