"""`issue` and `resolve`: open, change, move and finish issues."""

import sys
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import LOCAL_FIX, LOCAL_TITLE, PAST, Cli, OnTerminal


def show(cli: Cli, name: str) -> dict[str, Any]:
    """Return one issue."""
    found = cli("issue", "show", name, "-o", "json").data
    assert isinstance(found, dict)
    return found


def titles(cli: Cli, *arguments: str) -> list[str]:
    """Return the titles of a list."""
    rows = cli("issue", "list", "-o", "json", *arguments).data
    return [row["title"] for row in rows]


def test_new_issue_has_every_field_given(past_cli: Cli) -> None:
    """`issue new` takes every field, its text from stdin."""
    done = past_cli(
        *("issue", "new", LOCAL_TITLE, "--body", "-", "-p", "P1", "--type", "bug"),
        *("-s", "gate", "--site", "HQ", "--category", "hardware", "-l", "a", "-l", "b"),
        *("-a", "oncall", "-o", "json"),
        stdin=b"first line\nsecond \xff line\n",
    )
    data = done.data
    assert data["number"] == 6
    assert data["body"] == "first line\nsecond \ufffd line\n"
    fields = ("type", "priority", "service", "site", "category", "labels", "assignee")
    assert [data[name] for name in fields] == [
        "bug",
        "P1",
        "gate",
        "HQ",
        "hardware",
        ["a", "b"],
        "oncall",
    ]
    assert (data["status"], data["key"], data["revision"]) == ("open", None, 1)


def test_new_issue_is_found_at_once(past_cli: Cli) -> None:
    """An issue can be searched for as soon as it is there."""
    past_cli("issue", "new", "coffee machine leaks")
    rows = past_cli("search", "coffee machine leaks", "-o", "json").data
    assert rows[0]["title"] == "coffee machine leaks"
    assert past_cli("index", "status", "-o", "json").data["queued"] == 0


def test_title_is_one_line_of_some_length(past_cli: Cli) -> None:
    """A title is put on one line, and cut after 500 characters."""
    data = past_cli("issue", "new", " two\n lines\t ", "-o", "json").data
    assert data["title"] == "two lines"
    data = past_cli("issue", "new", "x" * 600, "-o", "json").data
    assert data["title"] == "x" * 500


def test_edit_changes_what_was_given(past_cli: Cli) -> None:
    """`issue edit` changes the fields named, and notes each change."""
    data = past_cli(
        *("issue", "edit", "OPS-3", "--priority", "P2", "--label", "paper"),
        *("--service", "printing", "-o", "json"),
    ).data
    assert (data["priority"], data["labels"], data["service"]) == (
        "P2",
        ["paper"],
        "printing",
    )
    assert data["title"] == PAST[2]["title"]
    changes = {e["field"]: (e["before"], e["after"]) for e in data["events"]}
    assert changes == {
        "priority": ("P4", "P2"),
        "labels": ("", "paper"),
        "service": (None, "printing"),
    }
    assert data["revision"] == 2


def test_none_empties_a_field(past_cli: Cli) -> None:
    """`none` and an empty text empty a field."""
    data = past_cli(
        *("issue", "edit", "OPS-1", "-p", "none", "-s", "none", "--site", ""),
        *("--category", "none", "-l", "none", "-a", "none", "-b", "none", "-o", "json"),
    ).data
    for field in ("priority", "service", "site", "category", "assignee"):
        assert data[field] is None
    assert (data["labels"], data["body"]) == ([], "")


def test_edit_without_a_change_changes_nothing(past_cli: Cli) -> None:
    """The same values again are no new revision."""
    before = show(past_cli, "OPS-1")
    past_cli(
        "issue", "edit", "OPS-1", "--priority", "P1", "-l", "database", "-l", "shop"
    )
    assert show(past_cli, "OPS-1") == before


def test_body_can_come_from_stdin(past_cli: Cli) -> None:
    """`--body -` reads the new text from stdin; the history does not repeat it."""
    past_cli("issue", "edit", "3", "--body", "-", stdin="new text\n")
    found = show(past_cli, "3")
    assert found["body"] == "new text\n"
    (event,) = found["events"]
    assert (event["field"], event["before"], event["after"]) == ("body", "", "")
    assert "body: changed" in past_cli("issue", "show", "3").out


def test_comment_and_work_note(past_cli: Cli) -> None:
    """Comments are added in order, and a work note is marked as one."""
    past_cli("issue", "comment", "3", "Paper is out.")
    past_cli("issue", "comment", "3", "-", "--note", stdin="vendor is slow")
    kinds = [(c["kind"], c["body"]) for c in show(past_cli, "3")["comments"]]
    assert kinds == [("public", "Paper is out."), ("work_note", "vendor is slow")]
    told = past_cli("issue", "show", "3").out
    assert "work note, " in told
    assert told.index("Paper is out.") < told.index("vendor is slow")


def test_assign_and_take_away(past_cli: Cli) -> None:
    """An issue is given to somebody, and to nobody with `none`."""
    past_cli("issue", "assign", "3", "oncall")
    assert titles(past_cli, "assignee:oncall") == [PAST[2]["title"]]
    past_cli("issue", "assign", "3", "none")
    assert show(past_cli, "3")["assignee"] is None


def test_life_of_an_issue(past_cli: Cli) -> None:
    """Start, resolve, close and reopen move the status and its times."""
    for verb, status, resolved, closed in (
        ("start", "in_progress", False, False),
        ("close", "closed", True, True),
        ("reopen", "open", False, False),
        ("start", "in_progress", False, False),
        ("reopen", "open", False, False),
        ("close", "closed", True, True),
    ):
        data = past_cli("issue", verb, "3", "-o", "json").data
        assert data["status"] == status
        assert (data["resolved_at"] is not None) == resolved
        assert (data["closed_at"] is not None) == closed
    moves = [(e["before"], e["after"]) for e in show(past_cli, "3")["events"]]
    assert moves[:3] == [
        ("open", "in_progress"),
        ("in_progress", "closed"),
        ("closed", "open"),
    ]


def test_move_with_a_comment(past_cli: Cli) -> None:
    """--comment says why, from stdin too."""
    past_cli("issue", "close", "3", "--comment", "duplicate of #1")
    past_cli("issue", "reopen", "3", "-c", "-", stdin="it is back")
    bodies = [c["body"] for c in show(past_cli, "3")["comments"]]
    assert bodies == ["duplicate of #1", "it is back"]


@pytest.mark.parametrize(
    ("name", "verb", "message"),
    [
        ("OPS-1", "close", "#1 is closed already"),
        ("OPS-1", "start", "#1 is closed and cannot become in_progress"),
        ("OPS-2", "start", "#2 is resolved and cannot become in_progress"),
        ("OPS-3", "reopen", "#3 is open already"),
    ],
)
def test_moves_that_make_no_sense(
    past_cli: Cli, name: str, verb: str, message: str
) -> None:
    """A move that cannot be is refused, and nothing is written."""
    before = show(past_cli, name)
    done = past_cli("issue", verb, name, "--comment", "text", code=2)
    assert f"error: {message}\n" in done.err
    assert show(past_cli, name) == before


@pytest.mark.parametrize("verb", [["resolve"], ["issue", "resolve"]])
def test_resolve_says_what_fixed_it(past_cli: Cli, verb: list[str]) -> None:
    """`resolve` keeps the fix; told again it is corrected."""
    data = past_cli(*verb, "3", LOCAL_FIX, "-o", "json").data
    assert (data["status"], data["resolution"]["how"]) == ("resolved", "stated")
    again = "Root cause: wet paper. Fix: keep the paper dry."
    data = past_cli(*verb, "3", "-", "-o", "json", stdin=again).data
    assert data["resolution"]["text"] == again
    assert f"Resolution (stated, by whoever resolved it)\n{again}" in (
        past_cli("issue", "show", "3").out
    )


@pytest.mark.parametrize("text", ["done", "fixed", "Won't fix", "ok", "too short now"])
def test_resolution_must_say_something(past_cli: Cli, text: str) -> None:
    """A closing word is not what fixed it."""
    done = past_cli("resolve", "3", text, code=2)
    assert "error: that does not say what fixed it\n" in done.err
    assert show(past_cli, "3")["status"] == "open"


@pytest.mark.parametrize(
    "name", ["1", "#1", "OPS-1", " OPS-1 ", "https://tracker.example/OPS-1"]
)
def test_issue_is_known_by_its_names(past_cli: Cli, name: str) -> None:
    """An issue is named by number, key or url."""
    assert show(past_cli, name)["number"] == 1


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("status:open", [3, 4]),
        ("status:open,closed priority:P1", [1, 4]),
        ("-status:open", [1, 2, 5]),
        ("priority:none", [2, 5]),
        ("service:CHECK*", [1, 4]),
        ("label:database", [1]),
        ("label:none", [2, 3, 4, 5]),
        ("source:past", [1, 2, 3, 4]),
        ("key:none", [5]),
        ("assignee:none", [3, 4, 5]),
        ("created:2026-02-01", [2]),
        ("created:>2026-02-01 created:<2026-03-02", [3]),
        ("resolved:<2026-02-02", [1, 2]),
        ("too many clients", [1, 4]),
        ("certificate -status:open", [2]),
        ('"staff portal"', [2]),
    ],
)
def test_list_takes_a_query(past_cli: Cli, query: str, numbers: list[int]) -> None:
    """Terms of a query narrow the list."""
    rows = past_cli("issue", "list", "--sort", "number", "-o", "json", "--", query).data
    assert [row["number"] for row in rows] == numbers


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        ("number", [1, 2, 3, 4, 5]),
        ("-number", [5, 4, 3, 2, 1]),
        ("created", [1, 2, 3, 4, 5]),
        ("priority", [1, 4, 3, 2, 5]),
        ("title", [5, 4, 1, 2, 3]),
    ],
)
def test_list_is_sorted(past_cli: Cli, sort: str, numbers: list[int]) -> None:
    """--sort orders the list, `-` the other way round, absent values last."""
    rows = past_cli("issue", "list", f"--sort={sort}", "-o", "json").data
    assert [row["number"] for row in rows] == numbers


def test_list_for_people_is_a_table(past_cli: Cli) -> None:
    """The table has its columns, and one line for each issue."""
    lines = past_cli("issue", "list", "--sort", "number").out.splitlines()
    assert lines[0].split() == [
        *("NUMBER", "KEY", "STATUS", "PRIORITY", "SERVICE", "UPDATED", "AT", "TITLE")
    ]
    rows = [line.split()[:2] for line in lines[1:] if line[0].isdigit()]
    keys = [["1", "OPS-1"], ["2", "OPS-2"], ["3", "OPS-3"], ["4", "OPS-4"]]
    assert rows == [*keys, ["5", "resolved"]]


def test_markdown_of_an_issue(past_cli: Cli) -> None:
    """Markdown has the title, the facts, the text, the fix and the comments."""
    told = past_cli("issue", "show", "OPS-1", "-o", "markdown").out
    assert told.startswith("# #1 (OPS-1) Checkout returns 500")
    for part in (
        "- status: closed",
        "- labels: database, shop",
        "PSQLException: FATAL",
        "## Resolution (stated, by whoever resolved it)",
        "kubectl rollout undo deployment/checkout",
        "## oncall-db, 2026-01-05 09:00",
    ):
        assert part in told


def _editor(tmp_path: Path, script: str) -> str:
    path = tmp_path / "editor.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_editor_changes_title_and_body(
    past_cli: Cli, on_terminal: OnTerminal, tmp_path: Path
) -> None:
    """Without options `issue edit` opens EDITOR with the title and the body."""
    script = (
        'cp "$2" "$2.seen"; mv "$2.seen" "$(dirname "$0")/seen"\n'
        "printf 'New title\\n\\nnew body\\nmore\\n' > \"$2\""
    )
    editor = f"{_editor(tmp_path, script)} --wait"
    code, told = on_terminal("issue", "edit", "OPS-4", EDITOR=editor)
    assert code == 0, told
    assert (tmp_path / "seen").read_text() == f"{PAST[3]['title']}\n\n{PAST[3]['body']}"
    found = show(past_cli, "OPS-4")
    assert (found["title"], found["body"]) == ("New title", "new body\nmore")


@pytest.mark.parametrize(
    ("editor", "code", "message"),
    [
        ("false", 2, b"error: the editor 'false' failed; nothing was changed"),
        ("/no/such/editor", 2, b"failed; nothing was changed"),
        ("'not closed", 2, b"failed; nothing was changed"),
    ],
)
def test_editor_that_fails_changes_nothing(
    past_cli: Cli, on_terminal: OnTerminal, editor: str, code: int, message: bytes
) -> None:
    """A failed editor is told of, and the issue is as it was."""
    before = show(past_cli, "OPS-4")
    found, told = on_terminal("issue", "edit", "OPS-4", EDITOR=editor)
    assert (found, message in told) == (code, True), told
    assert show(past_cli, "OPS-4") == before


def test_change_of_somebody_else_is_not_overwritten(
    past_cli: Cli, on_terminal: OnTerminal, tmp_path: Path
) -> None:
    """What another process changed while the editor was open stays."""
    other = f'"{sys.executable}" -m issuetrack issue edit OPS-4 -p P3 > /dev/null'
    editor = _editor(tmp_path, f'{other}\necho overwritten > "$1"')
    code, told = on_terminal("issue", "edit", "OPS-4", EDITOR=editor)
    assert code == 1, told
    assert b"was changed by somebody else meanwhile" in told
    found = show(past_cli, "OPS-4")
    assert (found["title"], found["priority"]) == (PAST[3]["title"], "P3")


def test_title_is_asked_for_on_a_terminal(
    past_cli: Cli, on_terminal: OnTerminal
) -> None:
    """`issue new` without a title asks; with --no-input it does not."""
    typed = LOCAL_TITLE.encode()
    code, told = on_terminal("issue", "new", answers=[(b"Title: ", typed + b"\n")])
    assert code == 0, told
    assert titles(past_cli, "key:none") == [LOCAL_TITLE, LOCAL_TITLE]
    code, told = on_terminal("issue", "new", "--no-input")
    assert (code, b"error: title is needed" in told) == (5, True)


def test_nothing_is_left_in_the_temporary_folder(
    past_cli: Cli, on_terminal: OnTerminal, tmp_path: Path
) -> None:
    """The text given to the editor is gone afterwards."""
    # FAULTS 32
    folder = tmp_path / "temporary"
    folder.mkdir()
    code, _ = on_terminal("issue", "edit", "OPS-4", EDITOR="true", TMPDIR=str(folder))
    assert code == 0
    assert list(folder.iterdir()) == []
