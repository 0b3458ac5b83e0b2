"""Sealed field values: they open where they were sealed, and nowhere else."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from issuetrack.engine.errors import PermissionDenied, TamperedError
from issuetrack.engine.store.encryption import (
    PUBLIC,
    SYMMETRIC,
    FieldCipher,
    Place,
    RoleKey,
    derive,
    length_prefixed,
)
from issuetrack.engine.store.types import READER_ROLES, Role

PLACE = Place("issue", "body", "row-1")
SECRETS = {role: bytes([role.rank]) * 32 for role in READER_ROLES}
TEXTS = [
    pytest.param("", id="empty"),
    pytest.param("node 7 is down", id="ascii"),
    pytest.param("gelöst \U00010348", id="beyond the basic plane"),
    pytest.param("a\0b\0", id="NUL"),
    pytest.param("\ud800 \udfff \udc00\ud800", id="lone surrogates"),
    pytest.param("0123456789abcdef" * 65536, id="1 MB"),
]


def role_key(key_id: str, role: Role, secret: bytes, *, held: bool = True) -> RoleKey:
    """Return a key pair made from a secret, with or without that secret."""
    private = X25519PrivateKey.from_private_bytes(derive(secret, "sealing"))
    return RoleKey(key_id, role, private.public_key(), secret if held else None)


def cipher_of(holder: Role, database: str = "database-1") -> FieldCipher:
    """Return the cipher of a principal with a role."""
    keys = {
        f"{role}-1": role_key(
            f"{role}-1", role, SECRETS[role], held=holder.includes(role)
        )
        for role in READER_ROLES
    }
    return FieldCipher(database, keys, {role: f"{role}-1" for role in READER_ROLES})


ADMIN = cipher_of(Role.ADMIN)
VIEWER = cipher_of(Role.VIEWER)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("reader", READER_ROLES)
def test_sealed_text_opens_again(text: str, reader: Role) -> None:
    """Whatever a text holds, it comes back as it was."""
    sealed = ADMIN.seal(text, PLACE, reader)

    assert sealed[0] == SYMMETRIC
    assert ADMIN.open(sealed, PLACE) == text


@pytest.mark.parametrize("text", TEXTS)
def test_text_for_a_higher_role_opens_for_its_holder(text: str) -> None:
    """Without the role's secret a text is sealed to the role's public key."""
    sealed = VIEWER.seal(text, PLACE, Role.ENGINEER)

    assert sealed[0] == PUBLIC
    assert ADMIN.open(sealed, PLACE) == text
    assert cipher_of(Role.ENGINEER).open(sealed, PLACE) == text


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=())),
    place=st.builds(Place, st.text(), st.text(), st.text()),
    writer=st.sampled_from([ADMIN, VIEWER]),
    reader=st.sampled_from(READER_ROLES),
)
def test_every_text_in_every_place_round_trips(
    text: str, place: Place, writer: FieldCipher, reader: Role
) -> None:
    """No text and no name of a place is special."""
    assert ADMIN.open(writer.seal(text, place, reader), place) == text


def test_writer_cannot_read_what_it_sealed_for_a_higher_role() -> None:
    """The writer of a text for engineers does not thereby become one."""
    sealed = VIEWER.seal("not for viewers", PLACE, Role.ENGINEER)

    with pytest.raises(PermissionDenied):
        VIEWER.open(sealed, PLACE)


# FAULTS 33
@pytest.mark.parametrize("reader", [Role.ENGINEER, Role.ADMIN])
def test_viewer_does_not_open_text_of_higher_roles(reader: Role) -> None:
    """A sealed value for another role is refused, not half opened."""
    with pytest.raises(PermissionDenied):
        VIEWER.open(ADMIN.seal("for others", PLACE, reader), PLACE)


def test_can_read_tells_which_secrets_are_held() -> None:
    """An engineer reads for viewers and engineers, not for admins."""
    engineer = cipher_of(Role.ENGINEER)

    assert {r: engineer.can_read(r) for r in READER_ROLES} == {
        Role.VIEWER: True,
        Role.ENGINEER: True,
        Role.ADMIN: False,
    }


def test_sealing_twice_gives_different_values() -> None:
    """Equal texts cannot be told by equal sealed values."""
    sealed = {ADMIN.seal("the same", PLACE, Role.VIEWER) for _ in range(100)}

    assert len(sealed) == 100


def test_sealed_value_shows_nothing_of_the_text() -> None:
    """The text is not in the sealed value in any form that grep finds."""
    for writer, reader in ((ADMIN, Role.VIEWER), (VIEWER, Role.ADMIN)):
        sealed = writer.seal("canary" * 20, PLACE, reader)

        assert b"canary" not in sealed


# FAULTS 30
@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(replace(PLACE, row="row-2"), id="row"),
        pytest.param(replace(PLACE, column="title"), id="column"),
        pytest.param(replace(PLACE, table="comment"), id="table"),
        pytest.param(Place("issueb", "ody", "row-1"), id="table runs into column"),
        pytest.param(Place("issue", "bodyrow", "-1"), id="column runs into row"),
    ],
)
@pytest.mark.parametrize("writer", [ADMIN, VIEWER], ids=["symmetric", "public"])
def test_moved_value_does_not_open(writer: FieldCipher, elsewhere: Place) -> None:
    """A value that was moved to another place is told from one written there."""
    sealed = writer.seal("stay here", PLACE, Role.ENGINEER)

    with pytest.raises(TamperedError):
        ADMIN.open(sealed, elsewhere)


# FAULTS 30
@pytest.mark.parametrize("writer", [Role.ADMIN, Role.VIEWER])
def test_value_of_another_database_does_not_open(writer: Role) -> None:
    """Even with the same keys a value opens only in its own database."""
    sealed = cipher_of(writer, "database-2").seal("x", PLACE, Role.ENGINEER)

    with pytest.raises(TamperedError):
        ADMIN.open(sealed, PLACE)


# FAULTS 7
@pytest.mark.parametrize("writer", [ADMIN, VIEWER], ids=["symmetric", "public"])
def test_flipped_bit_never_gives_a_text(writer: FieldCipher) -> None:
    """Each bit of a value is needed: version, key id, nonce, text and tag."""
    sealed = writer.seal("twelve bytes", PLACE, Role.ENGINEER)
    for place in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[place] ^= 1 << bit

            with pytest.raises((TamperedError, PermissionDenied)):
                ADMIN.open(bytes(changed), PLACE)


# FAULTS 7
@pytest.mark.parametrize("writer", [ADMIN, VIEWER], ids=["symmetric", "public"])
def test_cut_or_longer_value_never_gives_a_text(writer: FieldCipher) -> None:
    """A value that lost its end, or got a longer one, does not open."""
    sealed = writer.seal("twelve bytes", PLACE, Role.ENGINEER)
    for changed in [*(sealed[:n] for n in range(len(sealed))), sealed + b"\0"]:
        with pytest.raises((TamperedError, PermissionDenied)):
            ADMIN.open(changed, PLACE)


@pytest.mark.parametrize("version", [0, PUBLIC, 3, 255])
def test_value_opens_only_as_the_version_it_was_sealed_as(version: int) -> None:
    """A value cannot be passed off as one of another version."""
    sealed = ADMIN.seal("version 1", PLACE, Role.VIEWER)

    with pytest.raises(TamperedError):
        ADMIN.open(bytes((version,)) + sealed[1:], PLACE)


def test_public_value_does_not_open_as_a_symmetric_one() -> None:
    """The other way round it does not work either."""
    sealed = VIEWER.seal("version 2", PLACE, Role.ENGINEER)

    with pytest.raises(TamperedError):
        ADMIN.open(bytes((SYMMETRIC,)) + sealed[1:], PLACE)


def test_unknown_key_is_a_matter_of_permission() -> None:
    """A key id that the principal was never given is refused by name."""
    keys = {"later": role_key("later", Role.VIEWER, bytes(32))}
    later = FieldCipher("database-1", keys, dict.fromkeys(READER_ROLES, "later"))

    with pytest.raises(PermissionDenied):
        ADMIN.open(later.seal("x", PLACE, Role.VIEWER), PLACE)


@pytest.mark.parametrize("held", [True, False], ids=["symmetric", "public"])
def test_key_id_is_bound(held: bool) -> None:
    """A value cannot be given another key id, were the key itself the same."""
    twins = {name: role_key(name, Role.VIEWER, bytes(32)) for name in ("aa", "bb")}
    reading = FieldCipher("database-1", twins, dict.fromkeys(READER_ROLES, "aa"))
    keys = {"aa": role_key("aa", Role.VIEWER, bytes(32), held=held)}
    writing = FieldCipher("database-1", keys, dict.fromkeys(READER_ROLES, "aa"))
    sealed = writing.seal("x", PLACE, Role.VIEWER)
    assert reading.open(sealed, PLACE) == "x"

    with pytest.raises(TamperedError):
        reading.open(sealed.replace(b"aa", b"bb", 1), PLACE)


def test_older_generation_still_opens() -> None:
    """The key id of a value picks the key; only the current one seals."""
    keys = {
        name: role_key(name, Role.VIEWER, SECRETS[Role.VIEWER][:31] + name.encode())
        for name in ("1", "2")
    }
    before = FieldCipher("database-1", keys, dict.fromkeys(READER_ROLES, "1"))
    after = FieldCipher("database-1", keys, dict.fromkeys(READER_ROLES, "2"))

    assert after.open(before.seal("old", PLACE, Role.VIEWER), PLACE) == "old"
    assert after.seal("new", PLACE, Role.VIEWER)[2:3] == b"2"


def test_secrets_of_different_purposes_differ() -> None:
    """A secret used for two purposes gives two unrelated keys."""
    assert derive(bytes(32), "fields") != derive(bytes(32), "sealing")


def test_length_prefix_tells_lists_apart() -> None:
    """Parts that run together the same way are still told apart."""
    lists = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc")]

    assert len({length_prefixed(*parts) for parts in lists}) == len(lists)


def test_role_key_does_not_show_its_secret() -> None:
    """A traceback or a log line with a key in it gives nothing away."""
    shown = repr(role_key("viewer-1", Role.VIEWER, b"S3cr3t" * 6))

    assert "S3cr3t" not in shown


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (ADMIN.seal("x", PLACE, Role.VIEWER), True),
        (b"\1\7never-1" + bytes(40), False),
        (b"\1\2\xff\xff", True),
        (b"\1", True),
        (b"", True),
        ("text", True),
    ],
    ids=["sealed", "other key", "no name", "cut", "empty", "text"],
)
def test_unknown_key_is_looked_for(value: bytes, known: bool) -> None:
    """Only a value that names a key which is not there is worth a second look."""
    assert ADMIN.knows(value) == known
