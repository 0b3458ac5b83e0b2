"""The operations that are killed, and what must be true of what is left."""

import re
import shutil
from abc import abstractmethod
from pathlib import Path

from faults.forked import BEGUN, Tell, Work
from faults.kit import (
    KEY,
    Content,
    batch_ends,
    content_of,
    difference,
    write_issues,
)
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.errors import AuthenticationError, IssueTrackError
from issuetrack.engine.identity.audit import GENESIS, _entry_hash
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.maintenance import MaintenanceService
from issuetrack.engine.store import sqlcipher
from issuetrack.engine.store.audit_head import head_file_path
from issuetrack.engine.store.database import SCHEMA_VERSION
from issuetrack.engine.store.keychain import Keychain
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.private_keys import PrivateKeys
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.tables import AuditEntry
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace, now_utc
from older_schemas import TO_0002

ISSUES, IMPORTED = 20, 210
DONE, MARK = "done", "marked before"
OTHER_KEY = "fedcba9876543210fedcba9876543210"
UNLOCK = Unlock(environment_key=KEY)
HALF_KEYS = re.compile(r"\.keys\.[0-9a-f]{32}\.new")
BLOBS = (
    "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c "
    "WHERE m.type = 'table' AND c.type IN ('BLOB', '') AND m.sql NOT LIKE '%VIRTUAL%'"
)


def create(path: Path) -> None:
    """Make a workspace."""
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])


def take_in(workspace: Workspace, source: Path) -> None:
    """Import a file."""
    items = FileReader(source, FileFormat.AUTO, {}).items()
    workspace.imports.run(workspace.actor, source.stem, FileFormat.AUTO, items)


def sound_content(workspace: Workspace) -> Content:
    """Return what is in a workspace, and check that all of it is sound."""
    found = content_of(workspace)
    bad = [f for f in workspace.maintenance.check(workspace.actor) if not f.ok]
    assert not bad, bad
    return found


def key_ids_in_use(workspace: Workspace) -> set[bytes]:
    """Return the ids of the keys that any binary value of any table begins with."""
    found: set[bytes] = set()
    with workspace._database.read() as uow:
        for table, column in uow.sql(BLOBS):
            rows = uow.sql(
                f'SELECT DISTINCT substr("{column}", 2, 1), substr("{column}", 3, 16) '
                f'FROM "{table}" WHERE typeof("{column}") = \'blob\''
            )
            found |= {key[: size[0]] for size, key in rows if size}
    return found


def live_keys(workspace: Workspace) -> set[bytes]:
    """Return the ids of the newest keys of the roles."""
    status = workspace.keys.status(workspace.actor)
    assert not status.unfinished
    return {line.key.encode() for line in status.keys if line.role and line.current}


def page_keys_of(path: Path) -> dict[bytes, bytes]:
    """Return the page keys that the owner holds, by the salt."""
    file = KeyFile.load(key_file_path(path))
    return dict(file.unseal(UNLOCK.open(file)).page_keys)


def assert_opens_nothing(path: Path, page_keys: dict[bytes, bytes]) -> None:
    """Check that no old page key opens the file."""
    for key in page_keys.values():
        try:
            sqlcipher.connect(path, key).close()
        except sqlcipher.Error:
            continue
        raise AssertionError("an old page key opens the file")


class Filled(Work):
    """A work on a workspace with issues; MARK is opened first and acknowledged."""

    content: Content

    def prepare(self, folder: Path) -> None:
        source = folder / "ops.jsonl"
        write_issues(source, ISSUES)
        path = folder / self.name
        create(path)
        workspace = Workspace.open(path, UNLOCK)
        take_in(workspace, source)
        self.more(workspace)
        workspace.close()
        workspace = Workspace.open(path, UNLOCK)
        self.content = sound_content(workspace)
        file = workspace._database.keychain.file
        self.old_keys = {g.key_id.encode() for g in file.state.generations}
        workspace.close()
        self.old_pages = page_keys_of(path)

    def more(self, workspace: Workspace) -> None:
        """Prepare more of a workspace."""

    def run(self, path: Path, tell: Tell) -> None:
        workspace = Workspace.open(path, UNLOCK)
        tell(BEGUN)
        workspace.issues.create(workspace.actor, IssueDraft(MARK))
        tell(MARK)
        self.work(workspace)
        tell(DONE)
        workspace.close()

    @abstractmethod
    def work(self, workspace: Workspace) -> None:
        """Do what is to be killed."""

    @abstractmethod
    def state(self, workspace: Workspace, told: list[str]) -> str:
        """Say how far the work came."""

    @abstractmethod
    def finished(self, path: Path, workspace: Workspace) -> None:
        """Check what is true once the work was run again."""

    def check(self, path: Path, told: list[str]) -> str:
        workspace = Workspace.open(path, UNLOCK)
        self.compare(sound_content(workspace), told)
        state = self.state(workspace, told)
        assert state == "after" or DONE not in told
        self.work(workspace)
        self.compare(sound_content(workspace), told)
        self.finished(path, workspace)
        workspace.close()
        again = Workspace.open(path, UNLOCK)
        self.compare(sound_content(again), told)
        again.close()
        left = {p.name.removeprefix(self.name) for p in path.parent.iterdir()}
        left = {end for end in left if not HALF_KEYS.fullmatch(end)}
        assert left <= {"", ".keys", ".head", ".lock", "ops.jsonl"}, left
        return state

    def compare(self, found: Content, told: list[str]) -> None:
        """Check that everything is there once, and the mark if it was acknowledged."""
        marks = [i for i in found.issues if i["summary"]["title"] == MARK]
        assert len(marks) == 1 or (not marks and MARK not in told)
        rest = [i for i in found.issues if i not in marks]
        queued = found.queued - len(marks)
        found = Content(rest, found.quarantine, found.links, queued)
        assert difference(self.content, found) == []


class Rotation(Filled):
    """New field keys."""

    def work(self, workspace: Workspace) -> None:
        workspace.keys.rotate(workspace.actor)

    def state(self, workspace: Workspace, told: list[str]) -> str:
        status = workspace.keys.status(workspace.actor)
        if status.unfinished:
            return "between"
        return "before" if self.old_keys == live_keys(workspace) else "after"

    def finished(self, path: Path, workspace: Workspace) -> None:
        used = key_ids_in_use(workspace)
        assert not used & self.old_keys
        assert live_keys(workspace) & used


class Rekey(Filled):
    """A new page key."""

    def work(self, workspace: Workspace) -> None:
        workspace.keys.rekey(workspace.actor)

    def state(self, workspace: Workspace, told: list[str]) -> str:
        if workspace.keys.status(workspace.actor).unfinished:
            return "between"
        salt = workspace._database._connections.salt()
        return "before" if salt in self.old_pages else "after"

    def finished(self, path: Path, workspace: Workspace) -> None:
        assert not workspace.keys.status(workspace.actor).unfinished
        workspace.close()
        assert_opens_nothing(path, self.old_pages)
        assert not self.old_pages.keys() & page_keys_of(path).keys()


class Removal(Rekey):
    """A user goes, and everything that the user could open gets new keys."""

    private: PrivateKeys

    def more(self, workspace: Workspace) -> None:
        secret = SlotSecret(SlotKind.ENVIRONMENT, OTHER_KEY.encode())
        workspace.accounts.add(workspace.actor, "bob", Role.ENGINEER, lambda _: secret)
        file = workspace._database.keychain.file
        self.private = Unlock(environment_key=OTHER_KEY).open(file)

    def work(self, workspace: Workspace) -> None:
        actor = workspace.actor
        if self.is_there(workspace):
            workspace.accounts.remove(actor, "bob")
        workspace.keys.finish(actor)
        workspace.keys.rekey(actor)

    @staticmethod
    def is_there(workspace: Workspace) -> bool:
        """Tell whether the user is still in the key file."""
        return "bob" in {a.name for a in workspace.accounts.every(workspace.actor)}

    def state(self, workspace: Workspace, told: list[str]) -> str:
        if self.is_there(workspace):
            return "before"
        return super().state(workspace, told).replace("before", "removed")

    def finished(self, path: Path, workspace: Workspace) -> None:
        used = key_ids_in_use(workspace)
        gone = {k for k in self.old_keys if not k.startswith(b"admin")}
        assert not used & gone
        super().finished(path, workspace)
        file = KeyFile.load(key_file_path(path))
        assert self.private.principal not in file.state.principals
        try:
            Keychain(key_file_path(path), file, self.private)
        except AuthenticationError:
            return
        raise AssertionError("a removed user opens the workspace")


def downgrade(path: Path) -> None:
    """Bring a closed workspace to schema 0001, as its program had written it."""
    workspace = Workspace.open(path, UNLOCK)
    with workspace._database.write() as uow:
        previous = GENESIS
        for (number,) in uow.sql("SELECT sequence FROM audit_entry ORDER BY sequence"):
            entry = uow.session.get_one(AuditEntry, number)
            entry.change_digest = None
            entry.previous_hash = previous
            entry.hash = previous = _entry_hash(entry)
            entry.signature = workspace.actor.signing.sign(entry.hash)
        uow.session.flush()
        for statement in TO_0002:
            uow.sql(statement)
        uow.sql("ALTER TABLE audit_entry DROP COLUMN change_digest")
        uow.sql("UPDATE alembic_version SET version_num = '0001'")
    workspace.close()
    head_file_path(path).unlink()


class Migration(Filled):
    """A workspace of schema 0001 is opened."""

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        downgrade(folder / self.name)
        for issue in self.content.issues:
            if issue["resolution"] is not None:
                issue["resolution"]["score"] = None

    def run(self, path: Path, tell: Tell) -> None:
        tell(BEGUN)
        workspace = Workspace.open(path, UNLOCK)
        workspace.close()
        tell(DONE)

    def work(self, workspace: Workspace) -> None:
        assert workspace.schema_version() == SCHEMA_VERSION

    def state(self, workspace: Workspace, told: list[str]) -> str:
        return "after"

    def finished(self, path: Path, workspace: Workspace) -> None:
        workspace.issues.create(workspace.actor, IssueDraft(MARK))

    def check(self, path: Path, told: list[str]) -> str:
        before = not head_file_path(path).exists()
        super().check(path, told)
        return "before" if before else "after"


class Restore(Filled):
    """A backup is put in the place of a workspace that went on."""

    later: Content

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        path = folder / self.name
        workspace = Workspace.open(path, UNLOCK)
        made = workspace.maintenance.backup(workspace.actor, folder / "backups")
        made.backup.rename(folder / "backup")
        (folder / "backups").rmdir()
        workspace.issues.create(workspace.actor, IssueDraft("after the backup"))
        self.later = sound_content(workspace)
        workspace.close()

    def run(self, path: Path, tell: Tell) -> None:
        tell(BEGUN)
        self.restore(path)
        tell(DONE)

    @staticmethod
    def restore(path: Path) -> None:
        """Put the backup in place."""
        backup = path.parent / "backup"
        MaintenanceService.restore(backup, path, UNLOCK, now_utc)

    def work(self, workspace: Workspace) -> None:
        raise AssertionError

    def state(self, workspace: Workspace, told: list[str]) -> str:
        raise AssertionError

    def finished(self, path: Path, workspace: Workspace) -> None:
        raise AssertionError

    @staticmethod
    def content_at(path: Path) -> Content:
        """Return what is in a workspace on disk."""
        workspace = Workspace.open(path, UNLOCK)
        try:
            return sound_content(workspace)
        finally:
            workspace.close()

    def check(self, path: Path, told: list[str]) -> str:
        found = self.content_at(path)
        restored = found == self.content
        assert restored or (found == self.later and DONE not in told)
        self.restore(path)
        assert self.content_at(path) == self.content
        kept = list(path.parent.glob("*.before-restore-*"))
        assert len(kept) == 1 + restored
        olds = [self.content_at(folder / self.name) for folder in kept]
        assert olds.count(self.later) == 1
        assert olds.count(self.content) == restored
        assert not list(path.parent.glob("*.restor*ing*"))
        assert not list(path.parent.glob("*.restored*"))
        return "after" if restored else "before"


class Init(Work):
    """A workspace is made."""

    def prepare(self, folder: Path) -> None:
        """Only load what making one takes: there is nothing before."""
        path = folder / "warm" / self.name
        create(path)
        shutil.rmtree(path.parent)

    def run(self, path: Path, tell: Tell) -> None:
        tell(BEGUN)
        create(path)
        tell(DONE)

    def check(self, path: Path, told: list[str]) -> str:
        try:
            workspace = Workspace.open(path, UNLOCK)
            state = "after"
        except IssueTrackError:
            assert DONE not in told
            create(path)
            workspace = Workspace.open(path, UNLOCK)
            state = "before"
        workspace.issues.create(workspace.actor, IssueDraft("first"))
        assert len(sound_content(workspace).issues) == 1
        workspace.close()
        return state


class Import(Work):
    """A file is taken in."""

    whole: Content

    def prepare(self, folder: Path) -> None:
        write_issues(folder / "ops.jsonl", IMPORTED)
        create(folder / self.name)
        path = folder / "whole" / self.name
        path.parent.mkdir()
        create(path)
        self.whole = self.take_in_all(path, folder / "ops.jsonl")

    @staticmethod
    def take_in_all(path: Path, source: Path) -> Content:
        """Import all and return what is there."""
        workspace = Workspace.open(path, UNLOCK)
        take_in(workspace, source)
        found = sound_content(workspace)
        workspace.close()
        return found

    def run(self, path: Path, tell: Tell) -> None:
        workspace = Workspace.open(path, UNLOCK)
        tell(BEGUN)
        take_in(workspace, path.parent / "ops.jsonl")
        tell(DONE)
        workspace.close()

    def check(self, path: Path, told: list[str]) -> str:
        workspace = Workspace.open(path, UNLOCK)
        left = sound_content(workspace).issues
        workspace.close()
        assert left == self.whole.issues[: len(left)]
        assert len(left) in batch_ends(path.parent / "ops.jsonl")
        assert len(left) == len(self.whole.issues) or DONE not in told
        found = self.take_in_all(path, path.parent / "ops.jsonl")
        assert difference(self.whole, found) == []
        return f"{len(left)} issues"


WORKS: dict[str, type[Work]] = {
    "rotation": Rotation,
    "rekey": Rekey,
    "removal": Removal,
    "migration": Migration,
    "restore": Restore,
    "init": Init,
    "import": Import,
}
