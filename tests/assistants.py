"""Workspaces for tests of the assistant that many tests of a module share."""

from pathlib import Path

from conftest import KEY, Clock
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace


def new_workspace(path: Path, embedder: LlamaEmbedder) -> Workspace:
    """Return a new open workspace; whoever asks for it closes it."""
    clock = Clock()
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret], clock)
    return Workspace.open(path, Unlock(environment_key=KEY), embedder, clock)
