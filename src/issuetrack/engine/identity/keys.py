"""The life of keys: where they stand, new ones, and retiring the old."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from issuetrack.engine.errors import ConflictError, PermissionDenied, UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.accounts import SecretMaker, unshared
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor, register
from issuetrack.engine.store.connections import Progress
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.key_log import Principal
from issuetrack.engine.store.resealing import reseal, rows_kept, rows_under
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import READER_ROLES, PrincipalKind, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

SHOWN_DIGITS = 8


@dataclass(frozen=True)
class KeyLine:
    """One key that is in use, or still to be retired.

    Attributes:
        key: its id.
        role: whose values it protects; None for the page key.
        current: whether new values go under it.
        rows: how many values are under it; None for a page key.
    """

    key: str
    role: Role | None
    current: bool
    rows: int | None


@dataclass(frozen=True)
class SlotLine:
    """One slot of the key file."""

    slot: str
    user: str
    kind: SlotKind


@dataclass(frozen=True)
class KeyStatus:
    """Where the keys of a workspace stand."""

    keys: tuple[KeyLine, ...]
    slots: tuple[SlotLine, ...]
    unfinished: bool


class KeyService:
    """The keys of one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def status(self, actor: Actor) -> KeyStatus:
        """Return which keys there are, what is under them, and who opens what."""
        authorize(actor, Permission.OWN_KEYS)
        file = self._database.keychain.file
        page = self._database.page_key_id
        with self._database.read() as uow:
            keys = [
                KeyLine(
                    key,
                    role,
                    key == file.state.current(role),
                    rows_under(uow, key) + rows_kept(uow, key),
                )
                for key, role in self._live()
            ]
            waiting = any(rows_under(uow, key) for key, _ in self._old())
        pages = [KeyLine(key, None, key == page, None) for key in self._pages()]
        slots = [
            SlotLine(slot["id"][:SHOWN_DIGITS], p.name, SlotKind(slot["kind"]))
            for p in file.principals()
            for slot in file.slots(p.uuid)
        ]
        retired = [key for key in keys if not key.current and not key.rows]
        unfinished = waiting or bool(retired) or len(pages) > 1
        return KeyStatus((*pages, *keys), tuple(slots), unfinished)

    def _live(self) -> list[tuple[str, Role]]:
        """Return the keys of roles that are still sealed to somebody."""
        file = self._database.keychain.file
        sealed = {key for p in file.principals() for key in file.sealed(p.uuid)}
        return [
            (g.key_id, g.role) for g in file.state.generations if g.key_id in sealed
        ]

    def _old(self) -> list[tuple[str, Role]]:
        state = self._database.keychain.file.state
        return [(key, role) for key, role in self._live() if key != state.current(role)]

    def _pages(self) -> list[str]:
        file = self._database.keychain.file
        sealed = {key for p in file.principals() for key in file.sealed(p.uuid)}
        return [p.key_id for p in file.state.page_keys if p.key_id in sealed]

    def rotate(self, actor: Actor, progress: Progress | None = None) -> int:
        """Make new keys for every role and put all values under them.

        An unfinished rotation is finished first; then new keys are made.

        Returns:
            how many values were sealed anew.
        """
        authorize(actor, Permission.MANAGE_KEYS)
        done = self.finish(actor, progress)
        with self._database.change_keys() as (uow, changes):
            made = [changes.new_role_key(role) for role in READER_ROLES]
            audit.record(
                uow,
                actor,
                self._clock(),
                "key.rotate",
                ("key", "roles"),
                after={"keys": made},
            )
        return done + self.finish(actor, progress)

    def finish(self, actor: Actor, progress: Progress | None = None) -> int:
        """Put all values under the current keys, and retire those before them.

        Returns:
            how many values were sealed anew.
        """
        authorize(actor, Permission.MANAGE_KEYS)
        old = self._old()
        if not old:
            return 0
        done = reseal(self._database, old, progress)
        with self._database.change_keys() as (uow, changes):
            empty = [key for key, _ in old if self._is_empty(uow, key)]
            changes.retire(empty)
            audit.record(
                uow,
                actor,
                self._clock(),
                "key.retire",
                ("key", "roles"),
                after={"keys": empty, "values": done},
            )
        return done

    @staticmethod
    def _is_empty(uow: UnitOfWork, key_id: str) -> bool:
        if rows_kept(uow, key_id):
            return False
        left = rows_under(uow, key_id)
        if left:
            raise ConflictError(
                f"{left} values are still under {key_id}",
                "go on: issuetrack key rotate --finish",
            )
        return True

    def rekey(self, actor: Actor, progress: Progress | None = None) -> str:
        """Put the whole file under a new page key, and return its name.

        Nobody else uses the file meanwhile: others wait, and go on with the new key.
        """
        authorize(actor, Permission.MANAGE_KEYS)
        salt = self._database.new_salt()
        with self._database.change_keys() as (uow, changes):
            audit.record(
                uow, actor, self._clock(), "key.rekey", ("key", "page"), after={}
            )
            changes.retire(self._other_pages())
            key = changes.new_page_key(salt)
        self._database.rekey(key, salt, progress)
        self.finish_rekey(actor)
        return self._database.page_key_id

    def finish_rekey(self, actor: Actor) -> None:
        """Retire the page keys that the file is not under."""
        authorize(actor, Permission.MANAGE_KEYS)
        if not self._other_pages():
            return
        with self._database.change_keys() as (uow, changes):
            others = self._other_pages()
            changes.retire(others)
            audit.record(
                uow,
                actor,
                self._clock(),
                "key.retire",
                ("key", "page"),
                after={"keys": others},
            )

    def _other_pages(self) -> list[str]:
        return [key for key in self._pages() if key != self._database.page_key_id]

    def add_slot(self, actor: Actor, secret_for: SecretMaker) -> SlotLine:
        """Add another way for the actor to open the workspace.

        Args:
            actor: who gets it.
            secret_for: given the database's uuid, what is to open the slot.
        """
        authorize(actor, Permission.OWN_KEYS)
        with self._database.change_keys() as (uow, changes):
            self._refuse_recovery(actor)
            secret = secret_for(changes.file.database)
            unshared(changes.file, secret, actor.name)
            self._record_slot(uow, actor, "key.add_slot", actor.name, secret.kind)
            slot = changes.add_slot(secret)
        return SlotLine(slot[:SHOWN_DIGITS], actor.name, secret.kind)

    def change_passphrase(self, actor: Actor, secret_for: SecretMaker) -> None:
        """Put a new passphrase in the place of the actor's old one."""
        authorize(actor, Permission.IDENTIFY)
        with self._database.change_keys() as (uow, changes):
            self._refuse_recovery(actor)
            secret = secret_for(changes.file.database)
            self._record_slot(uow, actor, "user.passwd", actor.name, secret.kind)
            changes.replace_slots(SlotKind.PASSPHRASE, secret)

    def remove_slot(self, actor: Actor, slot: str) -> None:
        """Remove a slot, one's own; an admin removes anybody's.

        Raises:
            NotFoundError: there is no such slot.
            UsageError: it is the last of its user.
        """
        authorize(actor, Permission.OWN_KEYS)
        owner = self._owner_of(slot, actor)
        if owner.uuid != actor.principal:
            authorize(actor, Permission.MANAGE_USERS)
        with self._database.change_keys() as (uow, changes):
            self._record_slot(uow, actor, "key.remove_slot", owner.name, None)
            changes.remove_slot(owner, slot)

    def _refuse_recovery(self, actor: Actor) -> None:
        """Refuse to give the recovery key another slot: it is no user."""
        principal = self._database.keychain.file.state.principals[actor.principal]
        if principal.kind is PrincipalKind.RECOVERY:
            raise UsageError(
                "the recovery key is no user and gets no keys",
                "let a user in again with it: issuetrack key recover NAME",
            )

    def _owner_of(self, slot: str, actor: Actor) -> Principal:
        file = self._database.keychain.file
        for principal in file.principals():
            if any(s["id"].startswith(slot) for s in file.slots(principal.uuid)):
                return principal
        return file.state.principals[actor.principal]

    def _record_slot(
        self,
        uow: UnitOfWork,
        actor: Actor,
        action: str,
        user: str,
        kind: SlotKind | None,
    ) -> None:
        after = {"slot": kind}
        audit.record(uow, actor, self._clock(), action, ("user", user), after=after)

    def renew_recovery(self, actor: Actor, secret: SlotSecret) -> None:
        """Put a new recovery key in the place of the old one.

        Raises:
            PermissionDenied: the actor is the recovery key itself.
        """
        authorize(actor, Permission.MANAGE_KEYS)
        with self._database.change_keys() as (uow, changes):
            recovery = next(
                p for p in changes.file.principals() if p.kind is PrincipalKind.RECOVERY
            )
            if recovery.uuid == actor.principal:
                raise PermissionDenied(
                    "the recovery key cannot replace itself",
                    "recover a user first: issuetrack key recover",
                )
            sequence = audit.record(
                uow,
                actor,
                self._clock(),
                "key.renew_recovery",
                ("key", "recovery"),
                after={},
            )
            changes.rekey(recovery, [secret], sequence)
            renewed = changes.file.state.principals[recovery.uuid]
            register(uow, renewed, self._clock())
