"""An embedding model behind an OpenAI-compatible server."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.llama import WINDOW, shipped_path
from issuetrack.engine.inference.server_chat import unit_rows
from issuetrack.engine.inference.server_client import ServerClient
from issuetrack.engine.inference.wordpiece import WordPieces

if TYPE_CHECKING:
    from issuetrack.engine.inference.ports import Vectors

BATCH = 32
TIMEOUT = 120.0
PROBE = "a sentence"


class ServerEmbedder:
    """Turns texts into vectors by a server.

    Texts are counted and cut in the word pieces of the shipped model, since few servers
    tell their own.
    """

    def __init__(self, client: ServerClient, model: str) -> None:
        self._client = client
        self._model = model

    @property
    def fingerprint(self) -> str:
        """Name the server, its model and the length of its vectors."""
        address = self._client.address
        place = f"{address.host}:{address.port}"
        return f"server:{place}:{self._model}:{self.dimensions}"

    @cached_property
    def dimensions(self) -> int:
        """Return the length of a vector, as the server's first answer shows it."""
        return int(self._vectors([PROBE]).shape[1])

    @property
    def window(self) -> int:
        """Return how many word pieces of a text are sent."""
        return WINDOW

    @cached_property
    def _pieces(self) -> WordPieces:
        return WordPieces(shipped_path())

    def count(self, text: str) -> int:
        """Return how many word pieces a text has."""
        return self._pieces.count(text)

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """Return an (n, d) float32 array of unit rows.

        Raises:
            ModelError: the server is not reached, or answers something else.
        """
        import numpy as np

        rows = [np.zeros((0, self.dimensions), dtype=np.float32)]
        for start in range(0, len(texts), BATCH):
            batch = [self._cut(text) for text in texts[start : start + BATCH]]
            rows.append(self._vectors(batch))
            if rows[-1].shape[1] != self.dimensions:
                raise self._client.nonsense()
        return np.concatenate(rows)

    def _cut(self, text: str) -> str:
        plain = text.encode("utf-8", "replace").decode().replace("\0", " ").strip()
        return self._pieces.cut(plain, self.window) or " "

    def _vectors(self, texts: Sequence[str]) -> "Vectors":
        content = {"model": self._model, "input": list(texts)}
        answer = self._client.ask("POST", "/embeddings", content, TIMEOUT)
        try:
            entries = sorted(answer["data"], key=lambda entry: int(entry["index"]))
            vectors: Vectors = unit_rows([entry["embedding"] for entry in entries])
        except (KeyError, TypeError, ValueError) as error:
            raise self._client.nonsense() from error
        if len(vectors) != len(texts):
            raise ModelError(
                f"{self._model} answers {len(vectors)} vectors for {len(texts)} texts",
                "check it: issuetrack models test NAME",
            )
        return vectors
