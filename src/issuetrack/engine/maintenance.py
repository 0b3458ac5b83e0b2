"""Looking after a workspace: backup, restore, checks, compaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from issuetrack.engine.errors import TamperedError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.retrieval.consistency import index_problems
from issuetrack.engine.store import backup as backups
from issuetrack.engine.store.audit_head import HeadFile
from issuetrack.engine.store.connections import Progress
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.keychain import Keychain
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.resealing import unreadable_values
from issuetrack.engine.store.unlock import Unlock

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class BackupReport:
    """What a backup made, and which older ones it removed."""

    backup: Path
    bytes: int
    removed: tuple[Path, ...]


@dataclass(frozen=True)
class Compaction:
    """The size of the database file, before and after."""

    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        detail: what was found.
        remedy: what to do about it, if anything.
    """

    check: str
    ok: bool
    detail: str
    remedy: str | None = None


RESTORE = "restore the last backup: issuetrack db restore FOLDER"


class MaintenanceService:
    """The upkeep of one workspace."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def backup(
        self,
        actor: Actor,
        folder: Path | None = None,
        keep: int | None = None,
        progress: Progress | None = None,
    ) -> BackupReport:
        """Copy the workspace with its keys, while others work.

        Args:
            actor: an engineer.
            folder: where to; None for `backups` beside the database.
            keep: how many to keep there; None for all.
            progress: called with the pages copied, and how many there are.

        Raises:
            StoreError: there is no room for it.
        """
        authorize(actor, Permission.BACKUP)
        backups.checked_keep(keep)
        path = self._database.path
        folder = folder or path.parent / "backups"
        now = self._clock()
        with self._database.write() as uow:
            audit.record(
                uow,
                actor,
                now,
                "db.backup",
                ("database", path.name),
                after={"to": str(folder)},
            )
        made = backups.backup(self._database, folder, now, progress)
        removed = backups.prune(path.name, folder, keep) if keep else []
        size = sum(file.stat().st_size for file in made.iterdir())
        return BackupReport(made, size, tuple(removed))

    def compact(self, actor: Actor) -> Compaction:
        """Give room that is no longer used back to the file system."""
        authorize(actor, Permission.BACKUP)
        path = self._database.path
        before = path.stat().st_size
        with self._database.write() as uow:
            audit.record(
                uow,
                actor,
                self._clock(),
                "db.compact",
                ("database", path.name),
                after={},
            )
        self._database.compact()
        return Compaction(before, path.stat().st_size)

    def check(self, actor: Actor, progress: Progress | None = None) -> list[Finding]:
        """Look at the file, its rows, the sealed values, the index and the audit."""
        authorize(actor, Permission.VERIFY)
        problems = self._database.integrity_problems()
        findings = [_finding("file", problems, "sound", RESTORE)]
        with self._database.read() as uow:
            count, broken = unreadable_values(uow, progress)
            findings.append(
                _finding("values", broken, f"{count} sealed values open", RESTORE)
            )
            rebuild = "issuetrack index rebuild"
            findings.append(
                _finding("index", index_problems(uow), "agrees with the rows", rebuild)
            )
        keychain = self._database.keychain
        with self._database.read() as uow:
            verified = audit.verify(uow, lambda: keychain.file.state.tenures)
        bad = []
        if verified.broken_at is not None:
            bad = [f"entry {verified.broken_at}: {verified.reason}"]
        good = f"{verified.entries} entries, unbroken"
        findings.append(_finding("audit", bad, good, RESTORE))
        return findings

    @staticmethod
    def restore(source: Path, target: Path, unlock: Unlock, clock: Clock) -> None:
        """Put a backup in the place of a workspace, which is kept beside it.

        Args:
            source: the folder of the backup.
            target: the database to replace, or to make.
            unlock: what opens the backup as an admin.
            clock: tells the time.

        Raises:
            PermissionDenied: the backup was not opened by an admin.
            TamperedError: the backup is damaged.
        """
        backups.finish_restore(target)
        lost = HeadFile(target).read()
        with backups.staged(backups.database_in(source), target) as copy:
            file = KeyFile.load(key_file_path(copy))
            keychain = Keychain(key_file_path(copy), file, unlock.open(file))
            database = Database(copy, keychain)
            try:
                database.migrate()
                database.settle_keys()
                actor = Actor.from_keys(keychain.keys)
                authorize(actor, Permission.MANAGE_KEYS)
                _refuse_damaged(MaintenanceService(database, clock).check(actor))
                with database.write() as uow:
                    audit.record(
                        uow,
                        actor,
                        clock(),
                        "db.restore",
                        ("database", target.name),
                        before={"audit entries": lost.sequence if lost else None},
                        after={"from": str(source)},
                    )
            finally:
                database.close()


def _finding(check: str, problems: list[str], good: str, remedy: str) -> Finding:
    if not problems:
        return Finding(check, True, good)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Finding(check, False, problems[0] + more, remedy)


def _refuse_damaged(findings: list[Finding]) -> None:
    bad = [f for f in findings if not f.ok and f.check != "index"]
    if bad:
        raise TamperedError(
            f"the backup is damaged: {bad[0].check}: {bad[0].detail}",
            "choose another backup; nothing was changed",
        )
