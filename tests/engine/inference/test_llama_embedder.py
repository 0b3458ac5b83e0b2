"""The shipped embedding model: what it gives, refuses and keeps to itself."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from issuetrack.engine.errors import ModelFileError
from issuetrack.engine.inference.llama import LlamaEmbedder, shipped_path

STRESS = {
    "chinese": "汉字" * 3000,
    "japanese": "日本語のテキスト、" * 800,
    "combining marks": "a" + "\u0301" * 5000,
    "letters with marks": "a\u0300" * 5000,
    "marks alone": "\u0651" * 5000,
    "emoji": "\U0001f600" * 5000,
    "joined emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467 " * 1000,
    "long word": "abcdefghij" * 500,
    "same letter": "x" * 5000,
    "hexadecimal": "0123456789abcdef" * 400,
    "nul": "before\0after" * 500,
    "nul alone": "\0" * 5000,
    "controls": "".join(map(chr, range(1, 32))) * 100,
    "surrogates": "\ud800\udfff\udc80" * 1500,
    "bidi controls": "\u202e\u2066" * 2000,
    "full stops": "." * 5000,
    "spaces": " " * 5000,
    "nothing": "",
    "markers": "[CLS] [SEP] [PAD] [UNK] [MASK] " * 300,
    "devanagari": "कनेक्शन विफल " * 500,
    "thai": "การเชื่อมต่อล้มเหลว" * 300,
    "arabic": "انتهت صلاحية الشهادة " * 300,
    "cyrillic": "соединение разорвано " * 400,
    "greek with marks": "Ἀριστοτέλης " * 500,
    "turkish": "\u0130I\u0131i" * 1500,
    "planes above": "\U0001d400\U00020000\U000e0041" * 1500,
    "not assigned": "\u0378\ufffe\U0010ffff" * 1500,
}

CHILD = """
import os
from pathlib import Path
from issuetrack.engine.inference.llama import LlamaEmbedder

model = LlamaEmbedder()
model.embed(["the disk is full", "x" * 5000])
own = set()
for entry in os.listdir("/proc/self/fd"):
    try:
        target = os.readlink(f"/proc/self/fd/{entry}")
    except OSError:
        continue
    if target.startswith("socket:["):
        own.add(target[8:-1])
network = []
for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
    path = Path(f"/proc/self/net/{table}")
    if path.exists():
        rows = [line.split() for line in path.read_text().splitlines()[1:]]
        network += [(table, row[1], row[3]) for row in rows if row[9] in own]
unix = [
    line.split()[7]
    for line in Path("/proc/self/net/unix").read_text().splitlines()[1:]
    if line.split()[6] in own and len(line.split()) > 7
]
kept = [name for name in unix if Path(name).exists()]
modes = {oct(Path(name).parent.stat().st_mode & 0o777) for name in kept}
report = [f"sockets={bool(own)}", f"network={network}", f"unix={len(kept)}", *modes]
Path(os.environ["REPORT"]).write_text("\\n".join(report))
"""


@pytest.fixture(scope="module")
def embedder() -> LlamaEmbedder:
    """Return a model without a memory of what it was asked."""
    model = LlamaEmbedder()
    model.load()
    return model


def test_rows_are_unit_vectors(embedder: LlamaEmbedder) -> None:
    """Every text gives one float32 row of length 1 and 384 numbers."""
    vectors = embedder.embed(["disk full", "certificate expired", ""])
    assert (vectors.shape, vectors.dtype) == ((3, 384), np.dtype(np.float32))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0] * 3, abs=1e-5)


def test_no_texts_give_no_rows(embedder: LlamaEmbedder) -> None:
    """An empty list gives an empty array of the right width."""
    vectors = embedder.embed([])
    assert (vectors.shape, vectors.dtype) == ((0, 384), np.dtype(np.float32))


def test_the_properties_fit_the_vectors(embedder: LlamaEmbedder) -> None:
    """Dimensions and window are those of the model, markers taken off."""
    assert (embedder.dimensions, embedder.window) == (384, 254)
    assert embedder.fingerprint.startswith("gguf:")


def test_equal_texts_give_equal_vectors(embedder: LlamaEmbedder) -> None:
    """Asked again, a text has the same vector to the bit."""
    text = "node not ready, disk pressure"
    assert np.array_equal(embedder.embed([text]), embedder.embed([text]))


def test_a_vector_hardly_depends_on_its_company(embedder: LlamaEmbedder) -> None:
    """Among other texts of a batch a text keeps its direction."""
    text = "node not ready, disk pressure"
    (alone,) = embedder.embed([text])
    among = embedder.embed(["printer jam", text, "vpn " * 200])
    assert among[1] @ alone == pytest.approx(1.0, abs=1e-3)


def test_more_texts_than_a_batch_keep_their_order(embedder: LlamaEmbedder) -> None:
    """Forty texts, in two batches, come back row by row."""
    texts = [f"server {number}" for number in range(40)]
    vectors = embedder.embed(texts)
    places = [0, 31, 32, 39]
    again = embedder.embed([texts[place] for place in places])
    assert np.argmax(again @ vectors.T, axis=1).tolist() == places


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        (
            "database refuses connections, too many clients",
            "PostgreSQL has no free connection slots left",
            "the label printer cuts in the middle",
        ),
        (
            "TLS certificate expired on the web portal",
            "browser shows ERR_CERT_DATE_INVALID",
            "Kafka consumer lag keeps growing",
        ),
        (
            "worker node evicts pods because its disk is full",
            "Kubernetes DiskPressure, no space left on device",
            "user account locked out after password change",
        ),
        (
            "cannot log in, account locked",
            "password rejected for the user",
            "rain in the server room",
        ),
    ],
)
def test_near_in_meaning_is_near_in_angle(
    embedder: LlamaEmbedder, text: str, near: str, far: str
) -> None:
    """A paraphrase with other words is nearer than an unrelated text."""
    question, close, distant = embedder.embed([text, near, far])
    assert question @ close > question @ distant + 0.1


def test_what_is_beyond_the_window_does_not_count(embedder: LlamaEmbedder) -> None:
    """Texts that agree in the window have one vector."""
    start = "disk full on node seven " * 60
    first, second = embedder.embed([start, start + "unrelated printer " * 50])
    assert first @ second == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", STRESS)
def test_any_text_can_be_embedded(embedder: LlamaEmbedder, name: str) -> None:
    """However odd or long a text is, it gets a unit vector."""
    vectors = embedder.embed([STRESS[name]])
    assert vectors.shape == (1, 384)
    assert np.linalg.norm(vectors[0]) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    "text",
    ["읽지 않았습니다 " * 200, "데이터베이스연결이너무많습니다 " * 100, "\u2e43" * 600],
    ids=["korean", "korean without spaces", "punctuation newer than the tokenizer"],
)
def test_texts_that_llama_cpp_sees_longer_can_be_embedded(
    embedder: LlamaEmbedder, text: str
) -> None:
    """One such ticket may not stop the indexing of all."""
    assert embedder.embed([text]).shape == (1, 384)


def test_a_missing_model_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    """Without the file the model says which one, and what to do."""
    with pytest.raises(ModelFileError, match=r"absent\.gguf") as caught:
        LlamaEmbedder(tmp_path / "absent.gguf").load()
    assert caught.value.hint is not None


def test_a_truncated_model_file_is_refused(tmp_path: Path) -> None:
    """A file cut short has another checksum and is never given to llama.cpp."""
    path = tmp_path / "short.gguf"
    with shipped_path().open("rb") as file:
        path.write_bytes(file.read(1_000_000))
    with pytest.raises(ModelFileError, match="checksum"):
        LlamaEmbedder(path).embed(["text"])


def test_a_changed_model_file_is_refused(tmp_path: Path) -> None:
    """One other byte in the weights is found."""
    content = bytearray(shipped_path().read_bytes())
    content[-1000] ^= 1
    path = tmp_path / "changed.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="checksum"):
        LlamaEmbedder(path).verify()


def test_another_checksum_than_expected_is_refused() -> None:
    """The shipped file does not pass for another model."""
    with pytest.raises(ModelFileError, match="checksum"):
        LlamaEmbedder(sha256="0" * 64).load()


def test_the_shipped_file_passes() -> None:
    """The file in the package is the one the program knows."""
    LlamaEmbedder().verify()


def test_nothing_is_written_to_the_terminal(
    embedder: LlamaEmbedder, capfd: pytest.CaptureFixture[str]
) -> None:
    """Embedding leaves both streams alone, also for a text that is cut."""
    embedder.embed(["short", "long " * 2000, "\0"])
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_loaded_model_listens_on_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that loads the model holds no TCP or UDP socket.

    Its one Unix socket is in a directory that nobody else can enter, and the process
    writes nothing from start to end.
    """
    monkeypatch.setenv("REPORT", str(tmp_path / "report"))
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "report").read_text().splitlines() == [
        "sockets=True",
        "network=[]",
        "unix=1",
        "0o700",
    ]
