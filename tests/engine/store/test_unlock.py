"""Finding the secret to open a workspace with."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError

from conftest import Team
from issuetrack.engine.errors import (
    AuthenticationError,
    InputNeeded,
    LockedError,
    UsageError,
    WrongKeyError,
)
from issuetrack.engine.settings import operating_system_user
from issuetrack.engine.store.key_changes import KeyChanges
from issuetrack.engine.store.keyslots import KeyFile
from issuetrack.engine.store.login_cache import Keeper, LoginCache
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import PrincipalKind, Role
from issuetrack.engine.store.unlock import (
    RECOVERY_ALPHABET,
    Unlock,
    environment_secret,
    first_line,
    keyring_secret,
    make_key_file,
    new_keyring_secret,
    new_passphrase_secret,
    new_recovery_key,
    passphrase_secret,
    read_key_file,
    recovery_secret,
    secure_keyring_available,
)
from issuetrack.engine.workspace import Workspace

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
        if not self.answers:
            raise KeyringError("it is locked")
        self.kept[service, username] = password


class PlaintextKeyring(MemoryKeyring):
    """A keyring whose name tells that it encrypts nothing."""


@pytest.fixture
def use_keyring() -> Iterator[Callable[[KeyringBackend], None]]:
    """Return what puts another keyring in place for one test."""
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


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

    assert read_key_file(path) == KEY.encode()


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

    assert first_line(path) == "four unrelated words"


@pytest.mark.parametrize("data", [None, b"", b"\xff\xfe\n"])
def test_unreadable_passphrase_file_leaves_it_locked(
    tmp_path: Path, data: bytes | None
) -> None:
    """A missing, empty or binary passphrase file is told by its name."""
    path = tmp_path / "passphrase"
    if data is not None:
        path.write_bytes(data)

    with pytest.raises(LockedError, match="cannot be read"):
        first_line(path)


def test_short_secrets_are_refused() -> None:
    """A key that can be guessed is not taken; an empty passphrase neither."""
    with pytest.raises(UsageError, match="too short"):
        environment_secret("x" * 15)
    with pytest.raises(UsageError, match="empty"):
        passphrase_secret("")
    with pytest.raises(UsageError, match="shorter than 12"):
        new_passphrase_secret("x" * 11)
    assert environment_secret("x" * 16).value == b"x" * 16
    assert new_passphrase_secret("x" * 12) == passphrase_secret("x" * 12)


class Memory:
    """A keeper that keeps while the test runs."""

    name = "the memory of a test"

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def keep(self, label: str, content: bytes, seconds: int) -> None:
        """Keep bytes."""
        self.kept[label] = content

    def recall(self, label: str) -> bytes | None:
        """Return what is kept."""
        return self.kept.get(label)

    def forget(self, label: str) -> None:
        """Drop what is kept."""
        self.kept.pop(label, None)


PHRASE = "four unrelated words"


@pytest.fixture(scope="module")
def content() -> KeyFile:
    """Return a key file in which each kind of secret opens for somebody else.

    `anna` and `otto` have a passphrase, `service` a key file.
    """
    file, owner = KeyFile.create(
        "owner",
        lambda _: [
            SlotSecret(SlotKind.ENVIRONMENT, KEY.encode()),
            SlotSecret(SlotKind.KEYRING, b"kept in the keyring"),
        ],
        recovery_secret(RECOVERY),
    )
    changes = KeyChanges.by(file.unseal(owner), file)
    for name in ("anna", "otto"):
        secrets = [passphrase_secret(f"{PHRASE} of {name}")]
        changes.add(name, PrincipalKind.PERSON, Role.VIEWER, secrets, 1)
    secret = SlotSecret(SlotKind.KEY_FILE, KEY.encode())
    changes.add("service", PrincipalKind.SERVICE, Role.NONE, [secret], 1)
    return file


@pytest.fixture
def file(content: KeyFile) -> KeyFile:
    """Return a copy of it."""
    return content.copy()


def name_of(file: KeyFile, unlock: Unlock) -> tuple[str, SlotKind]:
    """Return whose slot an offer opens, and what kind of slot it is."""
    private = unlock.open(file)
    return file.state.principals[private.principal].name, private.opened_by


def never() -> str:
    """Be asked for a passphrase, though nobody should be."""
    pytest.fail("a person was asked")


def logged_in(file: KeyFile, *names: str) -> LoginCache:
    """Return a cache in which members are logged in."""
    memory = Memory()
    makers: tuple[Callable[[], Keeper], ...] = (lambda: memory,)
    cache = LoginCache(makers, lambda: 0.0)
    for name in names:
        unlock = Unlock(ask=lambda name=name: f"{PHRASE} of {name}", user=name)  # type: ignore[misc]
        private = unlock.open(file)
        cache.keep(file.database, private.principal, private.payload)
    return cache


def test_offers_go_in_order(
    file: KeyFile, tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    """Key file, environment, recovery, passphrase file, keyring, login, a person."""
    backend = MemoryKeyring()
    backend.kept["issuetrack", file.database] = "kept in the keyring"
    use_keyring(backend)
    (tmp_path / "phrase").write_text(f"{PHRASE} of anna\n", encoding="utf-8")
    full = Unlock(
        file_of(tmp_path, KEY),
        KEY,
        tmp_path / "phrase",
        RECOVERY,
        lambda: f"{PHRASE} of otto",
        system_user="otto",
        cache=logged_in(file, "otto"),
    )
    found = [name_of(file, full)]
    for gone in ("key_file", "environment_key", "recovery_key"):
        full = replace(full, **{gone: None})
        found.append(name_of(file, replace(full, system_user="anna")))
    full = replace(full, passphrase_file=None)
    found.append(name_of(file, full))
    backend.kept.clear()
    found.append(name_of(file, full))
    full = replace(full, cache=None)
    found.append(name_of(file, full))
    with pytest.raises(LockedError, match="no key was offered"):
        replace(full, ask=None).open(file)

    assert found == [
        ("service", SlotKind.KEY_FILE),
        ("owner", SlotKind.ENVIRONMENT),
        ("recovery", SlotKind.RECOVERY),
        ("anna", SlotKind.PASSPHRASE),
        ("owner", SlotKind.KEYRING),
        ("otto", SlotKind.LOGIN),
        ("otto", SlotKind.PASSPHRASE),
    ]


def test_explicit_offer_that_does_not_fit_is_final(
    file: KeyFile, tmp_path: Path
) -> None:
    """A wrong key file is told; nothing else is tried in its place."""
    wrong = file_of(tmp_path, "f" * 32)
    with pytest.raises(WrongKeyError, match="does not open this workspace"):
        Unlock(wrong, KEY, None, RECOVERY, never).open(file)
    with pytest.raises(WrongKeyError, match="does not open this workspace for anna"):
        Unlock(environment_key=KEY, user="anna").open(file)


def test_several_people_with_passphrases_say_who_they_are(file: KeyFile) -> None:
    """Nobody's passphrase is tried on the slots of others."""
    with pytest.raises(InputNeeded, match="several users: anna, otto"):
        Unlock(ask=never).open(file)
    with pytest.raises(InputNeeded, match="several users"):
        Unlock(ask=never, system_user="somebody").open(file)
    for unlock in (
        Unlock(ask=lambda: f"{PHRASE} of otto", user="otto"),
        Unlock(ask=lambda: f"{PHRASE} of otto", system_user="otto"),
    ):
        assert name_of(file, unlock) == ("otto", SlotKind.PASSPHRASE)
    with pytest.raises(WrongKeyError):
        Unlock(ask=lambda: f"{PHRASE} of anna", user="otto").open(file)


def test_single_passphrase_needs_no_name(file: KeyFile) -> None:
    """Where only one person has a passphrase it is theirs that is asked for."""
    otto = file.state.named("otto")
    assert otto is not None
    file.forget(otto.uuid)
    unlock = Unlock(ask=lambda: f"{PHRASE} of anna", system_user="root")

    assert name_of(file, unlock) == ("anna", SlotKind.PASSPHRASE)


def test_user_without_a_passphrase_is_not_asked(file: KeyFile) -> None:
    """Without a passphrase slot the question would be vain."""
    for user in ("owner", "service"):
        with pytest.raises(LockedError, match="no key was offered"):
            Unlock(ask=never, user=user).open(file)


def test_passphrase_file_of_a_user_without_a_passphrase_does_not_open(
    file: KeyFile, tmp_path: Path
) -> None:
    """A passphrase for somebody who has none fits nothing."""
    path = file_of(tmp_path, PHRASE)
    with pytest.raises(WrongKeyError, match="for service"):
        Unlock(passphrase_file=path, user="service").open(file)


def test_unknown_user_is_told(file: KeyFile) -> None:
    """A slip in --user is not taken for a wrong key."""
    with pytest.raises(AuthenticationError, match="there is no user nobody"):
        Unlock(environment_key=KEY, user="nobody").open(file)


def test_disabled_user_is_told(team: Team) -> None:
    """The right key of somebody who is locked out says so."""
    owner = team.open("owner")
    owner.accounts.disable(owner.actor, "viewer")
    with pytest.raises(LockedError, match="viewer may not open this workspace"):
        team.open("viewer")


@pytest.mark.parametrize("kept", [None, "of another workspace"])
def test_keyring_entry_that_fits_nobody_falls_through(
    file: KeyFile, use_keyring: Callable[[KeyringBackend], None], kept: str | None
) -> None:
    """A stale keyring is no reason not to ask for the passphrase."""
    backend = MemoryKeyring()
    if kept is not None:
        backend.kept["issuetrack", file.database] = kept
    use_keyring(backend)
    unlock = Unlock(ask=lambda: f"{PHRASE} of anna", system_user="anna")

    assert name_of(file, unlock) == ("anna", SlotKind.PASSPHRASE)
    with pytest.raises(LockedError, match="no key was offered"):
        Unlock(system_user="anna").open(file)


def test_keyring_is_not_asked_for_others(
    file: KeyFile, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    """Who has no keyring slot opens with the passphrase, whatever the keyring is."""
    backend = MemoryKeyring()
    backend.answers = False
    use_keyring(backend)
    unlock = Unlock(ask=lambda: f"{PHRASE} of anna", user="anna")

    assert name_of(file, unlock) == ("anna", SlotKind.PASSPHRASE)
    with pytest.raises(LockedError, match="does not answer"):
        Unlock(user="owner").open(file)


def test_login_opens_for_whom_it_was(file: KeyFile) -> None:
    """What `login` keeps for one user does not open for another."""
    cache = logged_in(file, "anna")

    assert name_of(file, Unlock(user="anna", cache=cache)) == ("anna", SlotKind.LOGIN)
    with pytest.raises(LockedError, match="no key was offered"):
        Unlock(user="otto", cache=cache).open(file)
    with pytest.raises(LockedError, match="no key was offered"):
        Unlock(cache=cache).open(file)


def test_environment_is_read(tmp_path: Path) -> None:
    """Each variable fills its part of the offer; an option wins over its variable."""
    environment = {
        "ISSUETRACK_KEY": "key",
        "ISSUETRACK_KEY_FILE": "a.key",
        "ISSUETRACK_PASSPHRASE_FILE": "a.txt",
        "ISSUETRACK_RECOVERY_KEY": "recovery",
        "ISSUETRACK_USER": "anna",
    }

    system = operating_system_user()
    assert Unlock.from_environment(environment) == Unlock(
        Path("a.key"),
        "key",
        Path("a.txt"),
        "recovery",
        user="anna",
        system_user=system,
    )
    assert Unlock.from_environment(environment, tmp_path).key_file == tmp_path
    assert Unlock.from_environment(environment, user="otto").user == "otto"
    empty = {"ISSUETRACK_KEY_FILE": "", "ISSUETRACK_USER": ""}
    assert Unlock.from_environment(empty) == Unlock(system_user=system)


def test_keyring_keeps_a_secret_for_each_database(
    use_keyring: Callable[[KeyringBackend], None],
) -> None:
    """What was made for one database is found for that one only."""
    use_keyring(MemoryKeyring())
    secret = new_keyring_secret("db")

    assert keyring_secret("db") == secret
    assert len(bytes.fromhex(secret.value.decode())) == 32
    assert keyring_secret("other") is None


def test_locked_keyring_is_told(
    use_keyring: Callable[[KeyringBackend], None],
) -> None:
    """A keyring that does not answer is not taken for one without the key."""
    backend = MemoryKeyring()
    backend.answers = False
    use_keyring(backend)

    with pytest.raises(LockedError, match="does not answer: it is locked"):
        keyring_secret("db")
    with pytest.raises(AuthenticationError, match="does not take the key"):
        new_keyring_secret("db")


def test_keyring_without_encryption_is_refused(
    use_keyring: Callable[[KeyringBackend], None],
) -> None:
    """A plaintext keyring is as good as none."""
    backend = PlaintextKeyring()
    backend.kept["issuetrack", "db"] = KEY
    use_keyring(backend)

    assert not secure_keyring_available()
    assert keyring_secret("db") is None
