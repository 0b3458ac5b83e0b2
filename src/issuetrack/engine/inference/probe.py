"""Tries a model out: does it answer, how fast, and does it keep to a schema?"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.ports import ChatMessage, ChatRequest

if TYPE_CHECKING:
    from issuetrack.engine.inference.ports import ChatModel, EmbeddingModel

COLOURS = ["red", "green", "blue"]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": COLOURS},
        "warm": {"type": "boolean"},
    },
    "required": ["colour", "warm"],
    "additionalProperties": False,
}
QUESTION = "Name a colour and say whether it is warm. Answer in JSON."
MOST_TOKENS = 64


@dataclass(frozen=True)
class ModelReport:
    """What came of trying a model out.

    Attributes:
        context: tokens that a request and its answer may have together.
        json_schema: whether its answer kept to a schema.
        first_token: seconds until the first token.
        tokens_per_second: after the first.
        dimensions: of its vectors, for an embedding model.
        detail: what was not well; None if all was.
    """

    name: str
    fingerprint: str
    context: int | None = None
    json_schema: bool | None = None
    first_token: float | None = None
    tokens_per_second: float | None = None
    dimensions: int | None = None
    detail: str | None = None


def keeps_to_schema(text: str) -> bool:
    """Tell whether an answer is the object that was asked for."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(found, dict)
        and set(found) == {"colour", "warm"}
        and found["colour"] in COLOURS
        and isinstance(found["warm"], bool)
    )


def try_chat(model: "ChatModel", timeout: float = 60.0) -> ModelReport:
    """Ask a chat model a small question, to be answered by a schema.

    Raises:
        ModelError: it cannot be used.
    """
    request = ChatRequest(
        (ChatMessage("user", QUESTION),), SCHEMA, 1, MOST_TOKENS, timeout
    )
    context = model.context
    answer = model.complete(request)
    seconds = max(answer.seconds - answer.first_token, 1e-6)
    kept = keeps_to_schema(answer.text)
    return ModelReport(
        name=model.name,
        fingerprint=model.fingerprint,
        context=context,
        json_schema=kept,
        first_token=round(answer.first_token, 3),
        tokens_per_second=round(max(answer.completion_tokens - 1, 0) / seconds, 1),
        detail=None
        if kept
        else "it does not keep to a JSON schema: suggestions will "
        "mostly be put together without it",
    )


def try_embedding(name: str, model: "EmbeddingModel") -> ModelReport:
    """Let an embedding model make two vectors.

    Raises:
        ModelError: it cannot be used.
    """
    vectors = model.embed(["the disk is full", "no space left on device"])
    if vectors.shape != (2, model.dimensions):
        raise ModelError(f"{name} makes vectors of another length", None)
    return ModelReport(
        name=name,
        fingerprint=model.fingerprint,
        context=model.window,
        dimensions=model.dimensions,
    )
