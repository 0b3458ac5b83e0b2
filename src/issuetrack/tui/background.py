"""Work that takes time, done beside the drawing."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class Progress:
    """What a piece of work and whoever waits for it tell each other.

    Attributes:
        cancelled: set when nobody waits for the answer any more.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, told: Callable[[str], None]
    ) -> None:
        self.cancelled = threading.Event()
        self._loop = loop
        self._told = told

    def tell(self, text: str) -> None:
        """Have a line shown; may be called from any thread."""
        if not self.cancelled.is_set():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._tell, text)

    def _tell(self, text: str) -> None:
        if not self.cancelled.is_set():
            self._told(text)


async def beside(
    work: Callable[[Progress], Result],
    told: Callable[[str], None] = lambda _text: None,
) -> Result:
    """Do something in a thread of its own and return what it returns.

    Whoever stops waiting is free at once: the thread learns of it by
    `Progress.cancelled`, and what it still returns is dropped. It does not keep the
    program from ending.
    """
    loop = asyncio.get_running_loop()
    progress = Progress(loop, told)
    answer: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = work(progress)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            failed = error
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="issuetrack beside", daemon=True).start()
    try:
        return await answer
    finally:
        progress.cancelled.set()
