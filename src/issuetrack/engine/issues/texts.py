"""Texts fit to be stored."""

from issuetrack.engine.errors import UsageError

LONGEST_TITLE = 500
MOST_BODY = 16 * 1024 * 1024


def clean_line(text: str) -> str:
    """Return a text on one line, without NUL and lone surrogates."""
    whole = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    whole = whole.encode("utf-8", "replace").decode()
    return " ".join(whole.split())


def optional_line(text: str | None) -> str | None:
    """Return a text on one line, or None where nothing is left of it."""
    return clean_line(text) or None if text else None


def checked_title(text: str) -> str:
    """Return a title fit to be stored.

    Raises:
        UsageError: it is empty.
    """
    title = clean_line(text)
    if not title:
        raise UsageError("the title is empty", "say in a few words what is wrong")
    return title[:LONGEST_TITLE]


def checked_body(text: str) -> str:
    """Return a body fit to be stored.

    Raises:
        UsageError: it is over 16 MiB.
    """
    if len(text) > MOST_BODY:
        raise UsageError(
            "the text is longer than 16 MiB", "attach the log elsewhere and link it"
        )
    return text
