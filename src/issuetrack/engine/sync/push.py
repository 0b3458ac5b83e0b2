"""Writes back to a tracker: a comment, a status, local edits. Off unless switched on.

A change is noted under a mark before it is sent, and the mark goes with it. Should the
program end in between, the same command finds out by the mark what was done already.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from issuetrack.engine.errors import (
    ConflictError,
    NotFoundError,
    PermissionDenied,
    UsageError,
)
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import changing, overrides, records, workflow
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.locking import alone
from issuetrack.engine.store.tables import Comment, Issue, OutgoingChange, Source
from issuetrack.engine.store.types import CommentKind, IssueStatus
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid
from issuetrack.engine.sync.connector import Change, Connector, Request
from issuetrack.engine.sync.sources import SourceService
from issuetrack.engine.sync.sync import Connect

LONGEST_WAIT = 30.0


@dataclass(frozen=True)
class PushWish:
    """What is to be written back.

    Attributes:
        comment: a new comment.
        comment_id: a local comment that is to go upstream.
        internal: for the tracker's own people only.
        status: a status to move to, here and there.
        pending: send the local edits that are not upstream.
        fields: only those of these fields; empty for all.
        again: send it although the same was sent before.
    """

    comment: str | None = None
    comment_id: int | None = None
    internal: bool = False
    status: IssueStatus | None = None
    pending: bool = False
    fields: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True)
class PushPlan:
    """A change, and the requests that make it.

    Attributes:
        done: what was found there already, from an earlier try.
    """

    issue: int
    key: str
    source: str
    change: Change
    requests: Sequence[Request]
    done: bool = False


@dataclass(frozen=True)
class _Target:
    """What is to be changed, as the database has it."""

    number: int
    source: str
    change: Change
    digest: bytes
    unsent: bool = False


class PushService:
    """Writes back from one workspace."""

    def __init__(
        self,
        database: Database,
        sources: SourceService,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._sources = sources
        self._clock = clock

    def plan(
        self,
        actor: Actor,
        name: str,
        wish: PushWish,
        connect: Connect,
        environment: Mapping[str, str],
    ) -> PushPlan:
        """Return exactly what would be sent; nothing is sent or written.

        Raises:
            UsageError: there is nothing to send, or the tracker cannot do it.
            PermissionDenied: the source is not to be written to.
        """
        authorize(actor, Permission.PUSH)
        with self._database.read() as uow:
            target = self._target(uow, name, wish)
        with self._connected(actor, target, connect, environment) as connector:
            requests = tuple(connector.requests_for(target.change))
        return PushPlan(
            target.number, target.change.key, target.source, target.change, requests
        )

    def push(
        self,
        actor: Actor,
        name: str,
        wish: PushWish,
        connect: Connect,
        environment: Mapping[str, str],
        agreed: PushPlan | None = None,
    ) -> PushPlan:
        """Send a change, once, and note it here.

        Args:
            actor: who sends it.
            name: the issue.
            wish: what is to be sent.
            connect: makes the connector.
            environment: where a token may be.
            agreed: what somebody was shown and agreed to; nothing else is sent then.

        Raises:
            UsageError: the same was sent before; or see `plan`.
            RemoteUnreachable: there was no answer; the same command goes on.
            ConflictError: another push is at it, or it is not what was agreed to.
        """
        authorize(actor, Permission.PUSH)
        path = self._database.path
        with alone(path.with_name(f"{path.name}.push.lock"), LONGEST_WAIT) as mine:
            if not mine:
                raise ConflictError(
                    "another push is being sent", "run it again when that has ended"
                )
            return self._push(actor, name, wish, connect, environment, agreed)

    def _push(
        self,
        actor: Actor,
        name: str,
        wish: PushWish,
        connect: Connect,
        environment: Mapping[str, str],
        agreed: PushPlan | None,
    ) -> PushPlan:
        with self._database.read() as uow:
            target = self._target(uow, name, wish)
        if agreed is not None:
            target = _as_agreed(target, agreed)
        with self._connected(actor, target, connect, environment) as connector:
            requests = tuple(connector.requests_for(target.change))
            if not target.unsent:
                self._note(actor, target, requests)
            change, key = target.change, None
            if target.unsent and change.comment is not None:
                key = connector.pushed(change)
                change = replace(change, comment=None) if key else change
            if change.comment or change.status or change.fields:
                key = connector.push(change) or key
        self._finish(actor, target, wish, key)
        plan = PushPlan(
            target.number, target.change.key, target.source, change, requests
        )
        return replace(plan, done=change != target.change)

    @contextmanager
    def _connected(
        self,
        actor: Actor,
        target: _Target,
        connect: Connect,
        environment: Mapping[str, str],
    ) -> Iterator[Connector]:
        settings, secret = self._sources.opened(actor, target.source, environment)
        connector = connect(settings, secret, lambda _reason, _seconds: None)
        try:
            yield connector
        finally:
            connector.close()

    def _target(self, uow: UnitOfWork, name: str, wish: PushWish) -> _Target:
        row = records.find(uow, name)
        source = uow.session.get(Source, row.source_id) if row.source_id else None
        if source is None or source.base_url is None or row.external_key is None:
            raise UsageError(
                f"#{row.number} is not from a tracker", "there is nowhere to push it to"
            )
        if not source.write_back:
            raise PermissionDenied(
                f"the source {source.name} is not to be written to",
                f"an admin allows it: issuetrack source edit {source.name} "
                "--write-back on",
            )
        change = _change(uow, row, wish)
        digest = audit.digest({**vars(change), "issue": row.uuid, "mark": None})
        known = uow.session.exec(
            select(OutgoingChange)
            .where(
                OutgoingChange.issue_number == row.number,
                OutgoingChange.digest == digest,
            )
            .order_by(col(OutgoingChange.id).desc())
        ).first()
        if known is not None and known.sent_at is not None and not wish.again:
            raise UsageError(
                f"the same was pushed on {known.sent_at:%Y-%m-%d %H:%M} UTC",
                "use --again to push it once more",
            )
        unsent = known is not None and known.sent_at is None
        mark = known.uuid if known is not None and unsent else new_uuid()
        assert row.number is not None
        return _Target(
            row.number, source.name, replace(change, mark=mark), digest, unsent
        )

    def _note(self, actor: Actor, target: _Target, requests: Sequence[Request]) -> None:
        now = self._clock()
        with self._database.write() as uow:
            uow.session.add(
                OutgoingChange(
                    uuid=target.change.mark,
                    issue_number=target.number,
                    digest=target.digest,
                    actor=actor.name,
                    created_at=now,
                )
            )
            after = {
                "source": target.source,
                "requests": [vars(request) for request in requests],
            }
            entity = ("issue", str(target.number))
            audit.record(uow, actor, now, "issue.push", entity, after=after)

    def _finish(
        self, actor: Actor, target: _Target, wish: PushWish, key: str | None
    ) -> IssueRecord:
        """Note that a change is upstream: nothing of it is pending here any more."""
        now = self._clock()
        change = target.change
        with self._database.write() as uow:
            row = uow.session.get(Issue, target.number)
            sent = uow.session.exec(
                select(OutgoingChange).where(OutgoingChange.uuid == change.mark)
            ).one()
            if row is None:
                raise NotFoundError(f"#{target.number} is gone", None)
            sent.sent_at, sent.remote_key = now, key
            uow.session.add(sent)
            if change.comment is not None:
                _keep_comment(uow, actor, row, change, wish, key, now)
            if change.status is not None and row.status is not change.status:
                changing.set_status(row, change.status, now)
            fields = [*change.fields, *(["status"] if change.status else [])]
            overrides.drop(uow, target.number, fields)
            after = {"mark": change.mark, "remote_key": key}
            changing.finish(uow, actor, row, now, "issue.pushed", {}, after)
            return records.record(uow, row)


def _as_agreed(target: _Target, agreed: PushPlan) -> _Target:
    """Return what is to be sent under the mark that was shown.

    Raises:
        ConflictError: it is no longer what was agreed to.
    """
    if replace(target.change, mark="") != replace(agreed.change, mark=""):
        raise ConflictError(
            f"#{target.number} was changed after you looked; nothing was sent",
            "run the same command again and look at what it shows",
        )
    if target.unsent:
        return target
    return replace(target, change=agreed.change)


def _change(uow: UnitOfWork, row: Issue, wish: PushWish) -> Change:
    """Return what is to be sent.

    Raises:
        UsageError: nothing is.
    """
    text, kind = _comment(uow, row, wish)
    fields: dict[str, Any] = {}
    status = wish.status
    if status is not None and status is not row.status:
        workflow.check(row.number or 0, row.status, status)
    if wish.pending:
        for edit in overrides.pending(uow, row.number or 0):
            if wish.fields and edit.field not in wish.fields:
                continue
            if edit.field == "status":
                status = status or IssueStatus(edit.value)
            else:
                fields[edit.field] = edit.value
    if text is None and status is None and not fields:
        raise UsageError(
            "there is nothing to push",
            "give --comment TEXT, --status closed, or --pending for local edits",
        )
    return Change(row.external_key or "", "", text, kind, status, fields)


def _comment(
    uow: UnitOfWork, row: Issue, wish: PushWish
) -> tuple[str | None, CommentKind]:
    kind = CommentKind.WORK_NOTE if wish.internal else CommentKind.PUBLIC
    if wish.comment_id is None:
        text = wish.comment.strip() if wish.comment is not None else None
        if text == "":
            raise UsageError("the comment is empty", "say what you saw or did")
        return text, kind
    for comment in records.comments(uow, row.number or 0):
        if comment.id == wish.comment_id and comment.body is not None:
            if comment.key is not None:
                raise UsageError(
                    f"comment {comment.id} is upstream already",
                    "only local comments can be pushed",
                )
            return comment.body, comment.kind
    raise NotFoundError(
        f"#{row.number} has no comment {wish.comment_id}",
        f"issuetrack issue show {row.number} --output json",
    )


def _keep_comment(
    uow: UnitOfWork,
    actor: Actor,
    row: Issue,
    change: Change,
    wish: PushWish,
    key: str | None,
    now: datetime,
) -> None:
    """Keep a pushed comment under the key that it has upstream.

    A sync may have brought it in already.
    """
    known = uow.session.exec(
        select(Comment).where(
            Comment.issue_number == row.number, Comment.external_key == key
        )
    ).first()
    if known is not None and key is not None:
        if wish.comment_id is None:
            return
        uow.session.delete(known)
        uow.session.flush()
    if wish.comment_id is None:
        changing.add_comment(uow, actor, row, change.comment or "", change.kind, now)
        wanted = col(Comment.issue_number) == row.number
    else:
        wanted = col(Comment.id) == wish.comment_id
    comment = uow.session.exec(
        select(Comment).where(wanted).order_by(col(Comment.id).desc())
    ).first()
    if comment is not None and key is not None:
        comment.external_key = key
        uow.session.add(comment)
