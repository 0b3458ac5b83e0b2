"""Model files of a few hundred bytes, sound as far as their headers go."""

import struct
from pathlib import Path
from typing import Any

from issuetrack.engine.inference.catalogue import entry_for
from issuetrack.engine.inference.llama_server import checksum
from issuetrack.engine.inference.manifest import (
    FOLDER,
    InstalledModel,
    Manifest,
    ModelKind,
    Provider,
)

CHAT: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "llama.context_length": 512,
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.chat_template": "{{ messages }}",
    "tokenizer.ggml.tokens": ["a", "b", "<|end|>"],
    "tokenizer.ggml.token_type": [1, 1, 3],
}
INSTALLED = "qwen2.5-0.5b"


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value[0], str):
        items = b"".join(map(_text, value))
        return struct.pack("<IIQ", 9, 8, len(value)) + items
    return struct.pack("<IIQ", 9, 4, len(value)) + struct.pack(
        f"<{len(value)}I", *value
    )


def gguf(values: dict[str, Any] | None = None, tail: bytes = b"weights") -> bytes:
    """Return a GGUF file with these values in its header."""
    values = CHAT if values is None else values
    entries = b"".join(_text(key) + _value(value) for key, value in values.items())
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + entries + tail


def write_gguf(path: Path, values: dict[str, Any] | None = None) -> Path:
    """Write such a file."""
    path.write_bytes(gguf(values))
    return path


def install(data: Path, name: str = INSTALLED) -> Path:
    """Put a tiny chat model into a data directory, as if it had been pulled."""
    manifest = Manifest(data / FOLDER)
    manifest.folder.mkdir(parents=True)
    path = write_gguf(manifest.folder / f"{name}.gguf")
    manifest.put(
        InstalledModel(
            name=name,
            kind=ModelKind.CHAT,
            provider=Provider.LLAMA_CPP,
            path=path.name,
            sha256=checksum(path),
            bytes=path.stat().st_size,
            context=512,
            source=str(entry_for(name).source),
        )
    )
    return path
