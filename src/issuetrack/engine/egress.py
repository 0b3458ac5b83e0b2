"""The egress ledger: every host that the program contacted or refused, and why.

It names hosts, never what was asked of them: no path, no query, no token, no text. It
is one file of JSON lines in the state directory, an entry for each host, port, purpose
and outcome. What cannot be written is dropped, as in the log.
"""

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from issuetrack.engine.logs_setup import PRIVATE_FILE, private_folder

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:
    fcntl = None

FILE = "egress.jsonl"
MOST_ENTRIES = 1000
LONGEST_NAME = 253
DEFAULT_PORTS = {"https": 443, "http": 80}


class Outcome(StrEnum):
    """What came of it."""

    CONTACTED = "contacted"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True)
class EgressEntry:
    """One host, and what it was contacted for.

    Attributes:
        host: its name as it was given.
        purpose: such as `sync github` or `pull smollm2-135m`.
        first: when it was so for the first time.
        last: when it was so for the last time.
        count: in how many runs and pieces of work.
    """

    host: str
    port: int
    purpose: str
    outcome: Outcome
    first: datetime
    last: datetime
    count: int

    @property
    def key(self) -> tuple[str, int, str, Outcome]:
        """Return what makes two entries one."""
        return self.host, self.port, self.purpose, self.outcome


def _now() -> datetime:
    return datetime.now(UTC)


def _plain(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:LONGEST_NAME]


def _entry(line: str) -> EgressEntry | None:
    try:
        found = json.loads(line)
        return EgressEntry(
            str(found["host"]),
            int(found["port"]),
            str(found["purpose"]),
            Outcome(found["outcome"]),
            datetime.fromisoformat(found["first"]),
            datetime.fromisoformat(found["last"]),
            int(found["count"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _line(entry: EgressEntry) -> str:
    fields = asdict(entry)
    fields |= {"first": entry.first.isoformat(), "last": entry.last.isoformat()}
    return json.dumps(fields) + "\n"


class Ledger:
    """The entries in one file, which several processes may write at once."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = _now) -> None:
        self._path = path
        self._clock = clock
        self._mutex = threading.Lock()

    def record(self, host: str, port: int, purpose: str, outcome: Outcome) -> None:
        """Note that a host was contacted, or was to be and was not."""
        now = self._clock()
        new = EgressEntry(_plain(host), port, _plain(purpose), outcome, now, now, 1)
        with contextlib.suppress(OSError), self._alone():
            known = {entry.key: entry for entry in self.entries()}
            before = known.pop(new.key, None)
            if before is not None:
                new = replace(new, first=before.first, count=before.count + 1)
            self._write([*known.values(), new][-MOST_ENTRIES:])

    def entries(self) -> list[EgressEntry]:
        """Return what is known, the latest last."""
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        found = [_entry(line) for line in text.splitlines()]
        return [entry for entry in found if entry is not None]

    def _write(self, entries: list[EgressEntry]) -> None:
        new = self._path.with_name(f"{self._path.name}.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(new, flags, PRIVATE_FILE), "w") as file:
            file.writelines(map(_line, entries))
        new.replace(self._path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        private_folder(self._path.parent)
        lock = self._path.with_name(f"{self._path.name}.lock")
        flags = os.O_WRONLY | os.O_CREAT
        with self._mutex, os.fdopen(os.open(lock, flags, PRIVATE_FILE), "w") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


_ledgers: list[Ledger] = []


@contextmanager
def recording_to(path: Path) -> Iterator[Ledger]:
    """Record what every part of the program contacts while the block runs."""
    ledger = Ledger(path)
    _ledgers.append(ledger)
    try:
        yield ledger
    finally:
        _ledgers.remove(ledger)


def record(host: str, port: int, purpose: str, outcome: Outcome) -> None:
    """Note that a host was contacted, in the ledgers that are open now."""
    for ledger in _ledgers:
        ledger.record(host, port, purpose, outcome)


def record_url(url: str, purpose: str, outcome: Outcome) -> None:
    """Note that the host of a url was contacted; the rest of the url is not kept."""
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    record(parts.hostname or "?", port, purpose, outcome)
