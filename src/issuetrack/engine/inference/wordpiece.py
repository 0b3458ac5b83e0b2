"""The word pieces of a BERT-style embedding model, read from its GGUF file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from issuetrack.engine.inference.gguf import read_vocabulary

_WORD_START = "\u2581"
LONGEST_WORD = 80
UNKNOWN = "[UNK]"


class WordPieces:
    """Counts and cuts texts in the word pieces of one model."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import WordPiece
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer, FixedLength, Sequence

        vocabulary = {
            self._bert_form(piece): number
            for number, piece in enumerate(read_vocabulary(path))
        }
        self._tokenizer = Tokenizer(
            WordPiece(
                vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD
            )
        )
        self._tokenizer.normalizer = BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = Sequence(
            [BertPreTokenizer(), FixedLength(length=LONGEST_WORD)]
        )

    @staticmethod
    def _bert_form(piece: str) -> str:
        if piece.startswith("[") and piece.endswith("]"):
            return piece
        if piece.startswith(_WORD_START):
            return piece[1:]
        return "##" + piece

    def count(self, text: str) -> int:
        """Return how many word pieces a text has."""
        encoded = self._encode(text)
        return sum(self._sizes(encoded))

    def cut(self, text: str, limit: int) -> str:
        """Return the longest start of a text that has at most `limit` pieces."""
        encoded = self._encode(text)
        total = 0
        for size, (start, _) in zip(self._sizes(encoded), encoded.offsets, strict=True):
            total += size
            if total > limit:
                return text[:start].rstrip()
        return text

    def _encode(self, text: str) -> Any:
        plain = text.encode("utf-8", "replace").decode()
        return self._tokenizer.encode(plain, add_special_tokens=False)

    @staticmethod
    def _sizes(encoded: Any) -> Iterator[int]:
        """Yield how many pieces each token is for llama.cpp, at the most.

        A word without pieces of its own is one unknown piece here; llama.cpp knows
        other word borders and may see one for every letter.
        """
        for token, (start, end) in zip(encoded.tokens, encoded.offsets, strict=True):
            yield end - start if token == UNKNOWN else 1
