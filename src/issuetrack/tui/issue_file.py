"""An issue as a file to edit: its fields between two lines `---`, then its body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from issuetrack.engine.errors import UsageError
from issuetrack.engine.store.types import IssueType, Priority
from issuetrack.terminal_safety import clean, clean_line

if TYPE_CHECKING:
    from issuetrack.engine.issues.records import IssueRecord

FENCE = "---"
FIELDS = (
    "title",
    "type",
    "priority",
    "service",
    "site",
    "category",
    "labels",
    "assignee",
)
HEAD = (
    f"# One line for each field; nothing after the colon empties it.\n"
    f"# type: {', '.join(IssueType)}\n"
    f"# priority: {', '.join(Priority)}; labels: with commas between"
)


@dataclass(frozen=True)
class IssueFile:
    """What a file says.

    Attributes:
        values: what stands behind the colons.
        lines: where each field stands, from 1.
        body: what follows.
    """

    values: Mapping[str, str]
    body: str
    lines: Mapping[str, int] = field(default_factory=dict)


def write(values: Mapping[str, str], body: str = "") -> str:
    """Return a file to edit."""
    told = "\n".join(f"{name}: {values.get(name, '')}".rstrip() for name in FIELDS)
    return f"{FENCE}\n{HEAD}\n{told}\n{FENCE}\n\n{body}\n"


def of(record: "IssueRecord") -> str:
    """Return an issue as a file to edit."""
    s = record.summary
    values = {name: getattr(s, name) or "" for name in FIELDS}
    values["labels"] = ", ".join(s.labels)
    cleaned = {name: clean_line(str(value)) for name, value in values.items()}
    return write(cleaned, clean(record.body).strip("\n"))


def read(text: str) -> IssueFile:
    """Read a file.

    Raises:
        UsageError: it is not one; names the line.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    values: dict[str, str] = {}
    places: dict[str, int] = {}
    start = next((n for n, line in enumerate(lines) if line.strip()), 0)
    if lines[start].strip() != FENCE:
        raise _wrong(start + 1, f"the fields begin below a line {FENCE}")
    for place, line in enumerate(lines[start + 1 :], start + 2):
        if line.strip() == FENCE:
            body = "\n".join(lines[place:]).strip("\n")
            return IssueFile(values, body, places)
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        _check(place, name.strip(), colon, values)
        values[name.strip()], places[name.strip()] = value.strip(), place
    raise _wrong(len(lines), f"the line {FENCE} behind the fields is missing")


def _check(place: int, name: str, colon: str, known: Mapping[str, str]) -> None:
    if not colon or name not in FIELDS:
        raise _wrong(place, f"a field is one of {', '.join(FIELDS)}, then a colon")
    if name in known:
        raise _wrong(place, f"{name} stands there twice")


def _wrong(place: int, reason: str) -> UsageError:
    return UsageError(f"line {place}: {reason}", "edit it again")


def changes(before: str, after: str) -> dict[str, Any]:
    """Return the fields that a person changed, with their new values.

    A field whose line is gone stays as it is.

    Raises:
        UsageError: what was written cannot be read, or is no value of a field.
    """
    old, new = read(before), read(after)
    found = {
        name: typed(name, value, new.lines[name])
        for name, value in new.values.items()
        if value != old.values.get(name, "")
    }
    if new.body != old.body:
        found["body"] = new.body
    return found


def typed(name: str, value: str, line: int) -> Any:
    """Return the value of a field from what stands in a file.

    Raises:
        UsageError: it is none.
    """
    if name == "labels":
        return [label.strip() for label in value.split(",") if label.strip()]
    if name == "priority":
        return _one_of(Priority, value.upper(), line, name) if value else None
    if name == "type":
        return _one_of(IssueType, value.lower().replace(" ", "_"), line, name)
    if name == "title" and not value:
        raise _wrong(line, "an issue needs a title")
    return value or None


def _one_of(kind: Any, value: str, line: int, name: str) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        known = ", ".join(kind)
        raise _wrong(line, f"{name} is one of {known}, not {value}") from error
