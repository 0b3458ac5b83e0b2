"""Reading what a chat model answered: JSON of the one form that was asked for.

The schema is enforced by most models while they write; here it is checked again, because
a server need not keep to it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from issuetrack.engine.assistant.prompts import FIELDS
from issuetrack.engine.errors import ModelError

LONGEST_ANSWER = 100_000
HINT = "choose another model: issuetrack models list; or go without: --no-llm"


@dataclass(frozen=True)
class Item:
    """A cause or step as the model put it."""

    text: str
    evidence: tuple[str, ...]
    rationale: str | None = None
    command: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the model answered; nothing of it is verified yet."""

    summary: str
    items: Mapping[str, tuple[Item, ...]]
    questions: tuple[str, ...]


def read(text: str, schema: Mapping[str, Any], *, whole: bool = True) -> Answer:
    """Return the answer that a model wrote.

    Args:
        text: its words.
        schema: the form that was asked for.
        whole: the model came to its own end; otherwise what is complete is read.

    Raises:
        ModelError: it is not JSON of that form.
    """
    if len(text) > LONGEST_ANSWER:
        raise ModelError("the model answered without end", HINT)
    found = _parsed(text) if whole else _parsed(completed(text))
    _check(found, _without_required(schema) if not whole else schema, "the answer")
    return Answer(
        found.get("summary", ""),
        {field: _items(found.get(field, ()), said) for field, (_, said, _) in _SAID},
        tuple(found.get("questions", ())),
    )


_SAID = tuple(FIELDS.items())


def _items(found: Any, said: str) -> tuple[Item, ...]:
    return tuple(
        Item(
            item[said],
            tuple(item["evidence"]),
            item.get("rationale"),
            item.get("command"),
        )
        for item in found
        if said in item and "evidence" in item
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        said = "other words" if text.strip() else "nothing"
        raise ModelError(f"the model answered {said} instead of JSON", HINT) from error


def completed(text: str) -> str:
    """Return JSON that was cut off, up to its last complete value, with its ends."""
    best, closing, stack = "", "", list[str]()
    in_string = escaped = False
    for place, char in enumerate(text):
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
            continue
        match char:
            case '"':
                in_string = True
            case "{" | "[":
                stack.append("}" if char == "{" else "]")
            case "}" | "]" if stack:
                stack.pop()
                if char == "}" or len(stack) == 1:
                    best, closing = text[: place + 1], "".join(reversed(stack))
    return best + closing


def _without_required(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of the same form that asks for no property at the top."""
    return {**schema, "required": []}


def _refuse(place: str, why: str) -> ModelError:
    return ModelError(f"the model's answer has a wrong form: {place} {why}", HINT)


def _check(value: Any, schema: Mapping[str, Any], place: str) -> None:
    """Check a value against the part of JSON Schema that `prompts.schema` uses.

    Whether what it cites was offered is left to `verification`, statement by statement.
    """
    match schema["type"]:
        case "object":
            _check_object(value, schema, place)
        case "array":
            _check_array(value, schema, place)
        case _:
            _check_text(value, schema, place)


def _check_object(value: Any, schema: Mapping[str, Any], place: str) -> None:
    if not isinstance(value, dict):
        raise _refuse(place, "is no object")
    properties = schema["properties"]
    if missing := [name for name in schema["required"] if name not in value]:
        raise _refuse(place, f"lacks {missing[0]}")
    if any(name not in properties for name in value):
        raise _refuse(place, "has a field that was not asked for")
    for name, inner in value.items():
        _check(inner, properties[name], name)


def _check_array(value: Any, schema: Mapping[str, Any], place: str) -> None:
    if not isinstance(value, list):
        raise _refuse(place, "is no list")
    if not schema.get("minItems", 0) <= len(value) <= schema["maxItems"]:
        raise _refuse(place, f"has {len(value)} entries")
    for inner in value:
        _check(inner, schema["items"], place)


def _check_text(value: Any, schema: Mapping[str, Any], place: str) -> None:
    if not isinstance(value, str):
        raise _refuse(place, "is no text")
    if len(value) > schema.get("maxLength", LONGEST_ANSWER):
        raise _refuse(place, "is too long")
