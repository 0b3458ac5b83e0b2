"""The duplicate questions of Hadoop: each side of a pair asks for the other."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation import data
from evaluation.workspaces import copied, duplicate_pairs, hadoop, opened
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.retrieval.search import ONLY_ISSUES, Question, Search
from issuetrack.engine.workspace import Workspace

MISSED = 10**6
DEEP = 3000
FIX = "Apply the patch that is attached to {key} and build it again."


@dataclass(frozen=True)
class Duplicate:
    """An issue as a question, and the numbers of its known duplicates."""

    number: int
    question: Question
    gold: frozenset[int]

    @property
    def in_other_words(self) -> Question:
        """Return it asked by its title alone."""
        return Question(self.question.title, "", self.number)


def duplicates(workspace: Workspace) -> list[Duplicate]:
    """Return the 129 questions."""
    issues = workspace.issues
    gold: dict[int, set[int]] = {}
    records = {}
    for pair in duplicate_pairs():
        found = [issues.get(workspace.actor, key) for key in pair]
        for one, other in (found, found[::-1]):
            records[one.summary.number] = one
            gold.setdefault(one.summary.number, set()).add(other.summary.number)
    return [
        Duplicate(
            number,
            Question(records[number].summary.title, records[number].body or "", number),
            frozenset(others),
        )
        for number, others in gold.items()
    ]


def place(found: Sequence[object], gold: Iterable[object]) -> int:
    """Return the place, from 0, of the first that is right."""
    right = set(gold)
    return next((n for n, one in enumerate(found) if one in right), MISSED)


def places(
    workspace: Workspace,
    search: Search,
    asked: Mapping[int, Question],
    gold: Mapping[int, frozenset[int]],
    most: int = DEEP,
) -> dict[int, int]:
    """Return by issue the place, from 0, of its first known duplicate."""
    out = {}
    with workspace._database.read() as uow:  # noqa: SLF001 - legs and options are not served
        for number, question in asked.items():
            found = search.find(uow, question, most, ONLY_ISSUES)
            out[number] = place([match.issue for match in found], gold[number])
    return out


def mean_reciprocal_rank(ranks: Iterable[int]) -> float:
    """Return the mean of 1 / rank of places counted from 0."""
    return float(np.mean([1 / (rank + 1) for rank in ranks]))


def share_within(ranks: Iterable[int], most: int) -> float:
    """Return the share of places, counted from 0, that are among the first so many."""
    return float(np.mean([rank < most for rank in ranks]))


def with_fixes(folder: Path) -> Path:
    """Return the workspace of Hadoop issues, each with a fix that names its patch.

    The data has no fixes; without one a suggestion has nothing to cite.
    """
    path = folder / "hadoop-fixed.db"
    if path.exists():
        return path
    made = copied(hadoop(folder), "hadoop-fixing.db")
    lines = data("duplicates/hadoop.issues.jsonl").read_text(encoding="utf-8")
    rows = map(json.loads, lines.splitlines())
    given = folder / "hadoop-fixed.jsonl"
    with given.open("w", encoding="utf-8") as file:
        for row in rows:
            fix = FIX.format(key=row["key"])
            print(json.dumps(row | {"status": "closed", "resolution": fix}), file=file)
    with opened(made) as workspace:
        reader = FileReader(given, FileFormat.AUTO, {})
        workspace.imports.run(workspace.actor, "hadoop", "jsonl", reader.items())
        workspace.drain_index()
    return copied(made, path.name)
