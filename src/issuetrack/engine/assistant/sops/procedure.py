"""A standard operating procedure (SOP) as its parts."""

import re
from dataclasses import dataclass, fields

FIELDS = (
    "title",
    "problem",
    "symptoms",
    "cause",
    "steps",
    "validation",
    "rollback",
)
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_LINE_BREAK = re.compile(r"\r\n?")


@dataclass(frozen=True)
class Procedure:
    """What to do about one problem; each part is Markdown, "" where there is none.

    Two procedures that read the same are equal: line breaks are line feeds, blank
    lines at either end of a part go, the title and each tag are one line, no tag is there
    twice, and NUL becomes U+FFFD as in CommonMark 0.31 section 2.3.

    Attributes:
        title: one line.
        problem: what is wrong, in general.
        symptoms: how it shows and whom it touches.
        cause: why it happens, and how the cause is told from others.
        steps: what to do, in order.
        validation: how to see that it worked.
        rollback: how to go back.
        notes: what belongs to none of these, under headings of its own.
        tags: words to find it by.
    """

    title: str
    problem: str = ""
    symptoms: str = ""
    cause: str = ""
    steps: str = ""
    validation: str = ""
    rollback: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            given = getattr(self, name)
            if name == "tags":
                tidy: str | tuple[str, ...] = _tidy_tags(given)
            else:
                tidy = _one_line(given) if name == "title" else _tidy_text(given)
            object.__setattr__(self, name, tidy)

    def field(self, name: str) -> str:
        """Return one of FIELDS, or the notes.

        Raises:
            KeyError: there is no such part.
        """
        if name not in (*FIELDS, "notes"):
            raise KeyError(name)
        text: str = getattr(self, name)
        return text


def _tidy_text(text: str) -> str:
    """Return a text with Unix line breaks and no blank line at either end."""
    text = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", _LINE_BREAK.sub("\n", text))
    before = len(text) - len(text.lstrip())
    return text[text.rfind("\n", 0, before) + 1 :].rstrip()


def _one_line(text: str) -> str:
    return " ".join(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text).split())


def _tidy_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for tag in map(_one_line, tags) if tag))
