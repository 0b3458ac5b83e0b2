"""Ticket text that attacks a terminal, a spreadsheet or a reader."""

import re

CONTROL_PAYLOADS = {
    "colour": "\x1b[38;5;201;5m",
    "clear screen": "\x1b[2J\x1b[1;1H",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "device control": '\x1bP$q"p\x1b\\',
    "application command": "\x1b_Gf=24;AAAA\x1b\\",
    "privacy message": "\x1b^hidden\x1b\\",
    "start of string": "\x1bXhidden\x1b\\",
    "reset": "\x1bc",
    "character set": "\x1b(0",
    "one-byte csi": "\x9b38;5;201m",
    "one-byte osc": "\x9d0;owned\x9c",
    "one-byte dcs": "\x90q\x9c",
    "next line": "\x85",
    "carriage return": "\rrm -rf /",
    "bell": "\x07",
    "backspace": "ls\x08\x08rm",
    "delete": "\x7f",
    "vertical tab": "\x0b",
    "form feed": "\x0c",
    "shift out": "\x0e",
    "unknown escape": "\x1b!x",
}
HIDDEN = {
    "right-to-left override": "\u202e",
    "isolates": "\u2066\u2067\u2069",
    "arabic letter mark": "\u061c",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "line separator": "\u2028",
    "hangul filler": "\u3164",
    "tag characters": "\U000e0041\U000e007f",
}
MARKUP = ("[/b]", "[TODO]", "[@click=app.approve]x[/]", "[link=http://e.example]y")
EMOJI_CODE = ":smile:"
FORMULAS = ("=1+1", "+1+1", "-2+3", "@SUM(1)", "\t=1+1", "\x1b[0m=1+1", "\r=1+1")
EVERYTHING = " ".join(
    f"x{place}{payload} y{place}"
    for place, payload in enumerate(
        [*CONTROL_PAYLOADS.values(), *HIDDEN.values(), *MARKUP, EMOJI_CODE]
    )
)
PLACES = len(CONTROL_PAYLOADS) + len(HIDDEN) + len(MARKUP) + 1

COLOURS = re.compile(r"\x1b\[([0-9;]*)m")
OWN_COLOURS = {"0", "1", "2", "32", "36"}
FORBIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    "|[\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff]"
    "|[\ud800-\udfff\U000e0000-\U000e007f]"
)


def assert_harmless(shown: bytes) -> str:
    """Check what reached a terminal, and return it as text without our colours."""
    text = shown.decode("utf-8").replace("\r\n", "\n")
    assert set(COLOURS.findall(text)) <= OWN_COLOURS
    plain = COLOURS.sub("", text)
    found = FORBIDDEN.search(plain)
    assert found is None, ascii(plain[max(found.start() - 40, 0) : found.end() + 20])
    for name, payload in CONTROL_PAYLOADS.items():
        assert payload.encode() not in shown.replace(b"\r\n", b"\n"), name
    return plain
