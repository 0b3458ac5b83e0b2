"""The word pieces of a BERT-style embedding model, read from its GGUF file.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from issuetrack.engine.errors import ModelFileError

TOKENS_KEY = "tokenizer.ggml.tokens"
_SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_WORD_START = "\u2581"
LONGEST_WORD = 80
MOST_ITEMS = 16_000_000
UNKNOWN = "[UNK]"


def _number(file: BinaryIO, layout: str) -> int:
    size = struct.calcsize(layout)
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    return int(struct.unpack(layout, data)[0])


def _length(file: BinaryIO) -> int:
    length = _number(file, "<Q")
    if length > MOST_ITEMS:
        raise EOFError
    return length


def _string(file: BinaryIO) -> bytes:
    return file.read(_length(file))


def _skip(file: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        _string(file)
    elif kind == _ARRAY:
        inner, length = _number(file, "<I"), _length(file)
        if inner in _SCALARS:
            file.seek(_SCALARS[inner] * length, 1)
        else:
            for _ in range(length):
                _skip(file, inner)
    else:
        file.seek(_SCALARS[kind], 1)


def read_vocabulary(path: Path) -> list[str]:
    """Return the token texts of a GGUF file in the order of their ids.

    Raises:
        ModelFileError: the file is not GGUF or carries no vocabulary.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ModelFileError(path, "it is not a GGUF file")
            file.seek(4 + 8, 1)
            for _ in range(_length(file)):
                key, kind = _string(file).decode(), _number(file, "<I")
                if key == TOKENS_KEY and kind == _ARRAY:
                    file.seek(4, 1)
                    length = _length(file)
                    return [_string(file).decode() for _ in range(length)]
                _skip(file, kind)
    except (OSError, EOFError, KeyError, UnicodeDecodeError) as error:
        raise ModelFileError(path, "its header cannot be read") from error
    raise ModelFileError(path, "it carries no vocabulary")


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
