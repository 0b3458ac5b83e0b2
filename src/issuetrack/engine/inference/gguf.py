"""What the header of a GGUF file says of the model in it.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import os
import struct
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from issuetrack.engine.errors import ModelFileError

MAGIC = b"GGUF"
TOKENS_KEY = "tokenizer.ggml.tokens"
KINDS_KEY = "tokenizer.ggml.token_type"
CONTROL_TOKEN = 3
ALIGNMENT_KEY, ALIGNMENT = "general.alignment", 32
FETCH = "give another file, or fetch it again"
MOST_ITEMS = 16_000_000
_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
EMBEDDING_ARCHITECTURES = frozenset(
    {
        "bert",
        "modern-bert",
        "neo-bert",
        "eurobert",
        "nomic-bert",
        "nomic-bert-moe",
        "jina-bert-v2",
        "jina-bert-v3",
        "gemma-embedding",
        "llama-embed",
        "t5encoder",
    }
)
Value: TypeAlias = str | int | float
Values: TypeAlias = Mapping[str, Value | list[str] | list[int]]


@dataclass(frozen=True)
class GgufHeader:
    """What matters of a model before it is loaded.

    Attributes:
        architecture: llama.cpp's name of it, such as `llama` or `bert`.
        name: what its makers call it.
        trained_context: how many tokens it was trained for; 0 if it does not say.
        cached_per_token: numbers kept for each token of the context: keys and values
            of all layers; 0 if it does not say.
        has_chat_template: whether it says how a conversation is written.
        embeds: whether it turns texts into vectors and cannot chat.
    """

    architecture: str
    name: str
    trained_context: int
    cached_per_token: int
    has_chat_template: bool
    embeds: bool


def _number(file: BinaryIO, layout: str) -> int | float:
    size = struct.calcsize(layout)
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    found: int | float = struct.unpack(layout, data)[0]
    return found


def _length(file: BinaryIO) -> int:
    length = int(_number(file, "<Q"))
    if length > MOST_ITEMS:
        raise EOFError
    return length


def _string(file: BinaryIO) -> bytes:
    length = _length(file)
    data = file.read(length)
    if len(data) != length:
        raise EOFError
    return data


def _kind(file: BinaryIO) -> int:
    return int(_number(file, "<I"))


def _skip_array(file: BinaryIO) -> None:
    inner, length = _kind(file), _length(file)
    if inner in _SCALARS:
        file.seek(struct.calcsize(_SCALARS[inner]) * length, 1)
        return
    if inner != _STRING:
        raise EOFError
    for _ in range(length):
        _string(file)


def _array(file: BinaryIO) -> list[str] | list[int]:
    inner, length = _kind(file), _length(file)
    if inner == _STRING:
        return [_string(file).decode() for _ in range(length)]
    return [int(_number(file, _SCALARS[inner])) for _ in range(length)]


def _refuse_cut_short(file: BinaryIO, tensors: int, alignment: int) -> None:
    """Refuse a file that ends before its last tensor begins."""
    last = -1
    for _ in range(tensors):
        _string(file)
        file.seek(8 * int(_number(file, "<I")) + 4, os.SEEK_CUR)
        last = max(last, int(_number(file, "<Q")))
    begin = -(-file.tell() // alignment) * alignment
    if max(file.tell(), begin + last + 1 if tensors else 0) > file.seek(0, os.SEEK_END):
        raise EOFError


def _entries(
    file: BinaryIO, arrays: Set[str]
) -> Iterator[tuple[str, Value | list[str] | list[int]]]:
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError
    file.seek(4, os.SEEK_CUR)
    tensors, alignment = _length(file), ALIGNMENT
    for _ in range(_length(file)):
        key, kind = _string(file).decode(), _kind(file)
        if kind == _ARRAY and key in arrays:
            yield key, _array(file)
        elif kind == _ARRAY:
            _skip_array(file)
        elif kind == _STRING:
            yield key, _string(file).decode("utf-8", "replace")
        else:
            number = _number(file, _SCALARS[kind])
            alignment = max(int(number), 1) if key == ALIGNMENT_KEY else alignment
            yield key, number
    _refuse_cut_short(file, tensors, alignment)


def read_values(path: Path, arrays: Set[str] = frozenset()) -> Values:
    """Return the keys and values of a GGUF file.

    Args:
        path: the file.
        arrays: the keys whose arrays are wanted; others are passed over.

    Raises:
        ModelFileError: the file is not GGUF.
    """
    try:
        with path.open("rb") as file:
            return dict(_entries(file, arrays))
    except (UnicodeDecodeError, KeyError, OverflowError) as error:
        raise ModelFileError(path, "its header cannot be read", FETCH) from error
    except ValueError as error:
        raise ModelFileError(
            path, "it is not a GGUF file", "give a model in llama.cpp's GGUF format"
        ) from error
    except EOFError as error:
        reason = "its header cannot be read, or it is cut short"
        raise ModelFileError(path, reason, FETCH) from error
    except OSError as error:
        raise ModelFileError(path, error.strerror or "unreadable", FETCH) from error


def _text(values: Values, key: str) -> str:
    found = values.get(key, "")
    return found if isinstance(found, str) else ""


def _count(values: Values, key: str) -> int:
    found = values.get(key, 0)
    return int(found) if isinstance(found, int | float) else 0


def _cached_per_token(values: Values, architecture: str) -> int:
    """Return how many numbers llama.cpp keeps for a token: grouped-query attention."""
    heads = max(_count(values, f"{architecture}.attention.head_count"), 1)
    key_heads = _count(values, f"{architecture}.attention.head_count_kv") or heads
    width = _count(values, f"{architecture}.embedding_length") // heads
    keys = _count(values, f"{architecture}.attention.key_length") or width
    content = _count(values, f"{architecture}.attention.value_length") or width
    return _count(values, f"{architecture}.block_count") * key_heads * (keys + content)


def read_header(path: Path) -> GgufHeader:
    """Return what the header of a GGUF file says of its model.

    Raises:
        ModelFileError: the file is not GGUF, or names no architecture.
    """
    values = read_values(path)
    architecture = _text(values, "general.architecture")
    if not architecture:
        raise ModelFileError(path, "it names no architecture", FETCH)
    pools = _count(values, f"{architecture}.pooling_type") > 0
    return GgufHeader(
        architecture=architecture,
        name=_text(values, "general.name") or path.stem,
        trained_context=_count(values, f"{architecture}.context_length"),
        cached_per_token=_cached_per_token(values, architecture),
        has_chat_template=bool(_text(values, "tokenizer.chat_template")),
        embeds=pools or architecture in EMBEDDING_ARCHITECTURES,
    )


def read_vocabulary(path: Path) -> list[str]:
    """Return the token texts of a GGUF file in the order of their ids.

    Raises:
        ModelFileError: the file is not GGUF or carries no vocabulary.
    """
    found = read_values(path, {TOKENS_KEY}).get(TOKENS_KEY)
    if not isinstance(found, list):
        raise ModelFileError(path, "it carries no vocabulary")
    return [str(token) for token in found]


def read_control_tokens(path: Path) -> list[str]:
    """Return the texts that a chat model takes for control tokens, longest first.

    Raises:
        ModelFileError: the file is not GGUF.
    """
    values = read_values(path, {TOKENS_KEY, KINDS_KEY})
    tokens, kinds = values.get(TOKENS_KEY), values.get(KINDS_KEY)
    if not isinstance(tokens, list) or not isinstance(kinds, list):
        return []
    pairs = zip(tokens, kinds, strict=False)
    control = {str(token) for token, kind in pairs if kind == CONTROL_TOKEN}
    return sorted(control, key=lambda token: (-len(token), token))
