"""One open workspace: a database, who acts, and the services. All a front end holds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from issuetrack.engine.errors import (
    AuthenticationError,
    NotFoundError,
    WorkspaceExists,
)
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.audit import Verification
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor, register
from issuetrack.engine.retrieval.outbox import is_waiting
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.services import Services
from issuetrack.engine.settings import operating_system_user
from issuetrack.engine.store.database import SCHEMA_VERSION, Database
from issuetrack.engine.store.file_guard import restored_path, spool_path
from issuetrack.engine.store.keychain import Keychain
from issuetrack.engine.store.keyslots import KeyFile, is_format_1, key_file_path
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.sqlcipher import create_file
from issuetrack.engine.store.unlock import Unlock, new_recovery_key, recovery_secret

if TYPE_CHECKING:
    from issuetrack.engine.inference.ports import EmbeddingModel
    from issuetrack.engine.retrieval.indexing import IndexReport, IndexStatus, Progress
    from issuetrack.engine.services import ModelChoice


def now_utc() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class NewWorkspace:
    """What `create` made; the recovery key is told once and kept nowhere."""

    database: Path
    key_file: Path
    owner: str
    recovery_key: str = field(repr=False)


class Workspace(Services):
    """An open database with its services, on behalf of one actor."""

    def __init__(
        self,
        database: Database,
        model: "EmbeddingModel | None" = None,
        clock: Callable[[], datetime] = now_utc,
        choice: "ModelChoice | None" = None,
    ) -> None:
        keys = database.keychain.keys
        actor = Actor.from_keys(keys, self._record_denial)
        super().__init__(database, actor, clock, model, choice)

    @classmethod
    def open(
        cls,
        path: Path,
        unlock: Unlock,
        model: "EmbeddingModel | None" = None,
        clock: Callable[[], datetime] = now_utc,
        choice: "ModelChoice | None" = None,
    ) -> "Workspace":
        """Open a workspace, bringing its tables up to date.

        Raises:
            NotFoundError: there is no workspace at the path.
            AuthenticationError: no key was offered, or it does not fit.
            TamperedError: database and key file are not of one time.
            SchemaTooNew: a newer program wrote the file.
        """
        if restored_path(path).exists():
            from issuetrack.engine.store.backup import finish_restore

            finish_restore(path)
        if not path.exists():
            raise NotFoundError(
                f"there is no workspace at {path}", "create one: issuetrack init"
            )
        try:
            keychain = cls._keychain(path, unlock)
        except AuthenticationError as error:
            from issuetrack.engine.store import denial_spool

            user = unlock.user
            denial_spool.note(path, clock(), error.code, operating_system_user(), user)
            raise
        database = Database(path, keychain)
        try:
            database.migrate()
            database.settle_keys()
            workspace = cls(database, model, clock, choice)
            if spool_path(path).exists():
                workspace.trail.take_failed_unlocks(workspace.actor)
        except BaseException:
            database.close()
            raise
        return workspace

    @staticmethod
    def _keychain(path: Path, unlock: Unlock) -> Keychain:
        keys_path = key_file_path(path)
        if is_format_1(keys_path):
            from issuetrack.engine.store.keyslots_v1 import upgrade

            upgrade(keys_path, path, unlock)
        file = KeyFile.load(keys_path)
        return Keychain(keys_path, file, unlock.open(file))

    def _record_denial(self, permission: str) -> None:
        with self._database.write() as uow:
            audit.record(
                uow,
                self.actor,
                self._clock(),
                "access.denied",
                ("permission", permission),
                after={"role": self.actor.role},
            )

    @classmethod
    def create(
        cls,
        path: Path,
        owner: str,
        secrets_for: Callable[[str], Iterable[SlotSecret]],
        clock: Callable[[], datetime] = now_utc,
    ) -> NewWorkspace:
        """Make a new workspace with its keys; nothing is left behind on failure.

        Args:
            path: where the database will be.
            owner: the name of its first admin.
            secrets_for: given the database's uuid, what will open the owner's slots.
            clock: tells the time.

        Raises:
            WorkspaceExists: there is one already.
        """
        from issuetrack.engine.store.backup import assembled, finish_restore

        finish_restore(path)
        keys_path = key_file_path(path)
        for existing in (path, keys_path):
            if existing.exists():
                raise WorkspaceExists(
                    f"{existing} exists already", "use it, or choose another --db"
                )
        recovery_key = new_recovery_key()
        recovery = recovery_secret(recovery_key)
        keys, private = KeyFile.create(owner, secrets_for, recovery)
        keychain = Keychain(keys_path, keys, private)
        with assembled(path) as made:
            ((salt, page_key),) = keychain.keys.page_keys.items()
            create_file(made, page_key, salt)
            cls._fill(made, keychain, clock())
            keys.save(key_file_path(made))
        return NewWorkspace(path, keys_path, owner, recovery_key)

    @staticmethod
    def _fill(path: Path, keychain: Keychain, now: datetime) -> None:
        database = Database(path, keychain)
        try:
            database.migrate()
            principals = keychain.file.principals()
            with database.write() as uow:
                for principal in principals:
                    register(uow, principal, now)
                uow.set_setting("database.uuid", keychain.file.database)
                database.keep_keys(uow, keychain.file)
                uow.session.flush()
                audit.record(
                    uow,
                    Actor.from_keys(keychain.keys),
                    now,
                    "workspace.create",
                    ("workspace", keychain.file.database),
                    after={"owner": principals[0].name, "schema": SCHEMA_VERSION},
                )
        finally:
            database.close()

    @property
    def opened_by(self) -> SlotKind:
        """Return what kind of slot the workspace was opened with."""
        return self._database.keychain.keys.private.opened_by

    @property
    def login(self) -> tuple[str, str, bytes]:
        """Return database, principal and private keys, for `login` to keep."""
        private = self._database.keychain.keys.private
        uuid = self._database.keychain.file.database
        return uuid, private.principal, private.payload

    @property
    def path(self) -> Path:
        """Return where the database is."""
        return self._database.path

    def index_status(self) -> "IndexStatus":
        """Return how far the search index is."""
        authorize(self.actor, Permission.READ)
        return self._indexer.status()

    def index_waits(self) -> bool:
        """Tell whether something is still to be indexed; quick, without the model."""
        with self._database.read() as uow:
            return is_waiting(uow)

    def drain_index(
        self, progress: "Progress | None" = None, only: "int | Subject | None" = None
    ) -> "IndexReport":
        """Index what has changed, or only one issue or other subject.

        Raises:
            ModelError: the embedding model cannot be used.
        """
        authorize(self.actor, Permission.INDEX)
        if isinstance(only, int):
            only = Subject(SubjectKind.ISSUE, only)
        return self._indexer.drain(progress, only)

    def rebuild_index(self, progress: "Progress | None" = None) -> "IndexReport":
        """Make the search index anew; embeddings of the same model are kept.

        Raises:
            ModelError: the embedding model cannot be used.
        """
        authorize(self.actor, Permission.INDEX)
        self.model.embed([])
        now = self._clock()
        with self._database.write() as uow:
            audit.record(
                uow, self.actor, now, "index.rebuild", ("index", "all"), after={}
            )
        self._indexer.request_rebuild(now)
        report = self._indexer.drain(progress)
        self._indexer.drop_unused()
        return report

    def adapt_index(self, *, off: bool = False) -> "IndexStatus":
        """Adapt the vector space to this workspace now, or no longer.

        Raises:
            UsageError: too few pairs are known, or an admin has it off.
        """
        authorize(self.actor, Permission.INDEX)
        now = self._clock()
        with self._database.write() as uow:
            audit.record(
                uow,
                self.actor,
                now,
                "index.adapt",
                ("index", "all"),
                after={"off": off},
            )
            self._indexer.adapt(uow, now, off=off)
        return self._indexer.status()

    def verify_audit(self) -> Verification:
        """Check the audit chain from its first entry to its last."""
        return self.trail.verify(self.actor)

    def integrity_problems(self) -> list[str]:
        """Return what is wrong with the database file; empty if it is sound."""
        authorize(self.actor, Permission.VERIFY)
        return self._database.integrity_problems()

    def schema_version(self) -> str | None:
        """Return the version of the tables."""
        return self._database.schema_version()

    def close(self) -> None:
        """Close the database."""
        if self._database.audited and self.opened_by is SlotKind.KEYRING:
            self.trail.keep_head()
        self._database.close()
