"""Makes ticket text harmless to a terminal. Ticket text is data, never control.

Escape sequences and control characters are taken out, of a sequence without an end only
its beginning, so that it hides nothing that follows. Characters that reorder or hide
text (bidi controls, zero-width and tag characters) are shown as `<U+202E>`.
"""

import re

_SEQUENCE = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]?"
    r"|[\]PX^_][^\x07\x1b\x90\x98\x9c-\x9f]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|[ -/]*[0-~]?)"
    r"|\x9b[0-?]*[ -/]*[@-~]?"
    r"|[\x90\x98\x9d-\x9f][^\x07\x1b\x90\x98\x9c-\x9f]{0,4096}(?:\x07|\x1b\\|\x9c)"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def clean(text: str) -> str:
    """Return a text that may be printed, with its line breaks and tabs."""
    text = text.replace("\r\n", "\n")
    text = _CONTROL.sub("", _SEQUENCE.sub("", text))
    text = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return _HIDDEN.sub(lambda match: f"<U+{ord(match.group()):04X}>", text)


def clean_line(text: str) -> str:
    """Return a text that may be printed, on one line."""
    return " ".join(clean(text).split())


def clean_cell(text: str) -> str:
    """Return a text for a CSV cell that no spreadsheet takes for a formula."""
    cleaned = clean(text)
    return f"'{cleaned}" if cleaned.startswith(_FORMULA) else cleaned
