"""Atlassian Document Format, the rich text of Jira Cloud, as Markdown.

https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/

Nodes that are unknown, malformed or deeper than `DEEPEST` leave their text.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from issuetrack.connectors.markup.markdown import (
    code_block,
    code_span,
    indented,
    link,
    link_target,
    quoted,
    table,
)

Node = Mapping[str, Any]
Mark = tuple[str, str]
Run = tuple[str, tuple[Mark, ...]]

DEEPEST = 60
WIDEST_SPAN = 50
LISTS = ("bulletList", "orderedList", "taskList", "decisionList")
MARKS = ("link", "strong", "em", "strike", "subsup", "code")
WRAPS = {"strong": "**", "em": "*", "strike": "~~"}
_LINE_START = re.compile(
    r"^([ \t]*)(?=#{1,6}(?:\s|$)|>|[-+*](?:\s|$)|`{3}[^`\n]*$|~{3}"
    r"|[*_=-](?:[ \t]*[*_=-])*[ \t]*$|(?=[^\n]*-)[-|:][-|: \t]*$)",
    re.MULTILINE,
)
_NUMBER_START = re.compile(r"^([ \t]*\d{1,9})(?=[.)](?:\s|$))", re.MULTILINE)
_LIST_START = re.compile(r"- |1\. ")


def markdown(document: object) -> str:
    """Return a decoded document as Markdown; a text as it is, None as an empty one."""
    if isinstance(document, str):
        return document
    return "\n\n".join(_pieces(_nodes(document), 0))


def _nodes(value: object) -> list[Node]:
    """Return what should be a list of nodes as one; texts become text nodes."""
    found: list[Node] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            found.append(item)
        elif isinstance(item, list | tuple):
            waiting.extend(reversed(item))
        elif isinstance(item, str | int | float) and not isinstance(item, bool):
            found.append({"type": "text", "text": str(item)})
    return found


def _content(node: Node) -> list[Node]:
    return _nodes(node.get("content"))


def _type(node: Node) -> str:
    name = node.get("type")
    return name if isinstance(name, str) else ""


def _attributes(node: Node) -> Node:
    attributes = node.get("attrs")
    return attributes if isinstance(attributes, Mapping) else {}


def _text(record: Node, *names: str) -> str:
    """Return the first field of these that holds text."""
    for name in names:
        value = record.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            shown = str(value)
            if shown.strip():
                return shown
    return ""


def _own_text(node: Node) -> str:
    """Return the text that a node holds itself."""
    value = node.get("text")
    if isinstance(value, str):
        return value
    return _flat(_nodes(value)) if value is not None else ""


def _inline_text(node: Node) -> str:
    read = INLINES.get(_type(node), _unknown)
    own = "" if read is _own_text else _own_text(node)
    return read(node) + own


def _unknown(node: Node) -> str:
    return _text(_attributes(node), "text", "title", "name", "alt", "label", "url")


def _mention(node: Node) -> str:
    name = _text(_attributes(node), "text", "id")
    return name if not name or name.startswith("@") else f"@{name}"


def _date(node: Node) -> str:
    stamp = _text(_attributes(node), "timestamp")
    try:
        return datetime.fromtimestamp(float(stamp) / 1000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return stamp


def _card(node: Node) -> str:
    data = _attributes(node).get("data")
    details = data if isinstance(data, Mapping) else {}
    target = _text(_attributes(node), "url") or _text(details, "url", "@id")
    name = _text(details, "name", "title", "summary")
    return link(name, target) if name or ":" not in target else f"<{target}>"


def _media(node: Node) -> str:
    attributes = _attributes(node)
    name = _text(attributes, "alt", "name", "fileName", "__fileName")
    target = _text(attributes, "url") or name or _text(attributes, "id")
    name = name.replace("[", "(").replace("]", ")")
    image = f"![{name or 'attachment'}]({link_target(target)})"
    targets = [target for kind, target in _marks(node) if kind == "link"]
    return link(image, targets[0]) if targets else image


def _marks(node: Node) -> tuple[Mark, ...]:
    """Return the marks that Markdown knows, the outermost first."""
    found = {}
    for mark in _nodes(node.get("marks")):
        kind = _type(mark)
        value = {"link": "href", "subsup": "type"}.get(kind, "")
        found[kind] = _text(_attributes(mark), value)
    return tuple((kind, found[kind]) for kind in MARKS if kind in found)


def _paragraph(nodes: Iterable[Node]) -> str:
    runs = [(_inline_text(n), () if _type(n) in MEDIA else _marks(n)) for n in nodes]
    text = _LINE_START.sub(r"\1\\", _rendered(runs).strip())
    return _NUMBER_START.sub(r"\1\\", text)


def _rendered(runs: Iterable[Run]) -> str:
    """Return runs of text with their marks, neighbours under one mark together."""
    parts = []
    for outer, group in groupby(runs, lambda run: run[1][:1]):
        if outer:
            inner = _rendered([(text, marks[1:]) for text, marks in group])
            parts.append(_wrapped(outer[0], inner))
        else:
            parts.extend(text for text, _ in group)
    return "".join(parts)


def _wrapped(mark: Mark, text: str) -> str:
    kind, value = mark
    core = text.strip()
    if not core or kind == "code":
        return code_span(text) if core else text
    start, _, end = text.partition(core)
    if kind == "link":
        core = link(core, value)
    elif kind == "subsup":
        core = f"^{core}" if value == "sup" else core
    else:
        core = WRAPS[kind] + core + WRAPS[kind]
    return start + core + end


def _is_inline(node: Node) -> bool:
    kind = _type(node)
    return kind not in ALONE and kind not in BLOCKS and not node.get("content")


def _pieces(nodes: Sequence[Node], depth: int) -> list[str]:
    """Return the blocks of Markdown that nodes make."""
    if depth > DEEPEST:
        return [text] if (text := _flat(nodes)) else []
    pieces: list[str] = []
    for inline, group in groupby(nodes, _is_inline):
        if inline:
            pieces.append(_paragraph(group))
        else:
            for node in group:
                pieces.extend(_block(node, depth))
    return [piece for piece in pieces if piece.strip()]


def _block(node: Node, depth: int) -> list[str]:
    write = BLOCKS.get(_type(node))
    if write:
        return [_own_text(node), write(node, depth + 1)]
    return [_inline_text(node), *_pieces(_content(node), depth + 1)]


def _container(node: Node, depth: int) -> str:
    return "\n\n".join(_pieces(_content(node), depth))


def _heading(node: Node, depth: int) -> str:
    level = _whole(_attributes(node).get("level"), 6)
    words = _container(node, depth).split()
    return f"{'#' * level} {' '.join(words)}" if words else ""


def _panel(node: Node, depth: int) -> str:
    attributes = _attributes(node)
    kind = _text(attributes, "panelType").capitalize()
    icon = _text(attributes, "panelIconText", "panelIcon")
    label = icon if kind in ("Custom", "") else f"**{kind}:**"
    parts = (label, _container(node, depth))
    return quoted("\n".join(part for part in parts if part))


def _titled(node: Node, depth: int) -> str:
    title = _text(_attributes(node), "title", "text").strip()
    label = f"**{' '.join(title.split())}**" if title else ""
    return "\n\n".join(part for part in (label, _container(node, depth)) if part)


def _code(node: Node, _depth: int) -> str:
    code = "".join(_own_text(n) or _flat([n]) for n in _content(node))
    return code_block(code, _text(_attributes(node), "language"))


def _item(node: Node, depth: int) -> str:
    pieces = _pieces(_content(node), depth)
    gaps = ("" if _LIST_START.match(piece) else "\n" for piece in pieces[1:])
    return "\n".join([*pieces[:1], *map(str.__add__, gaps, pieces[1:])])


def _list(node: Node, depth: int) -> str:
    number = _whole(_attributes(node).get("order"), 999_999, least=0)
    lines = []
    for item in _content(node):
        body = "\n\n".join(_pieces([item], depth))
        if _type(item) in LISTS:
            lines.append(indented(body, "  "))
            continue
        marker = "- "
        if _type(node) == "orderedList":
            marker = f"{number}. "
            number += 1
        elif "askItem" in _type(item):
            done = _text(_attributes(item), "state") == "DONE"
            body = f"[{'x' if done else ' '}] {body}"
        lines.append(marker + indented(body, " " * len(marker))[len(marker) :])
    return "\n".join(lines)


def _table(node: Node, depth: int) -> str:
    rows = []
    held: dict[int, int] = {}
    for row in _content(node):
        whole = _type(row) != "tableRow"
        cells = [row] if whole else _nodes([row.get("text"), row.get("content")])
        rows.append(_row(cells, held, depth))
    return table(rows)


def _row(cells: Iterable[Node], held: dict[int, int], depth: int) -> list[str]:
    """Return the texts of a row's cells; `held` counts rows a cell above covers."""
    texts: list[str] = []
    for cell in cells:
        while held.get(len(texts), 0):
            held[len(texts)] -= 1
            texts.append("")
        text = "\n\n".join(_pieces([cell], depth))
        attributes = _attributes(cell)
        below = _whole(attributes.get("rowspan"), WIDEST_SPAN) - 1
        for _ in range(_whole(attributes.get("colspan"), WIDEST_SPAN)):
            held[len(texts)] = below
            texts.append(text)
            text = ""
    return texts


def _whole(value: object, most: int, least: int = 1) -> int:
    if not isinstance(value, int | float) or not value >= least:
        return 1
    return int(min(value, most))


def _flat(nodes: Sequence[Node]) -> str:
    """Return the text of nodes of any depth without their form."""
    parts: list[str] = []
    waiting = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        value = node.get("text")
        waiting.extend(reversed(_content(node)))
        if isinstance(value, str):
            parts.append(value)
        elif value is not None:
            waiting.extend(reversed(_nodes(value)))
        if _type(node) != "text":
            read = INLINES.get(_type(node), _unknown)
            parts.extend(("\n", read(node) if read is not _own_text else "", "\n"))
    lines = "".join(parts).split("\n")
    return "\n".join(line for line in lines if line.strip())


MEDIA = ("media", "mediaInline")
ALONE = ("paragraph", "media", "blockCard", "embedCard", "rule")
INLINES: dict[str, Callable[[Node], str]] = {
    "text": _own_text,
    "hardBreak": lambda _: "  \n",
    "rule": lambda _: "---",
    "mention": _mention,
    "emoji": lambda node: _text(_attributes(node), "shortName", "text", "id"),
    "date": _date,
    "inlineCard": _card,
    "blockCard": _card,
    "embedCard": _card,
    "media": _media,
    "mediaInline": _media,
}
BLOCKS: dict[str, Callable[[Node, int], str]] = {
    **dict.fromkeys(("expand", "nestedExpand"), _titled),
    **dict.fromkeys(("extension", "bodiedExtension"), _titled),
    **dict.fromkeys(("listItem", "taskItem"), _item),
    **dict.fromkeys(("blockTaskItem", "decisionItem"), _item),
    **dict.fromkeys(LISTS, _list),
    "heading": _heading,
    "blockquote": lambda node, depth: quoted(_container(node, depth)),
    "panel": _panel,
    "codeBlock": _code,
    "table": _table,
}
