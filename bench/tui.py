"""Drives the real terminal application and measures what a person waits for.

    python bench/tui.py [--db PATH]

Writes its section of docs/benchmarks.md. The workspace has 100,000 issues; one of them
has a body of 10 MB. It is made by bench/large.py, which takes minutes.
"""

import argparse
import os
import random
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

import large  # noqa: E402
from pseudo_terminal import PseudoTerminal  # noqa: E402

TITLE = "## The terminal application, 100,000 issues"
PAGE = ROOT / "docs/benchmarks.md"
STARTS, KEYS, FILTERS = 7, 200, 7
OPENING = 0.15
HERE = "issues, sorted by"


def opened(db: Path, *arguments: str) -> PseudoTerminal:
    """Start the application at a terminal of 160 columns."""
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "ISSUETRACK_DB": str(db),
        "ISSUETRACK_KEY": large.KEY,
    }
    return PseudoTerminal("triage", *arguments, environment=environment, size=(160, 45))


def starts(db: Path) -> list[float]:
    """Return the seconds until issues are to be read, for some starts."""
    found = []
    for _ in range(STARTS):
        with opened(db) as terminal:
            terminal.until(HERE, 60)
            terminal.until(" Pri ", 10)
            found.append(time.perf_counter() - terminal.started)
            leave(terminal)
    return found


def leave(terminal: PseudoTerminal) -> None:
    """End the application as a person does."""
    terminal.quiet()
    terminal.press("q")
    terminal.wait(20)


def keys(terminal: PseudoTerminal, typed: str, count: int) -> list[float]:
    """Return the seconds from a key to the first bytes it draws."""
    found = []
    for _ in range(count):
        while terminal.read(0.03):
            pass
        begun = time.perf_counter()
        terminal.press(typed)
        assert terminal.read(5)
        found.append(time.perf_counter() - begun)
    return found


def pause(terminal: PseudoTerminal, seconds: float = 1.5) -> None:
    """Read for a while; the cursor of a line to type in blinks without end."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        terminal.read(0.1)


def filters(terminal: PseudoTerminal) -> list[float]:
    """Return the seconds from the last key of a filter to the count it leaves."""
    found = []
    rng = random.Random(1)
    for service in rng.sample(large.SERVICES, FILTERS):
        terminal.press("/" + "\x7f" * 60 + f"status:open service:{service}")
        pause(terminal)
        terminal.press("\x7f")
        pause(terminal)
        start = len(terminal.output)
        begun = time.perf_counter()
        terminal.press(service[-1])
        terminal.until(HERE, 20, start)
        found.append(time.perf_counter() - begun)
        terminal.press("\r")
        pause(terminal)
    return found


def huge(terminal: PseudoTerminal) -> list[float]:
    """Return the seconds from key to paint while the ticket of 10 MB is opened."""
    terminal.press("/" + "\x7f" * 60 + "created:<2023-01-02\r")
    pause(terminal)
    terminal.press("G")
    found = []
    for _ in range(20):
        terminal.press("G")
        time.sleep(OPENING)
        while terminal.read(0):
            pass
        begun = time.perf_counter()
        terminal.press("k")
        assert terminal.read(5)
        found.append(time.perf_counter() - begun)
        pause(terminal, 0.5)
    return found


def percentile(values: list[float], share: float) -> float:
    """Return a percentile by rank."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def lines(db: Path) -> list[str]:
    """Measure, and return the section."""
    started = starts(db)
    with opened(db) as terminal:
        terminal.until(HERE, 60)
        terminal.quiet(1)
        scrolled = keys(terminal, "j", KEYS) + keys(terminal, "\x04", KEYS // 4)
        filtered = filters(terminal)
        opening = huge(terminal)
        leave(terminal)
    rows = [
        ("start to a list that can be read", started, 0.5, 1500),
        ("key to paint, scrolling, p95", scrolled, 0.95, 50),
        ("last key of a filter to its result", filtered, 0.5, 200),
        ("key to paint beside a ticket of 10 MB, p95", opening, 0.95, 100),
    ]
    found = [
        TITLE,
        "",
        "Made by `python bench/tui.py`: the real program at a pseudo terminal of 160 "
        "columns; a key counts until the first bytes it draws.",
        "",
        "| wait | times | median ms | ms | target |",
        "|---|---|---|---|---|",
    ]
    for name, values, share, target in rows:
        middle = statistics.median(values) * 1000
        said = percentile(values, share) * 1000 if share != 0.5 else middle
        found.append(
            f"| {name} | {len(values)} | {middle:.0f} | {said:.0f} | {target} |"
        )
    return found


def section_of(page: Path) -> str:
    """Return the section as a page has it; nothing where it has none."""
    text = page.read_text() if page.exists() else ""
    _, found, rest = text.partition(TITLE)
    return f"\n{found}{rest}" if found else ""


def write(section: list[str]) -> None:
    """Put the section into the page, in the place of the one before."""
    before, found, after = PAGE.read_text().partition(TITLE)
    rest = after.partition("\n## ")
    tail = f"\n## {rest[2]}" if found and rest[1] else ""
    PAGE.write_text(before.rstrip() + "\n\n" + "\n".join(section) + "\n" + tail)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", type=Path, default=Path("/tmp/issuetrack-large.db"))
    path = parser.parse_args().db
    if not path.exists():
        large.make(path, large.ISSUES)
    section = lines(path)
    write(section)
    print("\n".join(section))


if __name__ == "__main__":
    main()
