"""Where the token of a source comes from: the workspace, a command, a keyring, ...

What is kept says which, and is sealed for engineers and bound to scheme, host and
port. So nobody without an engineer's key can put a command there, and a token never
goes to another host than the one it was given for.
"""

import contextlib
import json
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from issuetrack.engine.errors import CredentialError, UsageError
from issuetrack.engine.store.unlock import secure_keyring_available

KEYRING_SERVICE = "issuetrack source"
COMMAND_SECONDS = 30


class CredentialFrom(StrEnum):
    """Where a token is kept."""

    STORED = "stored"
    COMMAND = "command"
    KEYRING = "keyring"
    ENVIRONMENT = "environment"


@dataclass(frozen=True)
class CredentialSource:
    """Where a token comes from.

    Attributes:
        value: the token itself, the command line, the entry of the keyring or the
            name of the variable.
    """

    kind: CredentialFrom
    value: str = field(repr=False)

    def dump(self) -> str:
        """Return it as a text to be sealed."""
        return json.dumps([self.kind, self.value])

    @classmethod
    def parse(cls, text: str) -> "CredentialSource":
        """Read what `dump` wrote."""
        kind, value = json.loads(text)
        return cls(CredentialFrom(kind), value)

    def secret(self, source: str, environment: Mapping[str, str]) -> str:
        """Return the token.

        Raises:
            CredentialError: there is none there; says what to do.
        """
        token = self._found(environment).strip()
        if token and token.isprintable():
            return token
        where = {
            CredentialFrom.STORED: "the workspace",
            CredentialFrom.COMMAND: f"the command {shlex.split(self.value)[0]}",
            CredentialFrom.KEYRING: "the system keyring",
            CredentialFrom.ENVIRONMENT: f"the variable {self.value}",
        }[self.kind]
        what = "holds something that is no token" if token else "gives no token"
        raise CredentialError(
            f"{where} {what} for the source {source}",
            f"check it, or: issuetrack source edit {source} --token-stdin",
        )

    def _found(self, environment: Mapping[str, str]) -> str:
        match self.kind:
            case CredentialFrom.STORED:
                return self.value
            case CredentialFrom.COMMAND:
                return self._told()
            case CredentialFrom.KEYRING:
                return _from_keyring(self.value)
            case CredentialFrom.ENVIRONMENT:
                return environment.get(self.value, "")

    def _told(self) -> str:
        program = shlex.split(self.value)
        try:
            done = subprocess.run(  # noqa: S603 - an admin's own words, sealed
                program,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_SECONDS,
                check=False,
                text=True,
                errors="replace",
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            said = "does not end" if not isinstance(error, OSError) else error.strerror
            raise CredentialError(
                f"the command {program[0]} for the token: {said}", "run it by hand"
            ) from error
        if done.returncode:
            raise CredentialError(
                f"the command {program[0]} for the token ended with {done.returncode}",
                "run it by hand to see why",
            )
        return done.stdout.partition("\n")[0]


def checked_command(command: str) -> str:
    """Return a command line that can be run without a shell.

    Raises:
        UsageError: it cannot.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--token-command: {error}", "as 'pass show jira'") from error
    if not words:
        raise UsageError("--token-command is empty", "as 'pass show jira'")
    return command


def keep_in_keyring(entry: str, secret: str) -> None:
    """Keep a token in the keyring of this operating-system user.

    Raises:
        UsageError: there is none that keeps secrets encrypted.
    """
    if not secure_keyring_available():
        raise UsageError(
            "there is no keyring here that keeps secrets encrypted",
            "leave --token-keyring away: the workspace keeps the token encrypted",
        )
    import keyring

    keyring.set_password(KEYRING_SERVICE, entry, secret)


def forget_in_keyring(entry: str) -> None:
    """Drop a token from the keyring, where this user has it."""
    if not secure_keyring_available():
        return
    import keyring
    from keyring.errors import KeyringError

    with contextlib.suppress(KeyringError):
        keyring.delete_password(KEYRING_SERVICE, entry)


def _from_keyring(entry: str) -> str:
    if not secure_keyring_available():
        return ""
    import keyring

    return keyring.get_password(KEYRING_SERVICE, entry) or ""
