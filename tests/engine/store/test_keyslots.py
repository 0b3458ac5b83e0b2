"""The key file: who opens it, what its changes lead to, how it is written."""

import base64
import copy
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from issuetrack.engine.errors import (
    AuthenticationError,
    LockedError,
    TamperedError,
)
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store.encryption import FieldCipher, Place
from issuetrack.engine.store.keyslots import (
    FORMAT,
    KeyFile,
    is_format_1,
    key_file_path,
    sync_folder,
)
from issuetrack.engine.store.private_keys import PrivateKeys, UnlockedKeys
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import READER_ROLES, PrincipalKind, Role
from issuetrack.engine.store.unlock import Unlock, new_recovery_key, recovery_secret
from issuetrack.engine.workspace import NewWorkspace

RECOVERY = recovery_secret(new_recovery_key())
KINDS = [kind for kind in SlotKind if kind is not SlotKind.LOGIN]
OWN: dict[SlotKind, SlotSecret] = {
    kind: SlotSecret(kind, f"the {kind} secret of the owner".encode())
    for kind in KINDS
    if kind is not SlotKind.RECOVERY
}
ENVIRONMENT = OWN[SlotKind.ENVIRONMENT]

Content = dict[str, Any]
Edit = Callable[[Content], object]


@pytest.fixture(scope="module")
def made() -> Content:
    """Return the content of a key file with a slot of every kind."""
    file, _ = KeyFile.create("owner", lambda _: OWN.values(), RECOVERY)
    content: Content = file._content
    return content


@pytest.fixture
def content(made: Content) -> Content:
    """Return the same, for a test to change."""
    return copy.deepcopy(made)


def opened(file: KeyFile, secret: SlotSecret = ENVIRONMENT) -> PrivateKeys | None:
    """Open the slot that a secret fits, whosever it is."""
    return file.open_slot(secret, file.principals())


def unlocked(file: KeyFile, secret: SlotSecret = ENVIRONMENT) -> UnlockedKeys:
    """Return the keys that a secret leads to."""
    private = opened(file, secret)
    assert private is not None
    return file.unseal(private)


def read(content: Content, folder: Path) -> KeyFile:
    """Write a key file and read it."""
    path = folder / "edited.keys"
    path.write_text(json.dumps(content), encoding="utf-8")
    return KeyFile.load(path)


def uuids(content: Content) -> list[str]:
    """Return the uuids of owner and recovery principal."""
    return list(content["slots"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_slot_opens(content: Content, kind: SlotKind) -> None:
    """Each secret opens its slot, and all lead to the same keys."""
    file = KeyFile(content)
    private = opened(file, OWN.get(kind, RECOVERY))
    assert private is not None
    keys, own = file.unseal(private), unlocked(file)

    assert private.opened_by is kind
    assert keys.principal.role is Role.ADMIN
    assert keys.principal.kind is (
        PrincipalKind.RECOVERY if kind is SlotKind.RECOVERY else PrincipalKind.PERSON
    )
    assert keys.page_keys == own.page_keys
    place = Place("issue", "body", "row")
    writing = FieldCipher(file.database, keys.role_keys, keys.current)
    reading = FieldCipher(file.database, own.role_keys, own.current)
    for role in READER_ROLES:
        assert reading.open(writing.seal("text", place, role), place) == "text"


# FAULTS 29
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_secret_opens_no_slot(content: Content, kind: SlotKind) -> None:
    """A secret that differs in one bit fits nothing."""
    right = OWN.get(kind, RECOVERY).value
    wrong = SlotSecret(kind, right[:-1] + bytes((right[-1] ^ 1,)))

    assert opened(KeyFile(content), wrong) is None


# FAULTS 29
def test_right_secret_of_another_kind_opens_no_slot(content: Content) -> None:
    """A slot opens only by the kind of secret that it was made for."""
    for kind in SlotKind:
        if kind is not SlotKind.ENVIRONMENT:
            secret = SlotSecret(kind, ENVIRONMENT.value)
            assert opened(KeyFile(content), secret) is None


def test_slot_passed_off_as_another_kind_does_not_open(content: Content) -> None:
    """The kind is part of the key, not only a word in the file."""
    _slot(content)["kind"] = SlotKind.KEY_FILE.value
    secret = SlotSecret(SlotKind.KEY_FILE, ENVIRONMENT.value)

    assert opened(KeyFile(content), secret) is None


def test_slot_is_looked_for_among_those_asked_for(content: Content) -> None:
    """Whoever names a user does not open the slot of another."""
    file = KeyFile(content)
    owner, recovery = file.principals()

    assert file.open_slot(ENVIRONMENT, [owner]) is not None
    assert file.open_slot(ENVIRONMENT, [recovery]) is None
    assert file.open_slot(ENVIRONMENT, []) is None


def test_two_files_have_no_key_in_common(content: Content) -> None:
    """Each new database gets keys of its own."""
    other, _ = KeyFile.create("owner", lambda _: [ENVIRONMENT], RECOVERY)
    file = KeyFile(content)
    keys, others = unlocked(file), unlocked(other)

    assert set(keys.page_keys).isdisjoint(others.page_keys)
    assert set(keys.page_keys.values()).isdisjoint(others.page_keys.values())
    assert file.database != other.database
    assert {p.signing_key for p in file.principals()}.isdisjoint(
        p.signing_key for p in other.principals()
    )


def test_principals_and_kinds_can_be_read_without_a_secret(content: Content) -> None:
    """Who is in the file and what would open it is no secret."""
    file = KeyFile(content)

    assert [(p.name, p.kind, p.role) for p in file.principals()] == [
        ("owner", PrincipalKind.PERSON, Role.ADMIN),
        ("recovery", PrincipalKind.RECOVERY, Role.ADMIN),
    ]
    assert file.slot_kinds() == set(KINDS)


def test_file_holds_no_key_in_the_clear(content: Content) -> None:
    """Neither the secrets nor the keys they lead to are in the file."""
    text = json.dumps(content)
    keys = unlocked(KeyFile(content))
    roles = [k.secret for k in keys.role_keys.values() if k.secret is not None]
    assert len(roles) == len(READER_ROLES)
    private = (keys.private.payload[:32], keys.private.payload[32:64])
    for secret in (*keys.page_keys.values(), *private, RECOVERY.value, *roles):
        for form in (secret.hex(), base64.b64encode(secret).decode()):
            assert form not in text
    for own in OWN.values():
        assert own.value.decode() not in text


def _swap_sealed(content: Content) -> None:
    one, two = (content["sealed"][uuid] for uuid in uuids(content))
    one["page-1"], two["page-1"] = two["page-1"], one["page-1"]


def _swap_keys(content: Content) -> None:
    sealed = content["sealed"][uuids(content)[0]]
    sealed["viewer-1"], sealed["admin-1"] = sealed["admin-1"], sealed["viewer-1"]


def _slot(content: Content) -> Content:
    slots: list[Content] = content["slots"][uuids(content)[0]]
    return next(slot for slot in slots if slot["kind"] == SlotKind.ENVIRONMENT)


def _flip(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(data).decode()


def _flip_sealed(content: Content, name: str) -> None:
    sealed = content["sealed"][uuids(content)[0]]
    sealed[name] = _flip(sealed[name])


def _seal_another(content: Content) -> None:
    """Seal a role key of one's own choice to the owner."""
    file = KeyFile(content)
    file.seal_key(file.principals()[0], "admin-1", bytes(32))


EDITS = [
    pytest.param(_swap_sealed, id="sealed keys swapped between principals"),
    pytest.param(_swap_keys, id="sealed keys swapped between roles"),
    pytest.param(lambda c: _flip_sealed(c, "page-1"), id="page key"),
    pytest.param(lambda c: _flip_sealed(c, "engineer-1"), id="role key"),
    pytest.param(_seal_another, id="another role key"),
    pytest.param(lambda c: c.update(database="0" * 32), id="database"),
    pytest.param(
        lambda c: _slot(c).update(wrapped=_flip(_slot(c)["wrapped"])), id="slot"
    ),
    pytest.param(lambda c: _slot(c).update(id="0" * 32), id="slot's id"),
]


@pytest.mark.parametrize("edit", EDITS)
def test_edited_file_is_told_from_the_real_one(
    content: Content, tmp_path: Path, edit: Edit
) -> None:
    """A key that does not belong where it stands is not used."""
    assert unlocked(read(content, tmp_path)).principal.name == "owner"
    edit(content)

    with pytest.raises(TamperedError):
        unlocked(read(content, tmp_path))


def test_key_taken_away_is_one_not_held(content: Content) -> None:
    """A sealed key that somebody removed is missed as one that was never given."""
    sealed = content["sealed"][uuids(content)[0]]
    del sealed["page-1"], sealed["admin-1"]
    keys = unlocked(KeyFile(content))

    assert keys.page_keys == {}
    assert keys.role_keys["admin-1"].secret is None


def test_slot_of_another_principal_does_not_open(content: Content) -> None:
    """A slot moved to another principal does not give that one's keys."""
    owner, recovery = uuids(content)
    content["slots"][recovery] = [_slot(content)]
    content["slots"][owner] = []

    with pytest.raises(TamperedError):
        opened(KeyFile(content))


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
            private = opened(file)
            if private is None:
                continue
            pages = file.unseal(private).page_keys
            assert pages in ({}, unlocked(KeyFile(content)).page_keys)
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
        pytest.param({"lanes": "many"}, id="no number"),
    ],
)
def test_impossible_cost_of_a_passphrase_is_refused_in_words(
    content: Content, cost: dict[str, Any]
) -> None:
    """A file cannot make the program fail by what it asks of Argon2."""
    slots = content["slots"][uuids(content)[0]]
    slot = next(slot for slot in slots if slot["kind"] == SlotKind.PASSPHRASE)
    slot["argon2"] = slot["argon2"] | cost

    with pytest.raises(TamperedError):
        opened(KeyFile(content), OWN[SlotKind.PASSPHRASE])


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (b'{"format": "issuetrack-keys/1", ', True),
        (b'{\n "format": "issuetrack-keys/2", ', False),
        (b"", False),
        (None, False),
    ],
)
def test_older_format_is_told_by_its_beginning(
    tmp_path: Path, data: bytes | None, is_one: bool
) -> None:
    """A file that is not there, or is none, is left to whoever reads it."""
    path = tmp_path / "db.keys"
    if data is not None:
        path.write_bytes(data)

    assert is_format_1(path) == is_one


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
        pytest.param(b'{"format": "issuetrack-keys/2", "data', id="cut"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no format"),
        pytest.param(b'{"format": "issuetrack-keys/3"}', id="a later format"),
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
    keys = unlocked(KeyFile(content))
    shown = f"{keys!r} {Actor.from_keys(keys)!r} {ENVIRONMENT!r} {KeyFile(content)!r}"

    assert "owner" in shown
    private = keys.private.payload
    held = [k.secret for k in keys.role_keys.values() if k.secret is not None]
    for secret in (*keys.page_keys.values(), private[:32], private[32:64], *held):
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


def test_copy_is_changed_alone(content: Content) -> None:
    """A change that is not committed leaves the keys in use as they are."""
    file = KeyFile(content)
    changed = file.copy(revision=7)
    changed.forget(uuids(content)[0])

    assert (file.revision, changed.revision, file.copy().revision) == (1, 7, 1)
    assert opened(file) is not None
    assert changed.slots(uuids(content)[0]) == []


def test_folder_that_is_not_there_is_not_synced(tmp_path: Path) -> None:
    """A failure to make a name durable is not passed over."""
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "absent")


def test_missing_revision_is_refused(content: Content, tmp_path: Path) -> None:
    """A file that does not tell its place in time is no key file."""
    values: tuple[Any, ...] = (None, "many", [])
    for wrong in values:
        content["revision"] = wrong
        with pytest.raises(TamperedError):
            read(content, tmp_path)


def test_save_removes_what_a_killed_one_left(content: Content, tmp_path: Path) -> None:
    """A leftover goes with the next save, unless somebody may be writing it now."""
    path = tmp_path / "t.db.keys"
    old, fresh = (tmp_path / f"t.db.keys.{name}.new" for name in ("old", "fresh"))
    for left in (old, fresh):
        left.write_text("half a key file")
    os.utime(old, (0, 0))
    KeyFile(content).save(path)

    assert not old.exists()
    assert fresh.exists()


def test_save_is_not_disturbed_by_a_leftover_that_goes(
    content: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who save at once may both find a leftover, and one removes it first."""
    path = tmp_path / "t.db.keys"
    gone = tmp_path / "t.db.keys.gone.new"
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone]))
    KeyFile(content).save(path)

    assert KeyFile.load(path).database == content["database"]
