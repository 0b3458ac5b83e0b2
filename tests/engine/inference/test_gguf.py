"""What the header of a model file tells, and files that are none."""

import struct
from pathlib import Path

import pytest

from engine.inference.tiny_models import CHAT, gguf, write_gguf
from issuetrack.engine.errors import ModelFileError
from issuetrack.engine.inference.gguf import (
    GgufHeader,
    read_control_tokens,
    read_header,
)
from issuetrack.engine.inference.llama import shipped_path


def test_header_of_the_shipped_model() -> None:
    """The embedding model says what it is, and that it cannot chat."""
    header = read_header(shipped_path())
    assert (header.architecture, header.embeds, header.has_chat_template) == (
        "bert",
        True,
        False,
    )


def test_header_of_a_chat_model(tmp_path: Path) -> None:
    """Context and the numbers kept for each token are read: 2 layers x 2 heads x 32."""
    header = read_header(write_gguf(tmp_path / "tiny.gguf"))
    assert header == GgufHeader("llama", "Tiny", 512, 2 * 2 * 32, True, False)


def test_control_tokens_are_those_of_the_vocabulary(tmp_path: Path) -> None:
    """Only tokens of the kind control are named."""
    assert read_control_tokens(write_gguf(tmp_path / "tiny.gguf")) == ["<|end|>"]


def test_file_without_architecture_is_refused(tmp_path: Path) -> None:
    """A header that names no architecture is no model."""
    path = write_gguf(tmp_path / "bare.gguf", {"general.name": "x"})
    with pytest.raises(ModelFileError, match="no architecture"):
        read_header(path)


def test_list_in_a_list_is_refused(tmp_path: Path) -> None:
    """A header cannot make the reader call itself without an end."""
    path = tmp_path / "nested.gguf"
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    key = struct.pack("<Q", 1) + b"k"
    path.write_bytes(head + key + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 999)
    with pytest.raises(ModelFileError, match="header cannot be read"):
        read_header(path)


def test_any_truncation_of_a_header_is_refused(tmp_path: Path) -> None:
    """Wherever the header breaks off, the file is refused as one."""
    whole = gguf(CHAT, tail=b"")
    path = tmp_path / "short.gguf"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            read_header(path)


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.9])
def test_file_whose_weights_are_cut_short_is_refused(
    tmp_path: Path, kept: float
) -> None:
    """A download that broke off long after the header is found by where tensors are."""
    with shipped_path().open("rb") as file:
        content = file.read(int(shipped_path().stat().st_size * kept))
    path = tmp_path / "short.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="cut short"):
        read_header(path)
