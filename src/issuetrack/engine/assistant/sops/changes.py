"""What is different between two procedures, field by field."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from enum import StrEnum

from issuetrack.engine.assistant.sops.procedure import FIELDS, Procedure

COMPARED = (*FIELDS, "tags", "notes")
MOST_PAIRS = 4_000_000


class Change(StrEnum):
    """What happened to a field."""

    UNCHANGED = "unchanged"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class FieldChange:
    """One field in two procedures.

    Attributes:
        field: one of COMPARED.
        lines: a unified diff without its file names; each line starts with a blank, +,
            - or, before each hunk, @@. None where nothing changed.
    """

    field: str
    change: Change
    lines: tuple[str, ...]


def changes(old: Procedure, new: Procedure) -> tuple[FieldChange, ...]:
    """Return every field in order, changed or not."""
    return tuple(
        _field_change(name, _lines(old, name), _lines(new, name)) for name in COMPARED
    )


def _lines(procedure: Procedure, name: str) -> list[str]:
    if name == "tags":
        return list(procedure.tags)
    text = procedure.field(name)
    return text.split("\n") if text else []


def _field_change(name: str, old: list[str], new: list[str]) -> FieldChange:
    if old == new:
        change = Change.UNCHANGED
    elif not old or not new:
        change = Change.ADDED if new else Change.REMOVED
    else:
        change = Change.CHANGED
    return FieldChange(name, change, tuple(_unified(old, new)))


def _unified(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return the hunks; what is too long to be compared is told as replaced whole."""
    if len(old) * len(new) <= MOST_PAIRS:
        return list(unified_diff(old, new, lineterm=""))[2:]
    if old == new:
        return []
    header = f"@@ -1,{len(old)} +1,{len(new)} @@"
    return [header, *(f"-{line}" for line in old), *(f"+{line}" for line in new)]
