"""Sealed field values: AES-256-GCM bound to the place they are stored in.

A sealed value is `version | key id length | key id | nonce | ciphertext and tag`.
Its associated data are the database, table, column, row and key id, each with its
length in front, so that a value moved anywhere else does not open. The key id picks
the key; keys are never tried in turn, because GCM does not commit to its key.

Values for a role that the writer may not read are sealed to that role's public key
with HPKE (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM).
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from issuetrack.engine.errors import PermissionDenied, TamperedError, UsageError
from issuetrack.engine.store.types import Role

SYMMETRIC, PUBLIC = 1, 2
NONCE_BYTES = 12
KEY_BYTES = 32
DEFAULT_PORTS = {"https": 443, "http": 80}
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def derive(secret: bytes, purpose: str) -> bytes:
    """Return a 32-byte key for one purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(secret)


def length_prefixed(*parts: str) -> bytes:
    """Join parts so that no two different lists give the same bytes."""
    out = bytearray()
    for part in parts:
        data = part.encode()
        out += len(data).to_bytes(4, "big") + data
    return bytes(out)


@dataclass(frozen=True)
class RoleKey:
    """One generation of a role's key pair; without the secret it can only seal."""

    key_id: str
    role: Role
    public: X25519PublicKey
    secret: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Place:
    """Where a sealed value lives.

    Attributes:
        origin: for a credential, the scheme, host and port that it is meant for.
    """

    table: str
    column: str
    row: str
    origin: str | None = None


def origin_of(url: str) -> str:
    """Return `scheme://host:port` of a url, in lower case, the port written out.

    Raises:
        UsageError: it is not a http(s) url with a host, or has a user name in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        host = (parts.hostname or "").rstrip(".").encode("idna").decode()
    except (KeyError, ValueError) as error:
        raise UsageError(f"{url} is not a http(s) url", "as https://host/") from error
    if not host or "@" in parts.netloc:
        raise UsageError(f"{url} has no host, or a user name in it", "as https://host/")
    written = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{written}:{port}"


def key_id_of(value: bytes) -> str:
    """Return the id of the key that a value is sealed under."""
    return bytes(value[2 : 2 + value[1]]).decode()


class FieldCipher:
    """Seals and opens the field values of one database for one principal.

    Args:
        database: the uuid of the database.
        keys: every generation of every role's key.
        current: the generation of each role to seal under.
        unknown: called once for a key id that is not among the keys, as after a
            rotation by somebody else; it may `replace` them.
    """

    def __init__(
        self,
        database: str,
        keys: Mapping[str, RoleKey],
        current: Mapping[Role, str],
        unknown: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._unknown = unknown
        self._ciphers: dict[str, AESGCM] = {}
        self.replace(keys, current)

    def replace(self, keys: Mapping[str, RoleKey], current: Mapping[Role, str]) -> None:
        """Use other keys from now on."""
        self._keys = keys
        self._current = current

    def current(self, role: Role) -> str:
        """Return the id of the key that values for a role are sealed under."""
        return self._current[role]

    def can_read(self, role: Role) -> bool:
        """Tell whether values for readers of this role can be opened."""
        return self._keys[self._current[role]].secret is not None

    def knows(self, value: bytes) -> bool:
        """Tell whether the key that a value names, if any, is among the keys."""
        try:
            return key_id_of(value) in self._keys
        except (IndexError, TypeError, UnicodeDecodeError):
            return True

    def seal(self, text: str, place: Place, reader: Role) -> bytes:
        """Seal a text for everyone who holds the reader role or a higher one."""
        key = self._keys[self._current[reader]]
        bound = self._bound(place, key.key_id)
        data = text.encode("utf-8", "surrogatepass")
        identifier = key.key_id.encode()
        if key.secret is None:
            head = bytes((PUBLIC, len(identifier))) + identifier
            return head + SUITE.encrypt(data, key.public, info=bound)
        nonce = os.urandom(NONCE_BYTES)
        head = bytes((SYMMETRIC, len(identifier))) + identifier
        return head + nonce + self._cipher(key).encrypt(nonce, data, bound)

    def open(self, value: bytes, place: Place) -> str:
        """Open a sealed value.

        Raises:
            PermissionDenied: the principal does not hold the value's key.
            TamperedError: the value was changed, or written for another place.
        """
        try:
            version, size = value[0], value[1]
            key_id = key_id_of(value)
        except (IndexError, TypeError, UnicodeDecodeError) as error:
            raise self._tampered(place) from error
        if key_id not in self._keys and self._unknown is not None:
            self._unknown()
        key = self._keys.get(key_id)
        if key is None or key.secret is None:
            raise PermissionDenied(
                f"the {place.column} of this {place.table} is for another role",
                "ask an admin for the role, or for the text",
            )
        rest, bound = value[2 + size :], self._bound(place, key_id)
        try:
            if version == PUBLIC:
                private = X25519PrivateKey.from_private_bytes(
                    derive(key.secret, "sealing")
                )
                data = SUITE.decrypt(rest, private, info=bound)
            elif version == SYMMETRIC:
                nonce, sealed = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
                data = self._cipher(key).decrypt(nonce, sealed, bound)
            else:
                raise self._tampered(place)
        except (InvalidTag, ValueError) as error:
            raise self._tampered(place) from error
        return data.decode("utf-8", "surrogatepass")

    def _cipher(self, key: RoleKey) -> AESGCM:
        if key.key_id not in self._ciphers:
            assert key.secret is not None
            self._ciphers[key.key_id] = AESGCM(derive(key.secret, "fields"))
        return self._ciphers[key.key_id]

    def _bound(self, place: Place, key_id: str) -> bytes:
        parts = (self._database, place.table, place.column, place.row, key_id)
        return length_prefixed(*parts, *([place.origin] if place.origin else []))

    @staticmethod
    def _tampered(place: Place) -> TamperedError:
        return TamperedError(
            f"the stored {place.column} of {place.table} {place.row} does not belong "
            "there: the file was changed by something else",
            "restore the last backup, or run: issuetrack doctor",
        )
