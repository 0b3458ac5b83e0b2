"""Failed unlocks, kept beside the database until somebody opens it.

Without a key nothing can be written to the database; the next unlock takes the spool
into the audit trail. It holds no secret and no text, and grows to 64 KiB at most.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from issuetrack.engine.store.file_guard import exclusively, spool_path

LARGEST = 64 * 1024
MOST_TAKEN = 500


@dataclass(frozen=True)
class FailedUnlock:
    """One attempt to open a workspace that failed.

    Attributes:
        at: when, ISO 8601.
        code: why, as errors name it.
        system_user: who ran the program.
        user: who they said they are, if they did.
    """

    at: str
    code: str
    system_user: str
    user: str | None


def note(
    database: Path, now: datetime, code: str, system_user: str, user: str | None
) -> None:
    """Add a failed attempt; what cannot be written is let go."""
    attempt = FailedUnlock(now.isoformat(), code, system_user[:64], user and user[:64])
    path = spool_path(database)
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file, exclusively(file):
            if file.tell() < LARGEST:
                file.write(json.dumps(asdict(attempt)) + "\n")


@contextmanager
def taken(database: Path) -> Iterator[list[FailedUnlock]]:
    """Give the attempts so far, and empty the spool when the block ends well."""
    try:
        file = spool_path(database).open("r+", encoding="utf-8", errors="replace")
    except OSError:
        yield []
        return
    with file, exclusively(file):
        yield [a for line in file.readlines()[:MOST_TAKEN] for a in _read(line)]
        file.truncate(0)


def _read(line: str) -> Iterator[FailedUnlock]:
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        found = json.loads(line)
        yield FailedUnlock(
            str(found["at"])[:40],
            str(found["code"])[:40],
            str(found["system_user"])[:64],
            None if found["user"] is None else str(found["user"])[:64],
        )
