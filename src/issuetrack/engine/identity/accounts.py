"""Users: who they are, and what an admin changes about them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from issuetrack.engine.errors import ConflictError, NotFoundError, UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor, register
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.key_log import KeyState, Principal
from issuetrack.engine.store.keyslots import KeyFile
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.tables import User
from issuetrack.engine.store.types import PrincipalKind, Role

SecretMaker = Callable[[str], SlotSecret]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


@dataclass(frozen=True)
class Account:
    """A user as others see it."""

    name: str
    kind: PrincipalKind
    role: Role
    disabled: bool
    slots: tuple[SlotKind, ...]
    uuid: str


class AccountService:
    """The users of one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    @property
    def _state(self) -> KeyState:
        return self._database.keychain.file.state

    def _account(self, principal: Principal) -> Account:
        slots = self._database.keychain.file.slots(principal.uuid)
        return Account(
            principal.name,
            principal.kind,
            principal.role,
            principal.disabled,
            tuple(SlotKind(slot["kind"]) for slot in slots),
            principal.uuid,
        )

    def every(self, actor: Actor) -> list[Account]:
        """Return all users, services and the recovery key, oldest first."""
        authorize(actor, Permission.OWN_KEYS)
        return [self._account(p) for p in self._state.principals.values()]

    def get(self, actor: Actor, name: str) -> Account:
        """Return one user.

        Raises:
            NotFoundError: there is none of that name.
        """
        authorize(actor, Permission.OWN_KEYS)
        return self._account(_named(self._state, name))

    def own(self, actor: Actor) -> Account:
        """Return the one who acts."""
        authorize(actor, Permission.IDENTIFY)
        return self._account(self._state.principals[actor.principal])

    def add(
        self,
        actor: Actor,
        name: str,
        role: Role,
        secret_for: SecretMaker,
        *,
        service: bool = False,
    ) -> Account:
        """Add a user or a service.

        Args:
            actor: an admin.
            name: never used before in this workspace.
            role: what it may do; NONE is for services only, ADMIN for people only.
            secret_for: given the database's uuid, what is to open its slot.
            service: whether it is a program.

        Raises:
            UsageError: the name or the role does not fit.
            ConflictError: the name was used before.
        """
        authorize(actor, Permission.MANAGE_USERS)
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is not a name for a user",
                "up to 64 letters, digits and . _ @ + -, beginning with one of the "
                "first two",
            )
        _check_role(role, service=service)
        kind = PrincipalKind.SERVICE if service else PrincipalKind.PERSON
        with self._database.change_keys() as (uow, changes):
            if name in {tenure.name for tenure in changes.file.state.tenures}:
                raise ConflictError(
                    f"the name {name} was used before in this workspace",
                    "choose another: the audit trail must stay clear",
                )
            now, after = self._clock(), {"role": role, "kind": kind}
            sequence = audit.record(
                uow, actor, now, "user.add", ("user", name), after=after
            )
            secret = unshared(changes.file, secret_for(changes.file.database))
            added = changes.add(name, kind, role, [secret], sequence)
            register(uow, added, now)
        return self._account(added)

    def set_role(self, actor: Actor, name: str, role: Role) -> Account:
        """Give a user another role.

        What the user could read and no longer may is under new keys from now on; the
        keys' `rotate` puts stored values under them.

        Raises:
            UsageError: the role does not fit, or the actor's own would change.
            ConflictError: it is the last admin.
        """
        authorize(actor, Permission.MANAGE_USERS)
        with self._database.change_keys() as (uow, changes):
            state = changes.file.state
            principal = _other(state, name, actor)
            _check_role(role, service=principal.kind is PrincipalKind.SERVICE)
            if role is not Role.ADMIN:
                _keep_an_admin(state, principal)
            sequence = audit.record(
                uow,
                actor,
                self._clock(),
                "user.role",
                ("user", name),
                before={"role": principal.role},
                after={"role": role},
            )
            changes.set_role(principal, role, sequence)
            principal = changes.file.state.principals[principal.uuid]
            register(uow, principal, self._clock())
        return self._account(principal)

    def disable(self, actor: Actor, name: str) -> Account:
        """Lock a user out, until enabled again.

        Raises:
            ConflictError: the user is disabled already, or the last admin.
        """
        authorize(actor, Permission.MANAGE_USERS)
        with self._database.change_keys() as (uow, changes):
            principal = _other(changes.file.state, name, actor)
            if principal.disabled:
                raise ConflictError(
                    f"{name} is disabled already",
                    f"to let them in again: issuetrack user enable {name}",
                )
            _keep_an_admin(changes.file.state, principal)
            sequence = audit.record(
                uow, actor, self._clock(), "user.disable", ("user", name), after={}
            )
            changes.disable(principal, sequence)
            principal = changes.file.state.principals[principal.uuid]
            register(uow, principal, self._clock())
        return self._account(principal)

    def enable(self, actor: Actor, name: str) -> Account:
        """Let a disabled user in again.

        Raises:
            ConflictError: the user is not disabled.
        """
        authorize(actor, Permission.MANAGE_USERS)
        with self._database.change_keys() as (uow, changes):
            principal = _other(changes.file.state, name, actor)
            if not principal.disabled:
                raise ConflictError(
                    f"{name} is not disabled",
                    f"look at them: issuetrack user show {name}",
                )
            sequence = audit.record(
                uow, actor, self._clock(), "user.enable", ("user", name), after={}
            )
            changes.enable(principal, sequence)
            principal = changes.file.state.principals[principal.uuid]
            register(uow, principal, self._clock())
        return self._account(principal)

    def remove(self, actor: Actor, name: str) -> None:
        """Remove a user for good; the audit trail keeps the name.

        Raises:
            ConflictError: it is the last admin.
        """
        authorize(actor, Permission.MANAGE_USERS)
        with self._database.change_keys() as (uow, changes):
            principal = _other(changes.file.state, name, actor)
            _keep_an_admin(changes.file.state, principal)
            sequence = audit.record(
                uow,
                actor,
                self._clock(),
                "user.remove",
                ("user", name),
                before={"role": principal.role},
            )
            changes.remove(principal, sequence)
            mirrored = uow.session.get_one(User, principal.uuid)
            mirrored.disabled = True

    def renew(self, actor: Actor, name: str, secret_for: SecretMaker) -> Account:
        """Give a user who lost every key new ones; the old ones open nothing.

        Raises:
            UsageError: it is the actor.
        """
        authorize(actor, Permission.MANAGE_USERS)
        with self._database.change_keys() as (uow, changes):
            principal = _other(changes.file.state, name, actor)
            sequence = audit.record(
                uow, actor, self._clock(), "user.renew", ("user", name), after={}
            )
            secret = secret_for(changes.file.database)
            unshared(changes.file, secret, name)
            changes.rekey(principal, [secret], sequence)
            principal = changes.file.state.principals[principal.uuid]
            register(uow, principal, self._clock())
        return self._account(principal)


def unshared(file: KeyFile, secret: SlotSecret, owner: str | None = None) -> SlotSecret:
    """Return a new key, unless it opens the workspace for somebody else already.

    Passphrases may be alike: whoever uses one says who they are.

    Raises:
        ConflictError: it would not be clear who acts.
    """
    others = [p for p in file.principals() if p.name != owner]
    found = None
    if secret.kind is not SlotKind.PASSPHRASE:
        found = file.open_slot(secret, others)
    if found is not None:
        name = file.state.principals[found.principal].name
        raise ConflictError(
            f"this key opens the workspace for {name} already",
            "choose another: a key belongs to one user",
        )
    return secret


def _named(state: KeyState, name: str) -> Principal:
    found = state.named(name)
    if found is None:
        raise NotFoundError(
            f"there is no user {name}", "list them: issuetrack user list"
        )
    return found


def _other(state: KeyState, name: str, actor: Actor) -> Principal:
    found = _named(state, name)
    if found.kind is PrincipalKind.RECOVERY:
        raise UsageError(
            "the recovery key is no user", "renew it: issuetrack key export-recovery"
        )
    if found.uuid == actor.principal:
        raise UsageError(
            "nobody changes this about themselves", "ask another admin to do it"
        )
    return found


def _check_role(role: Role, *, service: bool) -> None:
    if service and role is Role.ADMIN:
        raise UsageError("a service cannot be an admin", "engineer is the most it gets")
    if not service and role is Role.NONE:
        raise UsageError("a person needs a role", "use viewer, engineer or admin")


def _keep_an_admin(state: KeyState, leaving: Principal) -> None:
    """Refuse to go on without any person who is an admin."""
    admins = [
        p
        for p in state.principals.values()
        if p.is_admin and p.kind is PrincipalKind.PERSON and p.uuid != leaving.uuid
    ]
    if leaving.role is Role.ADMIN and not admins:
        raise ConflictError(
            f"{leaving.name} is the last admin",
            "make somebody else one first: issuetrack user role NAME admin",
        )
