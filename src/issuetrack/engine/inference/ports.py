"""What the rest of the engine may ask of a model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


class EmbeddingModel(Protocol):
    """Turns texts into points; near in meaning is near in angle."""

    @property
    def fingerprint(self) -> str:
        """Name the model such that equal names mean comparable vectors."""

    @property
    def dimensions(self) -> int:
        """Return the length of a vector."""

    @property
    def window(self) -> int:
        """Return how many tokens of a text are looked at."""

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, d) float32 array of unit rows, one for each text.

        A text longer than the window is cut.

        Raises:
            ModelError: the model cannot be loaded or does not answer.
        """
