"""The sources of a workspace: trackers, how to reach them, and what became of it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlmodel import col, delete, select, update

from issuetrack.engine.errors import (
    ConflictError,
    NotFoundError,
    UsageError,
    WorkspaceExists,
)
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import knowledge
from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.index_tables import IndexQueue
from issuetrack.engine.store.locking import alone, is_locked
from issuetrack.engine.store.tables import (
    Document,
    Issue,
    IssueOverride,
    Quarantine,
    Source,
    SyncRun,
)
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid
from issuetrack.engine.sync.connector import SourceSettings
from issuetrack.engine.sync.credentials import (
    CredentialFrom,
    CredentialSource,
    forget_in_keyring,
    keep_in_keyring,
)
from issuetrack.engine.sync.source_records import (
    RunRecord,
    SourceRecord,
    credential_of,
    find_source,
    lock_path,
    record,
    run_record,
    settings_of,
    token_kind,
)

ALL = "all"
AT_ONCE = 500
RESERVED = frozenset({ALL, "github", "jira", "servicenow"})


class SourceService:
    """The sources of one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def check_new(self, actor: Actor, name: str, kind: str) -> None:
        """Refuse a name that a new source cannot have.

        Raises:
            WorkspaceExists: there is a source of that name.
        """
        authorize(actor, Permission.MANAGE_SOURCES)
        _refuse_name(clean_line(name), kind)
        with self._database.read() as uow:
            _refuse_known(uow, clean_line(name))

    def add(
        self,
        actor: Actor,
        settings: SourceSettings,
        scope: str,
        credential: CredentialSource | None = None,
        *,
        write_back: bool = False,
    ) -> SourceRecord:
        """Add a tracker; its settings are those that its kind has settled.

        Raises:
            WorkspaceExists: there is a source of that name.
        """
        authorize(actor, Permission.MANAGE_SOURCES)
        name, now = clean_line(settings.name), self._clock()
        _refuse_name(name, settings.kind)
        with self._database.write() as uow:
            _refuse_known(uow, name)
            row = Source(uuid=new_uuid(), name=name, kind=settings.kind, created_at=now)
            _put(row, settings, scope)
            row.token = _seal(uow, row, credential)
            row.write_back = write_back
            uow.session.add(row)
            uow.session.flush()
            after = _told(settings, credential) | {"write_back": write_back}
            audit.record(uow, actor, now, "source.add", ("source", name), after=after)
            return record(uow, row, self._database.path)

    def edit(
        self,
        actor: Actor,
        name: str,
        settings: SourceSettings,
        scope: str,
        credential: CredentialSource | None = None,
        *,
        write_back: bool | None = None,
    ) -> SourceRecord:
        """Change a source; without a credential the one that it has stays.

        A change of what is covered lets the next sync read everything again.

        Raises:
            UsageError: it is to go to another host, and no token for it is given.
            ConflictError: that is to change while a sync is running.
        """
        authorize(actor, Permission.MANAGE_SOURCES)
        now = self._clock()
        with self._database.write() as uow:
            row = find_source(uow, name)
            before, old_scope = settings_of(row), row.scope
            moved = before.base_url != settings.base_url
            anew = moved or scope != old_scope or before.mapping != settings.mapping
            if anew and is_locked(lock_path(self._database.path, row.id or 0)):
                raise _is_running(name)
            if moved and row.token is not None and credential is None:
                raise UsageError(
                    f"the token of {name} is for {before.base_url} only",
                    "give the one for the new host: --token-stdin or --token-command",
                )
            _put(row, settings, scope)
            if credential is not None:
                row.token = _seal(uow, row, credential)
            if write_back is not None:
                row.write_back = write_back
            if anew:
                row.cursor = None
            uow.session.add(row)
            uow.session.flush()
            audit.record(
                uow,
                actor,
                now,
                "source.edit",
                ("source", row.name),
                before=_told(before, None),
                after=_told(settings, credential) | {"write_back": row.write_back},
            )
            return record(uow, row, self._database.path)

    def pause(self, actor: Actor, name: str, *, paused: bool) -> SourceRecord:
        """Leave a source out of syncs, or take it in again."""
        authorize(actor, Permission.MANAGE_SOURCES)
        with self._database.write() as uow:
            row = find_source(uow, name)
            row.paused = paused
            uow.session.add(row)
            action = "source.pause" if paused else "source.resume"
            entity = ("source", row.name)
            audit.record(uow, actor, self._clock(), action, entity, after={})
            uow.session.flush()
            return record(uow, row, self._database.path)

    def remove(self, actor: Actor, name: str, *, with_issues: bool = False) -> int:
        """Remove a source and its token; its issues stay, as local ones, or go too.

        Returns:
            how many issues it had.

        Raises:
            ConflictError: a sync of it is running.
            UsageError: it has brought documents, which cannot stay without it.
        """
        authorize(actor, Permission.MANAGE_SOURCES)
        with self._database.read() as uow:
            lock = lock_path(self._database.path, find_source(uow, name).id or 0)
        with alone(lock) as mine, self._database.write() as uow:
            if not mine:
                raise _is_running(name)
            row = find_source(uow, name)
            _let_documents_go(uow, row, with_issues=with_issues)
            numbers = [
                number
                for number in uow.session.exec(
                    select(Issue.number).where(Issue.source_id == row.id)
                )
                if number is not None
            ]
            for place in range(0, len(numbers), AT_ONCE):
                _let_go(uow, numbers[place : place + AT_ONCE], with_issues=with_issues)
            for table in (Quarantine, SyncRun):
                uow.session.exec(delete(table).where(col(table.source_id) == row.id))
            kind, entry = token_kind(uow, row), row.uuid
            uow.session.delete(row)
            after = {"issues": len(numbers), "with_issues": with_issues}
            entity = ("source", row.name)
            audit.record(
                uow, actor, self._clock(), "source.remove", entity, after=after
            )
        if kind is CredentialFrom.KEYRING:
            forget_in_keyring(entry)
        return len(numbers)

    def get(self, actor: Actor, name: str) -> SourceRecord:
        """Return one source.

        Raises:
            NotFoundError: there is none of that name.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            return record(uow, find_source(uow, name), self._database.path)

    def every(self, actor: Actor) -> list[SourceRecord]:
        """Return every source in the order of names."""
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            rows = uow.session.exec(select(Source).order_by(col(Source.name)))
            return [record(uow, row, self._database.path) for row in rows.all()]

    def named(self, actor: Actor, wanted: str) -> list[SourceRecord]:
        """Return the trackers that a name stands for: all, those of a kind, or one.

        Those that are paused are left out, unless there are no others.

        Raises:
            NotFoundError: it stands for none.
        """
        authorize(actor, Permission.SYNC)
        sources = [one for one in self.every(actor) if one.connected]
        found = [r for r in sources if wanted in (ALL, r.settings.kind)]
        if not found:
            found = [one for one in sources if one.settings.name == wanted]
        if not found:
            raise NotFoundError(
                f"there is no source {wanted} to synchronise",
                "see: issuetrack source list; add one: issuetrack source add --help",
            )
        return [r for r in found if not r.paused] or found

    def runs(self, actor: Actor, name: str | None, limit: int) -> list[RunRecord]:
        """Return the last runs, the newest first."""
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            wanted = (
                [] if name is None else [SyncRun.source_id == find_source(uow, name).id]
            )
            rows = uow.session.exec(
                select(SyncRun, Source.name)
                .join(Source, col(Source.id) == col(SyncRun.source_id))
                .where(*wanted)
                .order_by(col(SyncRun.id).desc())
                .limit(limit)
            )
            path, newest = self._database.path, set[int]()
            found = []
            for row, source in rows:
                running = row.source_id not in newest and is_locked(
                    lock_path(path, row.source_id)
                )
                newest.add(row.source_id)
                found.append(run_record(row, source, running=running))
            return found

    def opened(
        self, actor: Actor, name: str, environment: Mapping[str, str]
    ) -> tuple[SourceSettings, str | None]:
        """Return a source with its token, for a connector.

        Raises:
            CredentialError: the token is not where it should be.
        """
        authorize(actor, Permission.SYNC)
        with self._database.read() as uow:
            row = find_source(uow, name)
            settings, credential = settings_of(row), credential_of(uow, row)
        if credential is None:
            return settings, None
        return settings, credential.secret(settings.name, environment)


def _let_go(uow: UnitOfWork, numbers: list[int], *, with_issues: bool) -> None:
    """Make issues local ones, or delete them with all that hangs on them."""
    these = col(Issue.number).in_(numbers)
    if with_issues:
        from issuetrack.engine.retrieval import embedding
        from issuetrack.engine.retrieval.indexing import forget

        embedding.drop_unused(uow, forget(uow, numbers))
        queued = col(IndexQueue.issue_number).in_(numbers)
        uow.session.exec(delete(IndexQueue).where(queued))
        uow.session.exec(delete(Issue).where(these))
        return
    uow.session.exec(
        delete(IssueOverride).where(col(IssueOverride.issue_number).in_(numbers))
    )
    uow.session.exec(update(Issue).where(these).values(source_id=None))


def _let_documents_go(uow: UnitOfWork, row: Source, *, with_issues: bool) -> None:
    numbers = [
        number
        for number in uow.session.exec(
            select(Document.id).where(Document.source_id == row.id)
        )
        if number is not None
    ]
    if numbers and not with_issues:
        raise UsageError(
            f"{row.name} has brought {len(numbers)} documents, which go with it",
            f"issuetrack source remove {row.name} --with-issues",
        )
    for place in range(0, len(numbers), AT_ONCE):
        knowledge.drop(uow, numbers[place : place + AT_ONCE])


def _is_running(name: str) -> ConflictError:
    return ConflictError(
        f"{name} is being synchronised", "wait until that has ended, or stop it"
    )


def _refuse_name(name: str, kind: str) -> None:
    if not name:
        raise UsageError("the name of the source is empty", "use --name NAME")
    if name in RESERVED - {kind}:
        raise UsageError(f"{name} stands for several sources", "choose another --name")


def _refuse_known(uow: UnitOfWork, name: str) -> None:
    if uow.session.exec(select(Source).where(Source.name == name)).first():
        raise WorkspaceExists(
            f"there is a source {name} already", "choose another --name"
        )


def _put(row: Source, settings: SourceSettings, scope: str) -> None:
    row.base_url = settings.base_url
    row.username = settings.username
    row.options = dict(settings.options)
    row.mapping = list(settings.mapping)
    row.scope = scope


def _seal(
    uow: UnitOfWork, row: Source, credential: CredentialSource | None
) -> bytes | None:
    if credential is None:
        return None
    assert row.base_url is not None
    if credential.kind is CredentialFrom.KEYRING:
        keep_in_keyring(row.uuid, credential.value)
        credential = CredentialSource(CredentialFrom.KEYRING, row.uuid)
    return uow.seal_credential(
        "source", "token", row.uuid, credential.dump(), row.base_url
    )


def _told(
    settings: SourceSettings, credential: CredentialSource | None
) -> dict[str, Any]:
    """Return what the audit trail is told: never the token."""
    return asdict(settings) | {"token": credential.kind if credential else None}
