"""The optional providers: llama-cpp-python and sentence-transformers."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.inference.tiny_models import write_gguf
from issuetrack.engine.errors import ContextOverflow, ModelCancelled, ModelError
from issuetrack.engine.inference import registry
from issuetrack.engine.inference.library import ModelLibrary
from issuetrack.engine.inference.llama_cpp_python import LlamaCppPythonChat
from issuetrack.engine.inference.manifest import ModelKind
from issuetrack.engine.inference.ports import ChatMessage, ChatRequest
from issuetrack.engine.inference.probe import try_chat
from issuetrack.engine.inference.sentence_transformer import (
    CrossEncoderReranker,
    SentenceTransformerEmbedder,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "disk", "full", "rain", "no"]


def asked(text: str, **options: Any) -> ChatRequest:
    """Return a short request."""
    return ChatRequest(
        (ChatMessage("user", text),), **{"most_tokens": 40, "seed": 3, **options}
    )


def test_package_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is optional and missing is an error with the line to type."""
    monkeypatch.setitem(__import__("sys").modules, "llama_cpp", None)
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    chat = LlamaCppPythonChat(write_gguf(tmp_path / "tiny.gguf"))
    with pytest.raises(ModelError, match="not installed") as caught:
        chat.complete(asked("why?"))
    assert caught.value.hint == "pip install 'issuetrack[llama-cpp-python]'"
    with pytest.raises(ModelError, match="not installed") as caught:
        SentenceTransformerEmbedder(tmp_path).embed(["text"])
    assert caught.value.hint == "pip install 'issuetrack[sentence-transformers]'"


@pytest.fixture(scope="module")
def other(smollm2_file: Path) -> LlamaCppPythonChat:
    """Return the real chat model, run by llama-cpp-python."""
    return LlamaCppPythonChat(smollm2_file, 1024, threads=1)


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_llama_cpp_python_keeps_to_a_schema_and_its_seed(
    other: LlamaCppPythonChat,
) -> None:
    """The probe passes, and an equal request has an equal answer."""
    assert try_chat(other).json_schema is True
    first, second = (other.complete(asked("Name a fruit.")) for _ in range(2))
    assert first.text == second.text != ""
    assert first.prompt_tokens > 3


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_llama_cpp_python_refuses_and_stops(other: LlamaCppPythonChat) -> None:
    """Too long a request is refused, and a long answer can be cancelled."""
    with pytest.raises(ContextOverflow):
        other.complete(asked("word " * 1100))
    cancel = threading.Event()
    with pytest.raises(ModelCancelled):
        other.complete(
            asked("Tell a story.", most_tokens=500), lambda _: cancel.set(), cancel
        )
    assert other.count("The disk is full") == 4
    assert other.count("<|im_end|>") > 3


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return tiny models in folders, their weights random by a fixed seed."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        BertModel,
        BertTokenizerFast,
    )

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("folders")
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        num_labels=1,
    )
    (root / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = BertTokenizerFast(str(root / "vocab.txt"), model_max_length=32)
    for name, kind in (("plain", BertModel), ("ranker", BertForSequenceClassification)):
        kind(config).save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    SentenceTransformer(str(root / "plain"), device="cpu").save(str(root / "vectors"))
    return {name: root / name for name in ("vectors", "ranker")}


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_make_unit_vectors(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """A folder is added, chosen by its kind, checked, and makes unit rows."""
    models = ModelLibrary(tmp_path, {})
    added = models.add_folder(folders["vectors"], ModelKind.EMBEDDING, "tiny")
    model = registry.embedding_model(added, tmp_path)
    rows = model.embed(["disk full", "rain", ""])
    assert (rows.shape, rows.dtype) == ((3, 16), np.dtype(np.float32))
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert (model.dimensions, model.window, model.count("disk full")) == (16, 30, 2)
    assert model.embed([]).shape == (0, 16)
    (folders["vectors"] / "extra.txt").write_text("x")
    with pytest.raises(ModelError, match="not those that were added"):
        registry.embedding_model(added, tmp_path).embed(["disk"])
    (folders["vectors"] / "extra.txt").unlink()


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_cross_encoder_scores_every_text(folders: dict[str, Path]) -> None:
    """Scores are numbers, one for each text, the same when asked again."""
    model = CrossEncoderReranker(folders["ranker"])
    texts = ["disk full", "rain", "no disk"]
    scores = model.score("disk full", texts)
    assert list(scores) == pytest.approx(list(model.score("disk full", texts)))
    assert len(set(scores)) == 3
    assert model.score("disk full", []) == []
    assert json.dumps(scores)
