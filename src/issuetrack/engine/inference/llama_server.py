"""llama.cpp in this process, through xllamacpp.

xllamacpp wraps llama.cpp's server object, which listens on a TCP port unless it is
told otherwise. Here it listens on a Unix socket in a directory that only this user
can enter, behind a random key; nothing but this object connects to it, to have tokens
counted.
"""

import hashlib
import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from issuetrack.engine.errors import ModelError, ModelFileError

BLOCK = 4 * 1024 * 1024
OK = 200
COUNT_SECONDS = 30.0


@dataclass(frozen=True)
class LlamaSettings:
    """How llama.cpp is to load a model.

    Attributes:
        context: tokens that all requests together may have.
        batch: tokens that are read at a time.
        parallel: requests that are worked on at a time.
        embeds: whether texts are turned into vectors, their tokens' mean.
        threads: how many compute; None for one for each core.
    """

    context: int
    batch: int
    parallel: int = 1
    embeds: bool = False
    threads: int | None = None


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 2


def checksum(
    path: Path,
    advance: Callable[[int], None] = lambda _: None,
    remedy: str = "issuetrack models list",
) -> str:
    """Return the SHA-256 of a model file.

    Args:
        path: the file.
        advance: told how many bytes were read.
        remedy: what to do where it cannot be read.

    Raises:
        ModelFileError: it cannot be read.
    """
    digest = hashlib.sha256()
    read = 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                read += len(block)
                advance(read)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ModelFileError(path, reason, remedy) from error
    return digest.hexdigest()


class LlamaServer:
    """One model, loaded.

    Raises:
        ModelError: llama.cpp refuses the file.
    """

    def __init__(self, path: Path, settings: LlamaSettings, remedy: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="issuetrack-")
        self._remove = weakref.finalize(
            self, shutil.rmtree, self._folder, ignore_errors=True
        )
        self._key = secrets.token_hex(32)
        try:
            self._native = self._start(path, settings)
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"llama.cpp cannot load {path.name}: {error}", remedy
            ) from error

    @property
    def _socket(self) -> str:
        return str(Path(self._folder) / "llama.sock")

    def _start(self, path: Path, settings: LlamaSettings) -> Any:
        import xllamacpp

        threads = settings.threads or cores()
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        if settings.embeds:
            params.embedding = True
            params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        params.n_parallel = settings.parallel
        params.n_ctx = settings.context
        params.n_batch = params.n_ubatch = settings.batch
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.n_threads_http = 1
        params.warmup = False
        params.verbosity = 0
        params.cache_ram_mib = 0
        params.ui = False
        params.api_keys = [self._key]
        params.endpoint_slots = False
        params.hostnames = [self._socket]
        return xllamacpp.Server(params)

    def embeddings(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return llama.cpp's answer to a request of its `/v1/embeddings`."""
        answer: Mapping[str, Any] = self._native.handle_embeddings(dict(request))
        return answer

    def chat(
        self, request: Mapping[str, Any], callback: Callable[[Any], bool]
    ) -> Mapping[str, Any] | None:
        """Let llama.cpp answer a request of its `/v1/chat/completions`.

        Args:
            request: with `stream` set, parts of the answer go to the callback.
            callback: returns True to end the answer; what it raises is lost.

        Raises:
            ModelError: llama.cpp does not understand the request.
        """
        try:
            answer: Mapping[str, Any] | None = self._native.handle_chat_completions(
                dict(request), callback
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"llama.cpp refuses the request: {error}", "run: issuetrack models test"
            ) from error
        return answer

    @cached_property
    def _http(self) -> Any:
        import httpx

        return httpx.Client(
            transport=httpx.HTTPTransport(uds=self._socket),
            headers={"Authorization": f"Bearer {self._key}"},
            timeout=COUNT_SECONDS,
            trust_env=False,
        )

    def count(self, text: str) -> int:
        """Return how many tokens a text has, at the most one for each byte."""
        import httpx

        most = len(text.encode("utf-8", "replace"))
        try:
            answer = self._http.post("http://llama/tokenize", json={"content": text})
            return len(answer.json()["tokens"]) if answer.status_code == OK else most
        except (httpx.HTTPError, ValueError, KeyError):
            return most

    def close(self) -> None:
        """Give the memory back."""
        if "_http" in self.__dict__:
            self._http.close()
        self._native = None
        self._remove()
