"""`resolution`: judging mined fixes on the command line and with keys."""

import json
import stat
from pathlib import Path

import pytest

from cli.conftest import COMMENT_FIX, FORMS, LOCAL_FIX, PAST, Answer, Cli, OnTerminal
from cli.hostile import CONTROL_PAYLOADS

SECOND = {
    **PAST[1],
    "key": "OPS-5",
    "title": "Intranet certificate expired",
    "comments": [
        {**PAST[1]["comments"][0], "body": f"{COMMENT_FIX} On the intranet too."}
    ],
}
OTHER = "Fixed by switching `certbot.timer` on again and reloading nginx on web-2."


@pytest.fixture
def fixes(cli: Cli, tmp_path: Path) -> Cli:
    """Return the program with two mined fixes beside a stated one."""
    records = [*PAST, SECOND]
    path = tmp_path / "past.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    cli("import", str(path), "--no-index")
    return cli


def pressed(*keys: tuple[bytes, bytes]) -> list[Answer]:
    """Return answers of one key each, given a second after the screen that asks.

    What is typed before the terminal is listening for a key is thrown away.
    """
    pause = [(b"", b"")] * 5
    return [one for shown, key in keys for one in ((shown, b""), *pause, (b"", key))]


def known(cli: Cli, issue: str) -> tuple[str, str, str] | None:
    """Return text, how and provenance of a fix."""
    found = cli("issue", "show", issue, "-o", "json").data["resolution"]
    return (found["text"], found["how"], found["provenance"]) if found else None


def test_the_queue_lists_what_nobody_judged(fixes: Cli) -> None:
    """Mined fixes only, with their scores; nothing is asked."""
    rows = fixes("resolution", "review", "--no-input", "-o", "json").data
    assert {row["key"] for row in rows} == {"OPS-2", "OPS-5"}
    assert {row["how"] for row in rows} == {"mined"}
    assert all(0 < row["score"] <= 1 for row in rows)


def test_the_list_can_be_narrowed(fixes: Cli) -> None:
    """`resolution` alone lists all of them."""
    every = fixes("-o", "json", "resolution").data
    stated = fixes("resolution", "list", "--how", "stated", "-o", "json").data
    assert {row["key"] for row in every} == {"OPS-1", "OPS-2", "OPS-5"}
    assert [row["key"] for row in stated] == ["OPS-1"]


def test_a_fix_is_shown_with_reasons(fixes: Cli) -> None:
    """Each candidate tells where it is from and what spoke for it."""
    shown = fixes("resolution", "show", "OPS-2").out
    assert "Fix: mined from comment c1, score" in shown
    assert "1. comment c1 by platform" in shown
    assert "remedy +" in shown


def test_confirming_edits_and_rejecting_hold(fixes: Cli) -> None:
    """Each judgement is what `issue show` then tells."""
    fixes("resolution", "confirm", "OPS-2")
    assert known(fixes, "OPS-2") == (COMMENT_FIX, "confirmed", "comment c1")
    fixes("resolution", "edit", "OPS-2", "--text", "-", stdin=OTHER)
    assert known(fixes, "OPS-2") == (OTHER, "confirmed", "an edit of comment c1")
    fixes("resolution", "reject", "OPS-5")
    assert known(fixes, "OPS-5") is None


def test_a_confirmed_fix_is_what_search_finds(fixes: Cli) -> None:
    """The person's words are indexed in place of the mined ones."""
    fixes("index", "update")
    fixes("resolution", "edit", "OPS-2", "--text", "Give the zebrafish a new plug now.")
    found = fixes("search", "zebrafish plug", "-o", "json").data
    assert found[0]["key"] == "OPS-2"


def test_a_confirmed_fix_goes_with_an_export(fixes: Cli) -> None:
    """What a person confirmed is told to whoever imports it; what was mined is not."""
    fixes("resolution", "confirm", "OPS-2")
    lines = fixes("export").out.splitlines()
    told = {r["key"]: r["resolution"] for r in map(json.loads, lines)}
    assert (told["OPS-2"], told["OPS-5"]) == (COMMENT_FIX, None)


def test_engineers_words_are_not_exported_as_everybodys(fixes: Cli) -> None:
    """A confirmed work note stays a work note."""
    fixes("issue", "comment", "OPS-3", "--note", COMMENT_FIX)
    fixes("issue", "close", "OPS-3")
    fixes("resolution", "confirm", "OPS-3")
    lines = fixes("export").out.splitlines()
    told = {r["key"]: r["resolution"] for r in map(json.loads, lines)}
    assert told["OPS-3"] is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("confirm", "OPS-3"), 2),
        (("confirm", "OPS-2", "--candidate", "9"), 2),
        (("confirm", "OPS-99"), 7),
        (("edit", "OPS-2", "--text", "fixed"), 2),
        (("edit", "OPS-2"), 2),
        (("reject", "OPS-3"), 2),
        (("show", "OPS-99"), 7),
    ],
)
def test_what_cannot_be_judged_is_told(
    fixes: Cli, arguments: tuple[str, ...], code: int
) -> None:
    """One line of cause, one of remedy; nothing is changed."""
    before = fixes("resolution", "list", "-o", "json").data
    done = fixes("resolution", *arguments, code=code)
    assert done.err.startswith("error: ")
    assert "try: " in done.err
    assert fixes("resolution", "list", "-o", "json").data == before


@pytest.mark.parametrize("form", FORMS)
def test_hostile_fixes_reach_no_terminal(fixes: Cli, form: str) -> None:
    """Escape sequences in a comment are data."""  # FAULTS 21
    attack = " ".join(CONTROL_PAYLOADS.values())
    fixes("issue", "comment", "OPS-3", f"Fixed by a new cable {attack}")
    fixes("issue", "close", "OPS-3")
    for verb in ("show", "confirm"):
        out = fixes("resolution", verb, "OPS-3", "-o", form).out
        assert "\x1b" not in out
        assert "\x9b" not in out


def test_keys_judge_one_after_the_other(
    fixes: Cli, on_terminal: OnTerminal, tmp_path: Path
) -> None:
    """Confirm one, edit the other in EDITOR; both are kept at once."""
    editor = tmp_path / "editor.sh"
    editor.write_text(f'#!/bin/sh\nprintf %s "{LOCAL_FIX}" > "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    code, told = on_terminal(
        "resolution",
        "review",
        answers=pressed((b"2 left.", b"c"), (b"1 left.", b"e")),
        timeout=60,
        EDITOR=str(editor),
        VISUAL="",
    )
    assert code == 0
    assert b"CONFIRMED" in told
    found = {known(fixes, key) for key in ("OPS-2", "OPS-5")}
    assert sorted(how for _, how, _ in filter(None, found)) == ["confirmed"] * 2
    assert LOCAL_FIX in {text for text, _, _ in filter(None, found)}


def test_keys_skip_reject_and_quit(fixes: Cli, on_terminal: OnTerminal) -> None:
    """An unknown key changes nothing, a rejection holds, the rest waits."""
    code, _ = on_terminal(
        "resolution",
        "review",
        answers=pressed((b"2 left.", b"x"), (b"2 left.", b"r"), (b"1 left.", b"q")),
        timeout=60,
    )
    assert code == 0
    left = fixes("resolution", "review", "--no-input", "-o", "json").data
    assert len(left) == 1
