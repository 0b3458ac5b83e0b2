"""Reads fields out of decoded JSON, naming what is wrong with them."""

from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]


def text(record: Record, name: str) -> str | None:
    """Return a text; numbers count as text, null and missing as None.

    Raises:
        ValueError: it is something else.
    """
    value = record.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{name} should be a text, not {_kind(value)}")


def required(record: Record, name: str) -> str:
    """Return a text that must be there.

    Raises:
        ValueError: it is missing or empty.
    """
    value = text(record, name)
    if value is None or not value.strip():
        raise ValueError(f"{name} is missing")
    return value


def mapping(record: Record, name: str) -> Record:
    """Return an object; null and missing as an empty one.

    Raises:
        ValueError: it is something else.
    """
    value = record.get(name)
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    raise ValueError(f"{name} should be an object, not {_kind(value)}")


def items(record: Record, name: str) -> Sequence[Any]:
    """Return a list; null and missing as an empty one.

    Raises:
        ValueError: it is something else.
    """
    value = record.get(name)
    if value is None:
        return ()
    if isinstance(value, list):
        return value
    raise ValueError(f"{name} should be a list, not {_kind(value)}")


def records(record: Record, name: str) -> list[Record]:
    """Return a list of objects.

    Raises:
        ValueError: it is something else, or holds something else.
    """
    found = items(record, name)
    for item in found:
        if not isinstance(item, Mapping):
            raise ValueError(f"{name} should hold objects, not {_kind(item)}")  # noqa: TRY004 - about data
    return list(found)


def texts(record: Record, name: str) -> tuple[str, ...]:
    """Return a list of texts.

    Raises:
        ValueError: it is something else, or holds something else.
    """
    found = items(record, name)
    for item in found:
        if not isinstance(item, str):
            raise ValueError(f"{name} should hold texts, not {_kind(item)}")  # noqa: TRY004 - about data
    return tuple(found)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return type(value).__name__
