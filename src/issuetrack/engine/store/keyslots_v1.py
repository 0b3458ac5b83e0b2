"""Brings a key file of format 1, with one admin, to the signed log of format 2.

Format 1 signed each principal and role by itself. Its first admin signs the log of
format 2; slots and sealed keys are the same in both.
"""

import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from issuetrack.engine.errors import AuthenticationError
from issuetrack.engine.store import key_log
from issuetrack.engine.store.encryption import length_prefixed
from issuetrack.engine.store.file_guard import SALT_BYTES
from issuetrack.engine.store.key_log import KeyState, Principal, unsigned
from issuetrack.engine.store.keyslots import FORMAT, KeyFile
from issuetrack.engine.store.private_keys import PrivateKeys
from issuetrack.engine.store.slots import damaged, decode
from issuetrack.engine.store.types import READER_ROLES, PrincipalKind, Role
from issuetrack.engine.store.unlock import Unlock

SIGNED = ("uuid", "name", "kind", "role", "sealing_key", "signing_key")

Entry = dict[str, Any]


def upgrade(path: Path, database: Path, unlock: Unlock) -> None:
    """Write a key file of format 1 anew in format 2.

    Raises:
        AuthenticationError: it was not opened by its first admin.
        TamperedError: something in it is not signed by that admin.
    """
    try:
        content = json.loads(path.read_bytes())
        old = _Format1(content)
        private = unlock.open(old)
        owner = old.owner(private)
        old.check_signatures(owner)
        with database.open("rb") as file:
            salt = file.read(SALT_BYTES)
        made = _signed_log(old, private, owner, salt)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise damaged() from error
    made.unseal(private)
    made.save(path)


class _Format1(KeyFile):
    """A key file of format 1, as far as slots need it."""

    def __init__(self, content: Entry) -> None:
        self.entries: list[Entry] = content["principals"]
        self.roles: dict[str, list[Entry]] = content["roles"]
        self._content = {
            "database": content["database"],
            "slots": {entry["uuid"]: entry["slots"] for entry in self.entries},
            "sealed": {entry["uuid"]: entry["sealed"] for entry in self.entries},
        }
        people = {
            entry["uuid"]: Principal(
                entry["uuid"],
                entry["name"],
                PrincipalKind(entry["kind"]),
                Role(entry["role"]),
                decode(entry["sealing_key"]),
                decode(entry["signing_key"]),
            )
            for entry in self.entries
        }
        self.state = KeyState(content["database"], principals=people)

    def owner(self, private: PrivateKeys) -> Principal:
        """Return the first admin, who must be the one who opened the file."""
        found = self.state.principals[private.principal]
        if found.signing_key != private.anchor:
            raise AuthenticationError(
                "the key file is of an older format",
                f"let {self.entries[0]['name']} open the workspace once",
            )
        return found

    def check_signatures(self, owner: Principal) -> None:
        """Check that the first admin signed every principal and role."""
        public = Ed25519PublicKey.from_public_bytes(owner.signing_key)
        signed = [
            (e, length_prefixed(self.database, "principal", *(e[n] for n in SIGNED)))
            for e in self.entries
        ] + [
            (g, length_prefixed(self.database, "role", role, g["id"], g["public"]))
            for role, generations in self.roles.items()
            for g in generations
        ]
        for entry, content in signed:
            try:
                public.verify(decode(entry["signature"]), content)
            except InvalidSignature as error:
                raise unsigned("the key file of format 1") from error

    def parts(self) -> Entry:
        """Return the slots and sealed keys."""
        return {name: self._content[name] for name in ("database", "slots", "sealed")}


def _signed_log(
    old: _Format1, private: PrivateKeys, owner: Principal, salt: bytes
) -> KeyFile:
    made = KeyFile({"format": FORMAT, "revision": 1, "log": [], **old.parts()})

    def sign(what: str, **details: str | int) -> None:
        made.follow(key_log.append(made.state, private.signer, what, **details))

    first = [e for e in old.entries if e["uuid"] == owner.uuid]
    for entry in first + [e for e in old.entries if e["uuid"] != owner.uuid]:
        sign("add", audit=0, **{name: entry[name] for name in SIGNED})
    for role in READER_ROLES:
        for generation in old.roles[role]:
            public = generation["public"]
            sign("role_key", id=generation["id"], role=role.value, public=public)
    sign("page_key", id="page-1", salt=salt.hex())
    return made
