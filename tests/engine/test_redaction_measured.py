"""How much of an independently labelled list is masked, and how much of it rightly."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LABELLED = Path(__file__).with_name("redaction_labelled.jsonl")
LEAST = 0.85


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """Return the module that measures."""
    spec = importlib.util.spec_from_file_location(
        "bench_redaction", ROOT / "bench/redaction.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_measured_on_labelled_texts(bench: ModuleType) -> None:
    """Precision and recall over all kinds are at least 0.85."""
    if not LABELLED.exists():
        pytest.skip("the labelled list is not there")
    figures = bench.measure(LABELLED)
    assert figures.precision(*figures.kinds) >= LEAST
    assert figures.recall(*figures.kinds) >= LEAST


def test_figures_are_counted_right(bench: ModuleType, tmp_path: Path) -> None:
    """A label masked in part is not found; a mask beside every label is wrong."""
    path = tmp_path / "labelled.jsonl"
    path.write_text(
        '{"text": "password=hunter2 x", "spans": '
        '[{"start": 9, "end": 18, "kind": "password"}]}\n'
        '{"text": "a@b.example.com", "spans": []}\n'
    )
    figures = bench.measure(path)
    assert figures.recall("password") == 0
    assert figures.precision("password") == 1
    assert figures.precision("email") == 0
    assert "| all | 1 | 0 | 0.500 | 0.000 |" in bench.table(figures)
