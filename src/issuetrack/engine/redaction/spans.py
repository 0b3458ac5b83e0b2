"""What is found in a text, and how a text is laid out for the search."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property


class Kind(StrEnum):
    """What was found; also the word that takes its place."""

    TOKEN = "token"  # noqa: S105 - a name
    PASSWORD = "password"  # noqa: S105 - a name
    KEY = "key"
    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    JWT = "jwt"


compiled = cache(re.compile)
SHORTEST_TOKEN = 15
MASKS = frozenset(f"[{kind}]" for kind in Kind)


@dataclass(frozen=True)
class Span:
    """A value to mask: text[start:end]."""

    start: int
    end: int
    kind: Kind


@dataclass(frozen=True)
class Searched:
    """A text to search.

    Words are without repeats: a rule first looks there for what must occur, which
    costs little in logs, where nearly every line is like the last.
    """

    whole: str

    @cached_property
    def low(self) -> str:
        """Return the text in lower case, every character at the same place."""
        return lowered(self.whole)

    @cached_property
    def _words(self) -> list[str]:
        """Return the different words joined: those of plain letters, the others."""
        words = set(self.whole.split())
        plain = set(filter(str.isascii, words))
        return ["\n".join(plain), "\n".join(words - plain)]

    @cached_property
    def _low_words(self) -> list[str]:
        return [lowered(words) for words in self._words]

    @cached_property
    def _long_words(self) -> str:
        words = "\n".join(self._words).split("\n")
        return "\n".join(word for word in words if len(word) >= SHORTEST_TOKEN)

    def has(self, needle: str) -> bool:
        """Return whether a lower-case word part occurs, in whatever case."""
        return any(needle in words for words in self._low_words)

    def has_token(self, prefix: str) -> bool:
        """Return whether a prefix occurs in a word long enough for a token."""
        return prefix in self._long_words


def lowered(text: str) -> str:
    """Return a text in lower case without changing its length."""
    return text.replace("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "i").lower()


def occurrences(text: str, part: str) -> Iterator[int]:
    """Yield where a part begins in a text."""
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)


def places(text: Searched, needles: Iterable[str]) -> Iterator[int]:
    """Yield where one of some lower-case words begins, word by word."""
    for needle in needles:
        if text.has(needle):
            yield from occurrences(text.low, needle)


def matches(
    text: Searched, needle: str, pattern: "re.Pattern[str]"
) -> "Iterator[re.Match[str]]":
    """Yield what a pattern matches where a lower-case word begins, none in another."""
    end = 0
    for place in places(text, (needle,)):
        found = pattern.match(text.whole, place) if place >= end else None
        if found:
            end = found.end()
            yield found
