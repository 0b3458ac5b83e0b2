"""An answer in the making: patience, cancelling, failures, one at a time."""

import threading
import time
from collections.abc import Callable

import pytest

from issuetrack.engine.errors import ModelCancelled, ModelError
from issuetrack.engine.inference.generation import Emit, Finished, Generator
from issuetrack.engine.inference.ports import ChatMessage, ChatRequest, Completion

QUESTION = (ChatMessage("user", "why?"),)
END = Finished("stop", 3, 2)


def run(
    produce: Callable[[Emit], None],
    timeout: float = 5.0,
    on_token: Callable[[str], None] | None = None,
    cancel: threading.Event | None = None,
) -> Completion:
    """Make one answer."""
    generator = Generator("tiny", abandon=True)
    request = ChatRequest(QUESTION, timeout=timeout)
    return generator.run(request, produce, on_token, cancel)


def test_pieces_become_an_answer() -> None:
    """Pieces are told as they come, empty ones are not, and counts are the model's."""
    told: list[str] = []

    def produce(emit: Emit) -> None:
        for event in ("a", "", "b", END):
            emit(event)

    answer = run(produce, on_token=told.append)
    assert (told, answer.text, answer.finish) == (["a", "b"], "ab", "stop")
    assert (answer.prompt_tokens, answer.completion_tokens) == (3, 2)


def test_answer_without_an_end_is_an_error() -> None:
    """A model that merely stops did not answer."""

    def produce(emit: Emit) -> None:
        emit("half")

    with pytest.raises(ModelError, match="broke off"):
        run(produce)


def test_failure_in_the_thread_is_raised_here() -> None:
    """Whoever waits gets the error of the model."""

    def produce(_: Emit) -> None:
        raise ModelError("the model is gone")

    with pytest.raises(ModelError, match="gone"):
        run(produce)


def slow(stopped: threading.Event) -> Callable[[Emit], None]:
    """Return what makes pieces until it is told to stop."""

    def produce(emit: Emit) -> None:
        while not emit("x"):
            time.sleep(0.01)
        stopped.set()

    return produce


def test_too_slow_an_answer_is_given_up_and_ended() -> None:
    """After its time there is an error, and the model stops as well."""
    stopped = threading.Event()
    with pytest.raises(ModelError, match="did not finish"):
        run(slow(stopped), timeout=0.1)
    assert stopped.wait(30)


def test_model_that_says_nothing_is_given_up_too() -> None:
    """A model that never calls back cannot hold anybody up."""
    never = threading.Event()
    started = time.monotonic()

    def produce(_: Emit) -> None:
        never.wait(60)

    with pytest.raises(ModelError, match="did not finish"):
        run(produce, timeout=0.1)
    assert time.monotonic() - started < 30
    never.set()


def test_cancelled_answer_ends() -> None:
    """Setting the event ends it soon."""
    stopped, cancel = threading.Event(), threading.Event()
    threading.Timer(0.1, cancel.set).start()
    with pytest.raises(ModelCancelled):
        run(slow(stopped), cancel=cancel)
    assert stopped.wait(30)


def test_what_a_listener_raises_ends_the_answer() -> None:
    """An error while showing a piece comes out, and the model stops."""
    stopped = threading.Event()

    def listen(_: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run(slow(stopped), on_token=listen)
    assert stopped.wait(30)


def test_a_model_makes_one_answer_at_a_time() -> None:
    """Of four requests at once never two are worked on together."""
    generator = Generator("tiny", abandon=True)
    busy, most = [0], [0]

    def produce(emit: Emit) -> None:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        time.sleep(0.02)
        busy[0] -= 1
        emit(END)

    def ask() -> None:
        generator.run(ChatRequest(QUESTION), produce, None, None)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
