"""Credentials by name: `password=...`, `"token": "..."`, `the passphrase is ...`."""

import re
from collections.abc import Iterator

from issuetrack.engine.redaction.spans import Kind, Searched, Span, compiled, places
from issuetrack.engine.redaction.vocabulary import (
    BARE_HEAD,
    BARE_REST,
    EXPRESSION,
    FOREIGN,
    HEAD,
    KEY_OWNERS,
    NAMED,
    OWNERS,
    PLACEHOLDER,
    QUOTED,
    QUOTES,
    SHORT,
    STATUS,
    STEMS,
)

BEHIND = 120

SHORTEST_PROSE = 5
SHORTEST_TOKEN = 6
WORDS_OF_PHRASE = 3


def is_placeholder(value: str) -> bool:
    """Return whether something stands in for a value, or says there is none."""
    return bool(
        compiled(PLACEHOLDER, re.DOTALL).fullmatch(value[:HEAD].strip().lower())
    )


def kind_of(name: str) -> Kind | None:
    """Return what a field of this name holds; None when that is nothing secret."""
    probe = f"{name[-HEAD:]}:"
    named = _named(Searched(probe), [])
    return next((kind for kind, match in named if match.end() == len(probe)), None)


def credentials(text: Searched) -> Iterator[Span]:
    """Yield what is given to a name that stands for a credential."""
    found: list[Span] = []
    for kind, match in _named(text, found):
        span = _value(text, kind, match)
        if span is not None:
            found.append(span)
    yield from found


def _named(text: Searched, found: list[Span]) -> Iterator[tuple[Kind, "re.Match[str]"]]:
    """Yield names of credentials up to their value, but for those in the last found."""
    pattern = compiled(NAMED, re.VERBOSE)
    needles = STEMS if text.whole.isascii() else STEMS + FOREIGN
    for place in places(text, needles):
        if found and found[-1].start <= place < found[-1].end:
            continue
        match = pattern.match(text.low, place)
        if match and _is_own_word(text, place, match):
            yield next(kind for kind in _KINDS if match[kind]), match


_KINDS = (Kind.PASSWORD, Kind.TOKEN, Kind.KEY)


def _is_own_word(text: Searched, place: int, match: "re.Match[str]") -> bool:
    """Return whether a name is more than a part of an ordinary word."""
    before = text.low[max(0, place - 16) : place]
    word = match["password"] or match["token"] or match["key"]
    if match["key"] and word != "psk":
        return bool(compiled(f"(?:{KEY_OWNERS})[_. -]{{0,16}}$").search(before))
    if compiled(SHORT).fullmatch(word) and before[-1:].isalpha():
        hump = text.whole[place].isupper() and not text.whole[place - 1].isupper()
        return hump or bool(compiled(f"(?:{OWNERS})$").search(before))
    return True


def _value(text: Searched, kind: Kind, match: "re.Match[str]") -> Span | None:
    """Return the value behind a name, or None when there is none to hide."""
    start = match.end()
    if match["xml"] is not None:
        end = start + len(compiled(r"[^<>\n\]]*").match(text.whole, start)[0])  # type: ignore[index]
        value = text.whole[start:end]
        return None if is_placeholder(value) else Span(start, end, kind)
    quoted = compiled(QUOTED, re.IGNORECASE).match(text.whole, start)
    if quoted:
        return _quoted_value(text, kind, match, quoted)
    return _phrase(text, kind, match) or _bare_value(text, kind, match, start)


def _quoted_value(
    text: Searched, kind: Kind, match: "re.Match[str]", quoted: "re.Match[str]"
) -> Span | None:
    group = quoted.lastgroup or "d"
    value = quoted[group]
    if not value.strip() or is_placeholder(value):
        return None
    if match["space"] and not _after_option(text, match) and kind is not Kind.PASSWORD:
        return None
    if kind is not Kind.PASSWORD and _is_slug(value):
        return None
    return Span(*quoted.span(group), kind)


def _phrase(text: Searched, kind: Kind, match: "re.Match[str]") -> Span | None:
    """Return the rest of a line that gives a passphrase."""
    if match["password"] != "passphrase" or not match["assign"]:  # noqa: S105 - a name
        return None
    start = match.end()
    found = compiled(r"[^\s\"'#][^\n\"'#]*").match(text.whole, start)
    if found is None or not _opens_line(text, match):
        return None
    words = found[0].split()
    if len(words) < WORDS_OF_PHRASE or compiled(STATUS).fullmatch(words[0].lower()):
        return None
    return Span(start, start + len(found[0].rstrip()), kind)


def _bare_value(
    text: Searched, kind: Kind, match: "re.Match[str]", start: int
) -> Span | None:
    """Return a value without quotes, its head judged before its end is looked for."""
    at = start + (text.whole[start : start + 1] in QUOTES and start < len(text.whole))
    head = compiled(BARE_HEAD).match(text.whole, at)
    if head is None:
        return None
    value = _trimmed(head[0], exact=bool(match["assign"] and "=" in match["assign"]))
    if not value or not _hides_something(text, kind, match, value):
        return None
    if len(head[0]) == HEAD:
        more = compiled(BARE_REST).match(text.whole, head.end())
        return Span(at, more.end() if more else head.end(), kind)
    return Span(at, at + len(value), kind)


def _trimmed(value: str, *, exact: bool) -> str:
    """Return a value without what closes the sentence or bracket around it."""
    while value:
        last = value[-1]
        opener = {")": "(", "]": "[", "}": "{"}.get(last)
        closes = opener is not None and value.count(opener) < value.count(last)
        if not closes and not (last in ".,:*" and not exact) and last not in ",;\\":
            break
        value = value[:-1]
    return value


def _hides_something(
    text: Searched, kind: Kind, match: "re.Match[str]", value: str
) -> bool:
    low = value.lower()
    if is_placeholder(value) or compiled(EXPRESSION, re.DOTALL).fullmatch(low):
        return False
    if match["space"]:
        if _is_mixed(value) and (kind is Kind.PASSWORD or len(value) > HEAD // 10):
            return True
        return not value.startswith("-") and _after_option(text, match)
    if match["prose"]:
        return len(value) >= SHORTEST_PROSE and _looks_made(value)
    if kind is Kind.PASSWORD:
        return not compiled(STATUS).fullmatch(low.strip(".,:;!?"))
    return len(value) >= SHORTEST_TOKEN and not _is_slug(value)


def _is_slug(value: str) -> bool:
    """Return whether a value is words, as the name of a secret is."""
    return bool(
        compiled(r"[a-z]{1,20}(?:[ _./-][a-z]{1,20})*|[0-9]{1,5}").fullmatch(value)
    )


def _looks_made(value: str) -> bool:
    return bool(compiled("[0-9!@#$%^&*+?~]").search(value)) and not re.fullmatch(
        r"[0-9.,%]{1,4}[a-z]{0,8}|[A-Za-z]+[!?]+", value
    )


def _is_mixed(value: str) -> bool:
    """Return whether a word has a digit, a letter, and a capital or a sign."""
    return (
        len(value) > SHORTEST_PROSE
        and bool(compiled("[0-9]").search(value))
        and bool(compiled("[a-z]").search(value))
        and bool(compiled("[A-Z]|[!@#$%^&*+?~]").search(value))
    )


def _line_start(text: Searched, match: "re.Match[str]") -> int:
    first = max(0, match.start() - BEHIND)
    return max(first, text.low.rfind("\n", first, match.start()) + 1)


def _opens_line(text: Searched, match: "re.Match[str]") -> bool:
    before = text.low[_line_start(text, match) : match.start()]
    return bool(compiled(r"[\s>*-]*(?:export |set |env )?[\w.-]*").fullmatch(before))


def _after_option(text: Searched, match: "re.Match[str]") -> bool:
    """Return whether a name is an option, or a keyword of a .netrc."""
    before = text.low[_line_start(text, match) : match.start()]
    words = before.split()
    if not words:
        return False
    if before[-1].isspace():
        return len(words) > 1 and words[-2] in ("login", "machine", "user")
    return words == ["require"] or bool(
        compiled(r"(?:.*[\"'])?--?[a-z0-9-]*").fullmatch(words[-1])
    )


RULES = (credentials,)
