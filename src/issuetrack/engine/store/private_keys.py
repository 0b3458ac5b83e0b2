"""What a slot holds, and what it opens: the keys of one principal."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from issuetrack.engine.store.encryption import KEY_BYTES, RoleKey, derive
from issuetrack.engine.store.key_log import Principal, Signer
from issuetrack.engine.store.slots import Slot, SlotKind, SlotSecret, encode, make_slot
from issuetrack.engine.store.types import Role


@dataclass(frozen=True)
class PrivateKeys:
    """What a slot holds: a principal's private keys, and whom it trusts first.

    Attributes:
        principal: the uuid of the principal.
        payload: sealing key, signing key and anchor, 32 bytes each.
        opened_by: the kind of slot that they came out of.
    """

    principal: str
    payload: bytes = field(repr=False)
    opened_by: SlotKind

    @property
    def sealing(self) -> X25519PrivateKey:
        """Return the key that opens what is sealed to the principal."""
        return X25519PrivateKey.from_private_bytes(self.payload[:KEY_BYTES])

    @property
    def signing(self) -> Ed25519PrivateKey:
        """Return the key that signs for the principal."""
        found = self.payload[KEY_BYTES : 2 * KEY_BYTES]
        return Ed25519PrivateKey.from_private_bytes(found)

    @property
    def anchor(self) -> bytes:
        """Return the public signing key of the first admin."""
        return self.payload[2 * KEY_BYTES :]

    @property
    def signer(self) -> Signer:
        """Return the principal as one who signs events."""
        return Signer(self.principal, self.signing)


@dataclass(frozen=True)
class UnlockedKeys:
    """Everything one principal can do with a database.

    Attributes:
        role_keys: every generation of every role, with the secrets that it holds.
        current: the newest generation of each role.
        page_keys: by the salt of the file that they open.
    """

    principal: Principal
    private: PrivateKeys
    role_keys: Mapping[str, RoleKey] = field(repr=False)
    current: Mapping[Role, str]
    page_keys: Mapping[bytes, bytes] = field(repr=False)


def new_private_keys(anchor: bytes | None) -> bytes:
    """Return a new payload for slots; without an anchor it is its own."""
    signing = Ed25519PrivateKey.generate()
    return (
        X25519PrivateKey.generate().private_bytes_raw()
        + signing.private_bytes_raw()
        + (anchor or signing.public_key().public_bytes_raw())
    )


def public_halves(private: PrivateKeys) -> dict[str, str]:
    """Return the public keys of a payload as events name them."""
    return {
        "sealing_key": encode(private.sealing.public_key().public_bytes_raw()),
        "signing_key": encode(private.signing.public_key().public_bytes_raw()),
    }


def public_of(secret: bytes) -> bytes:
    """Return the public half that belongs to the secret of a role key."""
    private = X25519PrivateKey.from_private_bytes(derive(secret, "sealing"))
    return private.public_key().public_bytes_raw()


def wrapped(private: PrivateKeys, secret: SlotSecret) -> Slot:
    """Return a slot with a principal's private keys that a secret opens."""
    return make_slot(private.principal, secret, private.payload)
