"""A thousand words that no other text holds: none of them is in any file, ever."""

import hashlib
import random
import re
import sqlite3
import string
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from issuetrack.engine.errors import WrongKeyError
from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.maintenance import MaintenanceService
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.connections import Connections
from issuetrack.engine.store.keyslots import KeyFile
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import CommentKind, IssueStatus, Role
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.ports import BadRecord, Item, RemoteComment, RemoteIssue
from issuetrack.engine.workspace import Workspace

KEY = "0123456789abcdef0123456789abcdef"
CANARIES, LENGTH, TAIL = 1000, 16, 10
FEW = 250
NOW = datetime(2026, 11, 1, tzinfo=UTC)
RUNS = {
    "UTF-8": re.compile(rb"[a-z]{%d,}" % TAIL),
    "UTF-16 little endian": re.compile(rb"(?:[a-z]\0){%d,}" % TAIL),
    "UTF-16 big endian": re.compile(rb"(?:\0[a-z]){%d,}" % TAIL),
}


class HashModel:
    """An embedding model whose vectors are drawn from the hash of the text."""

    fingerprint = "hash"
    dimensions = 384
    window = 254

    def count(self, text: str) -> int:
        """Return how many words a text has."""
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row for each text."""
        seeds = [hashlib.sha256(text.encode()).digest() for text in texts]
        rows = [
            np.random.default_rng(list(seed)).standard_normal(self.dimensions)
            for seed in seeds
        ]
        drawn = np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)
        unit: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return unit


def draw_canaries() -> list[str]:
    """Return distinct words; none of their ends is the end of another."""
    chance = random.Random(20261101)
    words: dict[str, str] = {}
    while len(words) < CANARIES:
        word = "".join(chance.choices(string.ascii_lowercase, k=LENGTH - 1)) + "x"
        words[word[-TAIL:]] = word
    return list(words.values())


def found_in(data: bytes, canaries: Sequence[str]) -> set[str]:
    """Return the canaries of which a file holds the last letters in any form.

    The last letters suffice, because FTS5 leaves out what a word has in common with
    the word before it.
    """
    ends = {word[-TAIL:].encode(): word for word in canaries}
    found = set()
    for pattern in RUNS.values():
        for match in pattern.finditer(data.lower()):
            letters = match.group().replace(b"\0", b"")
            found |= {
                ends[letters[at : at + TAIL]]
                for at in range(len(letters) - TAIL + 1)
                if letters[at : at + TAIL] in ends
            }
    return found


def grep(folder: Path, canaries: Sequence[str]) -> dict[str, int]:
    """Return how many canaries each file under a folder gives away."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found = {path.name: len(found_in(path.read_bytes(), canaries)) for path in files}
    return {name: number for name, number in found.items() if number}


def items(canaries: Sequence[str]) -> Iterator[Item]:
    """Yield issues with five canaries each, and bad records with one."""
    for n in range(0, len(canaries) - 50, 5):
        title, body, public, note, fix = canaries[n : n + 5]
        yield RemoteIssue(
            key=f"K-{n}",
            title=f"alarm {title} again",
            body=f"it says {body} and stops",
            status=IssueStatus.RESOLVED,
            resolution=f"the cause was {fix} in the cable" if n % 2 else None,
            created_at=NOW,
            updated_at=NOW + timedelta(seconds=n),
            comments=(
                RemoteComment(f"fixed by {public}: restarted it", NOW, "one", key="p"),
                RemoteComment(
                    f"root cause: {note}, solved by {fix}",
                    NOW,
                    "two",
                    CommentKind.WORK_NOTE,
                    "n",
                ),
            ),
        )
    for n, word in enumerate(canaries[-50:-30]):
        yield BadRecord("bad.jsonl", n, "it is not JSON", f"{{ {word}")


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for the database, and for all temporary files."""
    folder = tmp_path / "private"
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    for name in ("TMPDIR", "SQLITE_TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def work(workspace: Workspace, canaries: Sequence[str]) -> None:
    """Use every canary in everything that takes a text."""
    actor = workspace.actor
    workspace.imports.run(actor, "canaries", "jsonl", items(canaries))
    issues = workspace.issues
    for name, word in zip(("1", "2", "3"), canaries[-30:-27], strict=True):
        issues.edit(actor, name, {"title": f"now {word}", "body": f"now {word}"})
    for name, word in zip(("1", "2", "3"), canaries[-27:-24], strict=True):
        issues.comment(actor, name, f"saw {word}")
        issues.resolve(actor, name, f"it was {word} all the time")
    issues.create(actor, IssueDraft(f"new {canaries[-24]}", body=canaries[-23]))
    workspace.drain_index()
    for title, word in zip(canaries[::100], canaries[-20:], strict=False):
        asked = Question(f"alarm {title} again", f"{title} {word}")
        assert workspace.finding.similar(actor, asked)
        made = workspace.suggestions.suggest(actor, asked)
        workspace.feedback.rate(actor, f"R{made.recommendation}", 2, f"not {word}")
    assert issues.matching(actor, canaries[20])[1] == 1


def open_files() -> set[str]:
    """Return the files that this process holds open, deleted ones included."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return set()
    return {str(link.readlink()) for link in folder.iterdir() if link.is_symlink()}


# FAULTS 32
def test_no_file_holds_a_canary(private: Path) -> None:
    """Nothing readable is written: while in use, after deletion, after closing."""
    canaries = draw_canaries()
    path = private / "canary.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY), HashModel())
    try:
        work(workspace, canaries)
        assert {p.name for p in private.iterdir()} == {
            *("canary.db", "canary.db-wal", "canary.db-shm", "canary.db.keys"),
            *("canary.db.head", "canary.db.lock", "tmp"),
        }
        assert grep(private, canaries) == {}
        assert not any(str(private / "tmp") in name for name in open_files())
        with workspace._database.write() as uow:
            uow.sql("DELETE FROM issue WHERE number % 2 = 0")
            uow.sql("DELETE FROM quarantine")
            uow.sql("DELETE FROM chunk_lexical WHERE rowid % 2 = 0")
        assert grep(private, canaries) == {}
        workspace.rebuild_index()
        assert grep(private, canaries) == {}
    finally:
        workspace.close()

    assert grep(private, canaries) == {}


def rekey_stopped_at_its_swap(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leave what a kill leaves just before the new pages are put in place."""
    with monkeypatch.context() as patched:
        patched.setattr(Connections, "_swap_in", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            workspace.keys.rekey(workspace.actor)


def rotation_stopped_at_its_key_file(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leave what a kill leaves between the commit and the new key file."""
    with monkeypatch.context() as patched:
        patched.setattr(KeyFile, "save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            workspace.keys.rotate(workspace.actor)


# FAULTS 32
def test_no_file_holds_a_canary_after_changes_of_keys(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither rotation, removal, backup, restore, a stop in them nor a wrong key."""
    monkeypatch.setenv("XDG_STATE_HOME", str(private / "state"))
    canaries = draw_canaries()[:FEW]
    path, unlock = private / "canary.db", Unlock(environment_key=KEY)
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    others = SlotSecret(SlotKind.ENVIRONMENT, canaries[0].encode() * 2)
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, unlock, HashModel())
    actor = workspace.actor
    workspace.imports.run(actor, "canaries", "jsonl", items(canaries))
    workspace.drain_index()
    workspace.accounts.add(actor, "bob", Role.ENGINEER, lambda _: others)
    rotation_stopped_at_its_key_file(workspace, monkeypatch)
    assert grep(private, canaries) == {}
    workspace.keys.rotate(actor)
    assert grep(private, canaries) == {}
    made = workspace.maintenance.backup(actor)
    workspace.accounts.remove(actor, "bob")
    workspace.keys.finish(actor)
    rekey_stopped_at_its_swap(workspace, monkeypatch)
    assert (private / "canary.db.rekeyed").exists()
    assert grep(private, canaries) == {}
    workspace.close()
    with pytest.raises(WrongKeyError):
        Workspace.open(path, Unlock(environment_key=canaries[1] * 2, user="owner"))
    assert (private / "canary.db.denied").stat().st_size
    assert grep(private, canaries) == {}
    workspace = Workspace.open(path, unlock, HashModel())
    workspace.keys.rekey(workspace.actor)
    workspace.maintenance.compact(workspace.actor)
    assert grep(private, canaries) == {}
    workspace.close()
    MaintenanceService.restore(made.backup, path, unlock, lambda: NOW)
    assert (private / "canary.db.before-restore-1").is_dir()

    assert grep(private, canaries) == {}


# FAULTS 32
def test_no_file_holds_a_canary_after_failing_commands(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a command is told in its arguments goes to no log, whatever becomes of it."""
    canaries = draw_canaries()
    path = private / "canary.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    monkeypatch.setenv("XDG_STATE_HOME", str(private / "state"))
    monkeypatch.setenv("ISSUETRACK_DB", str(path))
    commands = [
        (("issue", "new", canaries[0], "--body", canaries[1]), KEY, 0),
        (("issue", "show", canaries[2]), KEY, 7),
        (("issue", "new", canaries[3]), canaries[4] * 2, 4),
        (("import", f"{canaries[5]}.jsonl"), KEY, None),
    ]
    for arguments, key, code in commands:
        monkeypatch.setenv("ISSUETRACK_KEY", key)
        done = subprocess.run(
            [sys.executable, "-m", "issuetrack", *arguments],
            capture_output=True,
            check=False,
        )
        assert done.returncode == code or (code is None and done.returncode)

    assert grep(private, canaries) == {}


# FAULTS 32
def test_every_canary_was_in_the_database(private: Path) -> None:
    """The words that are looked for are really kept, and can be read by their owner."""
    canaries = draw_canaries()
    path = private / "canary.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY), HashModel())
    try:
        workspace.imports.run(workspace.actor, "c", "jsonl", items(canaries))
        read = repr(list(workspace.issues.every(workspace.actor))).encode()
        with workspace._database.read() as uow:
            read += b"".join(
                uow.open("quarantine", "record", uuid, record).encode()
                for uuid, record in uow.sql("SELECT uuid, record FROM quarantine")
            )
    finally:
        workspace.close()

    assert found_in(read, canaries) == set(canaries[:-30])


# FAULTS 32
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_search_for_canaries_finds_them_in_a_plain_file(
    private: Path, encoding: str
) -> None:
    """The same search finds all of them where nothing is encrypted."""
    canaries = draw_canaries()
    path = private / "plain.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA encoding = '{encoding}'")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE issue(body TEXT)")
    connection.executemany(
        "INSERT INTO issue VALUES (?)",
        [(f"it says {word} again",) for word in canaries],
    )
    connection.commit()
    assert grep(private, canaries) == {"plain.db-wal": CANARIES}
    connection.close()
    assert grep(private, canaries) == {"plain.db": CANARIES}


# FAULTS 32
def test_search_for_canaries_finds_them_in_a_plain_index(private: Path) -> None:
    """Words that FTS5 has shortened are found as well."""
    canaries = draw_canaries()
    path = private / "plain.db"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE VIRTUAL TABLE word USING fts5(body, content='', tokenize='porter')"
    )
    connection.executemany(
        "INSERT INTO word(rowid, body) VALUES (?, ?)", list(enumerate(canaries))
    )
    connection.commit()
    connection.close()

    assert grep(private, canaries) == {"plain.db": CANARIES}
