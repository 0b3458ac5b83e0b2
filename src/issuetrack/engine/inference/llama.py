"""The embedding model that ships with the program, by llama.cpp in this process."""

import contextlib
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from issuetrack.engine.errors import REINSTALL, ModelError, ModelFileError
from issuetrack.engine.inference.llama_server import (
    LlamaServer,
    LlamaSettings,
    checksum,
)
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
SETTINGS = LlamaSettings(
    context=CONTEXT_PER_TEXT * PARALLEL,
    batch=CONTEXT_PER_TEXT,
    parallel=PARALLEL,
    embeds=True,
)


def shipped_path() -> Path:
    """Return the path of the embedding model inside the package."""
    return Path(__file__).parent / "weights" / SHIPPED_FILE


class LlamaEmbedder:
    """The embedding model that ships with the program; loads at first use."""

    def __init__(self, path: Path | None = None, sha256: str = SHIPPED_SHA256) -> None:
        self._path = path or shipped_path()
        self._sha256 = sha256
        self._lock = threading.Lock()
        self._server: LlamaServer | None = None

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
        if checksum(self._path, remedy=REINSTALL) != self._sha256:
            raise ModelFileError(self._path, "its checksum is wrong")

    def load(self) -> None:
        """Load the model now; otherwise the first `embed` does.

        Raises:
            ModelError: the file is not the one expected, or llama.cpp refuses it.
        """
        self._loaded()

    def _loaded(self) -> LlamaServer:
        with self._lock:
            if self._server is None:
                self.verify()
                self._server = LlamaServer(self._path, SETTINGS, REINSTALL)
            return self._server

    def load_soon(self) -> None:
        """Load the model in the background; a failure shows at the first `embed`."""

        def load() -> None:
            with contextlib.suppress(ModelError):
                self.load()

        threading.Thread(target=load, name="load model", daemon=True).start()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, 384) float32 array of unit rows.

        Raises:
            ModelError: the model cannot be loaded or does not answer.
        """
        server = self._loaded()
        rows: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            batch = [self._cut(text) for text in texts[start : start + BATCH]]
            with self._lock:
                answer = server.embeddings({"input": batch})
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
