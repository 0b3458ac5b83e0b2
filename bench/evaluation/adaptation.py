"""What adapting the vector space is worth, what it costs, and where it must not hurt."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import Section, data
from evaluation.alerts import imported, material, ranks
from evaluation.duplicates import (
    Duplicate,
    duplicates,
    mean_reciprocal_rank,
    places,
    share_within,
)
from evaluation.workspaces import copied, duplicate_pairs, hadoop, opened
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval import adaptation, vector_index
from issuetrack.engine.retrieval.fusion import WEIGHTS
from issuetrack.engine.retrieval.search import LEARNED, PLAIN, Options, Search
from issuetrack.engine.store.index_tables import Chunk
from issuetrack.engine.store.learning_tables import Adaptation
from issuetrack.engine.store.types import ChunkKind, IssueStatus
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.engine.workspace import Workspace

MANY, DIMENSIONS, BLOCK = 100_000, 384, 10_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MIXED = 300
SEARCHES = (
    ("words", "lexical", PLAIN),
    ("meaning", "vector", PLAIN),
    ("meaning, adapted", "vector", LEARNED),
    ("both", "", PLAIN),
    ("both, adapted", "", LEARNED),
)


def section(folder: Path) -> Section:
    """Return what adaptation does."""
    lines = ["Hadoop, 2,503 issues, 129 duplicate questions:", ""]
    with opened(hadoop(folder)) as workspace:
        lines += table(workspace, duplicates(workspace))
    lines += ["", *of_alerts(folder), "", *of_mixed(folder), "", *timed(folder)]
    return Section("Adaptation", lines)


def table(workspace: Workspace, asked: Sequence[Duplicate]) -> list[str]:
    """Return each leg and their fusion, with and without adaptation."""
    lines = ["| search | MRR | R@1 | R@5 | R@10 |", "|---|---|---|---|---|"]
    for name, legs, options in SEARCHES:
        found = list(_places(workspace, asked, legs, options).values())
        shares = " | ".join(f"{share_within(found, n):.3f}" for n in (1, 5, 10))
        lines.append(f"| {name} | {mean_reciprocal_rank(found):.3f} | {shares} |")
    return lines


def _places(
    workspace: Workspace, asked: Sequence[Duplicate], legs: str, options: Options
) -> dict[int, int]:
    weights = {name: w for name, w in WEIGHTS.items() if name.startswith(legs)}
    search = Search(workspace.model, weights, options=options)
    questions = {one.number: one.question for one in asked}
    gold = {one.number: one.gold for one in asked}
    return places(workspace, search, questions, gold)


def of_alerts(folder: Path) -> Iterator[str]:
    """Yield what it does for alerts; section Alert to SOP tells more."""
    runbooks, alerts = material()
    yield "254 alerts, 305 runbooks:"
    yield ""
    yield from ("| search | MRR | R@1 | R@5 |", "|---|---|---|---|")
    with opened(imported(folder, runbooks)) as workspace:
        for name, legs, options in SEARCHES[1:]:
            found, _ = ranks(workspace, runbooks, alerts, legs, options)
            shares = " | ".join(f"{share_within(found, n):.3f}" for n in (1, 5))
            yield f"| {name} | {mean_reciprocal_rank(found):.3f} | {shares} |"


def of_mixed(folder: Path) -> Iterator[str]:
    """Yield what it does to a small tracker of things that have nothing in common."""
    path = folder / "mixed.db"
    with opened(path) as workspace:
        items = list(mixed())
        workspace.imports.run(workspace.actor, "hadoop", "jsonl", items)
        workspace.drain_index()
        status = workspace.index_status()
        yield (
            f"A small tracker, {len(items)} issues of unrelated sets (Hadoop duplicates, "
            f"NUTCH, runbooks, post-mortems), {status.pairs} pairs, adapted from "
            f"{status.adapted_from}; the Hadoop duplicates ask:"
        )
        yield ""
        yield from table(workspace, duplicates(workspace))


def mixed() -> Iterator[RemoteIssue]:
    """Yield 300 issues of four unrelated sets."""
    wanted = {key for pair in duplicate_pairs() for key in pair}
    told: list[tuple[str, str, str]] = [
        (row["key"], row["title"], row["body"] or "")
        for row in _rows("duplicates/hadoop.issues.jsonl")
        if row["key"] in wanted
    ]
    others = [
        [
            (row["key"], row["title"], row["description"] or "")
            for row in _rows("jira/apache_with_comments.jsonl")
            if row["key"].startswith("NUTCH")
        ],
        [
            (row["id"], row["title"], row["text"])
            for row in _rows("runbooks/runbooks.jsonl")
        ],
        [
            (row["id"], row["record"]["title"], row["record"]["summary"])
            for row in _rows("postmortems/annotated_cloud.jsonl")
        ],
    ]
    room = (MIXED - len(told)) // len(others)
    told += [item for rows in others for item in rows[:room]]
    for key, title, body in told:
        yield RemoteIssue(
            key=key,
            title=title,
            body=body,
            status=IssueStatus.CLOSED,
            created_at=NOW,
            updated_at=NOW,
        )


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with data(name).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def timed(folder: Path) -> Iterator[str]:
    """Yield how long adapting takes, and how much longer a question is."""
    yield from ("| pieces | seconds to adapt | of processor |", "|---|---|---|")
    with opened(copied(hadoop(folder), "hadoop-timed.db")) as workspace:
        yield _timed(workspace)
    with opened(folder / "many.db") as workspace:
        workspace.issues.create(workspace.actor, IssueDraft("made up"))
        with workspace._database.write() as uow:  # noqa: SLF001 - made-up rows
            fill(uow)
        yield _timed(workspace)


def _timed(workspace: Workspace) -> str:
    with workspace._database.write() as uow:  # noqa: SLF001 - the part that is timed
        ((pieces,),) = uow.sql("SELECT count(*) FROM chunk")
        started, worked = time.perf_counter(), time.process_time()
        adaptation.apply(uow, NOW)
        seconds = time.perf_counter() - started
        worked = time.process_time() - worked
    return f"| {pieces:,} | {seconds:.2f} | {worked:.2f} |"


def fill(uow: UnitOfWork) -> None:
    """Put 100,000 pieces with random vectors into an empty workspace."""
    if uow.sql("SELECT 1 FROM chunk LIMIT 1"):
        return
    rng = np.random.default_rng(0)
    for start in range(0, MANY, BLOCK):
        raw = rng.integers(-127, 128, size=(BLOCK, DIMENSIONS), dtype=np.int8)
        rows = [(start + n + 1, row.tobytes()) for n, row in enumerate(raw)]
        _insert(uow, rows)
    wide = rng.standard_normal((4 * DIMENSIONS, DIMENSIONS))
    scatter = (wide.T @ wide).tobytes()
    uow.session.add(
        Adaptation(id=1, fingerprint="", pairs=MANY, scatter=scatter, updated_at=NOW)
    )


def _insert(uow: UnitOfWork, rows: Sequence[tuple[int, bytes]]) -> None:
    keys = {number: number.to_bytes(32, "big") for number, _ in rows}
    uow.insert(
        Chunk,
        [
            {
                "id": number,
                "uuid": new_uuid(),
                "document_id": None,
                "issue_number": 1,
                "sop_id": None,
                "kind": ChunkKind.PROBLEM,
                "ordinal": number,
                "text": b"",
                "content_hash": keys[number],
            }
            for number, _ in rows
        ],
    )
    uow.sql_many(
        "INSERT INTO chunk_vector(content_hash, vector) VALUES (?, ?)",
        [(keys[number], raw) for number, raw in rows],
    )
    vector_index.add(uow, ChunkKind.PROBLEM, dict(rows))
