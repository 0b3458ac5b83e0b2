"""A chat model in this process, by llama.cpp, with the model's own chat template."""

import re
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from issuetrack.engine.errors import ContextOverflow, ModelError, ModelFileError
from issuetrack.engine.inference.generation import Emit, Finished, Generator
from issuetrack.engine.inference.gguf import (
    GgufHeader,
    read_control_tokens,
    read_header,
)
from issuetrack.engine.inference.llama_server import (
    LlamaServer,
    LlamaSettings,
    checksum,
)
from issuetrack.engine.inference.memory import (
    FreeMemory,
    free_bytes,
    needed_bytes,
    refuse_too_big,
)
from issuetrack.engine.inference.ports import ChatRequest, Completion

CONTEXT = 4096
BATCH = 256
TEMPERATURE = 0.2
ANOTHER = "issuetrack models list, then: issuetrack models use NAME"
AGAIN = (
    "fetch it again: issuetrack models remove NAME, then issuetrack models pull NAME"
)


def refuse_no_chat(path: Path, header: GgufHeader) -> None:
    """Refuse a file whose model cannot hold a conversation.

    Raises:
        ModelFileError: it turns texts into vectors, or has no chat template.
    """
    if header.embeds:
        reason = f"it is an embedding model ({header.architecture}) and cannot chat"
        raise ModelFileError(path, reason, ANOTHER)
    if not header.has_chat_template:
        reason = "it carries no chat template; only instruction-tuned models do"
        raise ModelFileError(path, reason, ANOTHER)


def refuse_overflow(name: str, prompt: int, answer: int, context: int) -> None:
    """Refuse a request that leaves no room for its answer.

    Raises:
        ContextOverflow: question and answer are longer than the context together.
    """
    if prompt + answer > context:
        raise ContextOverflow(
            f"the question has {prompt} tokens and its answer up to {answer}; {name} "
            f"holds {context} together",
            "ask with less evidence, or choose a model with more context: "
            "issuetrack models list",
        )


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes an OpenAI-compatible server keep to a schema."""
    named = {"name": "answer", "strict": True, "schema": dict(schema)}
    return {"type": "json_schema", "json_schema": named}


def told_finish(name: str, reason: str) -> Finished:
    """Return the end of an answer for a server's `finish_reason`.

    Raises:
        ModelError: the answer ended in another way, such as by a filter.
    """
    if reason == "length":
        return Finished("length", 0, 0)
    if reason in ("stop", "eos"):
        return Finished("stop", 0, 0)
    raise ModelError(f"{name} ended its answer with {reason!r}", ANOTHER)


class LlamaChat:
    """A chat model in a GGUF file; loads at the first completion.

    Args:
        path: the file.
        context: how many tokens a request and its answer may have together; never
            more than the model was trained for.
        sha256: the file's checksum; None trusts the file as it is.
        name: what people call it; None for the file's name.
        threads: how many compute; None for one for each core.
        free: tells how many bytes of memory are free.
    """

    def __init__(
        self,
        path: Path,
        context: int = CONTEXT,
        *,
        sha256: str | None = None,
        name: str | None = None,
        threads: int | None = None,
        free: FreeMemory = free_bytes,
    ) -> None:
        self._path = path
        self._wanted = context
        self._sha256 = sha256
        self._name = name or path.stem
        self._threads = threads
        self._free = free
        self._loading = threading.Lock()
        self._server: LlamaServer | None = None
        self._generator = Generator(self._name, abandon=False)

    @property
    def name(self) -> str:
        """Return what people call the model."""
        return self._name

    @property
    def fingerprint(self) -> str:
        """Name the weights and how they are asked."""
        return f"gguf:{self._known_sha256[:16]}:{self.context}"

    @property
    def context(self) -> int:
        """Return how many tokens a request and its answer may have together."""
        return min(self._wanted, self.header.trained_context or self._wanted)

    @cached_property
    def _known_sha256(self) -> str:
        return self._sha256 or checksum(self._path)

    @cached_property
    def header(self) -> GgufHeader:
        return read_header(self._path)

    @cached_property
    def _control(self) -> re.Pattern[str] | None:
        tokens = [t for t in read_control_tokens(self._path) if len(t) > 1]
        return re.compile("|".join(map(re.escape, tokens))) if tokens else None

    def verify(self) -> None:
        """Check the file against its checksum and that its model can chat.

        Raises:
            ModelFileError: it is missing, changed or of another kind.
        """
        if self._sha256 is not None and checksum(self._path) != self._sha256:
            raise ModelFileError(self._path, "its checksum is wrong", AGAIN)
        refuse_no_chat(self._path, self.header)

    def load(self) -> None:
        """Load the model now; otherwise the first completion does.

        Raises:
            ModelError: the file is not the one expected, there is too little memory,
                or llama.cpp refuses it.
        """
        self._loaded()

    def _loaded(self) -> LlamaServer:
        with self._loading:
            if self._server is None:
                self.verify()
                size = self._path.stat().st_size
                needed = needed_bytes(size, self.header, self.context)
                refuse_too_big(self._name, needed, self._free)
                settings = LlamaSettings(self.context, BATCH, threads=self._threads)
                self._server = LlamaServer(self._path, settings, ANOTHER)
            return self._server

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        return self._loaded().count(self.plain(text))

    def plain(self, text: str) -> str:
        """Return a text without what the model would take for control tokens.

        A blank after its first character makes of a control token a mere text.
        """
        text = text.encode("utf-8", "replace").decode().replace("\0", " ")
        if self._control is None:
            return text
        return self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

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
            ModelError: the model cannot be loaded, does not answer or is too slow.
        """
        server = self._loaded()
        body = self._body(request)

        def produce(emit: Emit) -> None:
            reading = _Reading(self._name, self.context, request.most_tokens, emit)
            answer = server.chat(body, reading)
            reading.close(answer)

        return self._generator.run(request, produce, on_token, cancel)

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": [
                {"role": message.role, "content": self.plain(message.content)}
                for message in request.messages
            ],
            "seed": request.seed,
            "temperature": TEMPERATURE,
            "max_tokens": request.most_tokens,
            "cache_prompt": False,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
            "chat_template_kwargs": {"enable_thinking": False},
        }
        if request.schema is not None:
            body["response_format"] = response_format(request.schema)
        return body

    def close(self) -> None:
        """Give the memory back; the next completion loads the model again."""
        with self._loading:
            if self._server is not None:
                self._server.close()
            self._server = None


class _Reading:
    """Takes the parts of a streamed answer; keeps its failure for the end.

    llama.cpp calls it and loses what it raises.
    """

    def __init__(self, name: str, context: int, most: int, emit: Emit) -> None:
        self._name = name
        self._context = context
        self._most = most
        self._emit = emit
        self._failure: ModelError | None = None
        self._finish: Finished | None = None

    def __call__(self, part: Mapping[str, Any]) -> bool:
        try:
            return self._take(part)
        except ModelError as error:
            self._failure = error
            return True

    def _take(self, part: Mapping[str, Any]) -> bool:
        _refuse_error(self._name, part, self._most)
        progress, usage = part.get("prompt_progress"), part.get("usage")
        if progress is not None:
            total = int(progress["total"])
            refuse_overflow(self._name, total, self._most, self._context)
        if usage is not None and self._finish is not None:
            counts = usage["prompt_tokens"], usage["completion_tokens"]
            self._finish = Finished(self._finish.finish, *counts)
        text = ""
        for choice in part.get("choices", ()):
            text += choice["delta"].get("content") or ""
            if choice["finish_reason"]:
                self._finish = told_finish(self._name, choice["finish_reason"])
        return self._emit(text)

    def close(self, answer: Mapping[str, Any] | None) -> None:
        """Tell the end of the answer.

        Raises:
            ModelError: there was a failure.
        """
        if answer is not None:
            _refuse_error(self._name, answer, self._most)
        if self._failure is not None:
            raise self._failure
        if self._finish is not None:
            self._emit(self._finish)


def _refuse_error(name: str, answer: Mapping[str, Any], most: int) -> None:
    error = answer.get("error")
    if error is None:
        return
    if error.get("type") == "exceed_context_size_error":
        refuse_overflow(name, error["n_prompt_tokens"], most, error["n_ctx"])
    raise ModelError(f"{name} failed: {error.get('message', error)}", ANOTHER)
