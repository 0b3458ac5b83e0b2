"""`sop` on the command line: drafts, decisions, files, search, what is refused."""

import json
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.conftest import Cli, OnTerminal, TeamCli, in_words
from issuetrack.cli.sop_files import file_name
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.assistant.sops.records import SopVersionRecord
from issuetrack.engine.issues.procedures import SopSummary
from issuetrack.engine.store.types import SopStatus

RUNBOOK = """\
---
title: Disk full on a worker
weight: 20
---

# WorkerDiskFull

## Meaning

A worker has no room left on /var.\r
## Diagnosis

```shell
df -h /var
```

## Mitigation

1. Delete old logs.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a runbook, and with what is none."""
    made = tmp_path / "runbooks"
    (made / "linux").mkdir(parents=True)
    (made / "linux" / "disk.md").write_bytes(RUNBOOK.encode())
    (made / "README.md").write_text("# Runbooks\n\nSee the folders.\n")
    (made / ".hidden.md").write_text("# Hidden\n\n## Steps\n\n1. None.\n")
    (made / "notes.txt").write_text("not Markdown")
    return made


def sops(cli: Cli) -> list[tuple[int, int, str]]:
    """Return number, version and status of each procedure."""
    rows = cli("sop", "list", "-o", "json").data
    return [(row["sop"], row["version"], row["status"]) for row in rows]


def test_import_keeps_the_file_and_export_gives_it_back(
    cli: Cli, folder: Path, tmp_path: Path
) -> None:
    """To the letter, front matter and line ends included; imported again, unchanged."""
    done = cli("sop", "import", str(folder), "--no-index", "-o", "json")
    assert (done.data["created"], done.data["skipped"]) == (1, 1)
    assert done.data["problems"] == []
    assert cli("sop", "export", "S1").out == RUNBOOK
    cli("sop", "export", "--all", "--to", str(tmp_path / "out"))
    written = tmp_path / "out" / "runbooks" / "linux" / "disk.md"
    assert written.read_bytes() == RUNBOOK.encode()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    for again in (folder, tmp_path / "out" / "runbooks"):
        done = cli("sop", "import", str(again), "--no-index", "-o", "json")
        assert (done.data["created"], done.data["unchanged"]) == (0, 1)


def test_fields_of_an_imported_runbook(cli: Cli, folder: Path) -> None:
    """The usual headings become the fields; what fits none is in the notes."""
    cli("sop", "import", str(folder), "--no-index", "--tag", "linux")
    data = cli("sop", "show", "S1", "-o", "json").data
    assert (data["title"], data["tags"]) == ("Disk full on a worker", ["linux"])
    assert data["key"] == "runbooks/linux/disk.md"
    assert "no room left" in data["problem"]
    assert data["steps"].endswith("1. Delete old logs.")
    assert "df -h /var" in data["cause"]
    assert "weight: 20" in data["notes"]
    assert (data["rollback"], data["approved_by"]) == (None, None)
    shown = cli("sop", "show", "runbooks/linux/disk.md").out
    assert "S1 version 1 Disk full on a worker" in shown


def test_what_cannot_be_imported_is_said_and_the_rest_goes_on(
    cli: Cli, folder: Path
) -> None:
    """A 5 MB file, a binary one, one that is no UTF-8: each with its reason, exit 6."""
    (folder / "large.md").write_text("# Large\n\n" + "word " * 1_000_000)
    (folder / "binary.md").write_bytes(bytes(range(256)) * 40)
    (folder / "latin.md").write_bytes("# Störung\n\n1. Prüfen\n".encode("latin-1"))
    (folder / "empty.md").write_text("\n")
    (folder / "nul.md").write_bytes(b"# Title\n\n\x00\x00 steps\n")
    done = cli("sop", "import", str(folder), "--no-index", "-o", "json", code=6)
    assert (done.data["created"], done.data["refused"]) == (1, 5)
    reasons = {p["file"].split("/")[1]: p["reason"] for p in done.data["problems"]}
    assert reasons["large.md"] == "it is larger than 1 MB"
    assert reasons["binary.md"] == "it is no text: byte 129"
    assert reasons["latin.md"] == "it is not UTF-8: byte 5"
    assert reasons["empty.md"] == "is empty"
    assert reasons["nul.md"] == "is no text file"
    assert sops(cli) == [(1, 1, "draft")]
    alone = cli("sop", "import", str(folder / "large.md"), "--no-index", code=2)
    assert "no file could be taken in" in alone.err


def test_a_dry_run_writes_nothing(cli: Cli, folder: Path) -> None:
    """It counts as the import would."""
    done = cli("sop", "import", str(folder), "--dry-run", "-o", "json")
    assert (done.data["dry_run"], done.data["created"]) == (True, 1)
    assert sops(cli) == []
    assert cli("sop", "import", "nowhere", code=7).out == ""
    (folder / "x").mkdir()
    assert "no Markdown file" in cli("sop", "import", str(folder / "x"), code=2).err


def test_a_folder_is_not_left_by_links_or_keys(
    cli: Cli, folder: Path, tmp_path: Path
) -> None:
    """A link in it is not read, and no key leads out of the folder of an export."""
    secret = tmp_path / "secret.md"
    secret.write_text("# Secret\n\n## Steps\n\n1. None.\n")
    (folder / "link.md").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    done = cli("sop", "import", str(folder), "--no-index", "-o", "json")
    assert (done.data["read"], done.data["created"]) == (2, 1)
    record = with_key("../../etc/./cron.d/x.md")
    assert file_name(record, "markdown") == Path("etc/cron.d/x.md")
    assert file_name(with_key("../.."), "json") == Path("S1-disk-full.json")


def with_key(key: str) -> SopVersionRecord:
    """Return a procedure of a key."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    summary = SopSummary(
        *(1, 1, "Disk full", SopStatus.DRAFT, (), key, "owner", None, None),
        *(now, None, 1),
    )
    return SopVersionRecord(summary, Procedure("Disk full"), (), None, None)


def test_draft_search_and_suggest(past_cli: Cli) -> None:
    """From a resolved issue to a procedure that is found and, approved, quoted."""
    made = past_cli("sop", "draft", "OPS-1", "-o", "json").data
    assert (made["sop"], made["status"], made["written"]) == (1, "draft", True)
    assert "DB_POOL_MAX=8" in made["steps"]
    assert {entry["issue"] for entry in made["citations"]} == {1}
    (row,) = past_cli("sop", "search", "too many clients", "-o", "json").data
    assert (row["sop"], row["status"]) == (1, "draft")
    assert row["similarity"] > 0.4
    quiet = past_cli(
        "sop", "search", "too many clients", "--status", "approved", "-o", "json"
    )
    assert quiet.data == []
    again = past_cli("sop", "draft", "1", "-o", "json")
    assert (again.data["written"], again.data["near"]["sop"]) == (False, 1)
    assert "says all of this already" in again.err
    refused = past_cli("sop", "draft", "3", code=2)
    assert "nobody wrote down what fixed #3" in refused.err
    past_cli("config", "set", "sop.author_may_approve", "on")
    past_cli("sop", "submit", "S1")
    past_cli("sop", "approve", "S1")
    found = past_cli("search", "too many clients already", "-o", "json").data
    assert [row["sop"] for row in found if row["sop"]] == [1]
    assert "S1" in past_cli("search", "too many clients already").out
    told = past_cli("suggest", "4", "-o", "json").data
    assert {entry["source"]["sop"] for entry in told["evidence"]} >= {1}
    assert 1 in {row["sop"] for row in told["similar"]}
    past_cli("sop", "deprecate", "S1", "--note", "wrong since version 14")
    told = past_cli("suggest", "4", "-o", "json").data
    assert 1 not in {entry["source"]["sop"] for entry in told["evidence"]}


def test_the_author_is_refused_with_exit_3(team_cli: TeamCli) -> None:
    """Nothing changes, and the remedy is said; somebody else may."""
    new = ("sop", "new", "Disk full", "--steps", "1. Delete logs.")
    team_cli(*new, by="engineer")
    team_cli("sop", "submit", "S1", by="engineer")
    team_cli.refused(
        *("sop", "approve", "S1"),
        by="engineer",
        code=3,
        told="engineer wrote S1: somebody else has to approve it",
    )
    done = team_cli("sop", "approve", "S1", "--note", "tried", "-o", "json")
    assert (done.data[0]["status"], done.data[0]["approved_by"]) == (
        "approved",
        "owner",
    )
    history = team_cli("sop", "history", "S1", by="viewer", env={}).out
    assert "tried" in history
    team_cli.refused(
        *("sop", "edit", "S1", "--title", "x"),
        by="viewer",
        code=3,
        told="viewer is viewer: to write SOPs takes engineer",
    )


def test_an_editor_that_loses_the_race_keeps_its_text(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1, the newer version named, and the text in a file of the owner's alone."""
    monkeypatch.setenv("ISSUETRACK_STATE_DIR", str(tmp_path / "state"))
    cli("sop", "new", "Disk full", "--steps", "1. Delete logs.")
    cli("sop", "edit", "S1", "--cause", "- old logs")
    mine = cli("sop", "show", "S1", "--version", "1", "-o", "markdown").out
    mine = mine.replace("1. Delete logs.", "1. Call the storage team.")
    done = cli("sop", "edit", "S1", "--file", "-", "--base", "1", stdin=mine, code=1)
    assert "S1 has a version 2 by owner, and yours was made from version 1" in done.err
    (kept,) = (tmp_path / "state" / "kept").iterdir()
    assert str(kept) in done.err
    assert "1. Call the storage team." in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    merged = cli("sop", "edit", "S1", "--file", str(kept), "-o", "json").data
    assert (merged["version"], merged["parent"]) == (3, 2)
    assert merged["steps"] == "1. Call the storage team."


def test_somebody_else_writes_while_the_editor_is_open(
    cli: Cli, on_terminal: OnTerminal, tmp_path: Path
) -> None:
    """Whoever saves last is told, both texts are there, and nothing is overwritten."""
    cli("sop", "new", "Disk full", "--steps", "1. Delete logs.")
    other = f"{sys.executable} -m issuetrack sop edit S1 --cause '- old logs'"
    editor = tmp_path / "editor.sh"
    change = "sed -i 's/Delete logs/Call the storage team/' \"$1\""
    editor.write_text(f"#!/bin/sh\n{other} --no-input >/dev/null 2>&1\n{change}\n")
    editor.chmod(0o700)
    state = tmp_path / "state"
    settings = {"ISSUETRACK_STATE_DIR": str(state), "EDITOR": str(editor)}
    code, told = on_terminal("sop", "edit", "S1", VISUAL="", **settings)
    assert (code, b"S1 has a version 2 by owner" in told) == (1, True)
    (kept,) = (state / "kept").iterdir()
    assert "1. Call the storage team." in kept.read_text()
    data = cli("sop", "show", "S1", "-o", "json").data
    assert (data["version"], data["cause"]) == (2, "- old logs")
    assert data["steps"] == "1. Delete logs."


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("sop", "edit", "S1"), "nothing to write was given"),
        (("sop", "new"), "nothing to write was given"),
        (("sop", "edit", "S1", "--steps", "-", "--cause", "-"), "only one text"),
        (("sop", "edit", "S1", "--steps", "x", "--file", "y.md"), "the whole SOP"),
        (("sop", "edit", "S1", "--title", ""), "the SOP has no title"),
        (("sop", "draft", "1", "--new", "--into", "S1"), "do not go together"),
        (("sop", "export"), "name SOPs or say --all"),
        (("sop", "export", "S1", "--all"), "name SOPs or say --all"),
        (("sop", "approve", "S1"), "is a draft, not in review"),
    ],
    ids=in_words,
)
def test_wrong_use_is_told(cli: Cli, arguments: tuple[str, ...], told: str) -> None:
    """Exit 2 and one line each of cause and remedy; no version is written."""
    cli("sop", "new", "Disk full", "--steps", "1. Delete logs.")
    done = cli(*arguments, code=2)
    assert told in done.err
    assert "  try: " in done.err
    assert sops(cli) == [(1, 1, "draft")]


def test_a_rejection_says_why(cli: Cli) -> None:
    """Without a note it is asked for, and nobody is there to answer: exit 5."""
    cli("sop", "new", "Disk full", "--steps", "1. Delete logs.")
    cli("sop", "submit", "S1")
    assert "use --note" in cli("sop", "reject", "S1", code=5).err
    cli("sop", "reject", "S1", "--note", "-", stdin="step 1 is dangerous\n")
    last = cli("sop", "history", "S1", "-o", "json").data[-1]
    assert (last["action"], last["note"]) == ("reject", "step 1 is dangerous")


def test_a_diff_tells_the_fields(cli: Cli) -> None:
    """By default what the newest version changed; as rows, lines and Markdown."""
    cli("sop", "new", "Disk full", "--steps", "1. Delete logs.")
    cli("sop", "edit", "S1", "--steps", "1. Delete old logs.", "--tag", "linux")
    rows = cli("sop", "diff", "S1", "-o", "json").data
    assert [(row["field"], row["change"]) for row in rows] == [
        ("steps", "changed"),
        ("tags", "added"),
    ]
    assert rows[0]["lines"][1:] == ["-1. Delete logs.", "+1. Delete old logs."]
    assert "+1. Delete old logs." in cli("sop", "diff", "S1").out
    back = cli("sop", "diff", "S1", "--from", "2", "--to", "1", "-o", "markdown").out
    assert "```diff" in back
    assert "Nothing is different" in cli("sop", "diff", "S1", "--from", "2").out


def test_hostile_text_stays_text(cli: Cli) -> None:
    """Escape sequences and markup of a procedure reach no terminal."""
    hostile = "1. \x1b]52;c;ZXZpbA==\x07[@click=app.approve] run \u202eit"
    cli("sop", "new", "Disk \x1b[2Jfull [/b]", "--steps", hostile, "--tag", "\x1b[1m")
    for form in ("table", "markdown"):
        for command in (("show", "S1"), ("list",), ("history", "S1"), ("stats",)):
            out = cli("sop", *command, "-o", form).out
            assert "\x1b" not in out
            assert "\u202e" not in out
    assert "[@click=app.approve]" in cli("sop", "show", "S1").out
    assert json.loads(cli("sop", "export", "S1", "--format", "json").out)["sop"] == 1


def test_statistics_of_one_and_of_all(cli: Cli) -> None:
    """One procedure is one object, all are rows."""
    cli("sop", "new", "Disk full", "--steps", "1. Delete logs.")
    one = cli("sop", "stats", "S1", "-o", "json").data
    assert (one["used"], one["stars"], one["stale"]) == (0, None, [])
    assert cli("sop", "stats", "-o", "json").data == [one]
    assert cli("sop", "stats", "S2", code=7).out == ""
