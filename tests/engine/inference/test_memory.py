"""How much memory there is, and models that need more."""

import os
from pathlib import Path

import pytest

from engine.inference.tiny_models import write_gguf
from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference import memory
from issuetrack.engine.inference.gguf import read_header
from issuetrack.engine.inference.llama_chat import LlamaChat


def test_this_machine_has_memory() -> None:
    """Free memory is part of all memory."""
    free, total = memory.free_bytes(), memory.total_bytes()
    assert free is not None
    assert total is not None
    assert 0 < free <= total


def test_unknown_platforms_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing tells the memory, None is the answer and nothing is refused."""
    monkeypatch.setattr(memory, "_meminfo", lambda *_: None)
    monkeypatch.setattr(memory, "_cgroup_left", lambda: None)
    monkeypatch.delattr(os, "sysconf")
    assert (memory.free_bytes(), memory.total_bytes()) == (None, None)
    memory.refuse_too_big("tiny", 2**60, memory.free_bytes)


def test_limit_of_a_container_counts(tmp_path: Path) -> None:
    """What a cgroup leaves is what there is; no limit is no limit."""
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert memory._cgroup_left(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._cgroup_left(tmp_path) is None


def test_need_grows_with_the_context(tmp_path: Path) -> None:
    """Weights, two bytes for each number kept of a token, and workings."""
    header = read_header(write_gguf(tmp_path / "tiny.gguf"))
    found = memory.needed_bytes(1000, header, 512)
    assert found == 1000 + 512 * 128 * 2 + memory.WORKING_BYTES


def test_model_that_needs_more_than_is_free_is_not_loaded(tmp_path: Path) -> None:
    """The refusal gives both figures and what to do."""
    model = LlamaChat(write_gguf(tmp_path / "tiny.gguf"), free=lambda: 100 * 2**20)
    with pytest.raises(ModelError, match=r"needs about 0\.3 GiB .* 0\.1 GiB are free"):
        model.load()
