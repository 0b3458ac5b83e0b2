"""Runs a program at a pseudo terminal, types into it, and keeps every byte it writes."""

import errno
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress

READ = 65_536


class PseudoTerminal:
    """A program at a terminal of its own.

    Args:
        arguments: what follows the name of the program.
        environment: its environment variables.
        size: columns and lines.
    """

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        size: tuple[int, int] = (120, 35),
    ) -> None:
        self.output = b""
        self.started = time.perf_counter()
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            program = [sys.executable, "-m", "issuetrack", *arguments]
            os.execvpe(program[0], program, dict(environment))
        columns, lines = size
        window = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, window)
        self.modes = termios.tcgetattr(self.descriptor)

    def read(self, seconds: float) -> bytes:
        """Return what comes within some time, as soon as anything comes."""
        ready, _, _ = select.select([self.descriptor], [], [], max(seconds, 0))
        if not ready:
            return b""
        try:
            found = os.read(self.descriptor, READ)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            found = b""
        self.output += found
        return found

    def until(self, text: str, seconds: float = 20, start: int = 0) -> float:
        """Read until a text was written; return how many seconds it took.

        Args:
            text: what is waited for.
            seconds: how long at most.
            start: what was written before this place does not count.
        """
        begun = time.perf_counter()
        while text.encode() not in self.output[start:]:
            left = begun + seconds - time.perf_counter()
            assert left > 0, f"no {text!r} in {self.output[start:][-3000:]!r}"
            if not self.read(min(left, 1)) and not self.alive:
                assert text.encode() in self.output[start:], self.output[start:]
        return time.perf_counter() - begun

    def quiet(self, pause: float = 0.3, most: float = 20) -> None:
        """Read until nothing comes for a while."""
        end = time.perf_counter() + most
        while self.read(pause) and time.perf_counter() < end:
            pass

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.descriptor, keys.encode())

    @property
    def alive(self) -> bool:
        """Tell whether the program still runs."""
        if self.pid == 0:
            return False
        done, self.status = os.waitpid(self.pid, os.WNOHANG)
        if done:
            self.pid = 0
        return not done

    def wait(self, seconds: float = 10) -> int:
        """Wait for the end of the program and return its exit code."""
        end = time.perf_counter() + seconds
        while self.alive:
            assert time.perf_counter() < end, self.output[-3000:]
            self.read(0.05)
        self.quiet(0.05)
        return os.waitstatus_to_exitcode(self.status)

    def close(self) -> None:
        """End the program and the terminal."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        os.close(self.descriptor)

    def __enter__(self) -> "PseudoTerminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
