"""A chat model in this process by llama-cpp-python, an optional dependency."""

import ctypes
import json
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.generation import Emit, Finished, Generator
from issuetrack.engine.inference.llama_chat import (
    ANOTHER,
    BATCH,
    CONTEXT,
    TEMPERATURE,
    LlamaChat,
    refuse_overflow,
    told_finish,
)
from issuetrack.engine.inference.llama_server import cores
from issuetrack.engine.inference.memory import needed_bytes, refuse_too_big
from issuetrack.engine.inference.ports import ChatRequest, Completion

ROOM_FOR_ROLES = 4096
EXTRA = "pip install 'issuetrack[llama-cpp-python]'"


class LlamaCppPythonChat:
    """A chat model in a GGUF file; loads at the first completion.

    Its file is checked as the one of `LlamaChat` is. Conversations are written by
    llama.cpp itself, which knows the common chat templates; none is run as a program.

    Args:
        path: the file.
        context: how many tokens a request and its answer may have together.
        sha256: the file's checksum; None trusts the file as it is.
        name: what people call it; None for the file's name.
        threads: how many compute; None for one for each core.
    """

    def __init__(
        self,
        path: Path,
        context: int = CONTEXT,
        *,
        sha256: str | None = None,
        name: str | None = None,
        threads: int | None = None,
    ) -> None:
        self._path = path
        self._file = LlamaChat(path, context, sha256=sha256, name=name)
        self._threads = threads
        self._loading = threading.Lock()
        self._generator = Generator(self._file.name, abandon=False)

    @property
    def name(self) -> str:
        """Return what people call the model."""
        return self._file.name

    @property
    def fingerprint(self) -> str:
        """Name the weights and what runs them."""
        return f"llama-cpp-python:{self._file.fingerprint}"

    @property
    def context(self) -> int:
        """Return how many tokens a request and its answer may have together."""
        return self._file.context

    def load(self) -> None:
        """Load the model now; otherwise the first completion does.

        Raises:
            ModelError: the package is not installed, or does not take the file.
        """
        with self._loading:
            _ = self._model

    @cached_property
    def _model(self) -> Any:
        try:
            import llama_cpp
        except ImportError as error:
            raise ModelError("llama-cpp-python is not installed", EXTRA) from error
        self._file.verify()
        needed = needed_bytes(
            self._path.stat().st_size, self._file.header, self.context
        )
        refuse_too_big(self.name, needed)
        threads = self._threads or cores()
        try:
            return llama_cpp.Llama(
                str(self._path),
                n_ctx=self.context,
                n_batch=BATCH,
                n_threads=threads,
                n_threads_batch=threads,
                chat_format="chatml",
                verbose=False,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"llama-cpp-python cannot load {self._path.name}: {error}", ANOTHER
            ) from error

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        self.load()
        plain = self._file.plain(text).encode()
        return len(self._model.tokenize(plain, add_bos=False, special=True))

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
        self.load()

        def produce(emit: Emit) -> None:
            try:
                self._answer(request, emit)
            except ValueError as error:
                raise ModelError(
                    f"{self.name} refuses the request: {error}", ANOTHER
                ) from error

        return self._generator.run(request, produce, on_token, cancel)

    def _answer(self, request: ChatRequest, emit: Emit) -> None:
        prompt = self._model.tokenize(self._prompt(request), add_bos=True, special=True)
        refuse_overflow(self.name, len(prompt), request.most_tokens, self.context)
        self._model.reset()
        finish: Finished | None = None
        tokens = 0
        for part in self._model.create_completion(prompt, **self._options(request)):
            (choice,) = part["choices"]
            text = choice.get("text") or ""
            tokens += bool(text)
            if choice.get("finish_reason"):
                finish = told_finish(self.name, choice["finish_reason"])
            if emit(text):
                return
        if finish is not None:
            emit(Finished(finish.finish, len(prompt), tokens))

    def _options(self, request: ChatRequest) -> dict[str, Any]:
        options: dict[str, Any] = {
            "seed": request.seed,
            "temperature": TEMPERATURE,
            "max_tokens": request.most_tokens,
            "stream": True,
        }
        if request.schema is not None:
            import llama_cpp

            options["grammar"] = llama_cpp.LlamaGrammar.from_json_schema(
                json.dumps(request.schema), verbose=False
            )
        return options

    def _prompt(self, request: ChatRequest) -> bytes:
        """Return a conversation as the model was trained to read it."""
        import llama_cpp

        turns = (llama_cpp.llama_chat_message * len(request.messages))(
            *(
                (message.role.encode(), self._file.plain(message.content).encode())
                for message in request.messages
            )
        )
        template = llama_cpp.llama_model_chat_template(self._model.model, None)
        size = sum(len(turn.content) for turn in turns) * 2 + ROOM_FOR_ROLES
        buffer = ctypes.create_string_buffer(size)
        apply = llama_cpp.llama_chat_apply_template
        written = apply(template, turns, len(turns), True, buffer, size)
        if not 0 < written <= size:
            raise ModelError(
                f"llama-cpp-python does not know the chat template of {self.name}",
                f"issuetrack models use {self.name} --provider llama.cpp",
            )
        return buffer.raw[:written]

    def close(self) -> None:
        """Give the memory back; the next completion loads the model again."""
        with self._loading:
            self.__dict__.pop("_model", None)
