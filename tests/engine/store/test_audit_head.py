"""The head file: what it says against a database, and how it is kept."""

import stat
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError

from issuetrack.engine.errors import TamperedError
from issuetrack.engine.store.audit_head import (
    KEYRING_SERVICE,
    Head,
    HeadFile,
    head_file_path,
    keep_in_keyring,
    keyring_head,
)

ONE, TWO = Head(1, b"\1" * 32), Head(2, b"\2" * 32)
OTHER = Head(2, b"\3" * 32)


@pytest.fixture
def file(tmp_path: Path) -> HeadFile:
    """Return the head file of a database, not written yet."""
    return HeadFile(tmp_path / "team.db")


def test_head_lies_beside_its_database(file: HeadFile, tmp_path: Path) -> None:
    """It is a file of its own, for its owner only."""
    file.write(ONE)

    assert file.path == head_file_path(tmp_path / "team.db")
    assert file.path.name == "team.db.head"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_written_head_is_read(file: HeadFile) -> None:
    """A head is one line of a fixed length, written over the one before."""
    assert file.read() is None
    file.put(TWO.sequence, TWO.hash)
    size = file.path.stat().st_size
    assert file.read() == TWO
    file.write(ONE)
    assert file.read() == ONE
    file.write(Head(10**19, bytes(32)))

    assert file.read() == Head(10**19, bytes(32))
    assert file.path.stat().st_size == size


def test_head_only_advances(file: HeadFile) -> None:
    """Two writers who finish in the other order leave the newer head."""
    file.advance(TWO)
    file.advance(ONE)
    file.advance(OTHER)

    assert file.read() == TWO


@pytest.mark.parametrize(
    ("kept", "sequence", "digest"),
    [
        (None, 0, bytes(32)),
        (ONE, 1, ONE.hash),
        (ONE, 2, TWO.hash),
        (ONE, 9, TWO.hash),
    ],
    ids=["new", "same", "one ahead", "far ahead"],
)
def test_database_at_or_ahead_of_its_head_is_taken(
    file: HeadFile, kept: Head | None, sequence: int, digest: bytes
) -> None:
    """A crash between commit and head leaves the database ahead."""
    if kept is not None:
        file.write(kept)

    file.compare(file.read(), sequence, digest)


# FAULTS 35
@pytest.mark.parametrize(
    ("kept", "sequence", "digest", "words"),
    [
        (None, 1, ONE.hash, "missing or unreadable"),
        (TWO, 1, ONE.hash, "ends at entry 1; it had 2"),
        (TWO, 0, bytes(32), "ends at entry 0; it had 2"),
        (TWO, 2, OTHER.hash, "entry 2 of the audit trail is not the one"),
    ],
    ids=["no file", "behind", "emptied", "another entry"],
)
def test_database_behind_its_head_is_refused(
    file: HeadFile, kept: Head | None, sequence: int, digest: bytes, words: str
) -> None:
    """Entries that were there once are missed, with what to do about it."""
    if kept is not None:
        file.write(kept)
    with pytest.raises(TamperedError, match=words) as raised:
        file.compare(file.read(), sequence, digest)

    assert "audit verify --accept" in (raised.value.hint or "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"issuetrack-head 1 0000",
        b"issuetrack-head 2 " + ONE.text.encode()[18:],
        ONE.text.encode() + b"\n",
        ONE.text.encode()[:-1],
        ONE.text.upper().encode(),
        b"\xff" * 103,
    ],
)
def test_unreadable_head_is_none(file: HeadFile, content: bytes) -> None:
    """A cut, longer or binary file is as good as none, and is told so."""
    file.path.write_bytes(content)

    assert file.read() is None
    with pytest.raises(TamperedError, match="missing or unreadable"):
        file.compare(file.read(), 1, ONE.hash)


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


@pytest.fixture
def system() -> Iterator[MemoryKeyring]:
    """Put a system keyring in place for one test."""
    before = keyring.get_keyring()
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


def test_keyring_keeps_a_head_for_each_database(system: MemoryKeyring) -> None:
    """A copy that lies elsewhere cannot be put back together with the files."""
    assert keyring_head("db") is None
    keep_in_keyring("db", ONE)

    assert keyring_head("db") == ONE
    assert keyring_head("other") is None
    system.kept[KEYRING_SERVICE, "db"] = "something else"
    assert keyring_head("db") is None


def test_locked_keyring_knows_no_head(system: MemoryKeyring) -> None:
    """A keyring that does not answer neither proves nor hinders anything."""
    keep_in_keyring("db", ONE)
    system.answers = False
    keep_in_keyring("db", TWO)

    assert keyring_head("db") is None
    system.answers = True
    assert keyring_head("db") == ONE


# FAULTS 35
@pytest.mark.parametrize(
    ("kept", "known", "told"),
    [
        (None, ONE, False),
        (ONE, None, False),
        (ONE, ONE, False),
        (ONE, TWO, False),
        (TWO, ONE, True),
        (TWO, OTHER, True),
    ],
    ids=["no keyring", "no file", "same", "older keyring", "newer keyring", "another"],
)
def test_head_in_the_keyring_shows_old_files(
    system: MemoryKeyring,
    file: HeadFile,
    kept: Head | None,
    known: Head | None,
    told: bool,
) -> None:
    """All files of an old time put back together are noticed by the keyring."""
    if kept is not None:
        keep_in_keyring("db", kept)
    if known is not None:
        file.write(known)
    reason = file.differs_from_keyring("db")

    assert (reason is not None) == told
    if told:
        assert reason is not None
        assert "knows entry 2" in reason
