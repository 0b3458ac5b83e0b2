"""Masks secrets and personal data in what is kept or shown beside the tickets.

Used by audit, logs, prompts and support bundles. Only the value goes, not what names
it. Every rule has words of which one must occur before its pattern is tried, and every
pattern moves forward only, so that the time grows with the length of the text alone.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from issuetrack.engine.redaction import commands, named, personal, shapes
from issuetrack.engine.redaction.spans import MASKS, Kind, Searched, Span

__all__ = ["Kind", "Span", "find", "redact", "redact_value"]

PASSES = 8
Rule = Callable[[Searched], Iterator[Span]]
RULES: tuple[Rule, ...] = (*shapes.RULES, *commands.RULES, *named.RULES)


def redact(text: str) -> str:
    """Return a text with every value found replaced by its kind in brackets.

    Redacting twice changes nothing more.
    """
    return _redacted(text, PASSES)


def _redacted(text: str, passes: int) -> str:
    """Mask what is found, and what stands free only then."""
    spans = find(text)
    if not spans or not passes:
        return text
    parts, last = [], 0
    for span in spans:
        parts += [text[last : span.start], f"[{span.kind}]"]
        last = span.end
    return _redacted("".join([*parts, text[last:]]), passes - 1)


def redact_value(value: Any) -> Any:
    """Return a nested value with its texts redacted.

    The text under a key such as `password` goes whole, whatever it looks like.
    """
    return _masked(value, None)


def _masked(value: Any, kind: Kind | None) -> Any:
    if isinstance(value, str):
        if kind is None or not value or value in MASKS:
            return redact(value)
        return f"[{kind}]"
    if isinstance(value, dict):
        return {_key(key): _masked(item, _kind(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, kind) for item in value]
    if isinstance(value, tuple):
        return tuple(_masked(item, kind) for item in value)
    return value


def _key(key: Any) -> Any:
    return redact(key) if isinstance(key, str) else key


def _kind(key: Any) -> Kind | None:
    return named.kind_of(key) if isinstance(key, str) else None


def find(text: str) -> list[Span]:
    """Return the values to mask, in order and apart from each other."""
    searched = Searched(text)
    secrets = _joined(sorted(_found(searched, RULES), key=lambda s: (s.start, -s.end)))
    taken = bytearray(len(text))
    for span in secrets:
        taken[span.start : span.end] = b"\1" * (span.end - span.start)
    kept = list(secrets)
    for span in _found(searched, personal.RULES):
        if taken.find(1, span.start, span.end) < 0:
            taken[span.start : span.end] = b"\1" * (span.end - span.start)
            kept.append(span)
    return sorted(kept, key=lambda s: s.start)


def _found(text: Searched, rules: Iterable[Rule]) -> Iterator[Span]:
    for rule in rules:
        yield from rule(text)


def _joined(ordered: list[Span]) -> list[Span]:
    """Join spans that overlap; the one that begins first gives the kind."""
    kept: list[Span] = []
    for span in ordered:
        if kept and span.start < kept[-1].end:
            last = kept.pop()
            span = Span(last.start, max(last.end, span.end), last.kind)
        kept.append(span)
    return kept
