"""Walks over the records of a table in the order of their changes.

It goes on behind the last record (`sys_updated_on`, `sys_id`) and not by an offset:
a record that changes meanwhile moves to the end and would shift the others.

Dates in queries are UTC by what ServiceNow's staff write, and in the time zone of the
account by what others report. So before a date is used that the two read differently,
a record is asked for by its own date.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from issuetrack.connectors.answers import Paging
from issuetrack.connectors.fields import Record
from issuetrack.connectors.servicenow import records as servicenow
from issuetrack.connectors.servicenow.api import Api, Rows
from issuetrack.connectors.servicenow.journal import shift_of
from issuetrack.connectors.servicenow.query import KEYSET, Position, narrowed
from issuetrack.engine.errors import RemoteAnswerError
from issuetrack.engine.sync.connector import OVERLAP, Traffic

MOST_HIDDEN = 200
PROBES = 3
SUMMER = timedelta(hours=1)
FIX = "set the time zone of the account to GMT in ServiceNow (its user record)"


@dataclass(frozen=True)
class Batch:
    """Rows that were read at once, and where the reading is behind them."""

    found: Rows
    position: Position | None


@dataclass
class Walk:
    """Reads what a query covers, table by table.

    Attributes:
        names: of the fields to read.
        local: whether dates in queries are in the time zone of the account; None as
            long as it has made no difference.
    """

    api: Api
    query: str
    names: Sequence[str]
    traffic: Traffic
    local: bool | None = None

    def batches(self, table: str, start: Position | None) -> Iterator[Batch]:
        """Yield what changed in a table since a position, oldest change first.

        Raises:
            RemoteAnswerError: the answers make no sense.
        """
        position = self._started(table, start)
        paging, offset, empty = Paging(table), 0, 0
        position, found = self._first(table, position, start)
        while True:
            if self._astray(found, position):
                position, found = self._realigned(table, found, position, offset)
            self._note_hidden(table, found, offset)
            last = self._last(table, found)
            yield Batch(found, last or position)
            if not found.more:
                return
            position, offset = (last, 0) if last else (position, offset + self._step)
            empty = 0 if last else empty + 1
            self._refuse_hidden(table, empty)
            paging.turn(f"{position} {offset}", empty=False)
            found = self._page(table, position, offset)

    @property
    def _step(self) -> int:
        """Return how far to go on where nothing shows; less than a page, to be safe."""
        return self.api.per_page - self.api.per_page // 10

    def _page(self, table: str, position: Position | None, offset: int = 0) -> Rows:
        conditions = position.conditions() if position else ()
        query = narrowed(self.query, conditions, KEYSET)
        return self.api.page(table, query, self.names, offset=offset)

    def _started(self, table: str, start: Position | None) -> Position | None:
        if start is None or start.id:
            self.local = self.local or (True if start and start.shift else None)
            return start and replace(start, at=start.at - OVERLAP, id="")
        return self._at(table, start)

    def _first(
        self, table: str, position: Position | None, start: Position | None
    ) -> tuple[Position | None, Rows]:
        """Return the first rows; asked for again where the dates were misread.

        What was last read comes again because of the overlap, or something older.
        """
        found = self._page(table, position)
        if start is None or position is None or not start.id:
            return position, found
        rows = _readable(found)
        if rows:
            first = servicenow.updated(rows[0])
            plain = not position.shift and not shift_of(rows[0], "sys_updated_on")
            if position.at <= first and (plain or first <= start.at):
                return position, found
        self.local = None
        again = self._at(table, position, rows)
        if again.shift == position.shift:
            return position, found
        return again, self._page(table, again)

    def _at(
        self, table: str, position: Position, known: Sequence[Record] = ()
    ) -> Position:
        """Return a position whose date is understood, by the newest record.

        An hour earlier, as its summer time may not be that of the position.
        """
        rows = known
        if not rows:
            query = narrowed(self.query, (), ("DESCsys_updated_on",))
            names = ("sys_id", "sys_updated_on")
            rows = self.api.page(table, query, names, limit=1).rows
        shift = timedelta()
        if rows and (shift_of(rows[0], "sys_updated_on") != timedelta()):
            shift = self._decided(table, rows)
        return replace(position, at=position.at - SUMMER, shift=shift)

    def _last(self, table: str, found: Rows) -> Position | None:
        rows = _readable(found)
        if not rows:
            return None
        shift = shift_of(rows[-1], "sys_updated_on")
        if found.more and self.local is None and shift != timedelta():
            self._decided(table, rows)
        if self.local and shift is None:
            raise self._unclear(table)
        used = shift if self.local and shift else timedelta()
        return Position(servicenow.updated(rows[-1]), servicenow.sys_id(rows[-1]), used)

    def _astray(self, found: Rows, position: Position | None) -> bool:
        """Tell whether rows came that are not behind a position."""
        rows = _readable(found)
        if position is None or not position.id or not rows:
            return False
        first = servicenow.updated(rows[0])
        same = servicenow.sys_id(rows[0]) == position.id
        return first < position.at or same

    def _realigned(
        self, table: str, found: Rows, position: Position | None, offset: int
    ) -> tuple[Position, Rows]:
        """Return rows asked for with the date in the other zone."""
        if position is None or self.local is not None:
            raise self._unclear(table)
        shift = self._decided(table, found.rows)
        position = replace(position, shift=shift)
        again = self._page(table, position, offset)
        if self._astray(again, position):
            raise self._unclear(table)
        return position, again

    def _decided(self, table: str, rows: Sequence[Record]) -> timedelta:
        """Find out how dates are read; return how far that is from UTC now."""
        for row in list(reversed(rows))[:PROBES]:
            at, key = servicenow.updated(row), servicenow.sys_id(row)
            shift = shift_of(row, "sys_updated_on")
            if self._is_found(table, Position(at, key)):
                self.local = False
                return timedelta()
            if shift and self._is_found(table, Position(at, key, shift)):
                self.local = True
                self.traffic.notice(
                    f"dates in queries are in the time zone of the account; {FIX}, "
                    "or changes in the hour when summer time ends may be missed"
                )
                return shift
        raise self._unclear(table)

    def _is_found(self, table: str, position: Position) -> bool:
        exactly = (
            f"sys_id={position.id}",
            f"sys_updated_on>={position.literal}",
            f"sys_updated_on<={position.literal}",
        )
        return bool(self.api.count(table, "^".join(exactly)).rows)

    def _note_hidden(self, table: str, found: Rows, offset: int) -> None:
        seen = len(found.rows) + len(found.bad)
        if found.total is not None and seen < min(
            self.api.per_page, found.total - offset
        ):
            self.traffic.notice(
                f"some records of {table} are hidden from the account by access rules"
            )

    def _refuse_hidden(self, table: str, empty: int) -> None:
        if empty > MOST_HIDDEN:
            raise RemoteAnswerError(
                f"{table} has more than {MOST_HIDDEN * self._step} records in a row "
                "that the account may not see",
                "narrow the query of the source to what the account may see",
            )

    def _unclear(self, table: str) -> RemoteAnswerError:
        return RemoteAnswerError(
            f"{table} is not given out in the order of its changes, or its dates are "
            "read in a time zone that cannot be told",
            FIX,
        )


def _readable(found: Rows) -> list[Record]:
    """Return the rows that say which they are and when they changed."""
    readable = []
    for row in found.rows:
        try:
            servicenow.updated(row), servicenow.sys_id(row)
        except ValueError:
            continue
        readable.append(row)
    return readable
