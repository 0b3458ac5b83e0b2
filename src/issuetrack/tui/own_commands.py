"""Commands that a person adds to the application, run on the issue that is read.

Ticket text fills the arguments of a fixed program. It never names the program, never
begins an option, and never comes near a shell.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from issuetrack.engine.errors import UsageError
from issuetrack.terminal_safety import clean_line

if TYPE_CHECKING:
    from issuetrack.engine.issues.records import IssueSummary
    from issuetrack.tui.page import Page

FIELDS = (
    "number",
    "key",
    "title",
    "service",
    "site",
    "category",
    "assignee",
    "url",
    "status",
    "priority",
)
PLACEHOLDER = re.compile(r"\{(\w+)\}")
MOST_CHARACTERS = 800


@dataclass(frozen=True)
class OwnCommand:
    """A command that a person added.

    Attributes:
        key: what runs it, as the application names keys.
        title: what it does, in a few words.
        run: the program and its arguments, with placeholders in the arguments.
        confirm: show what will run before it runs for the first time.
        waits: wait for Enter afterwards, so that its output can be read.
    """

    key: str
    title: str
    run: tuple[str, ...]
    confirm: bool = True
    waits: bool = True


def filled(command: OwnCommand, values: Mapping[str, str]) -> list[str]:
    """Return the program and its arguments for one issue.

    Raises:
        UsageError: a value is missing, would begin an option, or is too long to show.
    """
    arguments = [_filled(command, part, values) for part in command.run]
    if len(escaped(arguments)) > MOST_CHARACTERS:
        raise UsageError(
            f"{command.title}: the arguments are longer than can be shown",
            "use {number} or {key} in place of the long text",
        )
    return arguments


def _filled(command: OwnCommand, part: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not values.get(name):
            raise UsageError(
                f"{command.title}: the issue has no {name}",
                f"set it, or leave {{{name}}} out of the command in config.toml",
            )
        return values[name]

    made = PLACEHOLDER.sub(value, part)
    if made.startswith("-") and not part.startswith("-"):
        raise UsageError(
            f"{command.title}: {made[:60]!r} begins with - and would be an option",
            f"write --name={part} or ./{part} in config.toml",
        )
    return made


def escaped(arguments: list[str]) -> str:
    """Return a program and its arguments so that each is told from the next."""
    return " ".join(map(repr, arguments))


def values_of(summary: "IssueSummary") -> dict[str, str]:
    """Return what an issue gives to placeholders: one line each, no control bytes."""
    given = {name: getattr(summary, name) for name in FIELDS}
    return {
        name: clean_line(str(value))
        for name, value in given.items()
        if value is not None
    }


async def run_on(page: "Page", command: OwnCommand, summary: "IssueSummary") -> None:
    """Fill a command from an issue, show it, and run it."""
    from issuetrack.tui.widgets.dialogs import confirm

    arguments = filled(command, values_of(summary))
    shown, agreed = escaped(arguments), page.application.agreed
    if command.confirm and shown not in agreed:
        question = confirm(f"Run this?\n\n{shown}", does=f"Run: {command.title}")
        if not await page.answer(question):
            return
        agreed.add(shown)
    code = _run(page, arguments, waits=command.waits)
    if code == 0:
        page.say(f"{command.title}: done")
    else:
        page.complain(f"{command.title} ended with exit code {code}", None)


def _run(page: "Page", arguments: list[str], *, waits: bool) -> int:
    """Run a program on the terminal that the application leaves meanwhile.

    Raises:
        UsageError: it cannot be started.
    """
    driver = page.app._driver  # noqa: SLF001 - tells whether there is a terminal
    if driver is None or not driver.can_suspend:
        return _started(arguments, stdin=subprocess.DEVNULL)
    with page.app.suspend(), _interrupts_are_the_childs():
        code = _started(arguments)
        if waits:
            told = "" if code == 0 else f" (exit code {code})"
            sys.__stderr__.write(f"\nEnter goes back to the issues{told} ")  # type: ignore[union-attr]
            sys.__stderr__.flush()  # type: ignore[union-attr]
            sys.__stdin__.readline()  # type: ignore[union-attr]
    return code


def _started(arguments: list[str], stdin: int | None = None) -> int:
    try:
        return subprocess.run(arguments, stdin=stdin, check=False).returncode  # noqa: S603
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{arguments[0]} cannot be run: {reason}",
            "check `run` under [[tui.commands]] in config.toml",
        ) from error


@contextmanager
def _interrupts_are_the_childs() -> Iterator[None]:
    """Let Ctrl+C end what runs on the terminal, and not the application."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
