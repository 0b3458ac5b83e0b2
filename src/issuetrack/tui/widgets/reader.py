"""Shows a text made of blocks, scrolled by lines, with things to choose in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from issuetrack.tui import themes
from issuetrack.tui.actions import Place, bindings
from issuetrack.tui.background import beside

MOST_LINES = 20_000
SMALL, MARKDOWN_COST = 3_000, 10


@dataclass(frozen=True)
class Block:
    """A piece of a text.

    Attributes:
        content: what is drawn; hostile text is cleaned before it comes here.
        indent: by how many columns.
        name: what others jump to it by.
        choice: what choosing it means; None where there is nothing to choose.
    """

    content: RenderableType
    indent: int = 0
    name: str = ""
    choice: object | None = None


@dataclass(frozen=True)
class Layout:
    """Blocks as lines of one width."""

    width: int
    strips: tuple[Strip, ...] = ()
    owners: tuple[int, ...] = ()
    blocks: tuple[Block, ...] = ()


def lay_out(blocks: Sequence[Block], width: int, console: Console) -> Layout:
    """Return blocks as lines of `width` columns."""
    strips: list[Strip] = []
    owners: list[int] = []
    options = console.options.update(width=max(width, 1), highlight=False)
    for place, block in enumerate(blocks):
        content = Padding(block.content, (0, 0, 0, block.indent))
        for segments in console.render_lines(content, options, pad=False):
            plain = (s for s in segments if not s.control)
            strips.append(Strip(list(Segment.simplify(plain))))
            owners.append(place)
        if len(strips) > MOST_LINES:
            break
    return Layout(width, tuple(strips), tuple(owners), tuple(blocks))


class Reader(ScrollView, can_focus=True, inherit_bindings=False):
    """A text to read."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.READER)]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"reader--cursor", "reader--mark"}
    DEFAULT_CSS = """
    Reader {
        height: 1fr; width: 1fr; background: $background;
        overflow-x: hidden; scrollbar-gutter: stable;
    }
    Reader > .reader--cursor { background: $panel; }
    Reader > .reader--mark { background: $primary 30%; }
    """

    class Chosen(Message):
        """Something was chosen."""

        def __init__(self, reader: "Reader", choice: object) -> None:
            super().__init__()
            self.reader = reader
            self.choice = choice

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.blocks: tuple[Block, ...] = ()
        self.cursor = 0
        self._layout_made = Layout(0)
        self._marked: range = range(0)
        self._jump: tuple[str, str] | None = None

    def on_mount(self) -> None:
        """Draw anew in another theme."""
        self.watch(self.app, "theme", self._lay_out, init=False)

    def show(self, blocks: Iterable[Block], *, keep: bool = False) -> None:
        """Show other blocks.

        Args:
            blocks: what to show.
            keep: stay where the reader is, as far as there is that much text.
        """
        self.blocks = tuple(blocks)
        self._marked = range(0)
        if not keep:
            self.cursor, self._jump = 0, None
            self.scroll_to(0, 0, animate=False)
        self._lay_out()

    def jump(self, name: str, words: str = "") -> None:
        """Go to the block of a name, and in it to a line with some words; mark it."""
        self._jump = (name, words)
        if self._layout_made.blocks is self.blocks:
            self._land()

    @property
    def choice(self) -> object | None:
        """Return what stands under the cursor to be chosen."""
        owners = self._layout_made.owners
        if self.cursor >= len(owners):
            return None
        return self._layout_made.blocks[owners[self.cursor]].choice

    @property
    def lines(self) -> list[str]:
        """Return what is shown, as plain lines."""
        return [strip.text.rstrip() for strip in self._layout_made.strips]

    def _pen(self) -> Console:
        styles = themes.styles(self.app.theme)
        return Console(
            theme=styles, color_system="truecolor", force_terminal=True, markup=False
        )

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width - 2
        if width < 1 or not self.is_attached:
            return
        blocks, console = self.blocks, self._pen()
        if sum(_length(block) for block in blocks) <= SMALL:
            self.workers.cancel_node(self)
            self._take(lay_out(blocks, width, console), blocks)
            return

        async def made() -> None:
            layout = await beside(lambda _: lay_out(blocks, width, console))
            self._take(layout, blocks)

        self.run_worker(made, group="layout", exclusive=True)  # type: ignore[arg-type]

    def _take(self, layout: Layout, blocks: tuple[Block, ...]) -> None:
        if blocks is not self.blocks:
            return
        self._layout_made = layout
        self.virtual_size = Size(layout.width + 2, len(layout.strips))
        self.cursor = min(self.cursor, max(len(layout.strips) - 1, 0))
        if self._jump is not None:
            self._land()
        self.refresh()

    def _land(self) -> None:
        assert self._jump is not None
        (name, words), self._jump = self._jump, None
        layout = self._layout_made
        named = [
            y
            for y, owner in enumerate(layout.owners)
            if layout.blocks[owner].name == name
        ]
        if not named:
            return
        self._marked = _lines_with(layout, named, words)
        self.cursor = self._marked.start
        self.scroll_to(y=max(self.cursor - 2, 0), animate=False, force=True)
        self.call_after_refresh(self._show_place)
        self.refresh()

    def _show_place(self) -> None:
        """Have the scroll bar stand where the text does; it may be newer than that."""
        self.vertical_scrollbar.position = self.scroll_y

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        width = self.size.width
        place = self.scroll_offset.y + y
        base = self.rich_style
        strips = self._layout_made.strips
        if place >= len(strips):
            return Strip.blank(width, base)
        block = self._layout_made.blocks[self._layout_made.owners[place]]
        choosable = block.choice is not None
        here = self.has_focus and place == self.cursor
        bar = ">" if here else "|" if choosable else " "
        strip = Strip([Segment(f"{bar} ", self._bar_style), *strips[place]])
        if here:
            base = self.get_component_rich_style("reader--cursor")
        elif place in self._marked:
            base = self.get_component_rich_style("reader--mark")
        return strip.apply_style(base).crop_extend(0, width, base)

    @property
    def _bar_style(self) -> Any:
        return themes.styles(self.app.theme).styles["accent"]

    def _go(self, place: int) -> None:
        last = len(self._layout_made.strips) - 1
        self.cursor = min(max(place, 0), max(last, 0))
        region = Region(0, self.cursor, 1, 1)
        self.scroll_to_region(region, animate=False, force=True)
        self.refresh()

    def _to_choice(self, step: int) -> None:
        owners = self._layout_made.owners
        if not owners:
            return
        own = owners[min(self.cursor, len(owners) - 1)]
        place = self.cursor
        while 0 <= place < len(owners):
            owner = owners[place]
            if owner != own and self._layout_made.blocks[owner].choice is not None:
                self._go(owners.index(owner))
                return
            place += step

    def action_do(self, name: str) -> None:
        """Move."""
        page = max(self.size.height - 2, 1)
        moves = {
            "reader.down": self.cursor + 1,
            "reader.up": self.cursor - 1,
            "reader.page_down": self.cursor + page,
            "reader.page_up": self.cursor - page,
            "reader.first": 0,
            "reader.last": len(self._layout_made.strips),
        }
        if name in moves:
            self._go(moves[name])
        elif name == "reader.choose":
            if self.choice is not None:
                self.post_message(self.Chosen(self, self.choice))
        else:
            self._to_choice(1 if name == "reader.next" else -1)

    def on_resize(self, _event: events.Resize) -> None:
        """Lay out anew where the width has changed, or what is shown while hidden."""
        made, width = self._layout_made, self.scrollable_content_region.width - 2
        if width != made.width or made.blocks is not self.blocks:
            self._lay_out()

    def on_focus(self) -> None:
        """Show the cursor."""
        self.refresh()

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Go to the line that was clicked; choose what stands there."""
        self._go(self.scroll_offset.y + event.y)
        if self.choice is not None:
            self.post_message(self.Chosen(self, self.choice))


def _length(block: Block) -> int:
    if isinstance(block.content, Markdown):
        return len(block.content.markup) * MARKDOWN_COST
    return len(str(block.content))


def letters(text: str) -> str:
    """Return what is left of a text without spaces, signs and marks of Markdown."""
    return "".join(char for char in text.lower() if char.isalnum())


def _lines_with(layout: Layout, named: list[int], words: str) -> range:
    """Return the lines that hold the start of some words; else the first line."""
    wanted = letters(words)
    joined, starts = "", []
    for y in named:
        starts.append(len(joined))
        joined += letters(layout.strips[y].text)
    at = joined.find(wanted[:60]) if wanted else -1
    if at < 0:
        return range(named[0], named[0] + 1)
    end = at + len(wanted)
    hit = [y for y, s in zip(named, starts, strict=True) if s < end]
    first = max(y for y, s in zip(named, starts, strict=True) if s <= at)
    return range(first, hit[-1] + 1)
