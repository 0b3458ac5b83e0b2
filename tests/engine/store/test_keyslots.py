"""The key file: who opens it, what its changes lead to, how it is written."""

import base64
import copy
import json
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from issuetrack.engine.errors import (
    AuthenticationError,
    LockedError,
    TamperedError,
    WrongKeyError,
)
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store.encryption import Place
from issuetrack.engine.store.keyslots import (
    FORMAT,
    KeyFile,
    SlotKind,
    SlotSecret,
    UnlockedKeys,
    key_file_path,
)
from issuetrack.engine.store.types import PrincipalKind, Role
from issuetrack.engine.store.unlock import Unlock, new_recovery_key, recovery_secret
from issuetrack.engine.workspace import NewWorkspace

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RECOVERY = recovery_secret(new_recovery_key())
OWN: dict[SlotKind, SlotSecret] = {
    kind: SlotSecret(kind, f"the {kind} secret of the owner".encode())
    for kind in SlotKind
    if kind is not SlotKind.RECOVERY
}
ENVIRONMENT = OWN[SlotKind.ENVIRONMENT]

Content = dict[str, Any]
Edit = Callable[[Content], object]


@pytest.fixture(scope="module")
def made() -> Content:
    """Return the content of a key file with a slot of every kind."""
    file = KeyFile.create("owner", lambda _: OWN.values(), RECOVERY, NOW)
    content: Content = file._content
    return content


@pytest.fixture
def content(made: Content) -> Content:
    """Return the same, for a test to change."""
    return copy.deepcopy(made)


def unlocked(
    content: Content, folder: Path, secret: SlotSecret = ENVIRONMENT
) -> UnlockedKeys:
    """Write a key file, read it and open it."""
    path = folder / "edited.keys"
    path.write_text(json.dumps(content), encoding="utf-8")
    return KeyFile.load(path).unlock([secret])


@pytest.mark.parametrize("kind", list(SlotKind))
def test_every_kind_of_slot_opens(content: Content, kind: SlotKind) -> None:
    """Each secret opens its slot, and all lead to the same keys."""
    file = KeyFile(content)
    keys = file.unlock([OWN.get(kind, RECOVERY)])

    assert keys.role is Role.ADMIN
    assert keys.kind is (
        PrincipalKind.RECOVERY if kind is SlotKind.RECOVERY else PrincipalKind.PERSON
    )
    assert keys.page_key == file.unlock([ENVIRONMENT]).page_key
    place = Place("issue", "body", "row")
    sealed = keys.cipher.seal("text", place, Role.ADMIN)
    assert file.unlock([ENVIRONMENT]).cipher.open(sealed, place) == "text"


# FAULTS 29
@pytest.mark.parametrize("kind", list(SlotKind))
def test_wrong_secret_opens_no_slot(content: Content, kind: SlotKind) -> None:
    """A secret that differs in one bit is told to be wrong."""
    right = OWN.get(kind, RECOVERY).value
    wrong = SlotSecret(kind, right[:-1] + bytes((right[-1] ^ 1,)))

    with pytest.raises(WrongKeyError):
        KeyFile(content).unlock([wrong])


# FAULTS 29
def test_right_secret_of_another_kind_opens_no_slot(content: Content) -> None:
    """A slot opens only by the kind of secret that it was made for."""
    for kind in SlotKind:
        if kind is not SlotKind.ENVIRONMENT:
            with pytest.raises(WrongKeyError):
                KeyFile(content).unlock([SlotSecret(kind, ENVIRONMENT.value)])


def test_slot_passed_off_as_another_kind_does_not_open(content: Content) -> None:
    """The kind is part of the key, not only a word in the file."""
    _slot(content)["kind"] = SlotKind.KEY_FILE.value

    with pytest.raises(WrongKeyError):
        KeyFile(content).unlock([SlotSecret(SlotKind.KEY_FILE, ENVIRONMENT.value)])


# FAULTS 29
def test_without_a_secret_it_stays_locked(content: Content) -> None:
    """No secret on offer is told apart from a wrong one."""
    with pytest.raises(LockedError, match="locked and no key was offered"):
        KeyFile(content).unlock([])


def test_second_secret_is_tried(content: Content) -> None:
    """Of several secrets the one that fits opens the file."""
    wrong = SlotSecret(SlotKind.KEY_FILE, bytes(32))

    assert KeyFile(content).unlock([wrong, ENVIRONMENT]).name == "owner"


def test_two_files_have_no_key_in_common(content: Content) -> None:
    """Each new database gets keys of its own."""
    other = KeyFile.create("owner", lambda _: [ENVIRONMENT], RECOVERY, NOW)
    keys, others = KeyFile(content).unlock([ENVIRONMENT]), other.unlock([ENVIRONMENT])

    assert keys.page_key != others.page_key
    assert KeyFile(content).database != other.database
    assert {p.signing_key for p in KeyFile(content).principals()}.isdisjoint(
        p.signing_key for p in other.principals()
    )


def test_principals_and_kinds_can_be_read_without_a_secret(content: Content) -> None:
    """Who is in the file and what would open it is no secret."""
    file = KeyFile(content)

    assert [(p.name, p.kind, p.role) for p in file.principals()] == [
        ("owner", PrincipalKind.PERSON, Role.ADMIN),
        ("recovery", PrincipalKind.RECOVERY, Role.ADMIN),
    ]
    assert file.slot_kinds() == set(SlotKind)


def test_file_holds_no_key_in_the_clear(content: Content) -> None:
    """Neither the secrets nor the keys they lead to are in the file."""
    text = json.dumps(content)
    keys = KeyFile(content).unlock([ENVIRONMENT])
    private = keys.signing.private_bytes_raw()
    roles = [k.secret for k in keys.cipher._keys.values() if k.secret is not None]
    assert len(roles) == len(Role)
    for secret in (keys.page_key, private, RECOVERY.value, *roles):
        for form in (secret.hex(), base64.b64encode(secret).decode()):
            assert form not in text
    for own in OWN.values():
        assert own.value.decode() not in text


def _swap_sealed(content: Content) -> None:
    one, two = (entry["sealed"] for entry in content["principals"])
    one["page-1"], two["page-1"] = two["page-1"], one["page-1"]


def _swap_keys(content: Content) -> None:
    sealed = content["principals"][0]["sealed"]
    sealed["viewer-1"], sealed["admin-1"] = sealed["admin-1"], sealed["viewer-1"]


def _swap_public(content: Content) -> None:
    one, two = content["principals"]
    one["sealing_key"], two["sealing_key"] = two["sealing_key"], one["sealing_key"]


def _slot(content: Content) -> Content:
    return next(
        slot
        for slot in content["principals"][0]["slots"]
        if slot["kind"] == SlotKind.ENVIRONMENT
    )


def _flip(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


def _set(principal: int, name: str, value: str) -> Edit:
    return lambda content: content["principals"][principal].update({name: value})


def _flipped(principal: int, name: str) -> Edit:
    return lambda content: content["principals"][principal].update(
        {name: _flip(content["principals"][principal][name])}
    )


EDITS = [
    pytest.param(_set(0, "name", "somebody"), id="name"),
    pytest.param(_set(0, "role", "viewer"), id="role"),
    pytest.param(_set(0, "kind", "service"), id="kind"),
    pytest.param(_set(0, "uuid", "0" * 32), id="uuid"),
    pytest.param(_set(1, "signed_by", "0" * 32), id="signed by nobody"),
    pytest.param(_flipped(0, "sealing_key"), id="sealing key"),
    pytest.param(_flipped(0, "signing_key"), id="signing key"),
    pytest.param(_flipped(0, "signature"), id="signature"),
    pytest.param(_set(1, "name", "somebody"), id="other's name"),
    pytest.param(_set(1, "role", "viewer"), id="other's role"),
    pytest.param(_set(1, "uuid", "0" * 32), id="other's uuid"),
    pytest.param(_flipped(1, "sealing_key"), id="other's sealing key"),
    pytest.param(_flipped(1, "signing_key"), id="other's signing key"),
    pytest.param(_flipped(1, "signature"), id="other's signature"),
    pytest.param(
        lambda c: c["principals"][1].update(signed_by=c["principals"][1]["uuid"]),
        id="other signed by itself",
    ),
    pytest.param(_swap_public, id="public keys swapped"),
    pytest.param(_swap_sealed, id="sealed keys swapped between principals"),
    pytest.param(_swap_keys, id="sealed keys swapped between roles"),
    pytest.param(lambda c: c.update(database="0" * 32), id="database"),
    pytest.param(
        lambda c: c["principals"][0]["sealed"].pop("page-1"), id="page key removed"
    ),
    pytest.param(
        lambda c: _slot(c).update(wrapped=_flip(_slot(c)["wrapped"])), id="slot"
    ),
    pytest.param(lambda c: _slot(c).update(id="0" * 32), id="slot's id"),
]


@pytest.mark.parametrize("edit", EDITS)
def test_edited_file_is_told_from_the_real_one(
    content: Content, tmp_path: Path, edit: Edit
) -> None:
    """A key, name or role that no admin signed is not used."""
    assert unlocked(content, tmp_path).name == "owner"
    edit(content)

    with pytest.raises(TamperedError):
        unlocked(content, tmp_path)


def test_slot_of_another_principal_does_not_open(
    content: Content, tmp_path: Path
) -> None:
    """A slot moved to another principal does not give that one's keys."""
    owner, recovery = content["principals"]
    recovery["slots"] = [_slot(content)]
    owner["slots"] = []

    with pytest.raises(TamperedError):
        unlocked(content, tmp_path)


def test_principal_that_is_there_twice_is_refused(
    content: Content, tmp_path: Path
) -> None:
    """An edited copy of a principal does not pass on the signature of the real one."""
    content["principals"].insert(0, copy.deepcopy(content["principals"][0]))
    content["principals"][0]["name"] = "somebody"

    with pytest.raises(TamperedError):
        unlocked(content, tmp_path)


@pytest.mark.parametrize("how", ["replaced", "next generation"])
def test_public_key_of_a_role_is_not_taken_from_anybody(
    content: Content, tmp_path: Path, how: str
) -> None:
    """Text for engineers is not sealed to a key that somebody slipped in."""
    public = X25519PrivateKey.generate().public_key().public_bytes_raw()
    generations = content["roles"]["engineer"]
    if how == "replaced":
        generations[0]["public"] = base64.b64encode(public).decode()
    else:
        generations.append(
            {"id": "engineer-2", "public": base64.b64encode(public).decode()}
        )

    with pytest.raises(TamperedError):
        unlocked(content, tmp_path)


def test_admin_who_signed_itself_is_refused(content: Content, tmp_path: Path) -> None:
    """Holding the keys of a viewer does not let anybody add an admin."""
    keys = KeyFile(content).unlock([ENVIRONMENT])
    secret = SlotSecret(SlotKind.KEY_FILE, b"the secret of the intruder")
    held = {"page-1": keys.page_key}
    KeyFile(content)._add("intruder", PrincipalKind.PERSON, [secret], held, None)

    with pytest.raises(TamperedError):
        unlocked(content, tmp_path, secret)


WRONG: tuple[Any, ...] = (None, 7, "?", "AAAA", [], {}, ...)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        yield (*place, key)
        if isinstance(item, dict | list):
            yield from _places(item, (*place, key))


def _damaged(content: Content) -> Iterator[tuple[str, Content]]:
    """Yield the document with each value in turn gone or of another type."""
    for place in _places(content):
        for wrong in WRONG:
            changed = copy.deepcopy(content)
            holder: Any = changed
            for key in place[:-1]:
                holder = holder[key]
            if wrong is ...:
                del holder[place[-1]]
            else:
                holder[place[-1]] = wrong
            yield f"{place}: {wrong}", changed


# FAULTS 7
def test_damaged_content_is_refused_in_words(content: Content, tmp_path: Path) -> None:
    """Whatever is missing or of the wrong type, nobody meets a KeyError."""
    wrong: list[str] = []
    for what, changed in _damaged(content):
        path = tmp_path / "damaged.keys"
        path.write_text(json.dumps(changed), encoding="utf-8")
        try:
            file = KeyFile.load(path)
            file.slot_kinds()
            keys = file.unlock([ENVIRONMENT])
            assert keys.page_key == KeyFile(content).unlock([ENVIRONMENT]).page_key
        except AuthenticationError:
            continue
        except Exception as error:  # noqa: BLE001 - any other is what is looked for
            wrong.append(f"{what}: {type(error).__name__}")

    assert wrong == []


@pytest.mark.parametrize(
    "cost",
    [
        pytest.param({"iterations": 0}, id="no iterations"),
        pytest.param({"memory_cost": 1}, id="too little memory"),
        pytest.param({"memory_cost": 2**31}, id="all memory there is"),
        pytest.param({"lanes": 0}, id="no lanes"),
    ],
)
def test_impossible_cost_of_a_passphrase_is_refused_in_words(
    content: Content, tmp_path: Path, cost: dict[str, int]
) -> None:
    """A file cannot make the program fail by what it asks of Argon2."""
    slot = next(
        slot
        for slot in content["principals"][0]["slots"]
        if slot["kind"] == SlotKind.PASSPHRASE
    )
    slot["argon2"] = slot["argon2"] | cost

    with pytest.raises(AuthenticationError):
        unlocked(content, tmp_path, OWN[SlotKind.PASSPHRASE])


def test_missing_file_is_told(tmp_path: Path) -> None:
    """A key file left out of a restored backup is asked for by name."""
    with pytest.raises(LockedError, match="is missing"):
        KeyFile.load(tmp_path / "absent.keys")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0" * 512, id="zeros"),
        pytest.param(b"\xff\xfe{}", id="not UTF-8"),
        pytest.param(b'{"format": "issuetrack-keys/1", "data', id="cut"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no format"),
        pytest.param(b'{"format": "issuetrack-keys/2"}', id="a later format"),
        pytest.param(b"[" * 100_000, id="nested too deeply"),
    ],
)
def test_file_that_is_not_a_key_file_is_refused(tmp_path: Path, data: bytes) -> None:
    """What cannot be read as a key file is told to be damaged."""
    path = tmp_path / "wrong.keys"
    path.write_bytes(data)

    with pytest.raises(TamperedError):
        KeyFile.load(path)


def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    """A path that cannot be read is told as such."""
    with pytest.raises(TamperedError, match="cannot be read"):
        KeyFile.load(tmp_path)


def test_saved_file_is_read_again(content: Content, tmp_path: Path) -> None:
    """What is saved is what is loaded, and nothing lies beside it."""
    path = tmp_path / "keys" / "db.keys"
    path.parent.mkdir()
    KeyFile(content).save(path)

    assert content["format"] == FORMAT
    assert KeyFile.load(path)._content == content
    assert list(path.parent.iterdir()) == [path]


def test_saved_file_is_for_its_owner_only(content: Content, tmp_path: Path) -> None:
    """Others on the machine cannot read it, whatever the umask."""
    path = tmp_path / "db.keys"
    before = os.umask(0)
    try:
        KeyFile(content).save(path)
        path.chmod(0o644)
        KeyFile(content).save(path)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_file_left_by_a_killed_save_does_not_open_the_next(
    content: Content, tmp_path: Path
) -> None:
    """A half-written file of another mode is not taken over."""
    path = tmp_path / "db.keys"
    left = tmp_path / "db.keys.new"
    left.write_bytes(b"{")
    left.chmod(0o644)
    KeyFile(content).save(path)

    assert KeyFile.load(path)._content == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_failed_save_leaves_the_old_file_whole(
    content: Content, tmp_path: Path
) -> None:
    """A write that stops half way is not what the next reader finds."""
    path = tmp_path / "db.keys"
    KeyFile(content).save(path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        KeyFile(content | {"unwritable": object()}).save(path)

    assert path.read_bytes() == before


def test_failed_save_leaves_nothing_beside(content: Content, tmp_path: Path) -> None:
    """Half a key file does not stay in the folder."""
    path = tmp_path / "keys" / "db.keys"
    path.parent.mkdir()
    with pytest.raises(TypeError):
        KeyFile(content | {"unwritable": object()}).save(path)

    assert list(path.parent.iterdir()) == []


def test_key_file_lies_beside_its_database() -> None:
    """Both are moved and backed up together."""
    assert key_file_path(Path("a/team.db")) == Path("a/team.db.keys")


def test_opened_keys_do_not_show_themselves(content: Content) -> None:
    """What a log or a traceback shows of keys opens nothing."""
    keys = KeyFile(content).unlock([ENVIRONMENT])
    shown = f"{keys!r} {Actor.from_keys(keys)!r} {ENVIRONMENT!r} {KeyFile(content)!r}"

    assert "owner" in shown
    for secret in (keys.page_key, keys.signing.private_bytes_raw()):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
    assert ENVIRONMENT.value.decode() not in shown


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(repr(Unlock(environment_key="S3CR3T")), id="environment"),
        pytest.param(repr(Unlock(recovery_key="S3CR3T")), id="recovery"),
        pytest.param(
            repr(NewWorkspace(Path(), Path(), "owner", "S3CR3T")), id="new workspace"
        ),
    ],
)
def test_offered_secrets_do_not_show_themselves(shown: str) -> None:
    """What was offered to open a workspace is not printed by accident."""
    assert "S3CR3T" not in shown
