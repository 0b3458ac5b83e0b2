"""Wiki markup, the rich text of Jira Server, as Markdown.

https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa

What must stay as it is (code, addresses, escapes) is first put aside behind a
placeholder: its number between two letters that the text does not have. Then lines
are read, then emphasis. Line ends become line feeds. All takes linear time.
"""

import re
from dataclasses import dataclass, field
from functools import partial

from issuetrack.connectors.markup.markdown import (
    code_block,
    code_span,
    indented,
    link_target,
    quoted,
    table,
)

ICONS = {"/": "yes", "x": "no", "!": "warning"}
MOST_CELL_LINES = 20
_PLACEHOLDERS = range(0xE000, 0xF8FF)
_TOKEN = re.compile(
    r"(?P<fence>^[ \t]*(?P<ticks>`{3,}|~{3,})[^`\n]*$)"
    r"|\{(?P<raw>code|noformat)(?::(?P<options>[^{}\n]*))?\}"
    r"|\{(?P<box>quote|panel)(?::(?P<title>[^{}\n]*))?\}"
    r"|(?P<span>`[^`\n]+`)"
    r"|\{\{(?P<mono>(?:[^{}\n]|\{[^{}\n]*\})+)\}\}"
    r"|\{(?:color(?::[\w#]+)?|anchor:[^{}\n]*)\}"
    r"|(?P<break>(?<!\\)\\\\(?=\s|$))"
    r"|(?P<escape>(?<![\w:\\])\\[*_\-+^~!#?@]|\\[{}\[\]|](?!\w+\\))"
    r"|\[(?P<link>[^\[\]\n]+)\]"
    r"|(?<!\w)!(?P<image>https?://[^\s!|]+|[^\s!|][^!|\n]*\.\w{2,5})"
    r"(?:\|[^!\n]*)?!(?!\w)"
    r"|(?P<address>\b(?:https?|ftp|file)://[^\s|\]{}]*[\w/=&#%-])"
    r"|(?<!\S)\((?P<icon>[/x!])\)(?=[\s|]|$)",
    re.MULTILINE,
)
_ADDRESS = re.compile(r"(?:[a-zA-Z][\w+.-]*://|mailto:|//|\\\\|www\.|#[a-zA-Z])")
_PERSON = re.compile(r"~(?:accountid:)?([\w.@+:-]+)$")
_ATTACHMENT = re.compile(r"\^([^/\\]+\.\w{1,8})$")
_RULE = re.compile(r"[ \t]*----[ \t]*$")
_HEADING = re.compile(r"[ \t]*h([1-6])\.[ \t]+(\S.*)")
_QUOTE = re.compile(r"[ \t]*bq\.[ \t]+(\S.*)")
_ITEM = re.compile(r"([ \t]*)([*#]+)[ \t]+(\S.*)")
_DIVIDER = re.compile(r"[|:\-\s]*-[|:\-\s]*$")
_CELLS = re.compile(r"\|\|?")


def _emphasis(mark: str, before: str, first: str, after: str) -> re.Pattern[str]:
    """Return what finds text between two marks; {mark} needs no border of a word."""
    sign = re.escape(mark)
    brace = rf"\{{{sign}\}}"
    inner = rf"(?:[^{sign}{{\n]|(?<=\w){sign}(?=\w)|\{{(?!{sign}\}}))+?"
    start = rf"(?:{brace}|(?<![{before}{sign}]){sign}(?![\s{first}{sign}]))"
    end = rf"(?:{brace}|(?<![\s(\[{sign}]){sign}(?![{after}{sign}]))"
    return re.compile(f"{start}({inner}){end}")


_WORD = r"\w\\/.$@%=&"
_SUP = re.compile(r"(?:\{\^\}|(?<![\^\\(\[])\^)([\w+().-]+)(?:\{\^\}|\^(?![\w^]))")
_SUB = re.compile(r"(?:\{~\}|(?<![^\sa-zA-Z(])~)(\w{1,20})(?:\{~\}|~(?![~/\d]))")
_CITE = re.compile(r"(?<!\S)\?\?(?=[^\s?])([^?\n]+)\?\?(?![\w?])")
_NOT_FIRST = r".,;:!?/\\)\]}"
_NOT_AFTER = r"\w/\\$@%=&("
_STRIKE = _emphasis("-", _WORD + r":<>\]|", rf"\d>{_NOT_FIRST}", f"{_NOT_AFTER}>")
_EMPHASES = (
    ("*", _emphasis("*", _WORD, _NOT_FIRST, _NOT_AFTER), "**", "**"),
    ("_", _emphasis("_", _WORD, _NOT_FIRST, _NOT_AFTER), "_", "_"),
    ("-", _STRIKE, "~~", "~~"),
    ("+", _emphasis("+", _WORD, rf"\d{_NOT_FIRST}", _NOT_AFTER), "", ""),
    ("^", _SUP, "^", ""),
    ("~", _SUB, "", ""),
    ("??", _CITE, "_", "_"),
)


def markdown(text: str) -> str:
    """Return wiki markup as Markdown."""
    used = set(text)
    placeholder = next((c for c in map(chr, _PLACEHOLDERS) if c not in used), None)
    if placeholder is None:
        return text
    return _Page(placeholder).convert(text.replace("\r\n", "\n"))


@dataclass
class _Box:
    """A quotation or panel that is still open; the outermost is the page."""

    kind: str = ""
    opening: str = ""
    title: str = ""
    lines: list[str] = field(default_factory=list)


@dataclass
class _Level:
    """A level of the list that is open."""

    bullet: str
    width: int = 2
    number: int = 0


@dataclass
class _Page:
    """Converts one text; `kept` are the texts and boxes behind the placeholders."""

    placeholder: str
    kept: list[str | _Box] = field(default_factory=list)
    blocks: set[int] = field(default_factory=set)
    boxes: list[_Box] = field(default_factory=lambda: [_Box()])
    levels: list[_Level] = field(default_factory=list)
    gap: bool = False

    def convert(self, text: str) -> str:
        lines = self._without_literals(text).split("\n")
        place = 0
        while place < len(lines):
            rows, size = _rows(lines, place)
            if not rows:
                self._write_line(lines[place])
            elif size > 1 and _DIVIDER.match(rows[1]):
                self._write(*map(self._inline, rows))
            else:
                self._write_table(rows)
            place += max(size, 1)
        while len(self.boxes) > 1:
            box = self.boxes.pop()
            self.boxes[-1].lines += [box.opening, *box.lines]
        return "\n".join(self.boxes[0].lines)

    def _keep(self, text: str | _Box, *, block: bool = False) -> str:
        if block:
            self.blocks.add(len(self.kept))
        self.kept.append(text)
        return f"{self.placeholder}{len(self.kept) - 1}{self.placeholder}"

    def _without_literals(self, text: str, *, nested: bool = False) -> str:
        """Return text with what is not to be converted behind placeholders."""
        parts = []
        start = 0
        unclosed: set[str] = set()
        while match := _TOKEN.search(text, start):
            parts.append(text[start : match.start()])
            start = match.end()
            closing = self._closing(match)
            if not closing:
                parts.append(self._replacement(match, nested=nested))
                continue
            end = -1 if closing in unclosed else text.find(closing, start)
            if end < 0:
                unclosed.add(closing)
                parts.append(self._keep(match[0]))
                continue
            parts.append(self._literal(match, text[start:end], closing))
            start = end + len(closing)
        parts.append(text[start:])
        return "".join(parts)

    def _closing(self, match: re.Match[str]) -> str:
        if match["raw"]:
            return f"{{{match['raw']}}}"
        return f"\n{match['ticks']}" if match["fence"] else ""

    def _literal(self, match: re.Match[str], code: str, closing: str) -> str:
        if match["fence"]:
            return self._keep(f"{match[0]}{code}{closing}", block=True)
        first = (match["options"] or "").split("|")[0]
        options = _options(match["options"])
        language = options.get("language", "" if "=" in first else first)
        title = options.get("title", "").strip()
        block = code_block(code.removeprefix("\n").removesuffix("\n"), language)
        return self._keep(f"**{title}**\n\n{block}" if title else block, block=True)

    def _replacement(self, match: re.Match[str], *, nested: bool) -> str:
        kind = match.lastgroup or ""
        if match["box"]:
            title = _options(match["title"]).get("title", "").strip()
            return self._keep(_Box(match["box"], match[0], title), block=True)
        if kind == "link":
            inner = match["link"]
            found = None if nested else self._link(inner)
            return found or f"[{self._without_literals(inner, nested=True)}]"
        if kind == "escape":
            return self._escaped(match)
        if kind in ("icon", ""):
            return ICONS.get(match["icon"] or "", "")
        return self._keep(self._kept_form(kind, match))

    def _kept_form(self, kind: str, match: re.Match[str]) -> str:
        if kind == "mono":
            return code_span(match["mono"])
        if kind == "break":
            return "  " if match.string.startswith("\n", match.end()) else "  \n"
        if kind == "image":
            return f"![{match['image']}]({link_target(match['image'])})"
        return match[0]

    def _escaped(self, match: re.Match[str]) -> str:
        letter = match[0][1]
        before = "\n" + match.string[max(0, match.start() - 20) : match.start()]
        at_start = not before.rpartition("\n")[2].strip()
        return self._keep(match[0] if letter in "*_" or at_start else letter)

    def _link(self, inner: str) -> str | None:
        """Return a link as Markdown; None where it is only text in brackets."""
        label, *targets = (part.strip() for part in inner.split("|"))
        target = targets[0] if targets else label
        if person := _PERSON.match(target):
            return self._keep(label if targets else f"@{person[1]}")
        if file := _ATTACHMENT.match(target):
            target = file[1]
            label = label if targets else target
        elif not _ADDRESS.match(target) or (not targets and target[0] == "#"):
            return None
        elif not targets or label in ("", target):
            return self._keep(target)
        shown = self._without_literals(label, nested=True)
        if target.startswith("#"):
            return shown
        return f"{self._keep('[')}{shown}{self._keep(f']({link_target(target)})')}"

    def _write(self, *lines: str, alone: bool = False) -> None:
        """Add lines; a blank line goes around those that must stand alone."""
        written = self.boxes[-1].lines
        blank = not any(line.strip() for line in lines)
        if (self.gap or alone) and not blank and written and written[-1].strip():
            written.append("")
        written.extend(lines)
        self.gap = alone

    def _write_line(self, line: str) -> None:
        parts = line.split(self.placeholder)
        text = ""
        for place, part in enumerate(parts):
            if place % 2 == 0:
                text += part
            elif int(part) not in self.blocks:
                text += f"{self.placeholder}{part}{self.placeholder}"
            else:
                self._write_text(text, after_block=True)
                text = ""
                self._write_block(self.kept[int(part)])
        self._write_text(text, after_block=len(parts) > 1)

    def _write_block(self, block: str | _Box) -> None:
        if isinstance(block, _Box):
            self._write_box(block)
            return
        width = sum(level.width for level in self.levels)
        self._write(*indented(block, " " * width).split("\n"))

    def _write_box(self, box: _Box) -> None:
        self.levels.clear()
        if all(box.kind != other.kind for other in self.boxes):
            self.boxes.append(box)
        elif self.boxes[-1].kind == box.kind:
            closed = self.boxes.pop()
            title = [f"**{closed.title}**", ""] if closed.title else []
            text = "\n".join([*title, *closed.lines]).strip("\n")
            if text:
                self._write(*quoted(text).split("\n"), alone=True)
        else:
            self._write(box.opening)

    def _write_text(self, text: str, *, after_block: bool = False) -> None:
        if not text.strip():
            if not after_block:
                self.levels.clear()
                self._write(text)
        elif heading := _HEADING.match(text):
            self.levels.clear()
            words = " ".join(self._inline(heading[2]).split())
            self._write(f"{'#' * int(heading[1])} {words}", alone=True)
        elif quote := _QUOTE.match(text):
            self._write(*quoted(self._inline(quote[1])).split("\n"), alone=True)
        elif _RULE.match(text):
            self._write("---", alone=True)
        elif item := _ITEM.match(text):
            self._write_item(item)
        else:
            self._write(self._inline(text))

    def _write_item(self, item: re.Match[str]) -> None:
        space, bullets, text = item.groups()
        if not self.levels and len(bullets) > 1 and not bullets.strip("#"):
            self._write(self._inline(item[0]))
            return
        if len(bullets) == 1 and len(space) > 1 and self.levels:
            marker = "- " if bullets == "*" else "1. "
            self._write(space + marker + self._inline(text))
            return
        depth = min(len(bullets), len(self.levels) + 1)
        if [level.bullet for level in self.levels[depth - 1 : depth]] != [bullets[-1]]:
            self.levels[depth - 1 :] = [_Level(bullets[-1])]
        del self.levels[depth:]
        level = self.levels[-1]
        level.number += 1
        marker = "- " if level.bullet == "*" else f"{level.number}. "
        level.width = len(marker)
        before = " " * sum(outer.width for outer in self.levels[:-1])
        self._write(before + marker + self._inline(text))

    def _write_table(self, rows: list[str]) -> None:
        cells = [[self._inline(cell.strip()) for cell in _cells(row)] for row in rows]
        self.levels.clear()
        self._write(*table(cells).split("\n"), alone=True)

    def _inline(self, text: str) -> str:
        """Return text with its emphasis in Markdown and without placeholders."""
        for sign, pattern, start, end in _EMPHASES:
            if sign in text:
                text = pattern.sub(partial(_wrapped, start=start, end=end), text)
        parts = text.split(self.placeholder)
        for place in range(1, len(parts), 2):
            kept = self.kept[int(parts[place])]
            parts[place] = kept.opening if isinstance(kept, _Box) else kept
        return "".join(parts)


def _options(text: str | None) -> dict[str, str]:
    """Return the `name=value` parts of a macro."""
    parts = (part.partition("=") for part in (text or "").split("|"))
    return {name.strip(): value for name, sign, value in parts if sign}


def _wrapped(match: re.Match[str], start: str, end: str) -> str:
    core = match[1].strip()
    before, _, after = match[1].partition(core)
    return f"{before}{start}{core}{end}{after}" if core else match[0]


def _rows(lines: list[str], place: int) -> tuple[list[str], int]:
    """Return the rows of the table that starts at a line, and its lines."""
    rows: list[str] = []
    start = place
    while place < len(lines) and lines[place].lstrip().startswith("|"):
        size = _row_size(lines, place, bool(rows))
        if not size:
            break
        rows.append("\n".join(lines[place : place + size]).strip())
        place += size
    return rows, place - start


def _row_size(lines: list[str], place: int, within: bool) -> int:
    """Return how many lines a row takes up; 0 where it is none."""
    first = lines[place].strip()
    if first.endswith("|") and len(first.strip("|")) > 0:
        return 1
    if not within and not first.startswith("||"):
        return 0
    for size, line in enumerate(lines[place + 1 : place + MOST_CELL_LINES], start=2):
        text = line.strip()
        if not text or text.startswith("|"):
            return 0
        if text.endswith("|"):
            return size
    return 0


def _cells(row: str) -> list[str]:
    if row.startswith("||"):
        return _CELLS.split(row[2:].removesuffix("|").removesuffix("|"))
    return row[1:-1].split("|")
