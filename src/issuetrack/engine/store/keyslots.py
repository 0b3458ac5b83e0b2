"""The key file beside a database: who may open it, and with what.

Each principal has an X25519 pair (for sealing) and an Ed25519 pair (for signing).
A slot wraps the private keys under a secret that the principal presents. The page
key and the role keys are sealed to the principal's public key (HPKE, RFC 9180), so
that they can be changed for people who are absent. Who the principals are, and which
public keys count, is told by a signed log: see `key_log`. Every slot holds, beside the
private keys, the public key that the first event of the log must be signed with.
"""

import contextlib
import glob
import json
import os
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)

from issuetrack.engine.errors import LockedError, TamperedError
from issuetrack.engine.store import key_log
from issuetrack.engine.store.encryption import (
    SUITE,
    RoleKey,
    length_prefixed,
)
from issuetrack.engine.store.key_log import KeyState, Principal, unsigned
from issuetrack.engine.store.private_keys import (
    PrivateKeys,
    UnlockedKeys,
    new_private_keys,
    public_halves,
    public_of,
)
from issuetrack.engine.store.slots import (
    Slot,
    SlotKind,
    SlotSecret,
    damaged,
    decode,
    encode,
    open_slot,
)
from issuetrack.engine.store.types import READER_ROLES, PrincipalKind, Role

FORMAT = "issuetrack-keys/2"
FORMAT_1, BEGINNING = b"issuetrack-keys/1", 64
SALT_BYTES = 16
STALE_SECONDS = 60
RECOVERY = "recovery"

Entry = dict[str, Any]


def key_file_path(database: Path) -> Path:
    """Return the path of a database's key file."""
    return database.with_name(database.name + ".keys")


def is_format_1(path: Path) -> bool:
    """Tell whether a key file is of format 1: see `keyslots_v1`."""
    try:
        with path.open("rb") as file:
            return FORMAT_1 in file.read(BEGINNING)
    except OSError:
        return False


def _seal_info(database: str, key_id: str, principal: str) -> bytes:
    return length_prefixed(database, "key", key_id, principal)


class KeyFile:
    """The parsed key file of one database."""

    def __init__(self, content: Entry) -> None:
        self._content = content
        self.state = key_log.read(content["database"], content["log"])

    @property
    def database(self) -> str:
        """Return the uuid of the database that these keys belong to."""
        return str(self._content["database"])

    @property
    def revision(self) -> int:
        """Return how often the file was changed."""
        return int(self._content["revision"])

    @property
    def log(self) -> Sequence[key_log.Event]:
        """Return the events, oldest first."""
        found: list[key_log.Event] = self._content["log"]
        return found

    @classmethod
    def create(
        cls,
        owner: str,
        owner_secrets: Callable[[str], Iterable[SlotSecret]],
        recovery: SlotSecret,
    ) -> tuple["KeyFile", PrivateKeys]:
        """Return keys for a new database, and those of its first admin.

        Args:
            owner: the name of the admin.
            owner_secrets: given the database's uuid, what opens the admin's slots.
            recovery: what opens the recovery principal's slot.
        """
        from issuetrack.engine.store.key_changes import KeyChanges

        content: Entry = {
            "format": FORMAT,
            "database": uuid.uuid4().hex,
            "revision": 1,
            "log": [],
            "slots": {},
            "sealed": {},
        }
        file = cls(content)
        first = PrivateKeys(uuid.uuid4().hex, new_private_keys(None), SlotKind.RECOVERY)
        changes = KeyChanges(file, first, {})
        opened_by = list(owner_secrets(file.database))
        changes.add(owner, PrincipalKind.PERSON, Role.ADMIN, opened_by, 0, first)
        changes.add(RECOVERY, PrincipalKind.RECOVERY, Role.ADMIN, [recovery], 0)
        for role in READER_ROLES:
            changes.new_role_key(role)
        changes.new_page_key(secrets.token_bytes(SALT_BYTES))
        return file, first

    @classmethod
    def parse(cls, text: str | bytes, name: str = "the key file") -> "KeyFile":
        """Return the key file that a text is.

        Raises:
            TamperedError: it is none, or an event in it is not signed by an admin.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise TamperedError(
                f"{name} cannot be read", "put it back from a backup"
            ) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise TamperedError(
                f"{name} is not of the format {FORMAT}",
                "put it back from a backup, or upgrade issuetrack",
            )
        try:
            length_prefixed(content["database"])
            file = cls(content)
            _ = file.revision
            file.slot_kinds()
            for principal in file.state.principals:
                _ = {key: decode(v) for key, v in content["sealed"][principal].items()}
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise damaged() from error
        return file

    @classmethod
    def load(cls, path: Path) -> "KeyFile":
        """Read a key file.

        Raises:
            LockedError: there is none.
            TamperedError: it cannot be read as one, or is not signed by an admin.
        """
        try:
            text = path.read_bytes()
        except FileNotFoundError as error:
            raise LockedError(
                f"the key file {path} is missing",
                "put it back from a backup; without it the database cannot be opened",
            ) from error
        except OSError as error:
            raise TamperedError(
                f"the key file {path} cannot be read", "put it back from a backup"
            ) from error
        return cls.parse(text, f"the key file {path}")

    def dump(self) -> str:
        """Return the file's text."""
        return json.dumps(self._content, indent=1) + "\n"

    def copy(self, *, revision: int | None = None) -> "KeyFile":
        """Return a copy to be changed."""
        content = json.loads(json.dumps(self._content))
        return KeyFile(content | {"revision": revision or self.revision})

    def save(self, path: Path) -> None:
        """Write the file whole or not at all, readable by its owner only."""
        for stale in path.parent.glob(f"{glob.escape(path.name)}.*.new"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - stale.stat().st_mtime > STALE_SECONDS:
                    stale.unlink()
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(self.dump())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)

    def slots(self, principal: str) -> list[Slot]:
        """Return the slots of a principal."""
        found: list[Slot] = self._content["slots"].setdefault(principal, [])
        return found

    def sealed(self, principal: str) -> dict[str, str]:
        """Return the keys sealed to a principal, by key id."""
        found: dict[str, str] = self._content["sealed"].setdefault(principal, {})
        return found

    def forget(self, principal: str) -> None:
        """Drop the slots of a principal, and what is sealed to it."""
        self._content["slots"].pop(principal, None)
        self._content["sealed"].pop(principal, None)

    def follow(self, event: key_log.Event) -> None:
        """Append an event to the log."""
        self.state = key_log.follow(self.state, event)
        self._content["log"].append(event)

    def slot_kinds(self) -> set[SlotKind]:
        """Return the kinds of slot that somebody could open."""
        return {
            SlotKind(s["kind"]) for u in self.state.principals for s in self.slots(u)
        }

    def principals(self) -> list[Principal]:
        """Return who is in the file, in the order they were added."""
        return list(self.state.principals.values())

    def open_slot(
        self, secret: SlotSecret, among: Iterable[Principal]
    ) -> PrivateKeys | None:
        """Open the slot that a secret fits, if one of these principals has such.

        Raises:
            TamperedError: the slot was changed by something else.
        """
        try:
            for principal in among:
                for slot in self.slots(principal.uuid):
                    if slot["kind"] != secret.kind.value:
                        continue
                    payload = open_slot(principal.uuid, slot, secret)
                    if payload is not None:
                        return PrivateKeys(principal.uuid, payload, secret.kind)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise damaged() from error
        return None

    def unseal(self, private: PrivateKeys) -> UnlockedKeys:
        """Return the keys that a principal holds.

        Raises:
            LockedError: the principal was removed or disabled.
            TamperedError: the log does not begin with the admin that the principal
                trusts, or a key was exchanged.
        """
        first = self.state.tenures[:1]
        if [tenure.signing_key for tenure in first] != [private.anchor]:
            raise unsigned("the log of keys")
        principal = self.state.principals.get(private.principal)
        if principal is None or principal.disabled:
            name = principal.name if principal else "this user"
            raise LockedError(
                f"{name} may not open this workspace any more", "ask an admin"
            )
        if decode(public_halves(private)["signing_key"]) != principal.signing_key:
            raise LockedError(
                f"the keys of {principal.name} were replaced", "use the new ones"
            )
        opener = private.sealing
        return UnlockedKeys(
            principal,
            private,
            {
                generation.key_id: self._role_key(principal, generation, opener)
                for generation in self.state.generations
            },
            {role: self.state.current(role) for role in READER_ROLES},
            {
                page.salt: self._unsealed(principal, page.key_id, opener)
                for page in self.state.page_keys
                if page.key_id in self.sealed(principal.uuid)
            },
        )

    def _role_key(
        self,
        principal: Principal,
        generation: key_log.Generation,
        opener: X25519PrivateKey,
    ) -> RoleKey:
        secret = None
        if generation.key_id in self.sealed(principal.uuid):
            secret = self._unsealed(principal, generation.key_id, opener)
            if public_of(secret) != generation.public:
                raise unsigned(f"the key {generation.key_id}")
        public = X25519PublicKey.from_public_bytes(generation.public)
        return RoleKey(generation.key_id, generation.role, public, secret)

    def _unsealed(
        self, principal: Principal, key_id: str, opener: X25519PrivateKey
    ) -> bytes:
        info = _seal_info(self.database, key_id, principal.uuid)
        try:
            sealed = decode(self.sealed(principal.uuid)[key_id])
            return bytes(SUITE.decrypt(sealed, opener, info=info))
        except (InvalidTag, ValueError) as error:
            raise TamperedError(
                f"the key {key_id} sealed to {principal.name} does not open",
                "put the key file back from a backup",
            ) from error

    def seal_key(self, principal: Principal, key_id: str, secret: bytes) -> None:
        """Seal a key to a principal."""
        public = X25519PublicKey.from_public_bytes(principal.sealing_key)
        info = _seal_info(self.database, key_id, principal.uuid)
        sealed = SUITE.encrypt(secret, public, info=info)
        self.sealed(principal.uuid)[key_id] = encode(sealed)

    def extends(self, other: KeyState) -> bool:
        """Tell whether this file's log begins with all events of another state."""
        if self.state.events < other.events:
            return False
        earlier = key_log.read(self.database, self.log[: other.events])
        return earlier.head == other.head


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
