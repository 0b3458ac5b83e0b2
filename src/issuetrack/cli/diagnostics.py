"""Everything that goes to stderr, and the exit codes. Nothing else writes there."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from issuetrack.terminal_safety import clean, clean_line

EXIT_CODES = {
    "usage": 2,
    "permission_denied": 3,
    "remote_forbidden": 3,
    "authentication": 4,
    "locked": 4,
    "wrong_key": 4,
    "tampered": 4,
    "credential_refused": 4,
    "input_needed": 5,
    "not_found": 7,
    "remote_unreachable": 8,
    "remote_answer": 8,
    "model_unavailable": 9,
}
PARTIAL = 6
INTERRUPTED = 130


class Advance(Protocol):
    """Shows how far something is: done, in all, and what else there is to say."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show it."""


def exit_code(code: str) -> int:
    """Return the exit code for an error's name."""
    return EXIT_CODES.get(code, 1)


def say(text: str) -> None:
    """Tell the person something that is not data."""
    print(clean(text), file=sys.stderr)  # noqa: T201 - the one place that may


def give_up_stdout() -> None:
    """Let what is still to be written go nowhere: the reader has gone away."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def failed(message: str, hint: str | None) -> None:
    """Tell the cause and the remedy, a line each."""
    say(f"error: {_one_saying(message)}")
    if hint:
        say(f"  try: {_one_saying(hint)}")


def warn(message: str) -> None:
    """Tell what went less than well."""
    say(f"warning: {_one_saying(message)}")


def _one_saying(text: str) -> str:
    """Return a text whose further lines, if any, cannot pass for another saying."""
    first, *rest = clean(text).split("\n")
    return "\n".join([first, *(f"    {line.removeprefix('  ')}" for line in rest)])


def _unseen(done: int, total: int, note: str = "") -> None:
    """Show nothing."""


@contextmanager
def progress(title: str, unit: str = "") -> Iterator[Advance]:
    """Show a progress bar while the block runs, on a terminal only.

    The block is given a function to call with how much is done and how much there is.
    """
    if not sys.stderr.isatty():
        yield _unseen
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    count = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    described = TextColumn("{task.description}", markup=False)
    columns = (described, BarColumn(), count)
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(clean_line(title), total=None)

        def advance(done: int, total: int, note: str = "") -> None:
            described = clean_line(f"{title}, {note}" if note else title)
            bar.update(task, description=described)
            if total:
                bar.update(task, completed=done, total=total)

        yield advance


@contextmanager
def growing(title: str) -> Iterator[Callable[[str], None] | None]:
    """Show the end of a text while it grows, on a terminal only; then nothing of it.

    The block is given a function to call with each piece, None without a terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)
    head = f"{clean_line(title)}: "
    room = max(console.width - len(head) - 1, 1)
    told = ""
    live = Live(console=console, transient=True, refresh_per_second=8)

    def add(piece: str) -> None:
        nonlocal told
        live.start()
        told = (told + clean(piece))[-room:]
        line = Text(head, style="bold", no_wrap=True, overflow="crop")
        live.update(line.append(clean_line(told), style="dim"))

    try:
        yield add
    finally:
        live.stop()
