"""A made-up tracker of any size: words with natural frequencies, random vectors."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.store.types import IssueStatus
from issuetrack.engine.sync.ports import RemoteIssue

VOCABULARY = 30_000
START = datetime(2020, 1, 1, tzinfo=UTC)


class SyntheticModel:
    """Gives each text a random unit vector of its own, at no cost."""

    fingerprint = "synthetic"
    dimensions = 384
    window = 254

    def count(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, 384) float32 array of unit rows."""
        rows = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for place, text in enumerate(texts):
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
            rows[place] = np.random.default_rng(seed).standard_normal(self.dimensions)
        unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


def issues(count: int, seed: int = 7) -> Iterator[RemoteIssue]:
    """Yield issues of about three chunks each: title, and two of the body."""
    rng = np.random.default_rng(seed)
    ranks = np.arange(1, VOCABULARY + 1)
    weights = 1 / ranks
    weights /= weights.sum()
    for number in range(count):
        words = [f"w{r}" for r in rng.choice(VOCABULARY, size=330, p=weights)]
        created = START + timedelta(minutes=number)
        yield RemoteIssue(
            key=f"SYN-{number}",
            title=" ".join(words[:9]),
            body=" ".join(words[9:170]) + "\n\n" + " ".join(words[170:]),
            status=IssueStatus.CLOSED,
            created_at=created,
            updated_at=created,
        )
