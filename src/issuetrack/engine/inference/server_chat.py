"""Models behind an OpenAI-compatible server: chat and embeddings."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.generation import Emit, Finished, Generator
from issuetrack.engine.inference.llama_chat import (
    CONTEXT,
    TEMPERATURE,
    refuse_overflow,
    response_format,
    told_finish,
)
from issuetrack.engine.inference.ports import ChatRequest, Completion
from issuetrack.engine.inference.server_client import ServerClient, said

DATA = "data:"
DONE = "[DONE]"
MOST_CONTEXT = 10_000_000


class ServerChat:
    """A chat model behind a server.

    Args:
        client: talks to the server.
        name: what people call the model.
        model: what the server calls it; None for the first that it has.
        context: how many tokens it holds; None to ask the server.
    """

    def __init__(
        self,
        client: ServerClient,
        name: str,
        model: str | None = None,
        context: int | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._model = model
        self._context = context
        self._tokenizer: bool | None = None
        self._generator = Generator(name, abandon=True)

    @property
    def name(self) -> str:
        """Return what people call the model."""
        return self._name

    @property
    def fingerprint(self) -> str:
        """Name the server and its model; what its weights are it does not tell."""
        address = self._client.address
        return f"server:{address.host}:{address.port}:{self.model}"

    @cached_property
    def model(self) -> str:
        """Return what the server calls the model.

        Raises:
            ModelError: the server is not reached or has none.
        """
        return self._model or next(iter(self.models()))

    def models(self) -> dict[str, Mapping[str, Any]]:
        """Return what the server says of its models, by their names.

        Raises:
            ModelError: it is not reached, has none, or is no model server.
        """
        answer = self._client.ask("GET", "/models")
        try:
            found = {str(entry["id"]): entry for entry in answer["data"]}
        except (KeyError, TypeError) as error:
            raise self._client.nonsense() from error
        if not found:
            raise ModelError(
                f"{self._client.address.host} has no model", "load one there"
            )
        return found

    @cached_property
    def context(self) -> int:
        """Return how many tokens a request and its answer may have together."""
        return self._context or self.told_context() or CONTEXT

    def told_context(self) -> int | None:
        """Return the context that the server tells; None if it does not.

        vLLM tells `max_model_len` with the model, LM Studio `loaded_context_length`,
        llama-server `n_ctx` among its properties.

        Raises:
            ModelError: the server is not reached.
        """
        entry = self.models().get(self.model, {})
        for key in ("max_model_len", "loaded_context_length", "context_length"):
            if (found := _size(entry.get(key))) is not None:
                return found
        try:
            properties = self._client.ask("GET", "//props")
            return _size(properties["default_generation_settings"]["n_ctx"])
        except (ModelError, KeyError, TypeError):
            return None

    def count(self, text: str) -> int:
        """Return how many tokens a text has; its bytes if the server does not count."""
        most = len(text.encode("utf-8", "replace"))
        if self._tokenizer is False:
            return most
        content = {"model": self.model, "content": text, "prompt": text}
        try:
            answer = self._client.ask("POST", "//tokenize", content)
            tokens = len(answer["tokens"])
        except (ModelError, KeyError, TypeError):
            self._tokenizer = False
            return most
        self._tokenizer = True
        return tokens

    def complete(
        self,
        request: ChatRequest,
        on_token: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Completion:
        """Answer a request.

        Raises:
            ContextOverflow: the request does not fit into the context.
            ModelCancelled: it was cancelled.
            ModelError: the server is not reached, refuses or is too slow.
        """

        def produce(emit: Emit) -> None:
            self._refuse_too_long(request)
            answer = self._client.lines(
                "/chat/completions", self._body(request), request.timeout
            )
            with contextlib.closing(answer) as lines:
                _Reading(self._client, self._name, emit).read(lines)

        return self._generator.run(request, produce, on_token, cancel)

    def _refuse_too_long(self, request: ChatRequest) -> None:
        """Refuse what a server that counts tokens would cut or refuse."""
        text = "\n".join(message.content for message in request.messages)
        tokens = self.count(text)
        if self._tokenizer:
            refuse_overflow(self._name, tokens, request.most_tokens, self.context)

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [
                {
                    "role": m.role,
                    "content": m.content.encode("utf-8", "replace").decode(),
                }
                for m in request.messages
            ],
            "seed": request.seed,
            "temperature": TEMPERATURE,
            "max_tokens": request.most_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.schema is not None:
            body["response_format"] = response_format(request.schema)
        return body

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class _Reading:
    """Reads an answer, as server-sent events or as one object."""

    def __init__(self, client: ServerClient, name: str, emit: Emit) -> None:
        self._client = client
        self._name = name
        self._emit = emit
        self._end: Finished | None = None

    def read(self, lines: Iterator[str]) -> None:
        """Give the pieces of an answer on.

        Raises:
            ModelError: it is no answer of a model server, or tells a failure.
        """
        other: list[str] = []
        for line in lines:
            if not line.startswith(DATA):
                other.append(line)
                continue
            event = line.removeprefix(DATA).strip()
            if event == DONE or self._take(event, "delta"):
                break
        if self._end is None and "".join(other).lstrip().startswith("{"):
            self._take("".join(other), "message")
        if self._end is None:
            raise self._client.nonsense()
        self._emit(self._end)

    def _take(self, event: str, part: str) -> bool:
        found = self._client.decoded(event)
        try:
            if found.get("error"):
                raise ModelError(
                    f"{self._name} failed: {said(str(found['error']))}",
                    "issuetrack models test",
                )
            text = self._text(found, part)
            self._count(found.get("usage") or {})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._client.nonsense() from error
        return self._emit(text)

    def _text(self, found: Mapping[str, Any], part: str) -> str:
        text = ""
        for choice in found.get("choices") or ():
            piece = choice.get(part, {}).get("content") or ""
            if not isinstance(piece, str):
                raise TypeError
            text += piece
            if choice.get("finish_reason"):
                self._end = told_finish(self._name, str(choice["finish_reason"]))
        return text

    def _count(self, usage: Mapping[str, Any]) -> None:
        if self._end is not None and usage:
            self._end = Finished(
                self._end.finish,
                int(usage["prompt_tokens"]),
                int(usage.get("completion_tokens", 0)),
            )


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value <= MOST_CONTEXT else None


def unit_rows(rows: Sequence[Sequence[float]]) -> Any:
    """Return vectors as float32 rows of length 1.

    Raises:
        ValueError: they are not of one length, or not finite.
    """
    import numpy as np

    vectors = np.array(rows, dtype=np.float32)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():  # noqa: PLR2004 - rows
        raise ValueError
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(norms, 1e-12)
