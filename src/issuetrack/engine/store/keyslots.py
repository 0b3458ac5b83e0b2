"""The key file beside a database: who may open it, and with what.

Each principal has an X25519 pair (for sealing) and an Ed25519 pair (for signing).
A slot wraps the private keys under a secret that the principal presents. The page
key and the role keys are sealed to the principal's public key, so that they can be
changed for people who are absent.

Public keys, of principals and of roles, are signed by an admin. Who is an admin follows
from the first one's public key, which every slot holds beside the private keys: whoever
edits the file can add nobody that others would trust.
"""

import json
import os
import secrets
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)

from issuetrack.engine.errors import LockedError, TamperedError, WrongKeyError
from issuetrack.engine.store.encryption import (
    KEY_BYTES,
    SUITE,
    FieldCipher,
    RoleKey,
    derive,
    length_prefixed,
)
from issuetrack.engine.store.slots import SlotKind as SlotKind
from issuetrack.engine.store.slots import SlotSecret as SlotSecret
from issuetrack.engine.store.slots import (
    damaged,
    decode,
    encode,
    make_slot,
    open_slot,
)
from issuetrack.engine.store.types import PrincipalKind, Role

FORMAT = "issuetrack-keys/1"
FIRST_PAGE_KEY = "page-1"

Entry = dict[str, Any]


@dataclass(frozen=True)
class UnlockedKeys:
    """Everything one principal can do with a database."""

    principal: str
    name: str
    kind: PrincipalKind
    role: Role
    signing: Ed25519PrivateKey = field(repr=False)
    page_key: bytes = field(repr=False)
    cipher: FieldCipher = field(repr=False)


@dataclass(frozen=True)
class PublicPrincipal:
    """What everybody may know of a principal."""

    principal: str
    name: str
    kind: PrincipalKind
    role: Role
    sealing_key: bytes
    signing_key: bytes


@dataclass(frozen=True)
class _Signer:
    """Who signs a public key, with what, and whom everybody trusts first."""

    principal: str
    key: Ed25519PrivateKey
    anchor: bytes

    def sign(self, entry: Entry, signed: bytes) -> None:
        entry["signed_by"] = self.principal
        entry["signature"] = encode(self.key.sign(signed))


def key_file_path(database: Path) -> Path:
    """Return the path of a database's key file."""
    return database.with_name(database.name + ".keys")


def _signed_bytes(database: str, entry: Entry) -> bytes:
    names = ("uuid", "name", "kind", "role", "sealing_key", "signing_key")
    return length_prefixed(database, "principal", *(entry[name] for name in names))


def _signed_role(database: str, role: Role, generation: Entry) -> bytes:
    return length_prefixed(
        database, "role", role.value, generation["id"], generation["public"]
    )


def _seal_info(database: str, key_id: str, principal: str) -> bytes:
    return length_prefixed(database, "key", key_id, principal)


def _public_of(secret: bytes) -> bytes:
    private = X25519PrivateKey.from_private_bytes(derive(secret, "sealing"))
    return private.public_key().public_bytes_raw()


def _is_signed(entry: Entry, signer: Entry, signed: bytes) -> bool:
    public = Ed25519PublicKey.from_public_bytes(decode(signer["signing_key"]))
    try:
        public.verify(decode(entry["signature"]), signed)
    except InvalidSignature:
        return False
    return True


class KeyFile:
    """The parsed key file of one database."""

    def __init__(self, content: Entry) -> None:
        self._content = content

    @property
    def database(self) -> str:
        """Return the uuid of the database that these keys belong to."""
        return str(self._content["database"])

    @property
    def _principals(self) -> list[Entry]:
        found: list[Entry] = self._content["principals"]
        return found

    @classmethod
    def create(
        cls,
        owner: str,
        owner_secrets: Callable[[str], Iterable[SlotSecret]],
        recovery: SlotSecret,
        now: datetime,
    ) -> "KeyFile":
        """Return keys for a new database: one admin and one recovery principal.

        Args:
            owner: the name of the admin.
            owner_secrets: given the database's uuid, what opens the admin's slots.
            recovery: what opens the recovery principal's slot.
            now: when the keys are made.
        """
        content: Entry = {
            "format": FORMAT,
            "database": uuid.uuid4().hex,
            "page_key": FIRST_PAGE_KEY,
            "roles": {},
            "principals": [],
        }
        file = cls(content)
        keys = {f"{role.value}-1": secrets.token_bytes(KEY_BYTES) for role in Role}
        keys[FIRST_PAGE_KEY] = secrets.token_bytes(KEY_BYTES)
        slots = owner_secrets(file.database)
        admin = file._add(owner, PrincipalKind.PERSON, slots, keys, None)
        file._add("recovery", PrincipalKind.RECOVERY, [recovery], keys, admin)
        for role in Role:
            generation = {
                "id": f"{role.value}-1",
                "public": encode(_public_of(keys[f"{role.value}-1"])),
                "created_at": now.isoformat(),
            }
            admin.sign(generation, _signed_role(file.database, role, generation))
            content["roles"][role.value] = [generation]
        return file

    def _add(
        self,
        name: str,
        kind: PrincipalKind,
        slot_secrets: Iterable[SlotSecret],
        keys: dict[str, bytes],
        signer: _Signer | None,
    ) -> _Signer:
        sealing, signing = X25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        principal = uuid.uuid4().hex
        public = signing.public_key().public_bytes_raw()
        itself = _Signer(principal, signing, signer.anchor if signer else public)
        signer = signer or itself
        private = (
            sealing.private_bytes_raw() + signing.private_bytes_raw() + signer.anchor
        )
        entry: Entry = {
            "uuid": principal,
            "name": name,
            "kind": kind.value,
            "role": Role.ADMIN.value,
            "sealing_key": encode(sealing.public_key().public_bytes_raw()),
            "signing_key": encode(public),
        }
        signer.sign(entry, _signed_bytes(self.database, entry))
        entry |= {
            "slots": [make_slot(principal, s, private) for s in slot_secrets],
            "sealed": {
                key_id: encode(
                    SUITE.encrypt(
                        value,
                        sealing.public_key(),
                        info=_seal_info(self.database, key_id, principal),
                    )
                )
                for key_id, value in keys.items()
            },
        }
        self._principals.append(entry)
        return itself

    @classmethod
    def load(cls, path: Path) -> "KeyFile":
        """Read a key file.

        Raises:
            LockedError: there is none.
            TamperedError: it cannot be read as one.
        """
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise LockedError(
                f"the key file {path} is missing",
                "put it back from a backup; without it the database cannot be opened",
            ) from error
        except (OSError, ValueError, RecursionError) as error:
            raise TamperedError(
                f"the key file {path} cannot be read", "put it back from a backup"
            ) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise TamperedError(
                f"the key file {path} is not of the format {FORMAT}",
                "put it back from a backup, or upgrade issuetrack",
            )
        file = cls(content)
        try:
            length_prefixed(content["database"])
            file.slot_kinds()
            file.principals()
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise damaged() from error
        return file

    def save(self, path: Path) -> None:
        """Write the file whole or not at all, readable by its owner only."""
        temporary = path.with_name(path.name + ".new")
        temporary.unlink(missing_ok=True)
        try:
            self._write(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(self._content, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())

    def slot_kinds(self) -> set[SlotKind]:
        """Return the kinds of slot that somebody could open."""
        return {SlotKind(s["kind"]) for e in self._principals for s in e["slots"]}

    def principals(self) -> list[PublicPrincipal]:
        """Return who is in the file, in the order they were added."""
        return [
            PublicPrincipal(
                entry["uuid"],
                entry["name"],
                PrincipalKind(entry["kind"]),
                Role(entry["role"]),
                decode(entry["sealing_key"]),
                decode(entry["signing_key"]),
            )
            for entry in self._principals
        ]

    def unlock(self, offered: Iterable[SlotSecret]) -> UnlockedKeys:
        """Open the first slot that one of the secrets fits.

        Raises:
            LockedError: no secret was offered.
            WrongKeyError: none of the secrets fits a slot.
            TamperedError: the file was changed by somebody who is no admin.
        """
        any_offered = False
        for secret in offered:
            any_offered = True
            try:
                unlocked = self._unlock(secret)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise damaged() from error
            if unlocked is not None:
                return unlocked
        if not any_offered:
            raise LockedError(
                "the workspace is locked and no key was offered",
                "use --key-file PATH, or set ISSUETRACK_KEY_FILE or "
                "ISSUETRACK_PASSPHRASE_FILE",
            )
        raise WrongKeyError(
            "the key does not open this workspace",
            "check --db and --key-file: they must belong together",
        )

    def _unlock(self, secret: SlotSecret) -> UnlockedKeys | None:
        for entry in self._principals:
            for slot in entry["slots"]:
                if slot["kind"] == secret.kind.value:
                    private = open_slot(entry["uuid"], slot, secret)
                    if private is not None:
                        return self._unseal(entry, private)
        return None

    def _check_signatures(self, anchor: bytes) -> None:
        """Refuse a file with any key that no admin vouches for.

        Args:
            anchor: the public signing key of the first admin.
        """
        entries = {entry["uuid"]: entry for entry in self._principals}
        if len(entries) != len(self._principals):
            raise damaged()
        trusted: dict[str, Entry] = {}
        waiting = list(entries.values())
        while waiting:
            vouched = [e for e in waiting if self._is_vouched(e, trusted, anchor)]
            if not vouched:
                raise self._unsigned(waiting[0]["name"])
            trusted |= {entry["uuid"]: entry for entry in vouched}
            waiting = [entry for entry in waiting if entry["uuid"] not in trusted]
        for role in Role:
            for generation in self._content["roles"][role.value]:
                signer = trusted.get(generation["signed_by"])
                signed = _signed_role(self.database, role, generation)
                if not (
                    signer
                    and signer["role"] == Role.ADMIN.value
                    and _is_signed(generation, signer, signed)
                ):
                    raise self._unsigned(f"the role {role}")

    def _is_vouched(
        self, entry: Entry, trusted: dict[str, Entry], anchor: bytes
    ) -> bool:
        first = decode(entry["signing_key"]) == anchor
        itself = first and entry["signed_by"] == entry["uuid"]
        signer = entry if itself else trusted.get(entry["signed_by"])
        if signer is None or signer["role"] != Role.ADMIN.value:
            return False
        return _is_signed(entry, signer, _signed_bytes(self.database, entry))

    @staticmethod
    def _unsigned(name: str) -> TamperedError:
        return TamperedError(
            f"the public key of {name} is not signed by an admin",
            "put the key file back from a backup",
        )

    def _unseal(self, entry: Entry, private: bytes) -> UnlockedKeys:
        sealing, signing, anchor = (
            private[start : start + KEY_BYTES]
            for start in range(0, 3 * KEY_BYTES, KEY_BYTES)
        )
        self._check_signatures(anchor)
        opener = X25519PrivateKey.from_private_bytes(sealing)
        keys: dict[str, RoleKey] = {}
        current: dict[Role, str] = {}
        for role in Role:
            for generation in self._content["roles"][role.value]:
                key_id, public = generation["id"], decode(generation["public"])
                secret = None
                if key_id in entry["sealed"]:
                    secret = self._open_sealed(entry, key_id, opener)
                    if _public_of(secret) != public:
                        raise self._unsigned(f"the role {role}")
                keys[key_id] = RoleKey(
                    key_id, role, X25519PublicKey.from_public_bytes(public), secret
                )
                current[role] = key_id
        return UnlockedKeys(
            entry["uuid"],
            entry["name"],
            PrincipalKind(entry["kind"]),
            Role(entry["role"]),
            Ed25519PrivateKey.from_private_bytes(signing),
            self._open_sealed(entry, self._content["page_key"], opener),
            FieldCipher(self.database, keys, current),
        )

    def _open_sealed(
        self, entry: Entry, key_id: str, opener: X25519PrivateKey
    ) -> bytes:
        info = _seal_info(self.database, key_id, entry["uuid"])
        try:
            sealed = decode(entry["sealed"][key_id])
            return bytes(SUITE.decrypt(sealed, opener, info=info))
        except (InvalidTag, KeyError, ValueError) as error:
            raise TamperedError(
                f"the key {key_id} sealed to {entry['name']} does not open",
                "put the key file back from a backup",
            ) from error
