"""The sample incidents, imported and indexed once."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

DEMO_KEY = "ffeeddccbbaa99887766554433221100"
SAMPLES = ("sample_incidents.jsonl", "sample_new_incidents.jsonl")


@pytest.fixture(scope="session")
def demo(
    tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder
) -> Iterator[Workspace]:
    """Return a workspace with the 72 past and 3 new sample incidents, indexed."""
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, DEMO_KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=DEMO_KEY), embedder)
    for name in SAMPLES:
        file = Path(str(resources.files("issuetrack.cli") / name))
        items = FileReader(file, FileFormat.JSONL, {}).items()
        workspace.imports.run(workspace.actor, "sample", "jsonl", items)
    workspace.drain_index()
    yield workspace
    workspace.close()
