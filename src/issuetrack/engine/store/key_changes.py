"""What an admin, or a principal for itself, changes in a key file.

Changes are made on a copy; `Database.change_keys` commits them together with their
audit entry before the file is written.
"""

import secrets
import uuid
from collections.abc import Iterable, Mapping

from issuetrack.engine.errors import NotFoundError, UsageError
from issuetrack.engine.store import key_log
from issuetrack.engine.store.encryption import KEY_BYTES
from issuetrack.engine.store.key_log import Principal
from issuetrack.engine.store.keyslots import KeyFile
from issuetrack.engine.store.private_keys import (
    PrivateKeys,
    UnlockedKeys,
    new_private_keys,
    public_halves,
    public_of,
    wrapped,
)
from issuetrack.engine.store.slots import SlotKind, SlotSecret, encode
from issuetrack.engine.store.types import READER_ROLES, PrincipalKind, Role


class KeyChanges:
    """Changes to one key file, made by one principal."""

    def __init__(
        self, file: KeyFile, private: PrivateKeys, held: Mapping[str, bytes]
    ) -> None:
        self.file = file
        self._private = private
        self._held = dict(held)

    @classmethod
    def by(cls, keys: UnlockedKeys, file: KeyFile) -> "KeyChanges":
        """Return changes made by whoever unlocked the keys of a file."""
        held = {k.key_id: k.secret for k in keys.role_keys.values() if k.secret}
        pages = {p.salt: p.key_id for p in file.state.page_keys}
        held |= {pages[salt]: secret for salt, secret in keys.page_keys.items()}
        return cls(file, keys.private, held)

    def add(
        self,
        name: str,
        kind: PrincipalKind,
        role: Role,
        slot_secrets: Iterable[SlotSecret],
        audit: int,
        private: PrivateKeys | None = None,
    ) -> Principal:
        """Add a principal with new keys.

        Args:
            name: what it is called; never used before.
            kind: what it is.
            role: what it may do.
            slot_secrets: what opens its slots.
            audit: the sequence of the audit entry that tells of it.
            private: its private keys; None for new ones.
        """
        private = private or self._new_keys(uuid.uuid4().hex)
        self._sign(
            "add",
            uuid=private.principal,
            name=name,
            kind=kind.value,
            role=role.value,
            audit=audit,
            **public_halves(private),
        )
        slots = self.file.slots(private.principal)
        slots.extend(wrapped(private, secret) for secret in slot_secrets)
        self._distribute()
        return self.file.state.principals[private.principal]

    def set_role(self, principal: Principal, role: Role, audit: int) -> None:
        """Give a principal another role, and new keys to the roles that it loses."""
        self._renew_roles(principal.role, role)
        self._sign("role", uuid=principal.uuid, role=role.value, audit=audit)
        self._distribute()

    def disable(self, principal: Principal, audit: int) -> None:
        """Take the keys from a principal, and make new ones for what it held."""
        self._renew_roles(principal.role, Role.NONE)
        self._sign("disable", uuid=principal.uuid, audit=audit)
        self._distribute()

    def enable(self, principal: Principal, audit: int) -> None:
        """Seal the keys to a disabled principal again."""
        self._sign("enable", uuid=principal.uuid, audit=audit)
        self._distribute()

    def remove(self, principal: Principal, audit: int) -> None:
        """Remove a principal for good, and make new keys for what it held."""
        self._renew_roles(principal.role, Role.NONE)
        self._sign("remove", uuid=principal.uuid, audit=audit)
        self.file.forget(principal.uuid)
        self._distribute()

    def rekey(
        self, principal: Principal, slot_secrets: Iterable[SlotSecret], audit: int
    ) -> None:
        """Give a principal new key pairs and slots; the old ones open nothing."""
        private = self._new_keys(principal.uuid)
        self._sign("rekey", uuid=principal.uuid, audit=audit, **public_halves(private))
        self.file.forget(principal.uuid)
        slots = self.file.slots(principal.uuid)
        slots.extend(wrapped(private, secret) for secret in slot_secrets)
        self._distribute()

    def new_role_key(self, role: Role) -> str:
        """Start a new generation of a role's keys, and return its id."""
        key_id = self._new_role_key(role)
        self._distribute()
        return key_id

    def _new_role_key(self, role: Role) -> str:
        number = sum(g.role is role for g in self.file.state.generations) + 1
        key_id = f"{role.value}-{number}"
        secret = secrets.token_bytes(KEY_BYTES)
        self._sign(
            "role_key", id=key_id, role=role.value, public=encode(public_of(secret))
        )
        self._held[key_id] = secret
        return key_id

    def new_page_key(self, salt: bytes) -> bytes:
        """Add a page key for the file of a salt, and return it."""
        key_id = f"page-{len(self.file.state.page_keys) + 1}"
        self._sign("page_key", id=key_id, salt=salt.hex())
        self._held[key_id] = secrets.token_bytes(KEY_BYTES)
        self._distribute()
        return self._held[key_id]

    def retire(self, key_ids: Iterable[str]) -> None:
        """Drop keys that nothing is under any more."""
        for key_id in key_ids:
            self._held.pop(key_id, None)
        self._distribute()

    def add_slot(self, secret: SlotSecret) -> str:
        """Add a slot for the one who makes the changes, and return its id."""
        slot = wrapped(self._private, secret)
        self.file.slots(self._private.principal).append(slot)
        return str(slot["id"])

    def remove_slot(self, principal: Principal, slot_id: str) -> None:
        """Remove a slot, named by the beginning of its id.

        Raises:
            NotFoundError: there is no such slot.
            UsageError: it is the principal's last.
        """
        slots = self.file.slots(principal.uuid)
        found = [slot for slot in slots if slot_id and slot["id"].startswith(slot_id)]
        if len(found) != 1:
            raise NotFoundError(
                f"{principal.name} has no slot {slot_id}",
                "list them: issuetrack key status",
            )
        if len(slots) == 1:
            raise UsageError(
                f"it is the last slot of {principal.name}",
                "add another first: issuetrack key add-slot",
            )
        slots.remove(found[0])

    def replace_slots(self, kind: SlotKind, secret: SlotSecret) -> None:
        """Put one slot in the place of one's own slots of a kind."""
        slots = self.file.slots(self._private.principal)
        slots[:] = [slot for slot in slots if slot["kind"] != kind.value]
        self.add_slot(secret)

    def _new_keys(self, principal: str) -> PrivateKeys:
        payload = new_private_keys(self._private.anchor)
        return PrivateKeys(principal, payload, self._private.opened_by)

    def _sign(self, what: str, /, **details: str | int) -> None:
        event = key_log.append(self.file.state, self._private.signer, what, **details)
        self.file.follow(event)

    def _renew_roles(self, before: Role, after: Role) -> None:
        for role in READER_ROLES:
            if before.includes(role) and not after.includes(role):
                self._new_role_key(role)

    def _distribute(self) -> None:
        """Seal to every principal the keys of its role, and no others."""
        roles = {g.key_id: g.role for g in self.file.state.generations}
        for principal in self.file.state.principals.values():
            wanted = {
                key_id
                for key_id in self._held
                if not principal.disabled
                and (key_id not in roles or principal.role.includes(roles[key_id]))
            }
            sealed = self.file.sealed(principal.uuid)
            for key_id in set(sealed) - wanted:
                del sealed[key_id]
            for key_id in wanted - set(sealed):
                self.file.seal_key(principal, key_id, self._held[key_id])
