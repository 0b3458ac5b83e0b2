"""Asks Jira for what changed: its query language and its way to tell the time.

JQL compares `updated` with a minute that it reads in the time zone of the profile of
whoever asks. https://support.atlassian.com/jira-software-cloud/docs/jql-fields/
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from issuetrack.connectors import vocabulary
from issuetrack.engine.errors import UsageError

ORDER = "ORDER BY updated ASC, key ASC"
EVERYTHING = 'created >= "1970-01-01"'
ANY_ZONE = timedelta(hours=26)
AN_HOUR = timedelta(hours=1)
_PARTS = re.compile(
    r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?P<order>\border\s+by\b)|(?P<sign>["'()])""",
    re.IGNORECASE | re.DOTALL,
)


def scope(jql: str) -> str:
    """Return a person's query without its order; empty for everything.

    Raises:
        UsageError: a quote or a parenthesis does not end.
    """
    depth, end = 0, len(jql)
    for part in _PARTS.finditer(jql):
        sign = part["sign"]
        if part["order"]:
            end = part.start()
            break
        if sign in ('"', "'"):
            raise UsageError("the jql has a quote that does not end", f"add a {sign}")
        depth += {"(": 1, ")": -1}.get(sign or "", 0)
        if depth < 0:
            break
    if depth:
        raise UsageError(
            "the jql has a parenthesis without its other half",
            "try it in Jira under Filters, Advanced issue search",
        )
    return jql[:end].strip()


def query(scoped: str, bound: str | None, *, bounded: bool) -> str:
    """Return a whole query, oldest change first.

    Args:
        scoped: as `scope` returned it.
        bound: the minute from which on issues were updated; None for any.
        bounded: a query without any condition would be refused.
    """
    return f"{condition(scoped, bound, bounded=bounded)} {ORDER}".strip()


def condition(scoped: str, bound: str | None, *, bounded: bool) -> str:
    """Return a query without an order."""
    terms = [f"({scoped})"] if scoped else []
    if bound is not None:
        terms.append(f'updated >= "{bound}"')
    if bounded and not terms:
        terms.append(EVERYTHING)
    return " AND ".join(terms)


@dataclass(frozen=True)
class LocalTime:
    """How Jira reads the minutes of a query.

    Attributes:
        zone: as far as it is known.
        slack: how much earlier Jira may take a minute to be.
    """

    zone: tzinfo = UTC
    slack: timedelta = ANY_ZONE

    def minute(self, moment: datetime) -> str:
        """Return a minute that Jira takes to be at or before a moment."""
        moment -= self.slack
        local = moment.astimezone(self.zone)
        latest = max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        local = (moment - max(latest - moment, timedelta())).astimezone(self.zone)
        return f"{local:%Y-%m-%d %H:%M}"


def zone(names: Iterable[object]) -> LocalTime | None:
    """Return how Jira reads minutes in the first known one of some zones."""
    for name in names:
        try:
            if isinstance(name, str) and name:
                return LocalTime(ZoneInfo(name), timedelta())
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return None


def offset(server_time: object) -> LocalTime:
    """Return how Jira reads minutes where a time of its server is all that is known.

    At other times of the year it may be an hour off.
    """
    try:
        known = datetime.fromisoformat(str(server_time)).tzinfo
    except ValueError:
        known = None
    return LocalTime() if known is None else LocalTime(known, AN_HOUR)


def moment_of(text: object) -> datetime | None:
    """Return the moment that a record names, where it names one."""
    try:
        return vocabulary.moment(text) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None
