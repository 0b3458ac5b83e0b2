"""`kill -9` in the middle of an import, and of indexing: nothing lost, nothing twice.

The moments are spread over the growth of the write-ahead log, so that they fall into
the work and not into the start of the program.
"""

import copy
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from faults.kit import (
    ISSUES,
    Bench,
    NewBench,
    Undisturbed,
    batch_ends,
    difference,
    watched,
)
from issuetrack.engine.inference.llama import LlamaEmbedder


@dataclass(frozen=True)
class Point:
    """When to kill: once the log is longer than this, and so many seconds later."""

    log: float
    pause: float


def points(seed: int, number: int, log: int, seconds: float) -> Iterator[Point]:
    """Yield the moment of the first write, and random ones over the log's growth."""
    chance = random.Random(seed)
    for n in range(number):
        share = 0.95 * (n + chance.random()) / number if n else 0.0
        pause = (0.2, 0.0, 1.0)[n % 3] * chance.uniform(seconds / 4, seconds)
        yield Point(share * log, pause)


def kill(bench: Bench, point: Point, *arguments: str) -> None:
    """Start the program and kill it in the middle of its work."""
    process = bench.start(*arguments)
    while process.poll() is None and bench.log_size() <= point.log:
        time.sleep(0.001)
    time.sleep(point.pause)
    process.kill()
    process.wait()


# FAULTS 1
@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_import_goes_on_where_it_was(
    new_bench: NewBench, undisturbed: Undisturbed, kills: int
) -> None:
    """After a kill whole batches are there; a second run brings the rest, once."""
    arguments = ("import", str(undisturbed.source), "--no-index")
    ends = batch_ends(undisturbed.source)
    interrupted = 0
    for point in points(1, kills, undisturbed.log, undisturbed.seconds / 6):
        bench = new_bench()
        kill(bench, point, *arguments)
        left = bench.content().issues
        assert left == undisturbed.content.issues[: len(left)]
        assert len(left) in ends
        interrupted += 0 < len(left) < ISSUES

        found = bench.content_after_import(undisturbed.source)
        assert difference(undisturbed.content, found) == []
    assert interrupted >= kills // 3


# FAULTS 1
def test_import_killed_again_and_again_comes_to_its_end(
    new_bench: NewBench, undisturbed: Undisturbed
) -> None:
    """Each run goes on from the one before, however often it is killed."""
    arguments = ("import", str(undisturbed.source), "--no-index")
    bench = new_bench()
    for share in (0.1, 0.5):
        kill(bench, Point(undisturbed.log * share, 0.0), *arguments)

    assert bench.run(*arguments).returncode == undisturbed.code
    assert difference(undisturbed.content, bench.content()) == []


Spoil = Callable[[list[dict[str, Any]]], object]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda issues: issues.pop(5), "OPS-5 is missing"),
        (lambda issues: issues.append(issues[5]), "OPS-5 is there too often"),
        (lambda issues: issues[5].update(body="x"), "OPS-5 is changed"),
        (lambda issues: issues[6].update(comments=[]), "OPS-6 is changed"),
        (lambda issues: issues[5].update(resolution=None), "OPS-5 is changed"),
    ],
)
def test_comparison_finds_what_is_wrong(
    undisturbed: Undisturbed, spoil: Spoil, told: str
) -> None:
    """The comparison of these tests tells a loss from a success."""
    issues = copy.deepcopy(undisturbed.content.issues)
    spoil(issues)
    found = replace(undisturbed.content, issues=issues)

    assert difference(undisturbed.content, found) == [told]
    assert difference(undisturbed.content, undisturbed.content) == []


@dataclass(frozen=True)
class Index:
    """What is in the search indexes, without row ids."""

    queue: int
    chunks: list[tuple[Any, ...]]
    bits: list[tuple[Any, ...]]
    vectors: set[bytes]
    terms: list[tuple[Any, ...]]


def index_of(bench: Bench) -> Index:
    """Return the indexes of a workspace, and check that it is sound."""
    workspace = bench.open()
    try:
        assert workspace.integrity_problems() == []
        assert workspace.verify_audit().broken_at is None
        with workspace._database.read() as uow:
            ((queue,),) = uow.sql("SELECT count(*) FROM index_queue")
            chunks = [
                (issue, kind, ordinal, uow.open("chunk", "text", row, text), key)
                for row, issue, kind, ordinal, text, key in uow.sql(
                    "SELECT uuid, issue_number, kind, ordinal, text, content_hash "
                    "FROM chunk ORDER BY issue_number, kind, ordinal"
                )
            ]
            bits = uow.sql(
                "SELECT issue_number, kind, part, length(bits) FROM chunk_bits "
                "JOIN chunk ON chunk.id = chunk_bits.chunk_id "
                "ORDER BY issue_number, kind"
            )
            vectors = {
                row[0] for row in uow.sql("SELECT content_hash FROM chunk_vector")
            }
            terms = uow.sql("SELECT term, doc, cnt FROM chunk_lexical_term")
            assert uow.sql("SELECT count(*) FROM chunk_bits") == [(len(bits),)]
        return Index(queue, chunks, bits, vectors, terms)
    finally:
        workspace.close()


# FAULTS 1
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_indexing_goes_on_where_it_was(
    tmp_path: Path, new_bench: NewBench, embedder: LlamaEmbedder, kills: int
) -> None:
    """After a kill each issue is indexed or queued; a second run leaves none queued."""
    source = tmp_path / "short.jsonl"
    source.write_text(
        "".join(
            f'{{"key": "K-{n}", "title": "alarm {n // 8}", "status": "open"}}\n'
            for n in range(70)
        ),
        encoding="utf-8",
    )
    bench = new_bench()
    assert bench.run("import", str(source), "--no-index").returncode == 0
    benches = [bench.move_to(tmp_path / f"killed-{n}") for n in range(kills)]
    code, log, seconds = watched(bench, "index", "update")
    expected = index_of(bench)
    assert (code, expected.queue, len(expected.chunks)) == (0, 0, 140)
    interrupted = 0
    moments = points(2, kills, log, seconds / 3)
    for killed, point in zip(benches, moments, strict=True):
        kill(killed, point, "index", "update")
        left = index_of(killed)
        indexed = {chunk[0] for chunk in left.chunks}
        assert left.queue == 70 - len(indexed)
        assert left.chunks == [c for c in expected.chunks if c[0] in indexed]
        interrupted += left.queue > 0

        workspace = killed.open(embedder)
        workspace.drain_index()
        workspace.close()
        assert index_of(killed) == expected
    assert interrupted
