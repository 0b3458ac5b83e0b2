"""llama.cpp in this process, through xllamacpp.

xllamacpp wraps llama.cpp's server object, which listens on a TCP port unless it is
told otherwise. Here it listens on a Unix socket in a directory that only this user
can enter, behind a random key, and nothing ever connects to it.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from issuetrack.engine.errors import ModelError, ModelFileError
from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.inference.wordpiece import WordPieces

SHIPPED_FILE = "all-MiniLM-L6-v2.Q8_0.gguf"
SHIPPED_SHA256 = "bf1d74689ea4b1d2db7bc1ee52ed8f4618984437d05ba47d7513d24a8c5f18ed"
DIMENSIONS = 384
WINDOW = 256
CONTEXT_PER_TEXT = 512
PARALLEL = 4
BATCH = 32
SPECIAL_TOKENS = 2


def shipped_path() -> Path:
    """Return the path of the embedding model inside the package."""
    return Path(__file__).parent / "weights" / SHIPPED_FILE


class LlamaEmbedder:
    """The embedding model that ships with the program; loads at first use."""

    def __init__(self, path: Path | None = None, sha256: str = SHIPPED_SHA256) -> None:
        self._path = path or shipped_path()
        self._sha256 = sha256
        self._lock = threading.Lock()
        self._server: Any = None

    @property
    def fingerprint(self) -> str:
        """Name the model file, its pooling and its window."""
        return f"gguf:{self._sha256[:16]}:mean:{WINDOW}"

    @property
    def dimensions(self) -> int:
        """Return the length of a vector."""
        return DIMENSIONS

    @property
    def window(self) -> int:
        """Return how many tokens of a text are looked at, markers excluded."""
        return WINDOW - SPECIAL_TOKENS

    @cached_property
    def _pieces(self) -> WordPieces:
        return WordPieces(self._path)

    def count(self, text: str) -> int:
        """Return how many word pieces a text has."""
        return self._pieces.count(text)

    def verify(self) -> None:
        """Check the model file against its known checksum.

        Raises:
            ModelFileError: it is missing, truncated or another file.
        """
        try:
            with self._path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelFileError(self._path, error.strerror or "unreadable") from error
        if found != self._sha256:
            raise ModelFileError(self._path, "its checksum is wrong")

    def load(self) -> None:
        """Load the model now; otherwise the first `embed` does.

        Raises:
            ModelError: the file is not the one expected, or llama.cpp refuses it.
        """
        with self._lock:
            if self._server is None:
                self.verify()
                self._server = self._start()

    def load_soon(self) -> None:
        """Load the model in the background; a failure shows at the first `embed`."""

        def load() -> None:
            with contextlib.suppress(ModelError):
                self.load()

        threading.Thread(target=load, name="load model", daemon=True).start()

    def _start(self) -> Any:
        import xllamacpp

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        params.n_parallel = PARALLEL
        params.n_ctx = CONTEXT_PER_TEXT * PARALLEL
        params.n_batch = params.n_ubatch = CONTEXT_PER_TEXT
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = cores
        params.n_threads_http = 1
        params.warmup = False
        params.verbosity = 0
        params.api_keys = [secrets.token_hex(32)]
        params.endpoint_slots = False
        folder = tempfile.mkdtemp(prefix="issuetrack-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        params.hostnames = [str(Path(folder) / "llama.sock")]
        try:
            return xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"llama.cpp cannot load {self._path.name}: {error}",
                "reinstall the package: pip install --force-reinstall issuetrack",
            ) from error

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, 384) float32 array of unit rows.

        Raises:
            ModelError: the model cannot be loaded or does not answer.
        """
        self.load()
        rows: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            batch = [self._cut(text) for text in texts[start : start + BATCH]]
            with self._lock:
                answer = self._server.handle_embeddings({"input": batch})
            data = answer.get("data")
            if data is None or len(data) != len(batch):
                raise ModelError(
                    f"the embedding model failed: {answer.get('error', answer)}",
                    "run: issuetrack doctor",
                )
            rows += [row["embedding"] for row in data]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), DIMENSIONS)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = vectors / np.maximum(norms, 1e-12)
        return unit

    def _cut(self, text: str) -> str:
        plain = text.encode("utf-8", "replace").decode().replace("\0", " ").strip()
        if len(plain) > self.window:
            plain = self._pieces.cut(plain, self.window)
        return plain or " "
