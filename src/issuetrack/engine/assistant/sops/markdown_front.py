"""The front matter of a Markdown file: a block of YAML or TOML before its text.

YAML is only composed into nodes, never constructed into objects, so that no alias is
expanded and every value keeps its spelling.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yaml.nodes import Node

LONGEST = 20_000
SCHEMA = "issuetrack/sop-v1"
_ENDS = {"---": ("---", "..."), "+++": ("+++",)}
_WORD = re.compile(r"\w+")
_OTHER_BREAK = re.compile(r"[\x85\u2028\u2029]")


@dataclass(frozen=True)
class FrontMatter:
    """What the block tells.

    Attributes:
        title: None where there is none.
        rest: the lines that title and tags do not say, verbatim.
        language: yaml or toml.
        canonical: whether the text below it was written by `markdown.write`.
    """

    title: str | None = None
    tags: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    language: str = "yaml"
    canonical: bool = False


def split(text: str) -> tuple[FrontMatter, str]:
    """Return the front matter of a text and what is below it.

    A block that cannot be read is part of the text.
    """
    mark = text[:3]
    ends = _ENDS.get(mark)
    if ends is None or text[3 : text.find("\n") + 1].strip():
        return FrontMatter(), text
    lines = text[:LONGEST].split("\n")
    end = next((i for i, x in enumerate(lines) if i and x.rstrip() in ends), None)
    if end is None:
        return FrontMatter(), text
    block = lines[1:end]
    front = _from_yaml(block) if mark == "---" else _from_toml(block)
    if front is None:
        return FrontMatter(), text
    below = sum(map(len, lines[: end + 1])) + end + 1
    return front, text[below:]


def write(title: str, tags: Sequence[str]) -> str:
    """Return the front matter of a procedure."""
    import yaml

    fields = {"schema": SCHEMA, "title": title, "tags": list(tags)}
    block = yaml.safe_dump(
        fields,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
        default_flow_style=None,
    )
    return f"---\n{block}---\n"


def _from_toml(block: list[str]) -> FrontMatter | None:
    try:
        fields = tomllib.loads("\n".join(block))
    except (tomllib.TOMLDecodeError, RecursionError):
        return None
    title, tags = fields.get("title"), fields.get("tags")
    return FrontMatter(
        title if isinstance(title, str) else None,
        tuple(x for x in tags if isinstance(x, str)) if isinstance(tags, list) else (),
        tuple(block),
        "toml",
    )


def _from_yaml(block: list[str]) -> FrontMatter | None:
    import yaml

    try:
        root = yaml.compose("\n".join(block), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    if not any(line.strip() for line in block):
        return FrontMatter()
    if not isinstance(root, yaml.MappingNode):
        return None
    loose = root.flow_style or any(_OTHER_BREAK.search(line) for line in block)
    return _from_entries(block, list(_entries(root.value, len(block), loose=loose)))


@dataclass(frozen=True)
class _Entry:
    key: str
    values: tuple[str, ...]
    is_list: bool
    lines: range


def _entries(
    pairs: list[tuple["Node", "Node"]], length: int, *, loose: bool
) -> Iterator[_Entry]:
    """Yield the entries, each with its lines; with none if the block is loose."""
    starts = [key.start_mark.line for key, _ in pairs]
    for (start, end), (key, value) in zip(
        pairwise([*starts, length]), pairs, strict=True
    ):
        lines = range(0) if loose else range(start, end)
        is_list = value.id == "sequence"
        scalars = value.value if is_list else [value]
        values = tuple(
            x.value for x in scalars if x.id == "scalar" and not x.tag.endswith(":null")
        )
        yield _Entry(str(key.value).casefold(), values, is_list, lines)


def _from_entries(block: list[str], entries: list[_Entry]) -> FrontMatter:
    first = {entry.key: entry for entry in reversed(entries)}
    title, tags, schema = (first.get(key) for key in ("title", "tags", "schema"))
    canonical = schema is not None and schema.values == (SCHEMA,)
    titled = title.values[0] if title and title.values and not title.is_list else None
    tagged = _tags(tags) if tags else ()
    ours = write(titled or "", tagged).split("\n") if canonical else []
    told = {
        place
        for entry in (title, tags)
        if entry and _says_all(block, entry)
        for place in entry.lines
    }
    rest = (x for i, x in enumerate(block) if i not in told and x not in ours)
    return FrontMatter(
        titled, tagged, tuple(x for x in rest if x.strip()), canonical=canonical
    )


def _says_all(block: list[str], entry: _Entry) -> bool:
    """Tell whether key and values have every word of the lines, comments included."""
    written = Counter(
        _WORD.findall("\n".join(block[i] for i in entry.lines).casefold())
    )
    said = Counter(_WORD.findall(" ".join((entry.key, *entry.values)).casefold()))
    return not written - said


def _tags(entry: _Entry) -> tuple[str, ...]:
    if entry.is_list:
        return entry.values
    return tuple(tag.strip() for value in entry.values for tag in value.split(","))
