"""A tracker's words in the common vocabulary, and a note of what was read from what.

A source can override the defaults, an entry each:

    status:Waiting for customer=in_progress   a word of a field means this
    service=customfield_10010.value           a field is read from there
    service=label:area/                       a field is the rest of such a label
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from issuetrack.connectors import fields, vocabulary
from issuetrack.connectors.fields import Record
from issuetrack.engine.errors import UsageError
from issuetrack.engine.store.types import IssueStatus, IssueType, Priority
from issuetrack.engine.sync.ports import Mapped

WORDS: dict[str, type[StrEnum]] = {
    "type": IssueType,
    "status": IssueStatus,
    "priority": Priority,
}
READ = ("type", "status", "priority", "service", "site", "category")
LABEL = "label:"


@dataclass(frozen=True)
class Overrides:
    """What a source says otherwise than the defaults."""

    words: dict[tuple[str, str], str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "Overrides":
        """Read entries.

        Raises:
            UsageError: one cannot be understood; says what it could be.
        """
        found = cls()
        for entry in entries:
            left, separator, right = (part.strip() for part in entry.partition("="))
            name, colon, word = left.partition(":")
            if not separator or name not in READ or not right:
                raise UsageError(
                    f"the mapping {entry!r} is not FIELD:WORD=VALUE or FIELD=PLACE",
                    f"fields are: {', '.join(READ)}; for example: "
                    "--map 'status:Waiting for customer=in_progress'",
                )
            if colon:
                found.words[name, vocabulary.word(word)] = _checked(name, right)
            else:
                found.places[name] = right
        return found


def _checked(name: str, value: str) -> str:
    kinds = WORDS.get(name)
    if kinds is None:
        return value
    for member in kinds:
        if member.value.lower() == value.lower():
            return member.value
    raise UsageError(f"{value!r} is no {name}", f"use one of: {', '.join(kinds)}")


@dataclass
class Reading:
    """Reads one record, and remembers what became what."""

    record: Record
    overrides: Overrides
    labels: Sequence[str] = ()
    mapped: list[Mapped] = field(default_factory=list)

    def word(
        self,
        name: str,
        origin: str,
        said: str | None,
        default: Callable[[str | None], str | None],
    ) -> str | None:
        """Return what a field becomes: by override, else by the tracker's default.

        Args:
            name: the field here.
            origin: the field there.
            said: what it says there.
            default: what a word becomes that no override is about.
        """
        place = self.overrides.places.get(name)
        if place is not None:
            origin, said = place, self._at(place)
        rule = "default"
        value = None
        if said is not None:
            value = self.overrides.words.get((name, vocabulary.word(said)))
        if value is not None:
            rule = f"{name}:{said}={value}"
        elif place is not None and name not in WORDS:
            value, rule = said, f"{name}={place}"
        else:
            value = default(said)
        self.mapped.append(Mapped(name, value, origin, said, rule))
        return value

    def _at(self, place: str) -> str | None:
        if place.startswith(LABEL):
            prefix = place.removeprefix(LABEL)
            rests = (
                x.removeprefix(prefix) for x in self.labels if x.startswith(prefix)
            )
            return next(rests, None)
        value: Any = self.record
        for step in place.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, dict):
            value = value.get("value") or value.get("name")
        return fields.text({"value": value}, "value")
