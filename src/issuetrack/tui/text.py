"""Ticket text as text: cleaned, never markup, short enough to draw."""

from datetime import datetime

from markdown_it import MarkdownIt
from rich.markdown import Markdown
from rich.text import Text

from issuetrack.terminal_safety import clean, clean_line

MOST_CHARACTERS = 40_000
_SECONDS = (("y", 31_536_000), ("d", 86_400), ("h", 3_600), ("m", 60))


def line(text: object, style: str = "") -> Text:
    """Return anything as one line of literal text."""
    return Text(clean_line(str(text)), style=style, no_wrap=True, overflow="ellipsis")


def plain(text: object, style: str = "") -> Text:
    """Return anything as literal text with its line breaks."""
    return Text(clean(str(text)).expandtabs(4), style=style)


def shown(text: str) -> str:
    """Return the part of a text that a screen shows, cleaned, and how much is left."""
    start = clean(text[:MOST_CHARACTERS]).expandtabs(4)
    rest = len(text) - MOST_CHARACTERS
    return start if rest <= 0 else f"{start}\n\n({rest:,} more characters)"


def parser() -> MarkdownIt:
    """Return what reads Markdown; tags such as `<host>` stay text."""
    rules = MarkdownIt("commonmark", {"html": False})
    return rules.enable("strikethrough").enable("table")


def markdown(text: str) -> Markdown:
    """Return Markdown to be drawn; what a link leads to is told, not linked."""
    drawn = Markdown(shown(text), hyperlinks=False, code_theme="ansi_dark")
    drawn.parsed = parser().parse(drawn.markup)
    return drawn


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, in at most four characters."""
    seconds = max((now - moment).total_seconds(), 0)
    for unit, size in _SECONDS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return "now"
