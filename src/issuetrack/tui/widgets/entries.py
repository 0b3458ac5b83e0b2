"""A list of any length, of which only what is seen is read and drawn."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from issuetrack.tui import themes
from issuetrack.tui.actions import Place, bindings

Draw = Callable[[Any, int], Text | None]


class Entries(ScrollView, can_focus=True, inherit_bindings=False):
    """Entries, one line each, with a cursor.

    Args:
        draw: given an entry and a width, returns its line; None where it is still to
            be read.
        head: given a width, returns the line above the entries.
        empty: what stands there where there is no entry.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.LIST)]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "entries--cursor",
        "entries--head",
        "entries--blurred",
    }
    DEFAULT_CSS = """
    Entries { height: 1fr; width: 1fr; background: $background; overflow-x: hidden; }
    Entries > .entries--head { color: $secondary; text-style: bold; }
    Entries > .entries--cursor { background: $primary 35%; text-style: bold; }
    Entries > .entries--blurred { background: $panel; }
    """

    class Moved(Message):
        """The cursor came to an entry, or to None."""

        def __init__(self, entries: "Entries", entry: Any) -> None:
            super().__init__()
            self.entries = entries
            self.entry = entry

    class Opened(Message):
        """An entry was opened."""

        def __init__(self, entries: "Entries", entry: Any) -> None:
            super().__init__()
            self.entries = entries
            self.entry = entry

    class Wanted(Message):
        """Entries came into sight that are still to be read."""

        def __init__(self, entries: "Entries", wanted: Sequence[Any]) -> None:
            super().__init__()
            self.entries = entries
            self.wanted = wanted

    def __init__(
        self,
        draw: Draw,
        head: Callable[[int], Text] | None = None,
        empty: str = "Nothing here",
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._draw = draw
        self._head = head
        self.empty = empty
        self.entries: Sequence[Any] = ()
        self._strips: dict[tuple[int, int, str], Strip] = {}
        self.cursor = 0

    @property
    def current(self) -> Any:
        """Return the entry under the cursor; None where there is none."""
        return self.entries[self.cursor] if self.cursor < len(self.entries) else None

    def show(self, entries: Sequence[Any], current: Any = None) -> None:
        """Show other entries.

        Args:
            entries: what there is.
            current: the entry to stand on, if it is among them.
        """
        before, place = self.current, min(self.cursor, max(len(entries) - 1, 0))
        self.entries = entries
        self._strips.clear()
        if current is not None:
            place = entries.index(current) if current in entries else 0
        self.cursor = place
        self.virtual_size = Size(0, len(entries) + self._top)
        self._see()
        self.refresh()
        if self.current != before:
            self.post_message(self.Moved(self, self.current))

    @property
    def _top(self) -> int:
        return 0 if self._head is None else 1

    @property
    def seen(self) -> Sequence[Any]:
        """Return the entries in sight."""
        start = self.scroll_offset.y
        return self.entries[start : start + max(self.size.height - self._top, 1)]

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        width = self.size.width
        if y < self._top:
            assert self._head is not None
            style = self.get_component_rich_style("entries--head")
            return self._strip(self._head(width), width, style)
        place = self.scroll_offset.y + y - self._top
        if place >= len(self.entries):
            told = self.empty if not self.entries and y == self._top else ""
            return self._strip(Text(told, style="quiet"), width, self.rich_style)
        look = ""
        if place == self.cursor:
            look = "cursor" if self.has_focus else "blurred"
        drawn = self._strips.get((place, width, look))
        return drawn or self._entry(place, width, look)

    def _entry(self, place: int, width: int, look: str) -> Strip:
        style = self.rich_style
        if look:
            style = self.get_component_rich_style(f"entries--{look}")
        line = self._draw(self.entries[place], width)
        if line is None:
            return self._strip(Text("  ...", style="quiet"), width, style)
        strip = self._strip(line, width, style)
        self._strips[place, width, look] = strip
        return strip

    def refresh(self, *regions: Region, **wish: Any) -> Self:
        """Draw anew; without regions, entries may read otherwise than before."""
        if not regions:
            self._strips.clear()
        return super().refresh(*regions, **wish)

    def _strip(self, line: Text, width: int, style: Any) -> Strip:
        known = themes.styles(self.app.theme).styles
        segments = [Segment(s.text, s.style) for s in _segments(line, known)]
        return Strip(segments).apply_style(style).crop_extend(0, width, style)

    def _ask(self) -> None:
        width, start = self.size.width, self.scroll_offset.y
        wanted = [
            entry
            for place, entry in enumerate(self.seen, start)
            if (place, width, "") not in self._strips
            and self._draw(entry, width) is None
        ]
        if wanted:
            self.post_message(self.Wanted(self, wanted))

    def watch_scroll_y(self, old: float, new: float) -> None:
        """Read what comes into sight."""
        super().watch_scroll_y(old, new)
        self._ask()

    def on_resize(self, _event: events.Resize) -> None:
        """Read what comes into sight."""
        self._see()

    def _see(self) -> None:
        region = Region(0, self.cursor, 1, 1 + self._top)
        self.scroll_to_region(region, animate=False, force=True)
        self._ask()

    def go(self, place: int) -> None:
        """Move the cursor to an entry by its place; the nearest there is."""
        place = min(max(place, 0), max(len(self.entries) - 1, 0))
        if place == self.cursor:
            return
        before, self.cursor = self.cursor, place
        self._see()
        for changed in (before, place):
            self.refresh_line(changed + self._top)
        self.post_message(self.Moved(self, self.current))

    def action_do(self, name: str) -> None:
        """Move, or open."""
        page = max(self.size.height - self._top - 1, 1)
        moves = {
            "list.down": self.cursor + 1,
            "list.up": self.cursor - 1,
            "list.page_down": self.cursor + page,
            "list.page_up": self.cursor - page,
            "list.first": 0,
            "list.last": len(self.entries) - 1,
        }
        if name in moves:
            self.go(moves[name])
        elif self.current is not None:
            self.post_message(self.Opened(self, self.current))

    def on_focus(self) -> None:
        """Show where the keys go."""
        self.refresh()

    def on_blur(self) -> None:
        """Show that the keys go elsewhere."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Go to what was clicked; open it at a double click."""
        place = self.scroll_offset.y + event.y - self._top
        if event.y < self._top or place >= len(self.entries):
            return
        self.go(place)
        if event.chain > 1:
            self.post_message(self.Opened(self, self.current))


def _segments(line: Text, styles: Mapping[str, Style]) -> list[Segment]:
    """Return a line as segments, its style names looked up."""

    def style_of(name: Any) -> Style:
        if isinstance(name, Style):
            return name
        return styles.get(str(name)) or Style.null()

    whole = style_of(line.style)
    cuts = sorted({0, len(line), *(p for s in line.spans for p in (s.start, s.end))})
    found = []
    for start, end in pairwise(cuts):
        style = whole
        for span in line.spans:
            if span.start <= start and end <= span.end:
                style += style_of(span.style)
        found.append(Segment(line.plain[start:end], style))
    return found
