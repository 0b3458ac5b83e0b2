"""What a tracker answers over HTTP: content, rate limit, and the end of its pages."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from issuetrack.engine.errors import RemoteAnswerError

MOST_EMPTY_PAGES = 5
SHOWN_CHARACTERS = 300
TOO_MANY = 429
_SECONDS = re.compile(r"-?\d+(\.\d+)?")
_NUMBER = re.compile(r"[0-9]{1,18}")
_LIMITED = re.compile(rb"(?i)rate limit|abuse detection")


@dataclass(frozen=True)
class RateLimit:
    """What a tracker says is left of its rate limit."""

    remaining: int
    limit: int | None = None
    reset_at: datetime | None = None


@dataclass(frozen=True)
class Answer:
    """What a tracker answered."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str

    @property
    def date(self) -> datetime | None:
        """Return the tracker's own time."""
        try:
            return parsedate_to_datetime(self.headers["date"]).astimezone(UTC)
        except (KeyError, ValueError, OverflowError):
            return None

    def json(self) -> Any:
        """Return the decoded content.

        Raises:
            RemoteAnswerError: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            host = urlsplit(self.url).netloc
            start = self.body.lstrip()[:1]
            what = "a web page" if start == b"<" else "something that is not whole JSON"
            raise RemoteAnswerError(
                f"{host} answered {urlsplit(self.url).path} with {what}",
                "check the base url, and whether a proxy or a login page is in between",
            ) from error

    def record(self) -> Mapping[str, Any]:
        """Return the decoded content, which must be an object.

        Raises:
            RemoteAnswerError: it is something else.
        """
        found = self.json()
        if isinstance(found, Mapping):
            return found
        raise self.unexpected("an object")

    def records(self) -> list[Any]:
        """Return the decoded content, which must be a list.

        Raises:
            RemoteAnswerError: it is something else.
        """
        found = self.json()
        if isinstance(found, list):
            return found
        raise self.unexpected("a list")

    def unexpected(self, wanted: str) -> RemoteAnswerError:
        """Return the error for an answer of another shape than promised."""
        parts = urlsplit(self.url)
        return RemoteAnswerError(
            f"{parts.netloc} answered {parts.path} with something other than {wanted}",
            "check the base url and the kind of the source",
        )


def is_limited(answer: Answer) -> bool:
    """Tell whether an answer of 403 or 429 is about how often we ask."""
    if answer.status == TOO_MANY or "retry-after" in answer.headers:
        return True
    if answer.headers.get("x-ratelimit-remaining") == "0":
        return True
    return _LIMITED.search(answer.body[:4096]) is not None


def wait_asked(answer: Answer) -> float | None:
    """Return for how many seconds the tracker wants to be left alone, where it says."""
    asked = answer.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(asked):
        return float(asked)
    now = answer.date or datetime.now(UTC)
    try:
        return (parsedate_to_datetime(asked).astimezone(UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        rate = rate_limit(answer)
    if rate is None or rate.remaining or rate.reset_at is None:
        return None
    return (rate.reset_at - now).total_seconds()


def rate_limit(answer: Answer) -> RateLimit | None:
    """Return what an answer says of the rate limit."""

    def number(name: str) -> int | None:
        text = answer.headers.get(f"x-ratelimit-{name}", "")
        return int(text) if _NUMBER.fullmatch(text) else None

    remaining, reset = number("remaining"), number("reset")
    if remaining is None:
        return None
    try:
        moment = None if reset is None else datetime.fromtimestamp(reset, UTC)
    except (ValueError, OverflowError, OSError):
        moment = None
    return RateLimit(remaining, number("limit"), moment)


def clean_words(text: str) -> str:
    """Return a tracker's words as one short line without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) <= SHOWN_CHARACTERS:
        return line
    return line[: SHOWN_CHARACTERS - 3] + "..."


class Paging:
    """Ends a walk over pages that would not end by itself."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._seen: set[str] = set()
        self._empty = 0

    def turn(self, token: str, *, empty: bool, content: bytes = b"") -> None:
        """Note that a next page is asked for by a token, after a page.

        Args:
            token: of the next page.
            empty: nothing is on the page before it.
            content: of the page before it, where no two pages can be the same.

        Raises:
            RemoteAnswerError: that page was asked for or given before, or nothing
                comes.
        """
        self._empty = self._empty + 1 if empty else 0
        given = "" if empty or not content else hashlib.sha256(content).hexdigest()
        repeated = token in self._seen or given in self._seen
        if given:
            self._seen.add(given)
        if repeated or self._empty > MOST_EMPTY_PAGES:
            raise RemoteAnswerError(
                f"{self._what} repeats its pages without an end",
                "nothing that was read is lost; ask the tracker's admin",
            )
        self._seen.add(token)
