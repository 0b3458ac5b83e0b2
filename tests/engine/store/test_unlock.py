"""Finding the secret to open a workspace with."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError

from issuetrack.engine.errors import AuthenticationError, LockedError, UsageError
from issuetrack.engine.store.keyslots import SlotKind, SlotSecret
from issuetrack.engine.store.unlock import (
    RECOVERY_ALPHABET,
    Unlock,
    environment_secret,
    keyring_secret,
    make_key_file,
    new_recovery_key,
    passphrase_secret,
    read_key_file,
    recovery_secret,
    secure_keyring_available,
    store_in_keyring,
)
from issuetrack.engine.workspace import Workspace

EVERY_KIND = set(SlotKind)
KEY = "0123456789abcdef0123456789abcdef"


class MemoryKeyring(KeyringBackend):
    """A keyring that keeps secrets while the test runs."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.answers = True

    def get_password(self, service: str, username: str) -> str | None:
        """Return what was kept."""
        if not self.answers:
            raise KeyringError("it is locked")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""
        self.kept[service, username] = password


class PlaintextKeyring(MemoryKeyring):
    """A keyring whose name tells that it encrypts nothing."""


@pytest.fixture
def use_keyring() -> Iterator[Callable[[KeyringBackend], None]]:
    """Return what puts another keyring in place for one test."""
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


def first(unlock: Unlock, kinds: set[SlotKind] | None = None) -> SlotSecret:
    """Return the first secret on offer."""
    return next(unlock.offered("db", EVERY_KIND if kinds is None else kinds))


def file_of(folder: Path, content: str, mode: int = 0o600) -> Path:
    """Return a file with a content and a mode."""
    path = folder / "secret"
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    return path


RECOVERY = "0123-4567-89AB-CDEF-GHJK-MNPQ-RSTV-WXYZ-0101-1111-0000-2345-6789"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(RECOVERY.lower(), id="lower case"),
        pytest.param(RECOVERY.replace("-", ""), id="no dashes"),
        pytest.param(RECOVERY.replace("-", " "), id="spaces"),
        pytest.param(f"  {RECOVERY} ", id="spaces around"),
        pytest.param(RECOVERY.replace("0", "O"), id="O for 0"),
        pytest.param(RECOVERY.replace("0", "o"), id="o for 0"),
        pytest.param(RECOVERY.replace("1", "I"), id="I for 1"),
        pytest.param(RECOVERY.replace("1", "l"), id="l for 1"),
        pytest.param(RECOVERY.replace("1", "L"), id="L for 1"),
    ],
)
def test_recovery_key_opens_however_it_is_written(written: str) -> None:
    """A key copied from paper by hand is the same key."""
    assert recovery_secret(written) == recovery_secret(RECOVERY)


def test_recovery_key_opens_a_workspace(tmp_path: Path) -> None:
    """The key that `create` told opens the workspace when all others are lost."""
    path = tmp_path / "lost.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    made = Workspace.create(path, "owner", lambda _: [secret])
    by_hand = made.recovery_key.lower().replace("-", " ").replace("0", "o")
    workspace = Workspace.open(path, Unlock(recovery_key=by_hand.replace("1", "l")))
    try:
        assert workspace.actor.name == "recovery"
        assert workspace.verify_audit().broken_at is None
    finally:
        workspace.close()


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("", id="nothing"),
        pytest.param(RECOVERY[:-1], id="too short"),
        pytest.param(RECOVERY + "A", id="too long"),
        pytest.param(RECOVERY[:-1] + "U", id="a letter it never has"),
        pytest.param(RECOVERY[:-1] + "é", id="a letter that is not ASCII"),
    ],
)
def test_what_is_not_a_recovery_key_is_refused(written: str) -> None:
    """A slip of the pen is told before anything is tried."""
    with pytest.raises(AuthenticationError, match="not a recovery key"):
        recovery_secret(written)


def test_new_recovery_keys_are_random() -> None:
    """Each has 260 bits, in groups that can be read out."""
    keys = {new_recovery_key() for _ in range(50)}

    assert len(keys) == 50
    for key in keys:
        assert [len(group) for group in key.split("-")] == [4] * 13
        assert set(key) - {"-"} <= set(RECOVERY_ALPHABET)
    assert len(RECOVERY_ALPHABET) == 32


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601, 0o660])
def test_key_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that others can read is not secret any more."""
    path = file_of(tmp_path, KEY, mode)

    with pytest.raises(AuthenticationError, match="can be read by others") as raised:
        read_key_file(path)
    assert raised.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_private_key_file_is_read(tmp_path: Path, mode: int) -> None:
    """White space around the key does not belong to it."""
    path = file_of(tmp_path, f" {KEY}\n", mode)

    assert first(Unlock(key_file=path)) == SlotSecret(SlotKind.KEY_FILE, KEY.encode())


def test_missing_key_file_leaves_it_locked(tmp_path: Path) -> None:
    """A key file that is not there is told by its name."""
    with pytest.raises(LockedError, match="absent"):
        read_key_file(tmp_path / "absent")


@pytest.mark.parametrize("content", ["", "\n", "too short"])
def test_file_that_holds_no_key_is_refused(tmp_path: Path, content: str) -> None:
    """An empty or short file is not a key that is easily guessed."""
    with pytest.raises(AuthenticationError, match="holds no key"):
        read_key_file(file_of(tmp_path, content))


def test_key_file_is_made_once(tmp_path: Path) -> None:
    """A new key file is private, and is used again as it is."""
    path = tmp_path / "keys" / "team.key"
    before = os.umask(0)
    try:
        made = make_key_file(path)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(made.decode())) == 32
    assert make_key_file(path) == made
    assert make_key_file(tmp_path / "other.key") != made


def test_key_file_is_not_made_where_it_cannot_be(tmp_path: Path) -> None:
    """A folder that is a file is told, not met as an OSError."""
    (tmp_path / "file").touch()

    with pytest.raises(AuthenticationError, match="cannot create"):
        make_key_file(tmp_path / "file" / "team.key")


def test_passphrase_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    """The end of the line does not belong to the passphrase."""
    path = file_of(tmp_path, "four unrelated words\nsecond line\n")

    assert first(Unlock(passphrase_file=path)).value == b"four unrelated words"


@pytest.mark.parametrize("data", [None, b"", b"\xff\xfe\n"])
def test_unreadable_passphrase_file_leaves_it_locked(
    tmp_path: Path, data: bytes | None
) -> None:
    """A missing, empty or binary passphrase file is told by its name."""
    path = tmp_path / "passphrase"
    if data is not None:
        path.write_bytes(data)

    with pytest.raises(LockedError, match="cannot be read"):
        first(Unlock(passphrase_file=path))


def test_short_secrets_are_refused() -> None:
    """A key that can be guessed is not taken; an empty passphrase neither."""
    with pytest.raises(UsageError, match="too short"):
        environment_secret("x" * 15)
    with pytest.raises(UsageError, match="empty"):
        passphrase_secret("")
    assert environment_secret("x" * 16).value == b"x" * 16


def test_secrets_are_offered_in_order(tmp_path: Path) -> None:
    """An option goes before the environment, and a person is asked last."""
    path = file_of(tmp_path, KEY)
    offers = [
        (Unlock(path, KEY, path, RECOVERY, lambda: "asked"), SlotKind.KEY_FILE),
        (Unlock(None, KEY, path, RECOVERY, lambda: "asked"), SlotKind.ENVIRONMENT),
        (Unlock(None, None, path, RECOVERY, lambda: "asked"), SlotKind.RECOVERY),
        (Unlock(None, None, path, None, lambda: "asked"), SlotKind.PASSPHRASE),
        (Unlock(None, None, None, None, lambda: "asked"), SlotKind.PASSPHRASE),
    ]

    for unlock, kind in offers:
        assert [s.kind for s in unlock.offered("db", EVERY_KIND)] == [kind]


def test_nobody_is_asked_for_a_passphrase_there_is_not() -> None:
    """Without a passphrase slot the question would be vain."""
    unlock = Unlock(ask=lambda: pytest.fail("a person was asked"))

    assert list(unlock.offered("db", {SlotKind.KEY_FILE})) == []
    assert list(Unlock().offered("db", EVERY_KIND)) == []


def test_environment_is_read(tmp_path: Path) -> None:
    """Each variable fills its part of the offer; an option wins over its variable."""
    environment = {
        "ISSUETRACK_KEY": "key",
        "ISSUETRACK_KEY_FILE": "a.key",
        "ISSUETRACK_PASSPHRASE_FILE": "a.txt",
        "ISSUETRACK_RECOVERY_KEY": "recovery",
    }

    assert Unlock.from_environment(environment) == Unlock(
        Path("a.key"), "key", Path("a.txt"), "recovery"
    )
    assert Unlock.from_environment(environment, tmp_path).key_file == tmp_path
    assert Unlock.from_environment({"ISSUETRACK_KEY_FILE": ""}) == Unlock()


def test_keyring_keeps_a_secret_for_each_database(
    use_keyring: Callable[[KeyringBackend], None],
) -> None:
    """What was stored for one database is offered for that one only."""
    use_keyring(MemoryKeyring())
    secret = SlotSecret(SlotKind.KEYRING, KEY.encode())
    store_in_keyring("db", secret)

    assert keyring_secret("db") == secret
    assert keyring_secret("other") is None
    assert list(Unlock(ask=lambda: "x").offered("db", EVERY_KIND)) == [secret]


def test_locked_keyring_is_told(
    use_keyring: Callable[[KeyringBackend], None],
) -> None:
    """A keyring that does not answer is not taken for one without the key."""
    backend = MemoryKeyring()
    backend.answers = False
    use_keyring(backend)

    with pytest.raises(LockedError, match="does not answer: it is locked"):
        keyring_secret("db")


def test_keyring_without_encryption_is_refused(
    use_keyring: Callable[[KeyringBackend], None],
) -> None:
    """A plaintext keyring is as good as none."""
    backend = PlaintextKeyring()
    backend.kept["issuetrack", "db"] = KEY
    use_keyring(backend)

    assert not secure_keyring_available()
    assert keyring_secret("db") is None
