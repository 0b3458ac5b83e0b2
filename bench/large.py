"""Makes a large workspace to measure lists with; what is there is kept.

    python bench/large.py PATH [--issues 100000]

It is opened with the key in KEY: `ISSUETRACK_KEY=... issuetrack --db PATH issue list`.
Words are indexed, nothing is embedded. Issue #1 has a body of 10 MB.
"""

import argparse
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlmodel import delete

from issuetrack.engine.retrieval import documents, lexical_index
from issuetrack.engine.store.index_tables import Chunk, IndexQueue
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import ChunkKind, IssueStatus, IssueType, Priority
from issuetrack.engine.store.unit_of_work import new_uuid
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.ports import RemoteComment, RemoteIssue
from issuetrack.engine.workspace import Workspace
from synthetic import SyntheticModel

KEY = "benchmark-key-of-no-importance"
ISSUES = 100_000
BATCH = 1_000
HUGE = 10 * 1024 * 1024
START = datetime(2023, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
SERVICES = (
    "checkout", "payments", "search", "catalogue", "login", "mail", "billing",
    "warehouse", "shipping", "reports", "gateway", "database", "storage", "network",
    "printing", "telephony", "vpn", "intranet", "backup", "monitoring",
)  # fmt: skip
FAULTS = (
    "timeout", "disk full", "out of memory", "certificate expired", "slow queries",
    "connection refused", "login fails", "queue grows", "replica lags", "pod restarts",
    "wrong totals", "mails bounce", "printer jams", "backup fails", "DNS fails",
    "segfault", "deadlock", "HTTP 502", "packet loss", "stale cache",
)  # fmt: skip
PLACES = ("on app-{}", "in region {}", "since release {}", "for customer {}", "#{}")
PEOPLE = ("ada", "grace", "linus", "margaret", "dennis", "barbara", "ken", None)
STATUSES = (IssueStatus.OPEN, IssueStatus.IN_PROGRESS, IssueStatus.RESOLVED)
PRIORITIES = (*Priority, None)
SITES = ("DC1", "DC2", "office", None)
FINISHED = (IssueStatus.RESOLVED, IssueStatus.CLOSED)


def issues(count: int, seed: int = 7) -> Iterator[RemoteIssue]:
    """Yield made-up issues: most of them closed, every tenth with comments."""
    rng = random.Random(seed)
    for number in range(1, count + 1):
        yield _issue(rng, number)


def _issue(rng: random.Random, number: int) -> RemoteIssue:
    created = START + number * STEP
    updated = created + timedelta(minutes=rng.randrange(40_000))
    service, fault = rng.choice(SERVICES), rng.choice(FAULTS)
    place = rng.choice(PLACES).format(rng.randrange(1, 500))
    status = rng.choices((*STATUSES, IssueStatus.CLOSED), (12, 5, 10, 73))[0]
    line = f"{service} {fault} {place}: {' '.join(_words(rng, 25))}.\n"
    return RemoteIssue(
        key=f"BIG-{number}",
        title=f"{service}: {fault} {place}, {' '.join(_words(rng, 3))}",
        body=line * (HUGE // len(line)) if number == 1 else line,
        type=rng.choice(tuple(IssueType)),
        status=status,
        priority=rng.choices(PRIORITIES, (5, 15, 40, 30, 10))[0],
        service=service,
        site=rng.choice(SITES),
        category=rng.choice(("linux", "windows", "web", None)),
        labels=tuple(rng.sample(("db", "prod", "disk", "net"), rng.randrange(3))),
        reporter=rng.choice(PEOPLE),
        assignee=rng.choice(PEOPLE),
        created_at=created,
        updated_at=updated,
        resolved_at=updated if status in FINISHED else None,
        closed_at=updated if status is IssueStatus.CLOSED else None,
        comments=tuple(_comments(rng, updated)) if number % 10 == 0 else (),
    )


def _words(rng: random.Random, count: int) -> list[str]:
    """Return words of which the first are frequent and the last are rare."""
    return [f"w{int(rng.paretovariate(0.6)) % 30_000}" for _ in range(count)]


def _comments(rng: random.Random, at: datetime) -> Iterator[RemoteComment]:
    for place in range(rng.randrange(1, 4)):
        body = f"Looked at it: {' '.join(_words(rng, 15))}."
        yield RemoteComment(body, at, rng.choice(PEOPLE), key=f"C{place}")


def make(path: Path, count: int = ISSUES) -> None:
    """Make the workspace, unless it is there."""
    if not path.exists():
        secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
        Workspace.create(path, "bench", lambda _: [secret])
        workspace = opened(path)
        workspace.imports.run(workspace.actor, "large", "jsonl", issues(count))
        for first in range(1, count + 1, BATCH):
            _index(workspace, list(range(first, min(first + BATCH, count + 1))))
        workspace.close()


def opened(path: Path) -> Workspace:
    """Return it open."""
    return Workspace.open(path, Unlock(environment_key=KEY))


def _index(workspace: Workspace, numbers: list[int]) -> None:
    """Put issues into the index of words and take them out of the queue."""
    with workspace._database.write() as uow:  # noqa: SLF001 - embeds nothing
        rows = []
        for found in documents.load(uow, SyntheticModel(), numbers):
            uuid, piece = new_uuid(), found.pieces[0]
            number = found.subject.number
            rows.append(
                {
                    "id": number,
                    "uuid": uuid,
                    "issue_number": number,
                    "kind": ChunkKind.TITLE,
                    "ordinal": 0,
                    "text": uow.seal("chunk", "text", uuid, piece.text),
                    "content_hash": piece.content_hash,
                }
            )
            lexical_index.put(uow, number, found.lexical)
        uow.insert(Chunk, rows)
        uow.session.exec(delete(IndexQueue))


def main() -> None:
    """Make it, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--issues", type=int, default=ISSUES)
    given = parser.parse_args()
    started = time.perf_counter()
    make(given.path, given.issues)
    print(f"{given.path}: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
