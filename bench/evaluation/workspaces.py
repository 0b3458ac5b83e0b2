"""Workspaces that sections measure on, each made once in the folder of a run."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluation import data
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

KEY = "evaluation-key-of-no-importance"


@contextmanager
def opened(path: Path, model: EmbeddingModel | None = None) -> Iterator[Workspace]:
    """Give an open workspace, made where there is none."""
    if not path.exists():
        secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
        Workspace.create(path, "bench", lambda _: [secret])
    workspace = Workspace.open(
        path, Unlock(environment_key=KEY), model or LlamaEmbedder()
    )
    try:
        yield workspace
    finally:
        workspace.close()


def hadoop(folder: Path) -> Path:
    """Return the path of the indexed workspace of 2,503 Hadoop issues.

    Whoever changes it copies it first, with its key file: see `copied`.
    """
    path = folder / "hadoop.db"
    if path.exists():
        return path
    issues = data("duplicates/hadoop.issues.jsonl")
    with opened(path) as workspace:
        reader = FileReader(issues, FileFormat.AUTO, {})
        workspace.imports.run(workspace.actor, "hadoop", "jsonl", reader.items())
        workspace.drain_index()
    return path


def copied(path: Path, name: str) -> Path:
    """Return the path of a copy of a closed workspace, in the same folder."""
    copy = path.with_name(name)
    for left in ("-wal", "-shm"):
        copy.with_name(name + left).unlink(missing_ok=True)
    for suffix in ("", ".keys", ".head"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            copy.with_name(copy.name + suffix).write_bytes(source.read_bytes())
    return copy


def duplicate_pairs() -> list[tuple[str, str]]:
    """Return the 66 known duplicate pairs of Hadoop, by key."""
    lines = data("duplicates/hadoop.pairs.jsonl").read_text(encoding="utf-8")
    return [(pair["a"], pair["b"]) for pair in map(json.loads, lines.splitlines())]
