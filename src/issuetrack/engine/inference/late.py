"""A model that is looked for when it is first used."""

from collections.abc import Callable, Sequence
from functools import cached_property

from issuetrack.engine.inference.ports import EmbeddingModel, Vectors


class LateModel:
    """An embedding model that nobody misses who does without it.

    Args:
        find: returns the model; raises ModelError where it is gone.
    """

    def __init__(self, find: Callable[[], EmbeddingModel]) -> None:
        self._find = find

    @cached_property
    def _model(self) -> EmbeddingModel:
        return self._find()

    @property
    def fingerprint(self) -> str:
        """Name the model such that equal names mean comparable vectors."""
        return self._model.fingerprint

    @property
    def dimensions(self) -> int:
        """Return the length of a vector."""
        return self._model.dimensions

    @property
    def window(self) -> int:
        """Return how many tokens of a text are looked at."""
        return self._model.window

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        return self._model.count(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, d) float32 array of unit rows, one for each text.

        Raises:
            ModelError: the model is gone, cannot be loaded or does not answer.
        """
        return self._model.embed(texts)
