"""What the rest of the engine may ask of a model."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Vectors: TypeAlias = "npt.NDArray[np.float32]"


class EmbeddingModel(Protocol):
    """Turns texts into points; near in meaning is near in angle."""

    @property
    def fingerprint(self) -> str:
        """Name the model such that equal names mean comparable vectors."""

    @property
    def dimensions(self) -> int:
        """Return the length of a vector."""

    @property
    def window(self) -> int:
        """Return how many tokens of a text are looked at."""

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return an (n, d) float32 array of unit rows, one for each text.

        A text longer than the window is cut.

        Raises:
            ModelError: the model cannot be loaded or does not answer.
        """


@dataclass(frozen=True)
class ChatMessage:
    """One turn of a conversation with a chat model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class ChatRequest:
    """What a chat model is asked to complete.

    Attributes:
        messages: the turns, oldest first.
        schema: the JSON schema that the answer must keep to; None for free text.
        seed: equal requests with equal seeds get equal answers from a local model.
        most_tokens: how long the answer may be.
        timeout: seconds after which the model is given up on.
    """

    messages: tuple[ChatMessage, ...]
    schema: Mapping[str, Any] | None = None
    seed: int = 0
    most_tokens: int = 1024
    timeout: float = 120.0


@dataclass(frozen=True)
class Completion:
    """What a chat model answered.

    Attributes:
        finish: why it ended: at its own end, or at `most_tokens`.
        first_token: seconds until the first token.
        seconds: seconds in all.
    """

    text: str
    finish: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    first_token: float
    seconds: float


class ChatModel(Protocol):
    """Continues a conversation."""

    @property
    def name(self) -> str:
        """Return what people call the model."""

    @property
    def fingerprint(self) -> str:
        """Name the model such that equal names mean the same weights."""

    @property
    def context(self) -> int:
        """Return how many tokens a request and its answer may have together."""

    def count(self, text: str) -> int:
        """Return how many tokens a text has, or a number not below that."""

    def complete(
        self,
        request: ChatRequest,
        on_token: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Completion:
        """Answer a request.

        Args:
            request: what is asked.
            on_token: called with each piece of the answer as it comes.
            cancel: when it is set the model stops.

        Raises:
            ContextOverflow: the request does not fit into the context.
            ModelCancelled: it was cancelled.
            ModelError: the model cannot be loaded, does not answer or is too slow.
        """


class Reranker(Protocol):
    """Judges texts by how well they answer a question."""

    @property
    def fingerprint(self) -> str:
        """Name the model such that equal names mean the same scores."""

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Return a score for each text; higher is better.

        Raises:
            ModelError: the model cannot be loaded or does not answer.
        """
