"""The docs name everything there is, and nothing that there is not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from issuetrack.cli.diagnostics import EXIT_CODES, INTERRUPTED, PARTIAL
from issuetrack.cli.main import application
from issuetrack.cli.output import markdown_table
from issuetrack.connectors.files.reader import CSV_HEADERS
from issuetrack.engine.identity.policy import table
from issuetrack.engine.issues.query import COLUMNS, SORTS

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")
FORMATS = (DOCS / "import-formats.md").read_text(encoding="utf-8")
ALL = "".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md")))


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name."""

    def walk(prefix: str, command: Any) -> Iterator[tuple[str, Any]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield prefix, command
            return
        for name, child in children.items():
            yield from walk(f"{prefix} {name}".strip(), child)

    yield from walk("", typer.main.get_command(application()))


def options(command: Any) -> set[str]:
    """Return the long options of a command."""
    return {
        max(parameter.opts, key=len)
        for parameter in command.params
        if parameter.param_type_name == "option"
    }


def test_commands_are_found() -> None:
    """The walk sees the commands; otherwise the tests below prove nothing."""
    names = [name for name, _ in commands()]
    assert {"init", "issue list", "index rebuild", "eval duplicates"} <= set(names)


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_is_documented(name: str) -> None:
    """docs/commands.md names each command."""
    verb = name.split()[-1]
    assert f"`{name}" in COMMANDS or re.search(
        rf"`issue \w+`.*`issue {verb}`", COMMANDS
    )


@pytest.mark.parametrize(
    "command", [pytest.param(command, id=name) for name, command in commands()]
)
def test_every_option_is_documented(command: Any) -> None:
    """Some page of docs/ names each option."""
    assert {option for option in options(command) if option not in ALL} == set()


@pytest.mark.parametrize(
    "code", sorted({0, 1, PARTIAL, INTERRUPTED, *EXIT_CODES.values()})
)
def test_every_exit_code_is_documented(code: int) -> None:
    """docs/commands.md tells what each exit code means."""
    assert f"\n| {code} |" in COMMANDS


@pytest.mark.parametrize("word", [*COLUMNS, *SORTS])
def test_every_query_word_is_documented(word: str) -> None:
    """docs/commands.md names each column of the query language."""
    assert f"`{word}`" in COMMANDS


@pytest.mark.parametrize("field", [*CSV_HEADERS, "comments"])
def test_every_import_field_is_documented(field: str) -> None:
    """docs/import-formats.md names each field."""
    assert f"`{field}`" in FORMATS


def test_permissions_are_documented() -> None:
    """docs/commands.md has the table of permissions as the program has it."""
    rows = list(table())
    assert f"\n\n{markdown_table(rows, tuple(rows[0]))}\n\n" in COMMANDS


def test_environment_is_said_with_its_option() -> None:
    """docs/commands.md names the variable of each common option beside it."""
    for name, command in commands():
        for parameter in command.params:
            named = re.search(r"\[env: (\w+)\]", getattr(parameter, "help", "") or "")
            if named:
                option = max(parameter.opts, key=len)
                row = next(
                    line for line in COMMANDS.splitlines() if f"| `{option}" in line
                )
                assert f"`{named[1]}`" in row, name


def test_every_environment_variable_is_documented() -> None:
    """docs/commands.md names each ISSUETRACK_ variable that the source reads."""
    source = Path(__file__).resolve().parents[2] / "src"
    text = "".join(path.read_text(encoding="utf-8") for path in source.rglob("*.py"))
    names = set(re.findall(r"ISSUETRACK_[A-Z_]+[A-Z]", text))
    assert "ISSUETRACK_DB" in names
    assert {name for name in names if name not in COMMANDS} == set()


def test_tests_named_in_the_docs_are_there() -> None:
    """docs/security.md names test files that exist."""
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:cli|engine|faults)/[\w/]+\.py)`", text))
    tests = Path(__file__).resolve().parents[1]

    assert len(named) > 10
    assert {name for name in named if not (tests / name).is_file()} == set()
