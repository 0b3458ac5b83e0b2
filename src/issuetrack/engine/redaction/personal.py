"""Personal data: e-mail addresses, card numbers, phone numbers."""

import re
from collections.abc import Iterator

from issuetrack.engine.redaction.spans import Kind, Searched, Span, compiled, places

LOCAL = 64
REVERSED_LOCAL = r"[\w+%'*~-][\w.+%'*~-]{0,63}"
DOMAIN = r"(?:[\w-]{1,63}\.){1,8}([^\W\d_]{2,24})(?![\w-])"
NOT_DOMAINS = (
    "png|jpg|jpeg|gif|svg|webp|ico|css|js|mjs|ts|tsx|jsx|json|map|html|php"
    "|service|socket|timer|slice|scope|target|mount|device|path|local|localdomain"
    "|internal|lan|py|java|rb|log|conf|yaml|yml|txt|md"
)
REMOTE_PATH = r":[\w~/.]"
REMOTE_COMMANDS = r"\b(?:ssh|scp|sftp|rsync|ssh-copy-id|mosh)\s[^\n|;]*$"

CARD = (
    r"[2-6](?<![\w.-][0-9])(?:[0-9]{12,18}|[0-9]{3}(?:[ -][0-9]{4}){3}(?:[ -][0-9]{3})?"
    r"|[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5})(?![\w-]|\.[0-9])"
)
CARD_PREFIX = (
    r"4|5[0-8]|6(?:011|4[4-9]|5|[237])|3(?:[47]|0[0-5]|095|[689]|5[2-8])"
    r"|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)"
)
CARD_LENGTHS = range(13, 20)

PLUS = (
    r"\+(?<![\w+.:/][+])\(?[1-9][0-9]{0,3}\)?(?:[ ./()\u00a0-]{0,3}[0-9]{1,14}){1,8}"
    r"(?![\w]|[.,][0-9])"
)
AREA = (
    r"\((?<![\w(]\()(?:[2-9][0-9]{2}\)[ -]?[0-9]{3}[ .-]?[0-9]{4}"
    r"|0[0-9]{1,4}\)[ -]?[0-9]{2,5}(?:[ -]?[0-9]{2,5}){1,3})(?![\w]|[.,][0-9])"
)
NATIONAL = (
    r"[0-9](?<![\w.,:/+@#=-][0-9])(?:"
    r"(?<=1)[-. ][2-9][0-9]{2}[-. ][0-9]{3}[-. ][0-9]{4}"
    r"|(?<=[2-9])[0-9]{2}(?:-[0-9]{3}-|\.[0-9]{3}\.)[0-9]{4}"
    r"|(?<=0)[1-9](?:[ .-][0-9]{2}){4}"
    r"|(?<=0)[1-9][0-9]{1,3}(?:/|[ ]/[ ]|-)[0-9]{3,8}(?:[ -][0-9]{2,6}){0,2}"
    r"|(?<=0)[1-9][0-9]{1,3}[ ][0-9]{3,4}[ ][0-9]{3,4}"
    r"|(?<=0)7[0-9]{3}[ ][0-9]{6}"
    r"|(?<=0)0[1-9][0-9]{0,2}[ /-][0-9]{2,5}(?:[ /-]?[0-9]{2,9}){1,4}"
    r")(?![\w-]|[.,:/][0-9])"
)
CALLED = (
    r"(?:tel|telefon|telephone|téléphone|tél|teléfono|telefono|phone|mobile"
    r"|mobil|handy|cell|fax|hotline|whatsapp|rufnummer|móvil|portable|pager|callback)"
    r"(?:[ _-]?(?:number|no|nr|nummer|phone|telefon))?[\"'\u2019]?[.:=># ]{1,4}"
    r"(?:(?:is|at|on|under|unter|ist|call|me|number)[ :]{1,2}){0,2}[\"'(]{0,2}"
    r"(?P<v>[+(]{0,2}[0-9](?:[ ./()-]{0,3}[0-9]){6,14})(?![\w]|[.:-][0-9])"
)
CALLS: tuple[str, ...] = (
    "tel",
    "tél",
    "phone",
    "mobil",
    "handy",
    "cell",
    "fax",
    "hotline",
    "whatsapp",
)
CALLS += ("rufnummer", "móvil", "portable", "pager", "callback")
PHONE_DIGITS = range(7, 16)
BARE_PLUS_DIGITS = 10


def emails(text: Searched) -> Iterator[Span]:
    """Yield addresses; not logins to machines, files or urls."""
    if not text.has("@") and not text.has("%40"):
        return
    for sign in re.compile(r"@(?=\w)|%40(?=\w)").finditer(text.whole):
        at = sign.start()
        before = text.whole[max(0, at - LOCAL) : at][::-1]
        local, domain = (
            compiled(REVERSED_LOCAL).match(before),
            compiled(DOMAIN).match(text.whole, sign.end()),
        )
        if local is None or domain is None:
            continue
        start = at - local.end()
        start += len(local[0]) - len(local[0][::-1].lstrip(".'*~%-"))
        if start < at and _addressed(text, start, at, domain):
            yield Span(start, domain.end(), Kind.EMAIL)


def _addressed(text: Searched, start: int, at: int, domain: "re.Match[str]") -> bool:
    if re.fullmatch(NOT_DOMAINS, domain[1].lower()) or text.low[start:at] == "git":
        return False
    if text.whole.startswith("//", max(0, start - 2)) or compiled(REMOTE_PATH).match(
        text.whole, domain.end()
    ):
        return False
    before = text.low[max(0, start - LOCAL) : start]
    remote = any(map(before.__contains__, ("ssh", "scp", "sftp", "rsync", "mosh")))
    return not (remote and compiled(REMOTE_COMMANDS).search(before))


def cards(text: Searched) -> Iterator[Span]:
    """Yield numbers of payment cards, proven by their check digit."""
    for match in re.compile(CARD).finditer(text.whole):
        digits = match[0].replace(" ", "").replace("-", "")
        if (
            len(digits) in CARD_LENGTHS
            and compiled(CARD_PREFIX).match(digits)
            and _luhn(digits)
        ):
            yield Span(match.start(), match.end(), Kind.CARD)


def _luhn(digits: str) -> bool:
    """Return whether the check digit is right (ISO/IEC 7812-1)."""
    total = sum(int(digit) for digit in digits[-1::-2])
    total += sum((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[int(d)] for d in digits[-2::-2])
    return total % 10 == 0 and len(set(digits)) > 1


def phones(text: Searched) -> Iterator[Span]:
    """Yield phone numbers: international, in a national grouping, or called so."""
    for source in (PLUS, AREA, NATIONAL):
        for match in compiled(source).finditer(text.whole):
            digits = sum(map(str.isdigit, match[0]))
            plain = match[0][1:].isdigit() and digits < BARE_PLUS_DIGITS
            if digits in PHONE_DIGITS and not plain:
                yield Span(match.start(), match.end(), Kind.PHONE)
    for place in places(text, CALLS):
        called = compiled(CALLED).match(text.low, place)
        if called and not text.low[max(0, place - 1) : place].isalpha():
            yield Span(*called.span("v"), Kind.PHONE)


RULES = (emails, cards, phones)
