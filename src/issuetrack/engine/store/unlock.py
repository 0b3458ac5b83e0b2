"""Finds the secrets that the person or job at hand can present."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from issuetrack.engine.errors import AuthenticationError, LockedError, UsageError
from issuetrack.engine.store.keyslots import SlotKind, SlotSecret

KEYRING_SERVICE = "issuetrack"
RECOVERY_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RECOVERY_LENGTH, RECOVERY_GROUP = 52, 4
LEAST_SECRET_BYTES = 16


@dataclass(frozen=True)
class Unlock:
    """What was offered to open a workspace with.

    Attributes:
        key_file: a file whose content is the secret.
        environment_key: the secret itself, from the environment.
        passphrase_file: a file whose first line is a passphrase.
        recovery_key: the key that `init` printed.
        ask: asks a person for a passphrase; None where nobody can be asked.
    """

    key_file: Path | None = None
    environment_key: str | None = field(default=None, repr=False)
    passphrase_file: Path | None = None
    recovery_key: str | None = field(default=None, repr=False)
    ask: Callable[[], str] | None = None

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str],
        key_file: Path | None = None,
        ask: Callable[[], str] | None = None,
    ) -> "Unlock":
        """Return what ISSUETRACK_* variables and a --key-file option offer."""

        def path(name: str) -> Path | None:
            return Path(environment[name]) if environment.get(name) else None

        return cls(
            key_file or path("ISSUETRACK_KEY_FILE"),
            environment.get("ISSUETRACK_KEY"),
            path("ISSUETRACK_PASSPHRASE_FILE"),
            environment.get("ISSUETRACK_RECOVERY_KEY"),
            ask,
        )

    def offered(self, database: str, kinds: set[SlotKind]) -> Iterator[SlotSecret]:
        """Yield the secrets on offer; a person is asked last.

        Raises:
            LockedError: a named file cannot be read.
        """
        if self.key_file is not None:
            yield SlotSecret(SlotKind.KEY_FILE, read_key_file(self.key_file))
            return
        if self.environment_key:
            yield environment_secret(self.environment_key)
            return
        if self.recovery_key:
            yield recovery_secret(self.recovery_key)
            return
        if self.passphrase_file is not None:
            yield passphrase_secret(_first_line(self.passphrase_file))
            return
        if SlotKind.KEYRING in kinds:
            stored = keyring_secret(database)
            if stored is not None:
                yield stored
                return
        if SlotKind.PASSPHRASE in kinds and self.ask is not None:
            yield passphrase_secret(self.ask())


def _first_line(path: Path) -> str:
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


def environment_secret(value: str) -> SlotSecret:
    """Return the secret held by ISSUETRACK_KEY.

    Raises:
        UsageError: it is too short to be one.
    """
    if len(value.encode()) < LEAST_SECRET_BYTES:
        raise UsageError(
            "ISSUETRACK_KEY is too short to be a key",
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


def store_in_keyring(database: str, secret: SlotSecret) -> None:
    """Keep a database's secret in the OS keyring.

    Raises:
        AuthenticationError: the keyring does not take it.
    """
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(KEYRING_SERVICE, database, secret.value.decode())
    except KeyringError as error:
        raise AuthenticationError(
            f"the OS keyring does not take the key: {error}",
            "unlock it, or use --key-file or --passphrase",
        ) from error


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
