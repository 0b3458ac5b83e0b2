"""An answer while it is being made, in a thread of its own.

Whoever waits for it can be interrupted, cancel it or lose patience at any moment; the
thread notices at the next piece. A model has one such thread, so that it answers one
request at a time.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from issuetrack.engine.errors import ModelCancelled, ModelError
from issuetrack.engine.inference.ports import ChatRequest, Completion

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Finished:
    """The end of an answer, as its model tells it."""

    finish: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int


Event: TypeAlias = str | Finished
Emit: TypeAlias = Callable[[Event], bool]
Produce: TypeAlias = Callable[[Emit], None]


@dataclass
class _Answer:
    name: str
    started: float
    pieces: list[str] = field(default_factory=list)
    first_token: float | None = None
    end: Finished | None = None

    def take(self, event: Event) -> None:
        if isinstance(event, Finished):
            self.end = event
            return
        if self.first_token is None:
            self.first_token = time.monotonic() - self.started
        self.pieces.append(event)

    def whole(self) -> Completion:
        if self.end is None:
            raise ModelError(
                f"{self.name} broke off in the middle of its answer",
                "try again; if it stays so: issuetrack models test",
            )
        seconds = time.monotonic() - self.started
        return Completion(
            "".join(self.pieces),
            self.end.finish,
            self.end.prompt_tokens,
            self.end.completion_tokens or len(self.pieces),
            seconds if self.first_token is None else self.first_token,
            seconds,
        )


class _Work:
    """The making of one answer, in a thread."""

    def __init__(self, produce: Produce, lock: threading.Lock) -> None:
        self._produce = produce
        self._lock = lock
        self.events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.stop = threading.Event()
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with self._lock:
                if not self.stop.is_set():
                    self._produce(self._emit)
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            self.failure = error
        finally:
            self.events.put(None)

    def _emit(self, event: Event) -> bool:
        self.events.put(event)
        return self.stop.is_set()


class Generator:
    """Makes the answers of one model, one after the other.

    Args:
        name: what people call the model.
        abandon: whether the program may end while an answer is being made.
    """

    def __init__(self, name: str, *, abandon: bool) -> None:
        self._name = name
        self._abandon = abandon
        self._lock = threading.Lock()

    def run(
        self,
        request: ChatRequest,
        produce: Produce,
        on_token: Callable[[str], None] | None,
        cancel: threading.Event | None,
    ) -> Completion:
        """Return an answer when it is whole.

        Args:
            request: what is asked; says how long to wait.
            produce: makes the answer and gives its pieces, some of which may be empty,
                to the function that it is called with, which returns True when no more
                are wanted.
            on_token: called in this thread with each piece.
            cancel: ends the answer when it is set.

        Raises:
            ModelCancelled: it was cancelled.
            ModelError: it took too long, or `produce` raised it.
        """
        work = _Work(produce, self._lock)
        answer = _Answer(self._name, time.monotonic())
        threading.Thread(
            target=work.run, name="chat model", daemon=self._abandon
        ).start()
        try:
            self._collect(answer, work.events, request.timeout, on_token, cancel)
        finally:
            work.stop.set()
        if work.failure is not None:
            raise work.failure
        return answer.whole()

    def _collect(
        self,
        answer: _Answer,
        events: "queue.SimpleQueue[Event | None]",
        timeout: float,
        on_token: Callable[[str], None] | None,
        cancel: threading.Event | None,
    ) -> None:
        while True:
            self._patience(answer, timeout, cancel)
            try:
                event = events.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if event is None:
                return
            if event == "":
                continue
            answer.take(event)
            if on_token is not None and isinstance(event, str):
                on_token(event)

    def _patience(
        self, answer: _Answer, timeout: float, cancel: threading.Event | None
    ) -> None:
        if cancel is not None and cancel.is_set():
            raise ModelCancelled(f"{self._name} was told to stop")
        if time.monotonic() - answer.started > timeout:
            raise ModelError(
                f"{self._name} did not finish its answer in {timeout:.0f} seconds",
                "choose a smaller model: issuetrack models list",
            )
