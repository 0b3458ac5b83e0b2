"""Slots: a principal's private keys, wrapped under what the principal presents.

A check value derived from the secret says whether it fits before anything is opened,
because AES-GCM does not commit to its key.
"""

import hmac
import os
import uuid
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from issuetrack.engine.errors import TamperedError
from issuetrack.engine.store.encryption import (
    KEY_BYTES,
    NONCE_BYTES,
    derive,
    length_prefixed,
)

ARGON2 = {"iterations": 3, "lanes": 4, "memory_cost": 65536}
ARGON2_BOUNDS = {
    "iterations": (1, 20),
    "lanes": (1, 16),
    "memory_cost": (8192, 1048576),
}
SALT_BYTES = 16

Slot = dict[str, Any]


class SlotKind(StrEnum):
    """What a principal presents to open its slot.

    LOGIN is no slot of the key file: it is what `login` keeps for a short while.
    """

    KEYRING = "keyring"
    PASSPHRASE = "passphrase"  # noqa: S105 - the name of a kind
    KEY_FILE = "key_file"
    ENVIRONMENT = "environment"
    RECOVERY = "recovery"
    LOGIN = "login"


@dataclass(frozen=True)
class SlotSecret:
    """A secret that opens slots of one kind."""

    kind: SlotKind
    value: bytes = field(repr=False)


def encode(data: bytes) -> str:
    """Return bytes as the key file writes them."""
    return b64encode(data).decode()


def decode(text: str) -> bytes:
    """Return bytes from the key file.

    Raises:
        ValueError: it is not base64.
    """
    return b64decode(text, validate=True)


def damaged() -> TamperedError:
    """Return the error for a key file whose content makes no sense."""
    return TamperedError(
        "the key file was changed by something else",
        "put the key file back from a backup",
    )


def _wrapping_key(secret: SlotSecret, slot: Slot) -> bytes:
    if secret.kind is not SlotKind.PASSPHRASE:
        return derive(secret.value, f"slot {secret.kind}")
    cost = {name: int(slot["argon2"][name]) for name in ARGON2_BOUNDS}
    if any(not low <= cost[n] <= high for n, (low, high) in ARGON2_BOUNDS.items()):
        raise damaged()
    return Argon2id(
        salt=decode(slot["salt"]),
        length=KEY_BYTES,
        iterations=cost["iterations"],
        lanes=cost["lanes"],
        memory_cost=cost["memory_cost"],
    ).derive(secret.value)


def make_slot(principal: str, secret: SlotSecret, private: bytes) -> Slot:
    """Return a slot that the secret opens and that holds private keys."""
    slot: Slot = {"id": uuid.uuid4().hex, "kind": secret.kind.value}
    if secret.kind is SlotKind.PASSPHRASE:
        slot |= {"salt": encode(os.urandom(SALT_BYTES)), "argon2": ARGON2}
    nonce = os.urandom(NONCE_BYTES)
    key = _wrapping_key(secret, slot)
    bound = length_prefixed(principal, slot["id"])
    sealed = AESGCM(key).encrypt(nonce, private, bound)
    return slot | {
        "check": encode(derive(key, "check")),
        "wrapped": encode(nonce + sealed),
    }


def open_slot(principal: str, slot: Slot, secret: SlotSecret) -> bytes | None:
    """Return the private keys in a slot; None if the secret does not fit it.

    Raises:
        TamperedError: the secret fits and the content was changed.
    """
    key = _wrapping_key(secret, slot)
    if not hmac.compare_digest(derive(key, "check"), decode(slot["check"])):
        return None
    wrapped = decode(slot["wrapped"])
    bound = length_prefixed(principal, slot["id"])
    try:
        return AESGCM(key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound)
    except InvalidTag as error:
        raise damaged() from error
