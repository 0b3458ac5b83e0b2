"""Asks for, reads or makes what is to open a workspace from now on."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.engine.errors import (
    AuthenticationError,
    InputNeeded,
    LockedError,
    UsageError,
)

if TYPE_CHECKING:
    from issuetrack.engine.store.slots import SlotSecret

HOW = (
    "use --new-key-file PATH, --passphrase, --new-passphrase-file PATH, "
    "--keyring or --env-key"
)
SecretMaker = Callable[[str], "SlotSecret"]

PassphraseOption = Annotated[
    bool, typer.Option("--passphrase", help="A passphrase; it is asked for twice.")
]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option("--new-passphrase-file", help="A passphrase, the file's first line."),
]
NewKeyFileOption = Annotated[
    Path | None,
    typer.Option("--new-key-file", help="A key file; made if it is not there."),
]
KeyringOption = Annotated[
    bool, typer.Option("--keyring", help="Your own system keyring.")
]
EnvironmentOption = Annotated[
    bool, typer.Option("--env-key", help="The key in ISSUETRACK_NEW_KEY.")
]


@dataclass(frozen=True)
class NewKey:
    """Which way to open a workspace was chosen on the command line."""

    passphrase: bool = False
    passphrase_file: Path | None = None
    key_file: Path | None = None
    keyring: bool = False
    environment: bool = False

    def check(self, run: Invocation) -> None:
        """Refuse a choice that cannot lead to a key.

        Raises:
            UsageError: several ways were chosen.
            InputNeeded: somebody would be asked, and nobody can be.
        """
        chosen = [name for name, value in vars(self).items() if value]
        if len(chosen) > 1:
            raise UsageError("more than one way to open it was chosen", HOW)
        if run.interactive or (chosen and not self.passphrase):
            return
        if self.passphrase:
            raise InputNeeded(
                "a new passphrase is needed", "use --new-passphrase-file PATH"
            )
        raise InputNeeded("a new key is needed", HOW)

    def maker(self, run: Invocation) -> SecretMaker:
        """Return what makes the secret, given the database's uuid.

        A person is asked now, and a file is made later: while somebody types nothing
        is locked, and what is refused leaves no file.
        """
        if self.key_file is not None:
            path = self.key_file
            return lambda _: key_file_secret(path, "--new-key-file")
        if self.passphrase_file is not None:
            written = passphrase_file_secret(self.passphrase_file)
            return lambda _: written
        if self.keyring:
            return keyring_maker
        if self.environment:
            found = environment_secret("ISSUETRACK_NEW_KEY")
            return lambda _: found
        typed = asked_passphrase(run)
        return lambda _: typed


def key_file_secret(path: Path, option: str = "--key-file") -> "SlotSecret":
    """Return the secret in a key file, making the file where there is none."""
    from issuetrack.engine.store.slots import SlotKind, SlotSecret
    from issuetrack.engine.store.unlock import make_key_file

    try:
        return SlotSecret(SlotKind.KEY_FILE, make_key_file(path))
    except AuthenticationError as error:
        if (error.hint or "").startswith("chmod"):
            raise
        raise type(error)(error.message, f"choose another {option}") from error


def passphrase_file_secret(path: Path) -> "SlotSecret":
    """Return the new passphrase in a file."""
    from issuetrack.engine.store.unlock import first_line, new_passphrase_secret

    try:
        written = first_line(path)
    except LockedError as error:
        hint = "name a file whose first line is the passphrase"
        raise LockedError(error.message, hint) from error
    return new_passphrase_secret(written)


def environment_secret(name: str) -> "SlotSecret":
    """Return the key in an environment variable."""
    from issuetrack.engine.store import unlock

    try:
        secret = unlock.environment_secret(os.environ.get(name, ""))
    except UsageError as error:
        why = "too short to be a key" if os.environ.get(name) else "not set"
        raise UsageError(
            f"{name} is {why}", f"export {name}=$(openssl rand -hex 32)"
        ) from error
    diagnostics.warn(
        "the key is in the environment: every process of this user can read it"
    )
    return secret


def keyring_maker(database: str) -> "SlotSecret":
    """Return the secret that the system keyring keeps for a database, or a new one."""
    from issuetrack.engine.store import unlock

    if not unlock.secure_keyring_available():
        raise UsageError("there is no system keyring that keeps secrets encrypted", HOW)
    return unlock.keyring_secret(database) or unlock.new_keyring_secret(database)


def asked_passphrase(run: Invocation) -> "SlotSecret":
    """Ask a person for a new passphrase, twice."""
    from issuetrack.engine.store.unlock import new_passphrase_secret

    first = run.ask("New passphrase", "--new-passphrase-file", hide=True)
    secret = new_passphrase_secret(first)
    if first != run.ask("The same again", "--new-passphrase-file", hide=True):
        raise UsageError("the two passphrases differ", "try again")
    return secret
