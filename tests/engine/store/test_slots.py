"""Slots: private keys under a secret, bound to whose they are."""

from typing import Any

import pytest

from issuetrack.engine.errors import TamperedError
from issuetrack.engine.store.slots import (
    Slot,
    SlotKind,
    SlotSecret,
    decode,
    encode,
    make_slot,
    open_slot,
)

KINDS = [kind for kind in SlotKind if kind is not SlotKind.LOGIN]
PRIVATE = bytes(range(96))


def secret(kind: SlotKind, value: bytes = b"the right one") -> SlotSecret:
    """Return a secret of a kind."""
    return SlotSecret(kind, value)


@pytest.mark.parametrize("kind", KINDS)
def test_slot_opens_with_its_secret_only(kind: SlotKind) -> None:
    """The right secret gives the keys back, a wrong one nothing at all."""
    slot = make_slot("anna", secret(kind), PRIVATE)

    assert open_slot("anna", slot, secret(kind)) == PRIVATE
    assert open_slot("anna", slot, secret(kind, b"a wrong one")) is None
    assert slot["kind"] == kind.value


# FAULTS 30
def test_slot_is_bound_to_its_owner_and_its_name() -> None:
    """A slot moved to somebody else, or renamed, is told to be changed."""
    kind = SlotKind.ENVIRONMENT
    slot = make_slot("anna", secret(kind), PRIVATE)
    with pytest.raises(TamperedError):
        open_slot("otto", slot, secret(kind))
    with pytest.raises(TamperedError):
        open_slot("anna", slot | {"id": "0" * 32}, secret(kind))


@pytest.mark.parametrize("place", [0, 12, 40, -1])
def test_changed_slot_is_told(place: int) -> None:
    """No byte of the wrapped keys can be changed unseen."""
    slot = make_slot("anna", secret(SlotKind.KEY_FILE), PRIVATE)
    data = bytearray(decode(slot["wrapped"]))
    data[place] ^= 1
    with pytest.raises(TamperedError):
        open_slot(
            "anna", slot | {"wrapped": encode(bytes(data))}, secret(SlotKind.KEY_FILE)
        )


def test_two_slots_of_one_secret_differ() -> None:
    """Equal secrets cannot be told from the file, not even passphrases."""
    for kind in (SlotKind.PASSPHRASE, SlotKind.ENVIRONMENT):
        one, two = (make_slot("anna", secret(kind), PRIVATE) for _ in range(2))
        assert one["wrapped"] != two["wrapped"]
    phrases = [make_slot("a", secret(SlotKind.PASSPHRASE), PRIVATE) for _ in range(2)]
    assert phrases[0]["check"] != phrases[1]["check"]


@pytest.mark.parametrize(
    "cost",
    [
        {"iterations": 0},
        {"iterations": 21},
        {"lanes": 17},
        {"memory_cost": 8191},
        {"memory_cost": 1048577},
    ],
)
def test_cost_of_a_passphrase_has_bounds(cost: dict[str, int]) -> None:
    """A file can ask neither for no work nor for all memory."""
    slot: Slot = make_slot("anna", secret(SlotKind.PASSPHRASE), PRIVATE)
    slot["argon2"] = slot["argon2"] | cost
    with pytest.raises(TamperedError):
        open_slot("anna", slot, secret(SlotKind.PASSPHRASE))


@pytest.mark.parametrize("text", ["?", "AAA", "AA==\n", "ÄÄÄÄ", 7, None])
def test_only_base64_is_decoded(text: Any) -> None:
    """What is no base64 is refused, not read as if it were."""
    with pytest.raises((ValueError, TypeError)):
        decode(text)
