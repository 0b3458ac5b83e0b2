"""Makes the models that a person chose; each loads at first use."""

from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING

from issuetrack.engine.errors import ModelError, NotFoundError
from issuetrack.engine.inference.manifest import (
    FOLDER,
    InstalledModel,
    Manifest,
    ModelKind,
    Provider,
)
from issuetrack.engine.settings import NO_MODEL, Preferences

if TYPE_CHECKING:
    from issuetrack.engine.inference.ports import ChatModel, EmbeddingModel, Reranker
    from issuetrack.engine.inference.server_client import ServerClient

NO_HOSTS: frozenset[str] = frozenset()


def host_list(text: str) -> frozenset[str]:
    """Return the hosts in a list such as `gpu.example.com, llm.example.com`."""
    return frozenset(text.lower().replace(",", " ").split())


def chosen_chat_model(
    preferences: Preferences, data: Path, allowed_hosts: Set[str] = NO_HOSTS
) -> "ChatModel | None":
    """Return the chat model of a person's preferences; None for none.

    Args:
        preferences: what the person prefers.
        data: the data directory.
        allowed_hosts: of model servers outside the private network, by an admin's
            leave.

    Raises:
        ModelError: it is not installed, or not a chat model.
    """
    name = preferences.chat_model
    if not preferences.llm or name is None or name == NO_MODEL:
        return None
    return chat_model(_installed(data, name), data, allowed_hosts)


def chosen_embedding_model(
    preferences: Preferences, data: Path, allowed_hosts: Set[str] = NO_HOSTS
) -> "EmbeddingModel":
    """Return the embedding model of a person's preferences, or the shipped one.

    Raises:
        ModelError: it is not installed, or not an embedding model.
    """
    if preferences.embedding_model is None or preferences.embedding_model == NO_MODEL:
        from issuetrack.engine.inference.llama import LlamaEmbedder

        return LlamaEmbedder()
    model = _installed(data, preferences.embedding_model)
    return embedding_model(model, data, allowed_hosts)


def _installed(data: Path, name: str) -> InstalledModel:
    try:
        return Manifest(data / FOLDER).get(name)
    except NotFoundError as error:
        raise ModelError(
            f"the model {name} is chosen, and is not on this machine",
            f"issuetrack models pull {name}, or: issuetrack models use none",
        ) from error


def _refuse_other(model: InstalledModel, kind: ModelKind) -> None:
    if model.kind is not kind:
        raise ModelError(
            f"{model.name} is a model for {model.kind}, not for {kind}",
            "issuetrack models list",
        )


def _client(model: InstalledModel, allowed: Set[str]) -> "ServerClient":
    from issuetrack.engine.inference.server_client import ServerClient

    purpose = f"model {model.name}"
    return ServerClient(model.url or "", purpose, allowed, model.key_env)


def chat_model(
    model: InstalledModel, data: Path, allowed_hosts: Set[str] = NO_HOSTS
) -> "ChatModel":
    """Return an installed chat model.

    Raises:
        ModelError: it is not a chat model.
    """
    _refuse_other(model, ModelKind.CHAT)
    if model.provider is Provider.SERVER:
        from issuetrack.engine.inference.server_chat import ServerChat

        client = _client(model, allowed_hosts)
        return ServerChat(client, model.name, model.model, model.context)
    from issuetrack.engine.inference.llama_chat import CONTEXT, LlamaChat

    path = Manifest(data / FOLDER).path_of(model)
    context = model.context or CONTEXT
    if model.provider is Provider.LLAMA_CPP_PYTHON:
        from issuetrack.engine.inference.llama_cpp_python import LlamaCppPythonChat

        return LlamaCppPythonChat(path, context, sha256=model.sha256, name=model.name)
    return LlamaChat(path, context, sha256=model.sha256, name=model.name)


def embedding_model(
    model: InstalledModel, data: Path, allowed_hosts: Set[str] = NO_HOSTS
) -> "EmbeddingModel":
    """Return an installed embedding model.

    Raises:
        ModelError: it is not an embedding model.
    """
    _refuse_other(model, ModelKind.EMBEDDING)
    if model.provider is Provider.SERVER:
        from issuetrack.engine.inference.server_embedder import ServerEmbedder

        return ServerEmbedder(_client(model, allowed_hosts), model.model or "")
    from issuetrack.engine.inference.sentence_transformer import (
        SentenceTransformerEmbedder,
    )

    path = Manifest(data / FOLDER).path_of(model)
    return SentenceTransformerEmbedder(path, model.sha256)


def reranker(model: InstalledModel, data: Path) -> "Reranker":
    """Return an installed reranker.

    Raises:
        ModelError: it is not a reranker.
    """
    _refuse_other(model, ModelKind.RERANKER)
    from issuetrack.engine.inference.sentence_transformer import CrossEncoderReranker

    return CrossEncoderReranker(Manifest(data / FOLDER).path_of(model), model.sha256)
