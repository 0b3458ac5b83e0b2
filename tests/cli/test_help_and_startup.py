"""Help: of every command, with examples that work, and without loading the engine."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cli.conftest import Cli, in_words
from issuetrack.cli.main import application

HEAVY = (
    "sqlmodel",
    "sqlalchemy",
    "textual",
    "httpx",
    "xllamacpp",
    "numpy",
    "cryptography",
)
SCRIPT = """
import json, sys
from issuetrack.cli.main import run
code = run(sys.argv[1:])
heavy = {name.partition(".")[0] for name in sys.modules}
print(json.dumps({"code": code, "loaded": sorted(heavy)}), file=sys.stderr)
"""


def walk(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield a command and all below it, with their paths."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk((*path, name), child)


COMMANDS = list(walk((), typer.main.get_command(application())))
LEAVES = [(path, c) for path, c in COMMANDS if not hasattr(c, "commands")]


def examples_of(command: Any) -> list[str]:
    """Return the command lines in the help of a command."""
    epilog = (command.epilog or "").removeprefix("Examples:")
    return [line.strip() for line in epilog.splitlines() if line.strip()]


@pytest.mark.parametrize("arguments", [["--help"], [], ["issue", "--help"]])
def test_help_loads_no_engine(arguments: list[str]) -> None:
    """Help is quick: no database, model or cryptography library is loaded."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        env={**os.environ, "ISSUETRACK_DB": "missing.db"},
        timeout=60,
        check=True,
    )
    told = json.loads(done.stderr)
    assert told["code"] == 0
    assert done.stdout.startswith(b"Usage: issuetrack")
    assert not set(HEAVY) & set(told["loaded"])


@pytest.mark.parametrize("path", [p for p, _ in COMMANDS], ids=in_words)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_help(
    bare_cli: Cli, path: tuple[str, ...], option: str
) -> None:
    """--help and -h work on every level, need no workspace and print data."""
    done = bare_cli(*path, option)
    assert done.out.startswith(f"Usage: {' '.join(('issuetrack', *path))} ")
    assert done.err == ""


@pytest.mark.parametrize("path", [p for p, _ in LEAVES], ids=in_words)
def test_every_command_shows_examples(bare_cli: Cli, path: tuple[str, ...]) -> None:
    """The help of every command ends with examples of that command."""
    _, _, shown = bare_cli(*path, "--help").out.partition("Examples:")
    named = (" ".join(path), path[-1])
    assert any(f"issuetrack {name}" in shown for name in named)


@pytest.mark.parametrize(
    ("path", "example"),
    [(path, example) for path, command in LEAVES for example in examples_of(command)],
)
def test_examples_can_be_parsed(path: tuple[str, ...], example: str) -> None:
    """Each example is a line of shell that names its command; -- ends the options."""
    line = shlex.split(example, comments=True)
    own = line[line.index("issuetrack") :]
    assert [word for word in own if word in path] or path[-1] in own
    if "--" in own:
        after = own[own.index("--") + 1 :]
        assert not [word for word in after if word.startswith("--")]


def test_program_without_arguments_shows_help(bare_cli: Cli) -> None:
    """Called alone the program tells what it can do."""
    done = bare_cli()
    assert "Commands:" in done.out
    assert done.err == ""
