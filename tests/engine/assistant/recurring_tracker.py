"""A made-up tracker where some problems come back, and a model that counts words."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.retrieval.lexical_index import words
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import IssueStatus
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.engine.workspace import Workspace

KEY = "00112233445566778899aabbccddeeff"
START = datetime(2025, 1, 6, 8, 0, tzinfo=UTC)
NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
SYLLABLES = ("ka", "lo", "mi", "ru", "ste", "vor", "dan", "pel", "qui", "zen", "tor")


class WordModel:
    """Embeds a text as the sum of a random vector for each of its words."""

    fingerprint = "words"
    dimensions = 384
    window = 254

    def __init__(self) -> None:
        self.embedded = 0
        self._rows: dict[str, Vectors] = {}

    def count(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, 384) float32 array of unit rows."""
        self.embedded += len(texts)
        rows = np.full((len(texts), self.dimensions), 1e-3, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in set(words(text)):
                row += self._row(word)
        unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def _row(self, word: str) -> Vectors:
        if word not in self._rows:
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
            drawn = np.random.default_rng(seed).standard_normal(self.dimensions)
            self._rows[word] = drawn.astype(np.float32)
        return self._rows[word]


def _word(rng: random.Random) -> str:
    return "".join(rng.choices(SYLLABLES, k=4))


def tracker(problems: int, times: int, once: int, seed: int = 3) -> list[RemoteIssue]:
    """Return resolved issues in the order of time.

    Args:
        problems: so many problems come back; their fix is worded alike each time.
        times: so often.
        once: so many issues are like no other, but share words with many.
        seed: of everything.
    """
    rng = random.Random(seed)
    common = [_word(rng) for _ in range(24)]
    recurring = [
        ([_word(rng) for _ in range(10)], [_word(rng) for _ in range(10)], number)
        for number in range(problems)
        for _ in range(times)
    ]
    single = [
        ([_word(rng) for _ in range(10)], [_word(rng) for _ in range(10)], None)
        for _ in range(once)
    ]
    mixed = [*recurring, *single]
    rng.shuffle(mixed)
    by_problem = {number: (asked, fix) for asked, fix, number in recurring}
    last: dict[int, str] = {}
    made = []
    for place, (asked, fix, number) in enumerate(mixed):
        if number is not None:
            asked, fix = by_problem[number]
        original = None if number is None else last.get(number)
        made.append(_issue(rng, place, asked, fix, common, original))
        if number is not None:
            last[number] = f"OPS-{place + 1}"
    return made


def _issue(
    rng: random.Random,
    place: int,
    asked: list[str],
    fix: list[str],
    common: list[str],
    original: str | None,
) -> RemoteIssue:
    opened = START + timedelta(days=place)
    noise = rng.sample(common, 12)
    said = [*rng.sample(asked, 5), *noise]
    rng.shuffle(said)
    helped = [*rng.sample(fix, 8), *rng.sample(common, 3)]
    return RemoteIssue(
        key=f"OPS-{place + 1}",
        title=" ".join([*rng.sample(asked, 3), *noise[:3]]),
        body=" ".join(said),
        status=IssueStatus.RESOLVED,
        category="network" if place % 2 else "database",
        created_at=opened,
        updated_at=opened + timedelta(hours=5),
        resolved_at=opened + timedelta(hours=4),
        duplicate_of=original,
        resolution=f"Fix: restarted the {' '.join(helped)} service.",
    )


@contextmanager
def opened(
    folder: Path,
    issues: Sequence[RemoteIssue],
    model: WordModel | None = None,
    clock: Callable[[], datetime] = lambda: NOW,
) -> Iterator[Workspace]:
    """Give an indexed workspace with these issues."""
    path = folder / "past.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret], clock)
    workspace = Workspace.open(
        path, Unlock(environment_key=KEY), model or WordModel(), clock
    )
    workspace.imports.run(workspace.actor, "tracker", "jsonl", iter(issues))
    workspace.drain_index()
    try:
        yield workspace
    finally:
        workspace.close()
