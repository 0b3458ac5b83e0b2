"""Embedding and reranking by sentence-transformers, an optional dependency.

A model is a folder on this machine; nothing is fetched, and no code in it is run.
"""

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.folder_checksum import folder_checksum
from issuetrack.engine.inference.server_chat import unit_rows

if TYPE_CHECKING:
    from issuetrack.engine.inference.ports import Vectors

EXTRA = "pip install 'issuetrack[sentence-transformers]'"
BATCH = 32
MARKERS = 2


def _loaded(folder: Path, kind: str) -> Any:
    try:
        import sentence_transformers
    except ImportError as error:
        raise ModelError("sentence-transformers is not installed", EXTRA) from error
    try:
        return getattr(sentence_transformers, kind)(
            str(folder), device="cpu", local_files_only=True, trust_remote_code=False
        )
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ModelError(
            f"sentence-transformers cannot load {folder.name}: {error}",
            "give the folder of a model with --path",
        ) from error


class _Folder:
    """A model's folder, checked against its checksum before it is loaded."""

    kind = ""

    def __init__(self, folder: Path, sha256: str | None = None) -> None:
        self._folder = folder
        self._expected = sha256
        self._lock = threading.Lock()

    @cached_property
    def _sha256(self) -> str:
        found = folder_checksum(self._folder)
        if self._expected is not None and found != self._expected:
            raise ModelError(
                f"the files of {self._folder.name} are not those that were added",
                "fetch them again, then: issuetrack models add FOLDER",
            )
        return found

    @cached_property
    def _model(self) -> Any:
        _ = self._sha256
        return _loaded(self._folder, self.kind)


class SentenceTransformerEmbedder(_Folder):
    """An embedding model in a folder; loads at first use."""

    kind = "SentenceTransformer"

    @property
    def fingerprint(self) -> str:
        """Name the files and the window."""
        return f"sentence-transformers:{self._sha256[:16]}:{self.window}"

    @property
    def dimensions(self) -> int:
        """Return the length of a vector."""
        return int(self._model.get_sentence_embedding_dimension())

    @property
    def window(self) -> int:
        """Return how many tokens of a text are looked at, markers excluded."""
        return int(self._model.max_seq_length) - MARKERS

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        return len(self._model.tokenizer.tokenize(text))

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """Return an (n, d) float32 array of unit rows.

        Raises:
            ModelError: the model cannot be loaded.
        """
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        plain = [t.encode("utf-8", "replace").decode() or " " for t in texts]
        with self._lock:
            rows = self._model.encode(plain, batch_size=BATCH, show_progress_bar=False)
        vectors: Vectors = unit_rows(rows)
        return vectors


class CrossEncoderReranker(_Folder):
    """A model that reads question and text together; loads at first use."""

    kind = "CrossEncoder"

    @property
    def fingerprint(self) -> str:
        """Name the files."""
        return f"cross-encoder:{self._sha256[:16]}"

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Return a score for each text; higher is better.

        Raises:
            ModelError: the model cannot be loaded.
        """
        if not texts:
            return []
        pairs = [(query, text) for text in texts]
        with self._lock:
            scores = self._model.predict(
                pairs, batch_size=BATCH, show_progress_bar=False
            )
        return [float(score) for score in scores]
