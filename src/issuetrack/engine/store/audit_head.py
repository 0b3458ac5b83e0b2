"""The head of the audit chain, kept in a small file beside the database.

A chain alone does not show that its tail was cut off. The file holds the sequence and
hash of the last entry and is written after each commit: a database ahead of it is what
a crash leaves, a database behind it has lost entries that were once there.
"""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from issuetrack.engine.errors import TamperedError

KEYRING_SERVICE = "issuetrack audit head"
_FORM = re.compile(rb"issuetrack-head 1 (\d{20}) ([0-9a-f]{64})\n")


@dataclass(frozen=True)
class Head:
    """The last entry of the chain."""

    sequence: int
    hash: bytes

    @property
    def text(self) -> str:
        """Return the head as its file holds it."""
        return f"issuetrack-head 1 {self.sequence:020} {self.hash.hex()}\n"


def head_file_path(database: Path) -> Path:
    """Return the path of a database's head file."""
    return database.with_name(database.name + ".head")


def keyring_head(database: str) -> Head | None:
    """Return the head that the system keyring holds for a database, if any."""
    import keyring
    from keyring.errors import KeyringError

    try:
        text = keyring.get_password(KEYRING_SERVICE, database)
    except KeyringError:
        return None
    found = _FORM.fullmatch((text or "").encode())
    return Head(int(found[1]), bytes.fromhex(found[2].decode())) if found else None


def keep_in_keyring(database: str, head: Head) -> None:
    """Keep a head in the system keyring, as far as that takes it."""
    import keyring
    from keyring.errors import KeyringError

    with contextlib.suppress(KeyringError):
        keyring.set_password(KEYRING_SERVICE, database, head.text)


class HeadFile:
    """The head file of one database."""

    def __init__(self, database: Path) -> None:
        self.path = head_file_path(database)

    def read(self) -> Head | None:
        """Return the head; None where there is no file, or nothing readable in it."""
        try:
            found = _FORM.fullmatch(self.path.read_bytes())
        except OSError:
            return None
        return Head(int(found[1]), bytes.fromhex(found[2].decode())) if found else None

    def compare(self, head: Head | None, sequence: int, digest: bytes) -> None:
        """Compare what the file held with the last entry of the database.

        Args:
            head: what it held before the state of the database was looked at: those
                who write meanwhile move it on.
            sequence: the last entry.
            digest: its hash.

        Raises:
            TamperedError: the database is behind it, or has another entry there.
        """
        remedy = (
            "ask who changed the files; an admin accepts them as they are with: "
            "issuetrack audit verify --accept"
        )
        if head is None:
            if sequence:
                raise TamperedError(
                    f"the head of the audit trail, {self.path.name}, is missing or "
                    "unreadable",
                    f"put it back from a backup, or {remedy}",
                )
            return
        if head.sequence > sequence:
            raise TamperedError(
                f"the audit trail ends at entry {sequence}; it had {head.sequence}: "
                "an old copy of the database was put back, or entries were removed",
                remedy,
            )
        if head.sequence == sequence and head.hash != digest:
            raise TamperedError(
                f"entry {sequence} of the audit trail is not the one that was written",
                remedy,
            )

    def advance(self, head: Head) -> None:
        """Write a newer head; a file system that fails leaves the old one."""
        known = self.read()
        if known is None or known.sequence < head.sequence:
            self.write(head)

    def differs_from_keyring(self, database: str) -> str | None:
        """Return what the head in the system keyring says against this one.

        Args:
            database: the uuid of the database.
        """
        kept = keyring_head(database)
        known = self.read()
        if kept is None or known is None or kept.sequence < known.sequence:
            return None
        if kept == known:
            return None
        return (
            f"the system keyring knows entry {kept.sequence} of the audit trail, "
            f"which is not there: an old copy of the files was put back"
        )

    def put(self, sequence: int, digest: bytes) -> None:
        """Write the head of a chain, whatever is there now."""
        self.write(Head(sequence, digest))

    def write(self, head: Head) -> None:
        """Write a head, whatever is there now."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, head.text.encode(), 0)
        finally:
            os.close(descriptor)
