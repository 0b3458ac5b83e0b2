"""Texts and fields as Jira takes them: simple Markdown as wiki markup or a document."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from issuetrack.connectors import fields, vocabulary
from issuetrack.connectors.fields import Record
from issuetrack.connectors.jira.records import category_of, known_status
from issuetrack.connectors.mapping import Overrides
from issuetrack.engine.errors import UsageError
from issuetrack.engine.store.types import IssueStatus

Node = dict[str, Any]
_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$")
_HEADING = re.compile(r"^(#{1,6})\s+(.*)$")
_BULLET = re.compile(r"^(\s*)[*+-]\s+(.*)$")
_SPECIAL = re.compile(r"[{}\[\]|!^~*_]|(?<!\w)[-+](?=\S)|\?(?=\?)")
_LINE_START = re.compile(r"^(bq\.|h[1-6]\.|#|-)(?=\s)")


@dataclass(frozen=True)
class Part:
    """A paragraph, or a block of code where `language` is not None."""

    text: str
    language: str | None = None


def parts(markdown: str) -> Iterator[Part]:
    """Yield the paragraphs and code blocks of a text."""
    lines: list[str] = []
    fence, language = "", ""
    for line in markdown.replace("\r\n", "\n").split("\n"):
        found = _FENCE.match(line)
        if fence:
            closes = found and found[1].startswith(fence) and not found[2]
            if not closes:
                lines.append(line)
                continue
            yield Part("\n".join(lines), language)
            fence, lines = "", []
        elif found:
            yield from _paragraph(lines)
            fence, language, lines = found[1], found[2], []
        elif line.strip():
            lines.append(line)
        else:
            yield from _paragraph(lines)
            lines = []
    if fence:
        yield Part("\n".join(lines), language)
    else:
        yield from _paragraph(lines)


def _paragraph(lines: Sequence[str]) -> Iterator[Part]:
    if lines:
        yield Part("\n".join(lines))


def document(markdown: str) -> Node:
    """Return a text as a document of Jira Cloud."""
    content = [_node(part) for part in parts(markdown)]
    return {"type": "doc", "version": 1, "content": content}


def _node(part: Part) -> Node:
    if part.language is not None:
        node: Node = {"type": "codeBlock", "content": _text(part.text)}
        if part.language:
            node["attrs"] = {"language": part.language}
        return node
    content: list[Node] = []
    for line in part.text.split("\n"):
        if content:
            content.append({"type": "hardBreak"})
        content += _text(line.strip())
    return {"type": "paragraph", "content": content}


def _text(text: str) -> list[Node]:
    return [{"type": "text", "text": text}] if text else []


def wiki(markdown: str) -> str:
    """Return a text as wiki markup in which no sign means anything by accident."""
    return "\n\n".join(_wiki(part) for part in parts(markdown))


def _wiki(part: Part) -> str:
    if part.language is not None:
        code = part.text.replace("{noformat}", "{ noformat }")
        return f"{{noformat}}\n{code}\n{{noformat}}"
    return "\n".join(_wiki_line(line) for line in part.text.split("\n"))


def _wiki_line(line: str) -> str:
    heading, bullet = _HEADING.match(line), _BULLET.match(line)
    if heading:
        return f"h{len(heading[1])}. {_escaped(heading[2])}"
    if bullet:
        return f"* {_escaped(bullet[2])}"
    return _LINE_START.sub(r"\\\1", _escaped(line))


def _escaped(text: str) -> str:
    plain = text.replace("\\", "&#92;")
    return _SPECIAL.sub(lambda sign: f"\\{sign[0]}", plain)


def mark_of(mark: str) -> str:
    """Return the last line by which a comment is known again."""
    return f"[issuetrack:{mark}]"


def carries(text: str, mark: str) -> bool:
    """Tell whether the raw text of a comment has a mark."""
    return bool(re.search(rf"\[issuetrack:{re.escape(mark)}\\*\]", text))


def transition_to(
    wanted: IssueStatus, offered: Sequence[Record], overrides: Overrides
) -> str:
    """Return the id of the transition that leads to a status.

    Raises:
        UsageError: none does; lists those that there are.
        ValueError: Jira's list has another shape than promised.
    """
    names: list[str] = []
    fitting: list[tuple[bool, str]] = []
    for transition in offered:
        target = fields.mapping(transition, "to")
        name = fields.text(target, "name") or ""
        names.append(f"{fields.text(transition, 'name') or name} to {name}")
        if meaning(target, overrides) is wanted:
            by_category = vocabulary.word(name) not in vocabulary.STATUS
            fitting.append((by_category, fields.required(transition, "id")))
    if fitting:
        return min(fitting, key=lambda pair: pair[0])[1]
    raise UsageError(
        f"Jira offers no step to {wanted.value} from where the issue is",
        f"possible are: {', '.join(names) or 'none'}",
    )


def meaning(status: Record, overrides: Overrides) -> IssueStatus:
    """Return which status one of Jira's is here."""
    name = fields.text(status, "name")
    word = overrides.words.get(("status", vocabulary.word(name or "")))
    return IssueStatus(word) if word else known_status(name, category_of(status))


def priority_named(wanted: str, known: Sequence[Record], overrides: Overrides) -> Node:
    """Return Jira's own priority for one of ours.

    Raises:
        UsageError: none means it; lists those that there are.
        ValueError: Jira's list has another shape than promised.
    """
    names = [fields.required(priority, "name") for priority in known]
    for name in names:
        word = overrides.words.get(("priority", vocabulary.word(name)))
        if (word or vocabulary.priority(name)) == wanted:
            return {"name": name}
    raise UsageError(
        f"Jira has no priority that means {wanted}",
        f"it has: {', '.join(names) or 'none'}",
    )


def account_named(wanted: str, found: Sequence[Record]) -> Record:
    """Return the one account that goes by a name, an address or an id.

    Raises:
        UsageError: none does, or several do.
    """
    goes_by = ("displayName", "name", "emailAddress", "accountId")
    fitting = [
        account
        for account in found
        if wanted.lower() in {str(account.get(name)).lower() for name in goes_by}
    ]
    if len(fitting) == 1:
        return fitting[0]
    problem = "several people" if fitting else "nobody"
    raise UsageError(
        f"Jira knows {problem} by the name {wanted!r}", "give the e-mail address"
    )


def labels_of(value: Any) -> list[str]:
    """Return labels as Jira takes them.

    Raises:
        UsageError: one has a space, which Jira does not allow.
    """
    given = value.split(",") if isinstance(value, str) else value
    labels = [str(label).strip() for label in given]
    spaced = next((label for label in labels if len(label.split()) != 1), None)
    if spaced is not None:
        raise UsageError(f"Jira has no label {spaced!r}", "leave spaces away")
    return labels


def simple_fields(values: Mapping[str, Any], *, as_document: bool) -> Node:
    """Return the fields that need no question to Jira."""
    found: Node = {}
    if "title" in values:
        found["summary"] = " ".join(str(values["title"]).split())
    if "body" in values:
        text = str(values["body"])
        found["description"] = document(text) if as_document else wiki(text)
    if "labels" in values:
        found["labels"] = labels_of(values["labels"])
    return found
