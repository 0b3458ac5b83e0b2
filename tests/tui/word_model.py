"""A model whose numbers are the same on every machine: a sum of words."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from issuetrack.engine.inference.ports import Vectors


class WordModel:
    """Embeds a text as the sum of a fixed vector for each of its words."""

    fingerprint = "words"
    dimensions = 384
    window = 254

    def count(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, 384) float32 array of unit rows."""
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for place, text in enumerate(texts):
            for word in {*re.findall(r"\w+", text.lower())}:
                digest = hashlib.shake_128(word.encode()).digest(self.dimensions // 8)
                bits = np.unpackbits(np.frombuffer(digest, dtype=np.uint8))
                rows[place] += bits * 2.0 - 1.0
        norms = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)
        unit: Vectors = (rows / norms).astype(np.float32)
        return unit
