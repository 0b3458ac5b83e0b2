"""The models that a person chose, loaded when they are first asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from issuetrack.engine.settings import NO_MODEL, Preferences

if TYPE_CHECKING:
    from issuetrack.engine.inference.ports import ChatModel, EmbeddingModel


@dataclass(frozen=True)
class InstalledModels:
    """What a person prefers, and where the models are kept."""

    preferences: Preferences
    data: Path

    @property
    def has_chat(self) -> bool:
        """Tell whether a chat model was chosen, without looking for it."""
        prefers = self.preferences
        return prefers.llm and prefers.chat_model not in (None, NO_MODEL)

    def chat(self, allowed_hosts: frozenset[str]) -> "ChatModel | None":
        """Return the chat model; None where none was chosen.

        Raises:
            ModelError: it is not there any more.
        """
        from issuetrack.engine.inference.registry import chosen_chat_model

        return chosen_chat_model(self.preferences, self.data, allowed_hosts)

    def embedding(self, allowed_hosts: frozenset[str]) -> "EmbeddingModel":
        """Return the embedding model; the one that ships where none was chosen.

        Raises:
            ModelError: it is not there any more.
        """
        from issuetrack.engine.inference.registry import chosen_embedding_model

        return chosen_embedding_model(self.preferences, self.data, allowed_hosts)
