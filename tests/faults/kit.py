"""What the tests of faults share: programs to hurt, contents to compare."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.store.audit_head import head_file_path
from issuetrack.engine.store.keyslots import key_file_path
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.batches import BATCH
from issuetrack.engine.workspace import Workspace

KEY = "0123456789abcdef0123456789abcdef"
ISSUES = 600
WORDS = [
    *("disk", "full", "node", "pod", "crash", "timeout", "postgres", "kafka"),
    *("restart", "latency", "login", "oauth", "certificate", "expired", "queue"),
    *("replica", "shard", "deploy", "rollback", "memory"),
]


@dataclass(frozen=True)
class Content:
    """Everything of a workspace that an import decides on.

    Attributes:
        issues: every issue with comments and fix, without row ids and local times.
        quarantine: what was put aside, opened.
        links: the relations of issues, by number.
        queued: how many issues wait to be indexed.
    """

    issues: list[dict[str, Any]]
    quarantine: list[tuple[Any, ...]]
    links: list[tuple[Any, ...]]
    queued: int


def difference(expected: Content, found: Content) -> list[str]:
    """Tell what is missing, there too often or changed; empty if nothing is."""
    told = []
    wanted = Counter(issue["summary"]["key"] for issue in expected.issues)
    there = Counter(issue["summary"]["key"] for issue in found.issues)
    told += [f"{key} is missing" for key in wanted - there]
    told += [f"{key} is there too often" for key in there - wanted]
    by_key = {issue["summary"]["key"]: issue for issue in expected.issues}
    told += [
        f"{issue['summary']['key']} is changed"
        for issue in found.issues
        if issue != by_key.get(issue["summary"]["key"])
    ]
    if expected.quarantine != found.quarantine:
        told.append("the quarantine is changed")
    if expected.links != found.links:
        told.append("the links are changed")
    if expected.queued != found.queued:
        told.append("the queue is changed")
    return told


def issues_of(workspace: Workspace) -> list[dict[str, Any]]:
    """Return every issue in full, without row ids."""
    issues = []
    for record in workspace.issues.every(workspace.actor):
        issue = asdict(record)
        for comment in issue["comments"]:
            del comment["id"]
        issues.append(issue)
    return issues


def content_of(workspace: Workspace) -> Content:
    """Return the content of an open workspace, and check that it is sound."""
    assert workspace.integrity_problems() == []
    assert workspace.verify_audit().broken_at is None
    issues = issues_of(workspace)
    with workspace._database.read() as uow:
        quarantine = [
            (origin, line, reason, uow.open("quarantine", "record", uuid, record))
            for origin, line, reason, uuid, record in uow.sql(
                "SELECT origin, line, reason, uuid, record FROM quarantine"
            )
        ]
        links = uow.sql("SELECT issue_number, kind, target FROM link")
        ((queued,),) = uow.sql("SELECT count(DISTINCT issue_number) FROM index_queue")
    return Content(issues, sorted(quarantine, key=str), sorted(links), queued)


@dataclass(frozen=True)
class Bench:
    """One workspace on disk, and the program to run on it."""

    path: Path
    temporary: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of the program."""
        return [sys.executable, "-m", "issuetrack", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which the program finds this workspace."""
        return {
            **os.environ,
            "ISSUETRACK_DB": str(self.path),
            "ISSUETRACK_KEY": KEY,
            "TMPDIR": str(self.temporary),
        }

    @property
    def log(self) -> Path:
        """Return the write-ahead log."""
        return Path(f"{self.path}-wal")

    def log_size(self) -> int:
        """Return the length of the log; 0 where there is none."""
        try:
            return self.log.stat().st_size
        except FileNotFoundError:
            return 0

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the program to its end."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start the program, to be killed."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def open(self, model: EmbeddingModel | None = None) -> Workspace:
        """Open the workspace in this process."""
        return Workspace.open(self.path, Unlock(environment_key=KEY), model)

    def content(self) -> Content:
        """Return what is in the workspace."""
        workspace = self.open()
        try:
            return content_of(workspace)
        finally:
            workspace.close()

    def content_after_import(self, source: Path) -> Content:
        """Import a file in this process, as the program would; return the content."""
        workspace = self.open()
        try:
            reader = FileReader(source, FileFormat.AUTO, {})
            workspace.imports.run(
                workspace.actor, source.stem, FileFormat.AUTO, reader.items()
            )
            return content_of(workspace)
        finally:
            workspace.close()

    def move_to(self, folder: Path) -> "Bench":
        """Return a copy of the closed workspace in another folder."""
        assert not self.log.exists()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.path.name
        shutil.copy(self.path, path)
        shutil.copy(key_file_path(self.path), key_file_path(path))
        shutil.copy(head_file_path(self.path), head_file_path(path))
        return Bench(path, self.temporary)


NewBench = Callable[[], Bench]


def write_issues(path: Path, number: int, seed: int = 7) -> None:
    """Write JSON lines: issues with comments, fixes, duplicates, and bad records."""
    chance = random.Random(seed)

    def text(most: int) -> str:
        return " ".join(chance.choices(WORDS, k=chance.randint(3, most)))

    with path.open("w", encoding="utf-8") as file:
        for n in range(number):
            issue: dict[str, Any] = {
                "key": f"OPS-{n}",
                "title": text(8),
                "body": text(40),
                "status": chance.choice(["open", "resolved", "closed"]),
                "priority": chance.choice(["P1", "P2", None]),
                "labels": chance.sample(WORDS, 2),
                "assignee": "on call",
                "created_at": f"2026-01-01T00:{n // 60 % 60:02}:{n % 60:02}Z",
                "comments": [
                    {
                        "author": "on call",
                        "kind": chance.choice(["public", "work_note"]),
                        "body": f"{c}: fixed by {text(20)}",
                        "created_at": f"2026-01-02T00:00:{c:02}Z",
                    }
                    for c in range(chance.randint(0, 3))
                ],
            }
            if n and n % 9 == 0:
                issue["duplicate_of"] = f"OPS-{chance.randrange(n)}"
            if n % 5 == 0:
                issue["resolution"] = f"the cause was {text(20)}"
            file.write(json.dumps(issue) + "\n")
            if n % 50 == 25:
                file.write(f'{{"key": "BAD-{n}", "title": {n}\n')
            if n % 50 == 30:
                file.write(json.dumps({"key": f"BAD-{n}", "title": ""}) + "\n")


@dataclass(frozen=True)
class Undisturbed:
    """A run to the end: what came of it, and how the log grew meanwhile."""

    source: Path
    code: int
    content: Content
    log: int
    seconds: float


def watched(bench: Bench, *arguments: str) -> tuple[int, int, float]:
    """Run to the end; return the code, the longest log and the seconds of writing."""
    process = bench.start(*arguments)
    longest, began = 0, time.monotonic()
    while process.poll() is None:
        size = bench.log_size()
        if size and not longest:
            began = time.monotonic()
        longest = max(longest, size)
        time.sleep(0.001)
    return process.returncode, longest, time.monotonic() - began


def batch_ends(source: Path) -> set[int]:
    """Return how many issues there are after each batch of lines."""
    ends, good = {0}, 0
    for number, line in enumerate(source.read_text("utf-8").splitlines(), start=1):
        good += '"key": "OPS-' in line
        if number % BATCH == 0:
            ends.add(good)
    return ends | {good}
