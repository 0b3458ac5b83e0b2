"""Leaves the terminal as it was, however a program that draws on it ends."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

SIGNALED = 128
PATIENCE_SECONDS = 3.0
AS_IT_WAS = (
    b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"
    b"\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[?1049l\x1b[?25h\x1b[0m"
)


@contextmanager
def guarded_terminal(end: Callable[[int], None]) -> Iterator[None]:
    """Run what draws on the terminal; a signal ends it in good order.

    Args:
        end: asks the program to end with an exit code. If it does not within some
            seconds, or at a second signal, it is ended where it stands.
    """
    modes = _modes()
    signals = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        signals.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in signals}
    asked = threading.Event()

    def last_resort(code: int) -> None:
        _put_back(modes)
        os._exit(code)

    def heed(number: int, _frame: FrameType | None) -> None:
        code = SIGNALED + number
        if asked.is_set():
            last_resort(code)
        asked.set()
        timer = threading.Timer(PATIENCE_SECONDS, last_resort, (code,))
        timer.daemon = True
        timer.start()
        end(code)

    for number in signals:
        signal.signal(number, heed)
    try:
        yield
    except BaseException:
        _put_back(modes)
        raise
    finally:
        _set_modes(modes)
        for number, handler in before.items():
            signal.signal(number, handler)


def _modes() -> list[Any] | None:
    """Return how the terminal treats what is typed; None where it is no terminal."""
    try:
        import termios
    except ImportError:
        return None
    with suppress(termios.error, OSError, ValueError):
        return termios.tcgetattr(sys.stdin.fileno())
    return None


def _set_modes(modes: list[Any] | None) -> None:
    if modes is None:
        return
    import termios

    with suppress(termios.error, OSError, ValueError):
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, modes)


def _put_back(modes: list[Any] | None) -> None:
    """Leave the alternate screen, show the cursor, and echo what is typed."""
    with suppress(OSError, ValueError):
        os.write(2, AS_IT_WAS)
    _set_modes(modes)
