"""What can be done with issues.

Every change is written with its events, its audit entry and its index work in one
transaction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import defer
from sqlmodel import col, select

from issuetrack.engine.errors import UsageError
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import changing, records, workflow
from issuetrack.engine.issues import query as query_language
from issuetrack.engine.issues.records import IssueRecord, IssueSummary
from issuetrack.engine.issues.resolution import (
    Fix,
    says_something,
)
from issuetrack.engine.issues.resolving import (
    drop_resolution,
    kept,
    put_resolution,
    remine,
)
from issuetrack.engine.issues.standing import (
    Standing,
    find_as_read,
    restore,
    standing,
)
from issuetrack.engine.issues.texts import (
    checked_body,
    checked_title,
    clean_line,
    optional_line,
)
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.types import (
    CommentKind,
    IssueStatus,
    IssueType,
    Priority,
    ResolutionHow,
    Role,
)
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid

Clock = Callable[[], datetime]
EXPORT_BATCH, LIST_BATCH = 200, 10_000


@dataclass(frozen=True)
class IssueDraft:
    """The fields that a person gives a new issue."""

    title: str
    body: str = ""
    type: IssueType = IssueType.INCIDENT
    priority: Priority | None = None
    service: str | None = None
    site: str | None = None
    category: str | None = None
    labels: tuple[str, ...] = ()
    assignee: str | None = None


class IssueService:
    """The issues of one workspace."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get(self, actor: Actor, name: str) -> IssueRecord:
        """Return an issue named by `#17`, its key or its url.

        Raises:
            NotFoundError: there is no such issue.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            return records.record(uow, records.find(uow, name))

    def matching(
        self, actor: Actor, query: str = "", sort: str = "-updated", limit: int = 50
    ) -> tuple[list[IssueSummary], int]:
        """Return the issues that fit a query, and how many fit in all.

        Raises:
            QuerySyntaxError: the query or the sort is wrong.
        """
        authorize(actor, Permission.READ)
        statement = query_language.numbers(query, sort)
        with self._database.read() as uow:
            found = _numbers(uow, statement)
            shown = _summaries(uow, found[:limit])
            return [shown[number] for number in found[:limit]], len(found)

    def numbers(
        self, actor: Actor, query: str = "", sort: str = "-updated"
    ) -> list[int]:
        """Return the numbers of all issues that fit a query, in order.

        Raises:
            QuerySyntaxError: the query or the sort is wrong.
        """
        authorize(actor, Permission.READ)
        statement = query_language.numbers(query, sort)
        with self._database.read() as uow:
            return _numbers(uow, statement)

    def summaries(self, actor: Actor, numbers: list[int]) -> dict[int, IssueSummary]:
        """Return list entries by number."""
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            return _summaries(uow, numbers)

    def every(self, actor: Actor, query: str = "") -> Iterator[IssueRecord]:
        """Yield every issue that fits a query in the order of numbers.

        Raises:
            QuerySyntaxError: the query is wrong.
        """
        authorize(actor, Permission.EXPORT)
        conditions = query_language.parse(query).conditions
        last = 0
        while True:
            with self._database.read() as uow:
                rows = uow.session.exec(
                    select(Issue)
                    .where(col(Issue.number) > last, *conditions)
                    .order_by(col(Issue.number))
                    .limit(EXPORT_BATCH)
                ).all()
                batch = [records.record(uow, row) for row in rows]
            if not batch:
                return
            yield from batch
            last = batch[-1].number

    def create(self, actor: Actor, draft: IssueDraft) -> IssueRecord:
        """Open a new issue.

        Raises:
            UsageError: the title is empty or the body too long.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        title, body = checked_title(draft.title), checked_body(draft.body)
        now, row_uuid = self._clock(), new_uuid()
        with self._database.write() as uow:
            row = Issue(
                uuid=row_uuid,
                type=draft.type,
                status=IssueStatus.OPEN,
                priority=draft.priority,
                service=optional_line(draft.service),
                site=optional_line(draft.site),
                category=optional_line(draft.category),
                labels=[clean_line(label) for label in draft.labels],
                reporter=actor.name,
                assignee=optional_line(draft.assignee),
                title=title,
                body=uow.seal_optional("issue", "body", row_uuid, body),
                created_at=now,
                updated_at=now,
            )
            uow.session.add(row)
            uow.session.flush()
            assert row.number is not None
            after = {f.name: getattr(draft, f.name) for f in fields(draft)}
            changing.finish(uow, actor, row, now, "issue.create", None, after)
            return records.record(uow, row)

    def edit(
        self,
        actor: Actor,
        name: str,
        changes: Mapping[str, Any],
        *,
        revision: int | None = None,
    ) -> IssueRecord:
        """Change fields of an issue: those of `IssueDraft`.

        Args:
            actor: who changes it.
            name: the issue.
            changes: new values by field; None empties a field.
            revision: the revision that was read; None to overwrite whatever is there.

        Raises:
            ConflictError: the issue was changed since it was read.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        unknown = set(changes) - {f.name for f in fields(IssueDraft)}
        if unknown:
            raise UsageError(f"cannot edit {', '.join(sorted(unknown))}")
        now = self._clock()
        with self._database.write() as uow:
            row = find_as_read(uow, name, revision)
            before, after = changing.apply(uow, actor, row, changes, now)
            if after:
                changing.finish(uow, actor, row, now, "issue.edit", before, after)
            return records.record(uow, row)

    def assign(self, actor: Actor, name: str, assignee: str | None) -> IssueRecord:
        """Give an issue to somebody, or to nobody."""
        return self.edit(actor, name, {"assignee": assignee})

    def comment(
        self,
        actor: Actor,
        name: str,
        body: str,
        kind: CommentKind = CommentKind.PUBLIC,
    ) -> IssueRecord:
        """Add a comment.

        Raises:
            UsageError: it is empty or too long.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        if not body.strip():
            raise UsageError("the comment is empty", "say what you saw or did")
        text, now = checked_body(body), self._clock()
        with self._database.write() as uow:
            row = records.find(uow, name)
            changing.add_comment(uow, actor, row, text, kind, now)
            changing.finish(
                uow,
                actor,
                row,
                now,
                "issue.comment",
                None,
                {"kind": kind, "body": text},
            )
            return records.record(uow, row)

    def withdraw(self, actor: Actor, name: str, comment: int) -> IssueRecord:
        """Take back a comment of one's own that no source has; see its `id`.

        A fix that was mined is looked for again.

        Raises:
            NotFoundError: there is no such issue or comment.
            UsageError: somebody else made it, or a source has it or may have it.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        now = self._clock()
        with self._database.write() as uow:
            row = records.find(uow, name)
            assert row.number is not None
            text = changing.take_back(uow, actor, row, comment)
            known = kept(uow, row.number)
            if known is not None and known.how is ResolutionHow.MINED:
                drop_resolution(uow, row.number)
            remine(uow, row, None, now)
            before = {"comment": comment, "body": text}
            changing.finish(uow, actor, row, now, "issue.withdraw", before, {})
            return records.record(uow, row)

    def set_status(
        self,
        actor: Actor,
        name: str,
        status: IssueStatus,
        comment: str | None = None,
        *,
        revision: int | None = None,
    ) -> IssueRecord:
        """Move an issue to another status; a finished one has its fix looked for.

        Raises:
            ConflictError: the issue was changed since that revision was read.
            UsageError: it is there already, or cannot get there.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        now = self._clock()
        with self._database.write() as uow:
            row = find_as_read(uow, name, revision)
            before = row.status
            changing.move(uow, actor, row, status, now)
            if comment:
                changing.add_comment(uow, actor, row, comment, CommentKind.PUBLIC, now)
            remine(uow, row, None, now)
            changing.finish(
                uow,
                actor,
                row,
                now,
                f"issue.{status}",
                {"status": before},
                {"status": status, "comment": comment},
            )
            return records.record(uow, row)

    def resolve(
        self, actor: Actor, name: str, text: str, *, revision: int | None = None
    ) -> IssueRecord:
        """Resolve an issue, saying what fixed it; again to correct what was said.

        Raises:
            ConflictError: the issue was changed since that revision was read.
            UsageError: the text says nothing.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        if not says_something(text):
            raise UsageError(
                "that does not say what fixed it",
                "give the cause and the steps in a sentence or more",
            )
        now = self._clock()
        with self._database.write() as uow:
            row = find_as_read(uow, name, revision)
            before = row.status
            if before not in workflow.FINISHED:
                changing.move(uow, actor, row, IssueStatus.RESOLVED, now)
            fix = Fix(
                checked_body(text).strip(),
                ResolutionHow.STATED,
                "resolution",
                Role.VIEWER,
            )
            put_resolution(uow, row, fix, now, actor.principal)
            changing.finish(
                uow,
                actor,
                row,
                now,
                "issue.resolve",
                {"status": before},
                {"status": row.status, "resolution": fix.text},
            )
            return records.record(uow, row)

    def standing(self, actor: Actor, name: str) -> Standing:
        """Return how far an issue is, for `unresolve`.

        Raises:
            NotFoundError: there is no such issue.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        with self._database.read() as uow:
            return standing(uow, records.find(uow, name))

    def unresolve(
        self, actor: Actor, name: str, former: Standing, *, revision: int | None = None
    ) -> IssueRecord:
        """Take back that an issue was resolved, and what was said to have fixed it.

        Args:
            actor: who takes it back.
            name: the issue.
            former: how it stood before.
            revision: the one that resolving left; None to overwrite whatever is there.

        Raises:
            ConflictError: the issue or its fix was changed since.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        now = self._clock()
        with self._database.write() as uow:
            row = find_as_read(uow, name, revision)
            before = standing(uow, row).facts
            restore(uow, actor, row, former, now)
            after = standing(uow, row).facts
            changing.finish(uow, actor, row, now, "issue.unresolve", before, after)
            return records.record(uow, row)


def _numbers(uow: UnitOfWork, statement: Select[Any]) -> list[int]:
    """Return the numbers that a statement selects, without making rows of them."""
    found = uow.session.connection().execute(statement)
    return [row[0] for row in found.cursor.fetchall()]


def _summaries(uow: UnitOfWork, numbers: Sequence[int]) -> dict[int, IssueSummary]:
    """Return list entries by number, without reading the texts."""
    without_texts = (defer(Issue.body), defer(Issue.mapped))  # type: ignore[arg-type]
    rows: list[Issue] = []
    for start in range(0, len(numbers), LIST_BATCH):
        wanted = col(Issue.number).in_(numbers[start : start + LIST_BATCH])
        rows += uow.session.exec(
            select(Issue).where(wanted).options(*without_texts)
        ).all()
    return {entry.number: entry for entry in records.summaries(uow, rows)}
