"""The query language of issue lists.

`status:open priority:P1,P2 service:checkout label:db updated:>2026-01-01 text words`

A term is `column:value`; several values are joined by commas; `-` in front turns a
term round; `none` as a value means that there is none. Dates take `>`, `>=`, `<`,
`<=`. Bare words must all occur in the issue.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    column,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    text,
)
from sqlmodel import col

from issuetrack.engine.errors import QuerySyntaxError
from issuetrack.engine.retrieval.lexical_index import match_all
from issuetrack.engine.store.tables import Issue, Source
from issuetrack.engine.store.types import IssueStatus, IssueType, Priority

WORDS: dict[str, tuple[Any, type[StrEnum]]] = {
    "status": (Issue.status, IssueStatus),
    "priority": (Issue.priority, Priority),
    "type": (Issue.type, IssueType),
}
TEXTS: dict[str, Any] = {
    "service": Issue.service,
    "site": Issue.site,
    "category": Issue.category,
    "assignee": Issue.assignee,
    "reporter": Issue.reporter,
    "key": Issue.external_key,
}
DATES: dict[str, Any] = {
    "created": Issue.created_at,
    "updated": Issue.updated_at,
    "resolved": Issue.resolved_at,
    "closed": Issue.closed_at,
}
SORTS: dict[str, Any] = {
    "number": Issue.number,
    "created": Issue.created_at,
    "updated": Issue.updated_at,
    "priority": Issue.priority,
    "status": Issue.status,
    "title": Issue.title,
}
COLUMNS = (*WORDS, *TEXTS, "label", "source", *DATES)
_TERM = re.compile(r"^(?P<no>-?)(?P<column>[a-z_]+):(?P<value>.*)$", re.DOTALL)
_DATE = re.compile(r"^(?P<sign>>=|<=|>|<|)(?P<date>.+)$")

Condition = ColumnElement[bool]


@dataclass(frozen=True)
class IssueQuery:
    """A parsed query: conditions that all must hold."""

    conditions: tuple[Condition, ...]


def parse(query: str) -> IssueQuery:
    """Parse a query.

    Raises:
        QuerySyntaxError: a term is wrong; the message shows where.
    """
    query = query.encode("utf-8", "replace").decode()
    try:
        terms = shlex.split(query, comments=False, posix=True)
    except ValueError as error:
        raise QuerySyntaxError(
            f"a quotation mark is not closed: {query}", 'write "two words" in quotes'
        ) from error
    conditions: list[Condition] = []
    bare: list[str] = []
    for term in terms:
        match = _TERM.match(term)
        if match is None or "//" in term:
            bare.append(term)
            continue
        condition = _condition(query, term, match["column"], match["value"])
        if match["no"]:
            condition = not_(func.coalesce(condition, false()))
        conditions.append(condition)
    if bare:
        expression = match_all(" ".join(bare))
        if expression is not None:
            conditions.append(_holds(expression))
    return IssueQuery(tuple(conditions))


def numbers(query: str, sort: str) -> Select[Any]:
    """Return the statement of the numbers that fit a query, in order.

    Raises:
        QuerySyntaxError: the query or the sort is wrong.
    """
    conditions = parse(query).conditions
    return select(col(Issue.number)).where(*conditions).order_by(*order(sort))


def order(sort: str) -> list[Any]:
    """Return the ORDER BY of a sort: a column, with `-` in front for descending.

    A sum keeps SQLite from another index than that of lists, here and in conditions.

    Raises:
        QuerySyntaxError: there is no such column to sort by.
    """
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise QuerySyntaxError(
            f"cannot sort by {sort!r}", f"sort by one of: {', '.join(SORTS)}"
        )
    down = sort.startswith("-")
    tie = col(Issue.number) if name == "updated" else col(Issue.number) + 0
    if name == "number":
        return [tie.desc() if down else tie.asc()]
    column = col(SORTS[name])
    ordered = column.desc() if down else column.asc()
    return [ordered.nulls_last(), tie.desc() if down else tie.asc()]


def _holds(expression: str) -> Condition:
    """Return the condition that an issue fits an FTS5 expression."""
    documents = text(
        "SELECT chunk.issue_number FROM chunk WHERE chunk.id IN "
        "(SELECT rowid FROM chunk_lexical WHERE chunk_lexical MATCH :expression)"
    ).bindparams(bindparam("expression", expression, unique=True))
    return (col(Issue.number) + 0).in_(documents.columns(column("issue_number")))


def _condition(query: str, term: str, name: str, value: str) -> Condition:
    if not value:
        raise _wrong(query, term, f"{name}: needs a value", f"{name}:VALUE")
    if name in DATES:
        return _date_condition(query, term, DATES[name], value)
    values = [part for part in value.split(",") if part]
    if not values:
        raise _wrong(query, term, f"{name}: needs a value", f"{name}:VALUE")
    if name in WORDS:
        field, words = WORDS[name]
        return _word_condition(query, term, field, words, values)
    if name in TEXTS:
        return _any(values, lambda v: _text_is(TEXTS[name], v))
    if name == "label":
        return _any(values, _has_label)
    if name == "source":
        named = select(col(Source.id)).where(col(Source.name).in_(values))
        condition = (col(Issue.source_id) + 0).in_(named)
        local = (col(Issue.source_id) + 0).is_(None)
        return or_(condition, local) if "none" in values else condition
    raise _wrong(
        query,
        term,
        f"there is no column {name!r}",
        f"columns are: {', '.join(COLUMNS)}",
    )


def _any(values: list[str], one: Callable[[str], Condition]) -> Condition:
    return or_(*(one(value) for value in values))


def _text_is(field: Any, value: str) -> Condition:
    if value == "none":
        return col(field).is_(None)
    return and_(col(field).is_not(None), col(field).ilike(_like(value), escape="\\"))


def _like(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def _has_label(value: str) -> Condition:
    if value == "none":
        return func.json_array_length(col(Issue.labels)) == 0
    labels = func.json_each(col(Issue.labels)).table_valued("value")
    same = func.lower(labels.c.value) == func.lower(value)
    return exists(select(labels.c.value).where(same))


def _word_condition(
    query: str, term: str, field: Any, words: type[StrEnum], values: list[str]
) -> Condition:
    known = {word.value.lower(): word for word in words}
    wanted = []
    for value in values:
        if value == "none":
            continue
        if value.lower() not in known:
            raise _wrong(
                query,
                term,
                f"{value!r} is not one of its values",
                f"values are: {', '.join(word.value for word in words)}",
            )
        wanted.append(known[value.lower()])
    condition: Condition = col(field).in_(wanted)
    return or_(condition, col(field).is_(None)) if "none" in values else condition


def _date_condition(query: str, term: str, field: Any, value: str) -> Condition:
    if value == "none":
        return col(field).is_(None)
    match = _DATE.match(value)
    try:
        assert match is not None
        day = datetime.fromisoformat(match["date"])
        start = day.astimezone(UTC) if day.tzinfo else day.replace(tzinfo=UTC)
    except (AssertionError, ValueError, OverflowError) as error:
        shown = match["date"] if match else value
        raise _wrong(
            query, term, f"{shown!r} is not a date", "write 2026-01-31"
        ) from error
    whole_day = len(match["date"]) == len("2026-01-31")
    last = _add(start, timedelta(days=1 if whole_day else 0, microseconds=-1))
    at = col(field)
    return {
        ">": at > (last if whole_day else start),
        ">=": at >= start,
        "<": at < start,
        "<=": at <= (last if whole_day else start),
        "": and_(at >= start, at <= max(last, _add(start, timedelta(seconds=1)))),
    }[match["sign"]]


def _add(moment: datetime, span: timedelta) -> datetime:
    """Return a later moment, or the last there is."""
    try:
        return moment + span
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _wrong(query: str, term: str, what: str, hint: str) -> QuerySyntaxError:
    place = query.find(term)
    marker = " " * max(place, 0) + "^" * len(term)
    return QuerySyntaxError(f"{what}\n  {query}\n  {marker}", hint)
