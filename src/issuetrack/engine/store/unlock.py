"""Finds the secrets that the person or job at hand can present."""

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from issuetrack.engine.errors import (
    AuthenticationError,
    InputNeeded,
    LockedError,
    UsageError,
    WrongKeyError,
)
from issuetrack.engine.settings import operating_system_user
from issuetrack.engine.store.key_log import Principal
from issuetrack.engine.store.keyslots import KeyFile
from issuetrack.engine.store.login_cache import LoginCache
from issuetrack.engine.store.private_keys import PrivateKeys
from issuetrack.engine.store.slots import SlotKind, SlotSecret

KEYRING_SERVICE = "issuetrack"
RECOVERY_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RECOVERY_LENGTH, RECOVERY_GROUP = 52, 4
LEAST_SECRET_BYTES = 16
LEAST_PASSPHRASE = 12


@dataclass(frozen=True)
class Unlock:
    """What was offered to open a workspace with.

    Attributes:
        key_file: a file whose content is the secret.
        environment_key: the secret itself, from the environment.
        passphrase_file: a file whose first line is a passphrase.
        recovery_key: the key that `init` printed.
        ask: asks a person for a passphrase; None where nobody can be asked.
        user: who wants to act; None for whoever the secret belongs to.
        system_user: the name of the operating-system user.
        cache: what `login` keeps; None where it is not to be used.
    """

    key_file: Path | None = None
    environment_key: str | None = field(default=None, repr=False)
    passphrase_file: Path | None = None
    recovery_key: str | None = field(default=None, repr=False)
    ask: Callable[[], str] | None = None
    user: str | None = None
    system_user: str | None = None
    cache: LoginCache | None = None

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str],
        key_file: Path | None = None,
        ask: Callable[[], str] | None = None,
        user: str | None = None,
        cache: LoginCache | None = None,
    ) -> "Unlock":
        """Return what ISSUETRACK_* variables and the options offer."""

        def path(name: str) -> Path | None:
            return Path(environment[name]) if environment.get(name) else None

        return cls(
            key_file or path("ISSUETRACK_KEY_FILE"),
            environment.get("ISSUETRACK_KEY"),
            path("ISSUETRACK_PASSPHRASE_FILE"),
            environment.get("ISSUETRACK_RECOVERY_KEY"),
            ask,
            user or environment.get("ISSUETRACK_USER") or None,
            operating_system_user(),
            cache,
        )

    def open(self, file: KeyFile) -> PrivateKeys:
        """Open a slot of a key file with what is on offer; a person is asked last.

        Raises:
            LockedError: nothing was offered, or a named file cannot be read.
            WrongKeyError: what was offered fits no slot.
            AuthenticationError: there is no such user.
            TamperedError: a slot was changed by something else.
        """
        among = self._candidates(file)
        offer = self._headless()
        if offer is not None and offer.kind is not SlotKind.PASSPHRASE:
            return self._opened(file, offer, among)
        if offer is None and self._has(file, among, SlotKind.KEYRING):
            stored = keyring_secret(file.database)
            private = stored and file.open_slot(stored, among)
            if private:
                return private
        people = [p for p in among if self._has(file, [p], SlotKind.PASSPHRASE)]
        if offer is None and self.cache is not None:
            for principal in self._chosen(people):
                kept = self.cache.recall(file.database, principal.uuid)
                if kept is not None:
                    return PrivateKeys(principal.uuid, kept, SlotKind.LOGIN)
        if offer is None and (self.ask is None or not people):
            raise LockedError(
                "the workspace is locked and no key was offered",
                "use --key-file PATH, or set ISSUETRACK_KEY_FILE or "
                "ISSUETRACK_PASSPHRASE_FILE; with a passphrase: issuetrack login",
            )
        chosen = self._one_of(people)
        if offer is None and self.ask is not None:
            offer = passphrase_secret(self.ask())
        assert offer is not None
        return self._opened(file, offer, chosen)

    def _headless(self) -> SlotSecret | None:
        """Return what options and environment offer, the most explicit one."""
        if self.key_file is not None:
            return SlotSecret(SlotKind.KEY_FILE, read_key_file(self.key_file))
        if self.environment_key:
            return environment_secret(self.environment_key)
        if self.recovery_key:
            return recovery_secret(self.recovery_key)
        if self.passphrase_file is not None:
            return passphrase_secret(first_line(self.passphrase_file))
        return None

    def _candidates(self, file: KeyFile) -> list[Principal]:
        if self.user is None:
            return file.principals()
        found = file.state.named(self.user)
        if found is None:
            raise AuthenticationError(
                f"there is no user {self.user} in this workspace",
                "check --user and ISSUETRACK_USER",
            )
        return [found]

    @staticmethod
    def _has(file: KeyFile, among: Iterable[Principal], kind: SlotKind) -> bool:
        return any(slot["kind"] == kind for p in among for slot in file.slots(p.uuid))

    def _chosen(self, people: list[Principal]) -> list[Principal]:
        """Return whose passphrase it is, where that is clear."""
        if len(people) == 1:
            return people
        return [p for p in people if p.name == self.system_user]

    def _one_of(self, people: list[Principal]) -> list[Principal]:
        chosen = self._chosen(people)
        if people and not chosen:
            names = ", ".join(p.name for p in people)
            raise InputNeeded(
                f"a passphrase opens it for several users: {names}",
                "say who you are: --user NAME, or ISSUETRACK_USER",
            )
        return chosen

    def _opened(
        self, file: KeyFile, secret: SlotSecret, among: list[Principal]
    ) -> PrivateKeys:
        private = file.open_slot(secret, among)
        if private is None:
            name = f" for {self.user}" if self.user else ""
            raise WrongKeyError(
                f"the key does not open this workspace{name}",
                "check --db, --key-file and --user: they must belong together",
            )
        return private


def first_line(path: Path) -> str:
    """Return the passphrase in a file.

    Raises:
        LockedError: it cannot be read, or is empty.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise LockedError(
            f"the passphrase file {path} cannot be read",
            "check ISSUETRACK_PASSPHRASE_FILE",
        ) from error


def passphrase_secret(passphrase: str) -> SlotSecret:
    """Return the secret that a passphrase is.

    Raises:
        UsageError: it is empty.
    """
    if not passphrase:
        raise UsageError("the passphrase is empty", "choose one of 12 characters")
    return SlotSecret(SlotKind.PASSPHRASE, passphrase.encode())


def new_passphrase_secret(passphrase: str) -> SlotSecret:
    """Return the secret that a newly chosen passphrase is.

    Raises:
        UsageError: it is too short.
    """
    if len(passphrase) < LEAST_PASSPHRASE:
        raise UsageError(
            f"the passphrase is shorter than {LEAST_PASSPHRASE} characters",
            "four unrelated words make a good one",
        )
    return passphrase_secret(passphrase)


def environment_secret(value: str) -> SlotSecret:
    """Return the secret held by ISSUETRACK_KEY.

    Raises:
        UsageError: it is too short to be one.
    """
    if len(value.encode()) < LEAST_SECRET_BYTES:
        raise UsageError(
            "the key in the environment is too short to be one",
            "make one: openssl rand -hex 32",
        )
    return SlotSecret(SlotKind.ENVIRONMENT, value.encode())


def read_key_file(path: Path) -> bytes:
    """Return the secret in a key file.

    Raises:
        LockedError: the file is missing or unreadable.
        AuthenticationError: other users could read it, or it is too short.
    """
    try:
        mode = path.stat().st_mode
        data = path.read_bytes().strip()
    except OSError as error:
        raise LockedError(
            f"the key file {path} cannot be read: {error.strerror}",
            "check --key-file or ISSUETRACK_KEY_FILE",
        ) from error
    if os.name == "posix" and mode & 0o077:
        raise AuthenticationError(
            f"the key file {path} can be read by others", f"chmod 600 {path}"
        )
    if len(data) < LEAST_SECRET_BYTES:
        raise AuthenticationError(
            f"the key file {path} holds no key", "check --key-file"
        )
    return data


def make_key_file(path: Path) -> bytes:
    """Return the secret in a key file, making the file where there is none."""
    if path.exists():
        return read_key_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise AuthenticationError(
            f"cannot create the key file {path}: {error.strerror}",
            "choose another --key-file",
        ) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return read_key_file(path)


def secure_keyring_available() -> bool:
    """Tell whether the OS keyring keeps secrets encrypted."""
    import keyring
    from keyring.backends import fail, null

    backend = keyring.get_keyring()
    backends = getattr(backend, "backends", [backend])
    return any(
        not isinstance(b, fail.Keyring | null.Keyring)
        and "plaintext" not in type(b).__name__.lower()
        and "keyrings.alt" not in type(b).__module__
        for b in backends
    )


def keyring_secret(database: str) -> SlotSecret | None:
    """Return the secret that the OS keyring holds for a database, if any."""
    if not secure_keyring_available():
        return None
    import keyring
    from keyring.errors import KeyringError

    try:
        value = keyring.get_password(KEYRING_SERVICE, database)
    except KeyringError as error:
        raise LockedError(
            f"the OS keyring does not answer: {error}",
            "unlock it, or use --key-file or ISSUETRACK_PASSPHRASE_FILE",
        ) from error
    return None if value is None else SlotSecret(SlotKind.KEYRING, value.encode())


def new_keyring_secret(database: str) -> SlotSecret:
    """Make a secret for a database and keep it in the OS keyring.

    Raises:
        AuthenticationError: the keyring does not take it.
    """
    import keyring
    from keyring.errors import KeyringError

    secret = SlotSecret(SlotKind.KEYRING, secrets.token_hex(32).encode())
    try:
        keyring.set_password(KEYRING_SERVICE, database, secret.value.decode())
    except KeyringError as error:
        raise AuthenticationError(
            f"the OS keyring does not take the key: {error}",
            "unlock it, or use --key-file or --passphrase",
        ) from error
    return secret


def new_recovery_key() -> str:
    """Return a random recovery key in groups that can be written down."""
    letters = [secrets.choice(RECOVERY_ALPHABET) for _ in range(RECOVERY_LENGTH)]
    groups = range(0, RECOVERY_LENGTH, RECOVERY_GROUP)
    return "-".join("".join(letters[i : i + RECOVERY_GROUP]) for i in groups)


def recovery_secret(written: str) -> SlotSecret:
    """Return the secret that a written recovery key stands for.

    Raises:
        AuthenticationError: it is not of the right form.
    """
    kept = written.upper().replace("-", "").replace(" ", "")
    kept = kept.translate(str.maketrans("OIL", "011"))
    if len(kept) != RECOVERY_LENGTH or set(kept) - set(RECOVERY_ALPHABET):
        raise AuthenticationError(
            "that is not a recovery key",
            f"it has {RECOVERY_LENGTH} letters and digits in groups of four",
        )
    return SlotSecret(SlotKind.RECOVERY, kept.encode())
