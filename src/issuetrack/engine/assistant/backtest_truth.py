"""Which earlier issues would have been a right answer: what people linked or did.

An earlier issue is right for a later one if people linked them as duplicates or as
related, or if both were fixed by the same: their fixes share many rare words. That
is told from words alone, never from the vectors that retrieval ranks by, or the
judge would agree with the judged.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from issuetrack.engine.retrieval.lexical_index import words
from issuetrack.engine.store.types import LinkKind, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

SAME_FIX = 0.22
LEAST_SHARED = 4
LEAST_WORDS = 6
READ_CHARACTERS = 4_000
COMMON_SHARE = 0.1
LEAST_COMMON = 50
RANDOM_PAIRS = 2000
_SHORT = 3


def content_words(text: str) -> frozenset[str]:
    """Return the longer words of a text, and all that hold a digit."""
    found = words(text[:READ_CHARACTERS])
    return frozenset(w for w in found if len(w) > _SHORT or re.search(r"\d", w))


class Fixes:
    """What fixed each issue, as sets of weighted words.

    Two fixes agree by the cosine of their binary TF-IDF vectors. Among the fixes that
    people marked in 124 comments of Apache projects, one pair in 2,500 of different
    issues reaches the threshold, and one in six of two comments on the same issue.

    Args:
        texts: the fix of each issue, by number.
    """

    def __init__(self, texts: Mapping[int, str]) -> None:
        told = {number: content_words(text) for number, text in texts.items()}
        self._words = {n: w for n, w in told.items() if len(w) >= LEAST_WORDS}
        held = Counter(word for said in self._words.values() for word in said)
        size = len(self._words) + 1
        self._weights = {w: math.log(size / (n + 0.5)) for w, n in held.items()}
        self._norms = {
            number: math.sqrt(sum(self._weights[w] ** 2 for w in said)) or 1.0
            for number, said in self._words.items()
        }
        self._holders: dict[str, list[int]] = {}
        common = max(LEAST_COMMON, COMMON_SHARE * size)
        for number, said in self._words.items():
            for word in said:
                if held[word] <= common:
                    self._holders.setdefault(word, []).append(number)

    def __len__(self) -> int:
        return len(self._words)

    def agreement(self, one: int, other: int) -> float:
        """Return 0..1: how much of what they say two fixes share."""
        shared = self._words[one] & self._words[other]
        if len(shared) < LEAST_SHARED:
            return 0.0
        total = sum(self._weights[word] ** 2 for word in shared)
        return total / (self._norms[one] * self._norms[other])

    def same(self, number: int) -> set[int]:
        """Return the issues whose fix says the same as that of an issue."""
        holders = Counter(
            other
            for word in self._words.get(number, ())
            for other in self._holders.get(word, ())
        )
        return {
            other
            for other in holders
            if other != number and self.agreement(number, other) >= SAME_FIX
        }

    def share_by_chance(self, seed: int = 0) -> float | None:
        """Return the share of random pairs that agree; None without two fixes."""
        numbers = sorted(self._words)
        if len(numbers) < 2:  # noqa: PLR2004
            return None
        generator = random.Random(seed)  # noqa: S311 - draws a sample
        pairs = [generator.sample(numbers, 2) for _ in range(RANDOM_PAIRS)]
        agreeing = sum(self.agreement(*pair) >= SAME_FIX for pair in pairs)
        return agreeing / RANDOM_PAIRS


@dataclass(frozen=True)
class Links:
    """What people linked, both ways.

    Attributes:
        duplicates: by issue, those it is a duplicate with, over any number of steps.
        related: by issue, those it is said to be related to.
    """

    duplicates: Mapping[int, frozenset[int]] = field(default_factory=dict)
    related: Mapping[int, frozenset[int]] = field(default_factory=dict)


def links(uow: UnitOfWork) -> Links:
    """Return what people linked in the workspace."""
    pairs = _linked(uow, LinkKind.DUPLICATE_OF)
    pairs += uow.sql(
        "SELECT number, duplicate_of FROM issue WHERE duplicate_of IS NOT NULL"
    )
    related: dict[int, set[int]] = {}
    for one, other in _linked(uow, LinkKind.RELATES_TO):
        related.setdefault(one, set()).add(other)
        related.setdefault(other, set()).add(one)
    return Links(
        _families(pairs), {number: frozenset(r) for number, r in related.items()}
    )


def _linked(uow: UnitOfWork, kind: LinkKind) -> list[tuple[int, int]]:
    rows = uow.sql(
        "SELECT own.number, target.number FROM link "
        "JOIN issue AS own ON own.number = link.issue_number "
        "JOIN issue AS target ON target.external_key = link.target "
        " AND target.source_id IS own.source_id AND target.number <> own.number "
        "WHERE link.kind = ?",
        kind.value,
    )
    return [(int(one), int(other)) for one, other in rows]


def _families(pairs: Iterable[Sequence[int]]) -> dict[int, frozenset[int]]:
    """Return by number all others that chains of pairs lead to."""
    family: dict[int, set[int]] = {}
    for one, other in pairs:
        joined = family.get(one, {one}) | family.get(other, {other})
        for number in joined:
            family[number] = joined
    return {number: frozenset(all_ - {number}) for number, all_ in family.items()}


def fix_texts(uow: UnitOfWork) -> dict[int, str]:
    """Return what fixed each issue, where that is known and may be read."""
    rows = uow.sql("SELECT issue_number, uuid, text, reader FROM resolution")
    return {
        int(number): uow.open("resolution", "text", uuid, bytes(text))
        for number, uuid, text, reader in rows
        if uow.can_read(Role(reader))
    }
