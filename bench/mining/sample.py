"""The labelled issues: how they were drawn, and their labels.

Two draws of finished issues with comments, from `apache_with_comments.jsonl` and from
`raw_v2_issues.jsonl`, each with its own seed. The miner was tuned on the first; no issue
of the second is in the first, and it only measures the miner.
"""

import json
import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from issuetrack.connectors.jira import records
from issuetrack.connectors.markup.wiki import markdown
from issuetrack.engine.issues.candidates import Remark, Story
from issuetrack.engine.store.types import CommentKind, IssueStatus

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "jira"
HERE = Path(__file__).parent
TUNING_SEED, TEST_SEED = 20261121, 20261122
TUNING_SIZES, TEST_SIZES = (100, 40), (90, 30)
TUNING_LABELS = ("labels_a", "labels_b")
TEST_LABELS = ("test_labels_c", "test_labels_d")
FINISHED = ("Closed", "Resolved")
Record = dict[str, Any]


@dataclass(frozen=True)
class Labels:
    """The indexes of the comments that one labeller listed, by issue."""

    name: str
    fixes: dict[str, frozenset[int]]


@dataclass(frozen=True)
class Drawn:
    """An issue of a sample.

    Attributes:
        key: what its tracker calls it.
        story: what the miner reads; remarks are named by their indexes.
    """

    key: str
    story: Story


@dataclass(frozen=True)
class Pool:
    """The records that are drawn from, by key, of each file."""

    commented: dict[str, Record]
    raw: dict[str, Record]

    def drawn(
        self, seed: int, sizes: tuple[int, int], without: Collection[str] = ()
    ) -> list[Drawn]:
        """Return a sample in the order of keys: some of each file, without known keys."""
        draw = random.Random(seed)
        stories: dict[str, Story] = {}
        for records_by_key, size, story in (
            (self.commented, sizes[0], _commented),
            (self.raw, sizes[1], _raw),
        ):
            keys = sorted(key for key in records_by_key if key not in without)
            for key in draw.sample(keys, min(size, len(keys))):
                stories[key] = story(records_by_key[key])
        return [Drawn(key, stories[key]) for key in sorted(stories)]


def _pool() -> Pool:
    commented = {
        record["key"]: record
        for record in _lines(DATA / "apache_with_comments.jsonl")
        if record["status"] in FINISHED and record["comments"]
    }
    raw = {
        record["key"]: record
        for record in _lines(DATA / "raw_v2_issues.jsonl")
        if _is_finished(record) and record["key"] not in commented
    }
    return Pool(commented, raw)


def tuning_sample() -> list[Drawn]:
    """Return the 140 issues that the miner was tuned on."""
    return _pool().drawn(TUNING_SEED, TUNING_SIZES)


def test_sample() -> list[Drawn]:
    """Return the 120 issues that only measure the miner."""
    pool = _pool()
    known = {issue.key for issue in pool.drawn(TUNING_SEED, TUNING_SIZES)}
    return pool.drawn(TEST_SEED, TEST_SIZES, known)


def labels(names: tuple[str, str]) -> list[Labels]:
    """Return what two labellers listed.

    Raises:
        FileNotFoundError: a label file is not there.
    """
    return [
        Labels(
            name,
            {
                line["key"]: frozenset(line["fix"])
                for line in _lines(HERE / f"{name}.jsonl")
            },
        )
        for name in names
    ]


def accepted(both: list[Labels], key: str) -> frozenset[int]:
    """Return the right answers for an issue: what both listed, else what either did."""
    one, other = (labeller.fixes[key] for labeller in both)
    return (one & other) or (one | other)


def _lines(path: Path) -> Iterable[Record]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _is_finished(record: Record) -> bool:
    fields = record["fields"]
    has_comments = bool((fields.get("comment") or {}).get("comments"))
    return fields["status"]["name"] in FINISHED and has_comments


def _commented(record: Record) -> Story:
    remarks = [
        Remark(
            comment.get("author"),
            CommentKind.PUBLIC,
            markdown(comment["body"] or ""),
            str(place),
            _moment(comment.get("created")),
        )
        for place, comment in enumerate(record["comments"])
    ]
    status = IssueStatus(record["status"].lower())
    return Story(status, record["title"], remarks=remarks, key=record["key"])


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _raw(record: Record) -> Story:
    issue = records.issue(record)
    remarks = [
        Remark(
            comment.author, comment.kind, comment.body, str(place), comment.created_at
        )
        for place, comment in enumerate(issue.comments)
    ]
    return Story(
        issue.status,
        issue.title,
        issue.resolution,
        issue.assignee,
        issue.reporter,
        issue.resolved_at,
        remarks,
        key=record["key"],
    )
