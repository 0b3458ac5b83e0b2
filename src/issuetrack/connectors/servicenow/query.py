"""Encoded queries, ServiceNow's filters.

https://servicenow.github.io/sdk/guides/encoded-query-guide

`^` is and, `^OR` binds the conditions beside it, `^NQ` starts another query of which
the rows count as well. What is added to a query is added to each of those.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LITERAL = "%Y-%m-%d %H:%M:%S"
KEYSET = ("sys_updated_on", "sys_id")
_CARET = re.compile(r"(?<!\^)\^(?!\^)")
_ORDER = re.compile(r"(ORDERBY|GROUPBY|EQ$)")
_FIELD = re.compile(r"(?:OR|NQ|GOTO)*(?P<name>[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)")


@dataclass(frozen=True)
class Position:
    """Where the reading of a table is: behind a record, or at a moment.

    Attributes:
        id: of the record; empty to begin at the moment.
        shift: how far ServiceNow's reading of dates is from UTC.
    """

    at: datetime
    id: str = ""
    shift: timedelta = timedelta()

    @property
    def literal(self) -> str:
        """Return the moment as a query names it."""
        return (self.at + self.shift).astimezone(UTC).strftime(LITERAL)

    def conditions(self) -> tuple[str, ...]:
        """Return what holds for everything behind the position."""
        first = f"sys_updated_on>={self.literal}"
        if not self.id:
            return (first,)
        return (first, f"sys_updated_on>{self.literal}", f"ORsys_id>{self.id}")


def narrowed(query: str, conditions: Sequence[str], order: Sequence[str] = ()) -> str:
    """Return a query for what also meets conditions, in an order of its own."""
    groups = ["^".join([*group, *conditions]) for group in _groups(query)]
    sorting = [f"ORDERBY{name}" for name in order]
    return "^".join(part for part in ("^NQ".join(groups), *sorting) if part)


def fields_in(query: str) -> tuple[str, ...]:
    """Return the fields that a query is about, dotted ones as they stand."""
    matches = [_FIELD.match(part) for group in _groups(query) for part in group]
    return tuple(dict.fromkeys(match["name"] for match in matches if match))


def _groups(query: str) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for part in _CARET.split(query.strip()):
        condition = part
        if part.startswith("NQ"):
            condition = part.removeprefix("NQ")
            groups.append([])
        if condition and not _ORDER.match(condition):
            groups[-1].append(condition)
    return [group for group in groups if group] or [[]]
