"""An embedding model that embeds nothing twice, for questions asked again."""

from collections.abc import Sequence

import numpy as np

from issuetrack.engine.inference.ports import EmbeddingModel, Vectors


class RememberingModel:
    """The model of a workspace, with what it said kept."""

    def __init__(self, model: EmbeddingModel) -> None:
        self._model = model
        self._known: dict[str, Vectors] = {}

    @property
    def fingerprint(self) -> str:
        return self._model.fingerprint

    @property
    def dimensions(self) -> int:
        return self._model.dimensions

    @property
    def window(self) -> int:
        return self._model.window

    def count(self, text: str) -> int:
        return self._model.count(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, d) float32 array of unit rows."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        if fresh:
            self._known |= dict(zip(fresh, self._model.embed(fresh), strict=True))
        rows: Vectors = np.array(
            [self._known[text] for text in texts], dtype=np.float32
        ).reshape(len(texts), self.dimensions)
        return rows
