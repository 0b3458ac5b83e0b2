"""Measures the program and writes docs/benchmarks.md; run by `make bench`.

The section of the terminal application is written by bench/tui.py and kept.

The quality and speed on real issues need the Hadoop duplicates beside the project
(../shared/data/duplicates); without them those sections are left out and said to be.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np

import tui
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.retrieval import vector_index
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.sqlcipher import library_versions
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace
from synthetic import SyntheticModel, issues

ROOT = Path(__file__).resolve().parents[1]
DUPLICATES = ROOT.parent / "shared/data/duplicates"
KEY = "benchmark-key-of-no-importance"
RUNS = 7
SYNTHETIC_ISSUES = 33_334


@dataclass(frozen=True)
class Section:
    """One part of the page."""

    title: str
    lines: list[str]


@contextmanager
def workspace(folder: Path, model: EmbeddingModel) -> Iterator[Workspace]:
    """Give an open workspace in a folder, made at first use."""
    path = folder / "bench.db"
    if not path.exists():
        secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
        Workspace.create(path, "bench", lambda _: [secret])
    opened = Workspace.open(path, Unlock(environment_key=KEY), model)
    try:
        yield opened
    finally:
        opened.close()


def timed(action: Callable[[], object]) -> float:
    """Return how many seconds an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def cold(folder: Path, *arguments: str) -> float:
    """Return the median seconds of the whole program, each time a new process."""
    environment = {
        **os.environ,
        "ISSUETRACK_DB": str(folder / "bench.db"),
        "ISSUETRACK_KEY": KEY,
    }
    command = [str(Path(sys.executable).with_name("issuetrack")), *arguments]

    def once() -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True)

    once()
    return statistics.median(timed(once) for _ in range(RUNS))


def quantiles(seconds: list[float]) -> str:
    """Return median and 95th percentile in milliseconds."""
    milliseconds = np.array(seconds) * 1000
    return f"{np.median(milliseconds):.1f} | {np.percentile(milliseconds, 95):.1f}"


def pairs() -> list[tuple[str, str]]:
    """Return the known duplicate pairs."""
    lines = (DUPLICATES / "hadoop.pairs.jsonl").read_text(encoding="utf-8").splitlines()
    return [(pair["a"], pair["b"]) for pair in map(json.loads, lines)]


def real_issues(folder: Path) -> Iterator[Section]:
    """Measure on the Hadoop issues: import, index, quality, cold and warm speed."""
    model = LlamaEmbedder()
    model.load()
    with workspace(folder, model) as opened:
        reader = FileReader(DUPLICATES / "hadoop.issues.jsonl", FileFormat.AUTO, {})
        importing = timed(
            lambda: opened.imports.run(opened.actor, "hadoop", "jsonl", reader.items())
        )
        print("imported", flush=True)
        indexing = opened.drain_index(
            lambda done, total: print(f"indexed {done}/{total}", flush=True)
        )
        yield import_section(importing, indexing.issues, indexing.seconds)
        yield quality_section(opened)
        yield warm_section(opened)
    yield cold_section(folder)


def import_section(importing: float, count: int, stages: dict[str, float]) -> Section:
    """Tell what import and index cost by stage."""
    rows = [("import", importing), *stages.items()]
    rest = sum(s for name, s in rows if name != "embed") / count * 1000
    lines = ["| stage | seconds | issues/s | ms an issue |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {s:.1f} | {count / s:.0f} | {s / count * 1000:.2f} |"
        for name, s in rows
    ]
    lines += ["", f"Everything but embedding: {rest:.2f} ms an issue (target: 6)."]
    return Section(f"Import and index of {count} issues", lines)


def quality_section(opened: Workspace) -> Section:
    """Tell how well known duplicates are found."""
    scores = opened.evaluation.run(opened.actor, pairs())
    lines = ["| leg | R@1 | R@5 | R@10 | MRR |", "|---|---|---|---|---|"]
    lines += [
        f"| {s.leg} | {s.recall_1:.3f} | {s.recall_5:.3f} | {s.recall_10:.3f} "
        f"| {s.mrr:.3f} |"
        for s in scores
    ]
    lines += [
        "",
        f"{scores[0].queries} questions: each side of a known pair asks for the other. "
        "To compare: a prototype with BM25 and the same model, fused, gets R@1 .47, "
        "R@10 .84, MRR .60. The weights of the legs were chosen looking at these "
        "issues. The same by hand: `issuetrack eval duplicates "
        "hadoop.issues.jsonl hadoop.pairs.jsonl`.",
    ]
    return Section("Duplicates found, Hadoop issues", lines)


def warm_section(opened: Workspace) -> Section:
    """Tell how fast an open workspace answers."""
    numbers = [str(n) for n in range(1, 2500, 20)]
    actor, finding = opened.actor, opened.finding
    asked = [finding.question_of(actor, number) for number in numbers]
    free = [Question.from_text(f"again: {question.title}") for question in asked]
    finding.similar(actor, free[0])
    known = [timed(partial(finding.similar, actor, q)) for q in asked]
    fresh = [timed(partial(finding.similar, actor, q)) for q in free]
    suggesting = [timed(partial(opened.suggestions.suggest, actor, q)) for q in asked]
    lines = [
        "| in an open process | median ms | p95 ms |",
        "|---|---|---|",
        f"| similar to an issue | {quantiles(known)} |",
        f"| search for a new sentence, embedding included | {quantiles(fresh)} |",
        f"| suggest for an issue, stored | {quantiles(suggesting)} |",
        "",
        "Target: 60 ms at the 95th percentile for a hybrid search.",
    ]
    return Section("Warm, 2,503 issues", lines)


def cold_section(folder: Path) -> Section:
    """Tell how long whole commands take."""
    commands = {
        "issuetrack --help": ("--help",),
        "issuetrack similar 100": ("similar", "100"),
        "issuetrack search 'namenode does not start'": (
            "search",
            "namenode does not start",
        ),
        "issuetrack suggest 100": ("suggest", "100"),
        "issuetrack issue list": ("issue", "list"),
    }
    lines = ["| command | median s |", "|---|---|"]
    lines += [
        f"| `{name}` | {cold(folder, *arguments):.2f} |"
        for name, arguments in commands.items()
    ]
    lines += ["", f"{RUNS} runs each. Targets: help 0.25 s, similar 1.2 s."]
    return Section("Cold, a new process each time, 2,503 issues", lines)


def synthetic_issues(folder: Path) -> Section:
    """Measure the index with about 100,000 chunks."""
    model = SyntheticModel()
    with workspace(folder, model) as opened:
        opened.imports.run(opened.actor, "synthetic", "jsonl", issues(SYNTHETIC_ISSUES))
        opened.drain_index()
        chunks = opened.index_status().chunks
        numbers = [str(n) for n in range(1, SYNTHETIC_ISSUES, SYNTHETIC_ISSUES // 60)]
        asked = [opened.finding.question_of(opened.actor, n) for n in numbers]
    with workspace(folder, model) as opened:
        cold_leg = timed(lambda: nearest(opened, asked[0]))
        legs = [timed(partial(nearest, opened, q)) for q in asked]
        actor = opened.actor
        hybrid = [timed(partial(opened.finding.similar, actor, q)) for q in asked]
    size = (folder / "bench.db").stat().st_size / 1e6
    lines = [
        f"{chunks} chunks of {SYNTHETIC_ISSUES} made-up issues, {size:.0f} MB.",
        "",
        "| in an open process | median ms | p95 ms |",
        "|---|---|---|",
        f"| vector leg: bits, both parts | {quantiles(legs)} |",
        f"| hybrid search, all four legs | {quantiles(hybrid)} |",
        "",
        f"First vector leg after opening: {cold_leg * 1000:.0f} ms.",
    ]
    return Section("100,000 synthetic chunks", lines)


def nearest(opened: Workspace, question: Question) -> None:
    """Run the bit search of both parts."""
    title, text = SyntheticModel().embed([question.title, question.text])
    with opened._database.read() as uow:  # noqa: SLF001 - measures one leg
        vector_index.nearest(uow, "title", title)
        vector_index.nearest(uow, "problem", text)


def demo_section() -> Section:
    """Tell how long the demo takes."""
    command = [str(Path(sys.executable).with_name("issuetrack")), "demo"]
    seconds = timed(lambda: subprocess.run(command, check=True, capture_output=True))
    return Section("Demo", [f"`issuetrack demo`: {seconds:.0f} s, once."])


def page(sections: list[Section]) -> str:
    """Return the page."""
    versions = library_versions() | {
        name: metadata.version(name)
        for name in ("issuetrack", "xllamacpp", "sqlmodel", "sqlalchemy", "numpy")
    }
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` in one run; do not edit. Times of shared machines "
        "vary by a third from run to run.",
        "",
        f"- date: {datetime.now(UTC).date()}",
        f"- machine: {processor()}, {os.cpu_count()} cores, {platform.system()}",
        f"- Python {platform.python_version()}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", *section.lines]
    return "\n".join(lines) + "\n"


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks.md")
    parser.add_argument("--no-synthetic", action="store_true")
    options = parser.parse_args()
    sections: list[Section] = []
    with tempfile.TemporaryDirectory(prefix="issuetrack-bench-") as folder:
        base = Path(folder)
        for name in ("real", "synthetic"):
            (base / name).mkdir()
        if DUPLICATES.is_dir():
            sections += real_issues(base / "real")
        else:
            sections.append(Section("Real issues", ["Left out: no data beside it."]))
        if not options.no_synthetic:
            sections.append(synthetic_issues(base / "synthetic"))
    sections.append(demo_section())
    apart = tui.section_of(options.out)
    options.out.write_text(page(sections) + apart, encoding="utf-8")
    print(page(sections))


if __name__ == "__main__":
    main()
