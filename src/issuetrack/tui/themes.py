"""The themes, and the styles that texts are drawn in."""

from functools import lru_cache

from rich.style import Style
from rich.theme import Theme as Styles
from textual.theme import Theme

DARK = Theme(
    name="dark",
    primary="#5fa8e0",
    secondary="#8fa3b8",
    accent="#e0b45f",
    foreground="#d8dee6",
    background="#14181d",
    surface="#1b2027",
    panel="#262d36",
    warning="#e0b45f",
    error="#f07070",
    success="#7cc48a",
    dark=True,
    variables={"footer-key-foreground": "#e0b45f", "block-cursor-text-style": "none"},
)
LIGHT = Theme(
    name="light",
    primary="#14548c",
    secondary="#4a5a6a",
    accent="#8a5a00",
    foreground="#1c2126",
    background="#fbfbf9",
    surface="#f3f3ef",
    panel="#e4e4de",
    warning="#8a5a00",
    error="#b01c1c",
    success="#1c6b34",
    dark=False,
    variables={"footer-key-foreground": "#8a5a00", "block-cursor-text-style": "none"},
)
HIGH_CONTRAST = Theme(
    name="high-contrast",
    primary="#ffff00",
    secondary="#ffffff",
    accent="#00ffff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#303030",
    warning="#ffff00",
    error="#ff8080",
    success="#80ff80",
    dark=True,
    variables={"footer-key-foreground": "#00ffff", "block-cursor-text-style": "bold"},
)
THEMES = (DARK, LIGHT, HIGH_CONTRAST)
BY_NAME = {theme.name: theme for theme in THEMES}


@lru_cache
def styles(name: str) -> Styles:
    """Return the styles of texts in a theme, by their names."""
    theme = BY_NAME[name]
    dim = Style(color=theme.secondary)
    accent = Style(color=theme.accent)
    code = Style(color=theme.success)
    heading = Style(color=theme.primary, bold=True)
    return Styles(
        {
            "text": Style(color=theme.foreground),
            "quiet": dim,
            "accent": accent,
            "heading": heading,
            "code": code,
            "good": Style(color=theme.success),
            "warn": Style(color=theme.warning),
            "bad": Style(color=theme.error, bold=True),
            "strong": Style(color=theme.foreground, bold=True),
            "markdown.paragraph": Style(),
            "markdown.text": Style(),
            "markdown.code": code,
            "markdown.code_block": code,
            "markdown.block_quote": dim,
            "markdown.item.bullet": accent,
            "markdown.item.number": accent,
            "markdown.hr": dim,
            "markdown.link": accent,
            "markdown.link_url": dim,
            **{f"markdown.h{n}": heading for n in range(1, 7)},
            "markdown.h1.border": dim,
            "markdown.table.header": heading,
            "markdown.table.border": dim,
        }
    )
