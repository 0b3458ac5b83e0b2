"""The word pieces of the shipped model: read from the file, counted, cut."""

import json
import struct
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuetrack.engine.errors import ModelFileError
from issuetrack.engine.inference.gguf import read_vocabulary
from issuetrack.engine.inference.llama import LlamaEmbedder, shipped_path
from issuetrack.engine.inference.wordpiece import WordPieces

MARKERS = 2
VARIED = (
    "hello world",
    "kubectl -n shop rollout undo deployment/catalog-api",
    "FATAL: sorry, too many clients already",
    "org.apache.hadoop.hdfs.server.namenode.FSNamesystem.check(FSNamesystem.java:4711)",
    "C:\\ProgramData\\Acq\\pki\\rejected\\certs\\fill4-gw.der",
    "SELECT * FROM orders WHERE id = 'x' AND total >= 10.5;",
    "über Änderung des Kennworts gelöst, Straße",
    "naïve café résumé e\u0301 a\u0300\u0301\u0302",
    "日本語のテキストと漢字",
    "中文混合 English 文本",
    "Привет, как дела?",
    "مرحبا بالعالم",
    "x" * 79,
    "x" * 80,
    "x" * 81,
    "0123456789abcdef" * 4,
    "a_b_c_d__e foo...bar!!!",
    "\t tabs\nand\r\nlines \u00a0nbsp \u3000 wide \u2028 separator",
    "“quotes” \u2013 dash — em … → ✓ © ™ €",
    "zero\u200bwidth soft\u00adhyphen \ufeffmark \x01control\x7f",
    "https://example.com/a/b?c=d&e=f#g",
    "##ing 100 % / 3.14 + 2 = 5.14 $ ^ ` | ~ < >",
)
UNKNOWN = (
    "ไทย ภาษา",
    "\U0001f600 emoji \U0001f469\u200d\U0001f4bb joined",
    "İstanbul ﬁ Ⅷ \uff21\uff22\uff23 ١٢٣",
    "읽지 않았습니다",
    "데이터베이스연결이너무많습니다",
    "हिन्दी पाठ",
    "\u2e43\u2e43\u2e43 \U0001d400",
    "[PAD] [CLS] [UNK] tokens",
)


def llama_count(model: LlamaEmbedder, text: str) -> int:
    """Return how many word pieces llama.cpp itself sees in a text."""
    model.load()
    answer = model._loaded().embeddings({"input": [text]})
    return int(answer["usage"]["prompt_tokens"]) - MARKERS


@pytest.mark.parametrize("text", VARIED)
def test_a_text_has_as_many_pieces_as_llama_cpp_sees(
    embedder: LlamaEmbedder, text: str
) -> None:
    """Code, prose, other scripts and odd letters are counted as llama.cpp does."""
    assert embedder.count(text) == llama_count(embedder, text)


def test_the_titles_of_real_incidents_are_counted_as_llama_cpp_does(
    embedder: LlamaEmbedder,
) -> None:
    """The 72 sample titles, joined by tens, have llama.cpp's own counts."""
    file = resources.files("issuetrack.cli") / "sample_incidents.jsonl"
    titles = [json.loads(line)["title"] for line in file.read_text().splitlines()]
    texts = ["\n".join(titles[i : i + 10]) for i in range(0, len(titles), 10)]
    assert [embedder.count(t) for t in texts] == [
        llama_count(embedder, t) for t in texts
    ]


@pytest.mark.parametrize("text", UNKNOWN)
def test_no_text_is_counted_shorter_than_llama_cpp_sees(
    embedder: LlamaEmbedder, text: str
) -> None:
    """Letters that the model does not know are counted at least as llama.cpp does.

    A count that is too low would let a text through that llama.cpp refuses.
    """
    assert embedder.count(text) >= llama_count(embedder, text)


@settings(derandomize=True, deadline=None, database=None, max_examples=150)
@given(text=st.text(max_size=400), limit=st.integers(1, 60))
def test_a_cut_is_the_longest_prefix_within_the_limit(text: str, limit: int) -> None:
    """A cut text is a prefix; what fits is left as it was."""
    pieces = shipped_pieces()
    cut = pieces.cut(text, limit)
    assert text.startswith(cut)
    if pieces.count(text) <= limit:
        assert cut == text
    else:
        assert cut != text


@settings(derandomize=True, deadline=None, database=None, max_examples=100)
@given(
    text=st.text(st.characters(max_codepoint=0x24F), max_size=400),
    limit=st.integers(1, 60),
)
def test_a_cut_latin_text_has_at_most_so_many_pieces(text: str, limit: int) -> None:
    """In Latin script the limit holds to the piece."""
    pieces = shipped_pieces()
    assert pieces.count(pieces.cut(text, limit)) <= limit


def test_cutting_keeps_exactly_the_first_words() -> None:
    """Common words are one piece each, so a limit of three keeps three."""
    assert shipped_pieces().cut("the disk is full again", 3) == "the disk is"


def test_the_vocabulary_is_the_one_of_the_model() -> None:
    """All 30,522 tokens are read, the special ones at their known places."""
    tokens = read_vocabulary(shipped_path())
    assert len(tokens) == 30522
    assert [tokens[i] for i in (0, 100, 101, 102, 103)] == [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Where there is no file the error names it."""
    with pytest.raises(ModelFileError, match=r"gone\.gguf"):
        read_vocabulary(tmp_path / "gone.gguf")


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04 a zip", b"\0" * 64])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that does not begin as GGUF does is not read any further."""
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="not a GGUF file"):
        read_vocabulary(path)


@pytest.mark.parametrize("length", [4, 8, 20, 24, 30, 60, 200, 1000, 5000, 100_000])
def test_a_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    """Wherever the header breaks off, no vocabulary comes out."""
    path = tmp_path / "short.gguf"
    with shipped_path().open("rb") as file:
        path.write_bytes(file.read(length))
    with pytest.raises(ModelFileError):
        read_vocabulary(path)


def test_a_file_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    """A sound GGUF file of something else carries no word pieces."""
    path = tmp_path / "bare.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    with pytest.raises(ModelFileError, match="no vocabulary"):
        read_vocabulary(path)


@pytest.mark.parametrize("kind", [13, 77, 2**31])
def test_a_value_of_an_unknown_kind_is_refused(tmp_path: Path, kind: int) -> None:
    """A header with a kind of value that GGUF does not have cannot be read."""
    path = tmp_path / "odd.gguf"
    key = b"general.name"
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    path.write_bytes(head + struct.pack("<Q", len(key)) + key + struct.pack("<I", kind))
    with pytest.raises(ModelFileError, match="header cannot be read"):
        read_vocabulary(path)


@pytest.mark.parametrize("length", [2**50, 2**63, 2**64 - 1])
def test_an_absurd_length_in_the_header_is_refused(tmp_path: Path, length: int) -> None:
    """A flipped bit in a length is a bad file, not a crash."""
    path = tmp_path / "huge.gguf"
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    path.write_bytes(head + struct.pack("<Q", length) + b"general.name")
    with pytest.raises(ModelFileError):
        read_vocabulary(path)


def shipped_pieces() -> WordPieces:
    """Return the word pieces of the shipped model, read once."""
    if not _SHIPPED:
        _SHIPPED.append(WordPieces(shipped_path()))
    return _SHIPPED[0]


_SHIPPED: list[WordPieces] = []
