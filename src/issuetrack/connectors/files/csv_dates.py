"""Dates as a tracker's user sees them: the order of day and month is told by a file.

`31/Jan/26 9:05 AM` and `2026-01-31 09:05` are clear by themselves. `03/04/26` is not:
it is read as the other dates of the file must be, and refused where none says how.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from issuetrack.engine.errors import ImportFormatError


class DateOrder(StrEnum):
    """In which order a date is written."""

    DMY = "dmy"
    MDY = "mdy"
    YMD = "ymd"


MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan januar january",
            "feb februar february",
            "mar mär mrz märz march",
            "apr april",
            "may mai",
            "jun juni june",
            "jul juli july",
            "aug august",
            "sep sept september",
            "oct okt oktober october",
            "nov november",
            "dec dez dezember december",
        ),
        start=1,
    )
    for name in names.split()
}
_DATE = re.compile(
    r"\s*(?P<a>\d{1,4}|[^\W\d_]{3,9})\.?(?P<mark>[-/. ]+)(?P<b>\d{1,2}|[^\W\d_]{3,9})\.?"
    r"[-/., ]+(?P<c>\d{1,4})"
    r"(?:[T, ]+(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d)(?:[.,]\d+)?)?"
    r"\s?(?:(?P<half>[AaPp])\.?\s?[Mm]\.?)?)?\s*(?:Z|UTC|GMT)?\s*"
)
_NAMED = re.compile(r"[^\W\d_]{3,}")
_LONG_YEAR, _NOON = 4, 12
_CENTURY, _LAST_SHORT_YEAR = 2000, 69


def _year(text: str) -> int:
    number = int(text)
    if len(text) == _LONG_YEAR:
        return number
    return number + (_CENTURY if number <= _LAST_SHORT_YEAR else _CENTURY - 100)


def _month(text: str) -> int:
    return int(text) if text.isdigit() else MONTHS[text.lower()]


def _hour(match: "re.Match[str]") -> int:
    hour = int(match["hour"] or 0)
    half = (match["half"] or "").lower()
    if half and not 1 <= hour <= _NOON:
        raise ValueError("hour")
    if half:
        return hour % _NOON + (_NOON if half == "p" else 0)
    return hour


def _in_order(match: "re.Match[str]", order: DateOrder) -> datetime:
    """Return what a date means if it is in an order.

    Raises:
        ValueError: it cannot be in that order.
        KeyError: it names no month there.
    """
    parts = dict(zip(order, (match["a"], match["b"], match["c"]), strict=True))
    if len(parts["d"]) > len("31") or not parts["d"].isdigit():
        raise ValueError("day")
    if not parts["y"].isdigit() or len(parts["y"]) not in (2, _LONG_YEAR):
        raise ValueError("year")
    return datetime(
        _year(parts["y"]),
        _month(parts["m"]),
        int(parts["d"]),
        _hour(match),
        int(match["minute"] or 0),
        int(match["second"] or 0),
        tzinfo=UTC,
    )


def _readings(text: str, said: DateOrder | None = None) -> dict[DateOrder, datetime]:
    """Return what a text can mean, by order; ISO 8601 means one thing only.

    A year of two digits stands in front only where that was said.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        pass
    else:
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return dict.fromkeys(DateOrder, found.astimezone(UTC))
    match = _DATE.fullmatch(text)
    readings: dict[DateOrder, datetime] = {}
    for order in DateOrder if match else ():
        try:
            assert match is not None
            readings[order] = _in_order(match, order)
        except (ValueError, KeyError):
            continue
    if match is not None and match["mark"].startswith("."):
        readings.pop(DateOrder.MDY, None)
    if match is not None and len(match["a"]) < _LONG_YEAR and said != DateOrder.YMD:
        readings.pop(DateOrder.YMD, None)
    return readings


def moment(text: str | None, order: DateOrder | None) -> datetime | None:
    """Return the moment that a text names in an order; without a zone it is UTC.

    Args:
        text: None or empty is no moment.
        order: None where every date is clear by itself.

    Raises:
        ValueError: it is not a date in that order.
    """
    if not text or not text.strip():
        return None
    readings = _readings(text, order)
    if order is None:
        if len(set(readings.values())) == 1:
            return next(iter(readings.values()))
    elif order in readings:
        return readings[order]
    elif len(readings) == 1 and (DateOrder.YMD in readings or _NAMED.search(text)):
        return next(iter(readings.values()))
    raise ValueError(f"{text[:40]!r} is not a date")


@dataclass
class DateEvidence:
    """What the dates of a file tell about their order."""

    days_first: str | None = None
    months_first: str | None = None
    unclear: str | None = None

    def see(self, text: str) -> None:
        """Take a date of the file into account."""
        readings = _readings(text)
        if len(set(readings.values())) > 1:
            self.unclear = text
        elif len(readings) == 1 and not _NAMED.search(text):
            if DateOrder.DMY in readings:
                self.days_first = text
            elif DateOrder.MDY in readings:
                self.months_first = text

    def order(self, name: str) -> DateOrder | None:
        """Return the order of the dates; None where each is clear by itself.

        Raises:
            ImportFormatError: they do not tell, or contradict each other.
        """
        if self.days_first and self.months_first:
            raise ImportFormatError(
                f"{name} has dates in two orders: {self.days_first!r} and "
                f"{self.months_first!r}",
                "say which: --date-format dmy, or mdy; the others are put aside",
            )
        if self.days_first:
            return DateOrder.DMY
        if self.months_first:
            return DateOrder.MDY
        if self.unclear:
            raise ImportFormatError(
                f"{name}: {self.unclear!r} may be day or month first, and no date says",
                "say which: --date-format dmy, or mdy",
            )
        return None
