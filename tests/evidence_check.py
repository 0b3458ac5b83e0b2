"""A second look at whether a suggestion is borne out, by other means than the engine's.

Plain words, counted: every word of a statement must be in what it cites, as often; a
command must be a part of it, letter by letter but for white space.
"""

import re
from collections import Counter
from collections.abc import Iterable

LITTLE = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "be",
        "been",
        "being",
        "by",
        "did",
        "do",
        "does",
        "for",
        "had",
        "has",
        "have",
        "he",
        "i",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "she",
        "so",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "was",
        "we",
        "were",
        "which",
        "will",
        "with",
        "you",
    ]
)
WORD = re.compile(r"[^\W_]+")
ENDINGS = ("ing", "ed", "es", "s", "e", "")
LEAST = 3


def _forms(word: str) -> set[str]:
    """Return what a word may be an inflection of."""
    stems = {word.removesuffix(e) for e in ENDINGS if word.endswith(e)}
    return {word} | {stem for stem in stems if len(stem) >= LEAST}


def missing_words(statement: str, quotes: Iterable[str]) -> list[str]:
    """Return the words of a statement that its quotes do not hold as often."""
    told = Counter(WORD.findall(" ".join(quotes).lower()))
    missing = []
    for word in WORD.findall(statement.lower()):
        if word in LITTLE:
            continue
        if told[word]:
            told[word] -= 1
            continue
        alike = [t for t in told if told[t] and _forms(t) & _forms(word)]
        if not alike or word.isdigit():
            missing.append(word)
        else:
            told[alike[0]] -= 1
    return missing


def holds_command(command: str, quotes: Iterable[str]) -> bool:
    """Tell whether a command is in one of the quotes, whole."""
    wanted = "".join(command.split())
    return any(wanted in "".join(quote.split()) for quote in quotes)
