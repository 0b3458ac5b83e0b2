"""Several writers at once: threads, processes, all of them heard."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.service import IssueDraft, IssueService
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY = "0123456789abcdef0123456789abcdef"

WRITER = """
import sys
from pathlib import Path
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

path, name, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for _ in range(2):
    workspace = Workspace.open(path, Unlock(environment_key=sys.argv[4]))
    for number in range(times):
        made = workspace.issues.create(
            workspace.actor, IssueDraft(f"{name} {number}", body=name * 50)
        )
        workspace.issues.comment(workspace.actor, str(made.number), "a comment")
        print(made.number, flush=True)
    workspace.close()
"""


def check_whole(database: Database, titles: list[str], comments: int) -> None:
    """Assert that everything is there once, in an unbroken chain."""
    with database.read() as uow:
        found = [str(row[0]) for row in uow.sql("SELECT title FROM issue")]
        ((commented,),) = uow.sql("SELECT count(*) FROM comment")
        ((queued,),) = uow.sql("SELECT count(*) FROM index_queue")
    workspace = Workspace.open(database.path, Unlock(environment_key=KEY))
    verified = workspace.verify_audit()
    workspace.close()
    assert sorted(found) == sorted(titles)
    assert commented == comments
    assert queued == len(titles) + comments
    assert (verified.broken_at, verified.entries) == (None, 1 + queued)
    assert database.integrity_problems() == []


@pytest.mark.parametrize(
    ("writers", "times"), [(6, 8), pytest.param(12, 100, marks=pytest.mark.slow)]
)
def test_threads_lose_nothing(database: Database, writers: int, times: int) -> None:
    """Threads that share one database write one after the other."""
    issues = IssueService(database, lambda: NOW)
    actor = Actor.from_keys(database.keychain.keys)

    def write(writer: int) -> list[int]:
        return [
            issues.create(actor, IssueDraft(f"{writer} {n}")).number
            for n in range(times)
        ]

    with ThreadPoolExecutor(writers) as pool:
        numbers = [n for made in pool.map(write, range(writers)) for n in made]

    assert sorted(numbers) == list(range(1, writers * times + 1))
    titles = [f"{writer} {n}" for writer in range(writers) for n in range(times)]
    check_whole(database, titles, 0)


@pytest.mark.parametrize(
    ("writers", "times"), [(2, 8), pytest.param(4, 100, marks=pytest.mark.slow)]
)
def test_processes_lose_nothing(database: Database, writers: int, times: int) -> None:
    """Processes that open, write and close at once do not hinder each other."""
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-c", WRITER),
                *(str(database.path), f"writer-{writer}", str(times), KEY),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ,
            text=True,
        )
        for writer in range(writers)
    ]
    told = [process.communicate(timeout=120) for process in running]

    assert [error for _, error in told] == [""] * writers
    numbers = sorted(int(line) for out, _ in told for line in out.split())
    assert numbers == list(range(1, 2 * writers * times + 1))
    titles = [
        f"writer-{writer} {n}"
        for writer in range(writers)
        for n in range(times)
        for _ in range(2)
    ]
    check_whole(database, titles, len(titles))
