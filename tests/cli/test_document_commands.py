"""`document`, and pages and exports through `import`, `search` and `suggest`."""

import json
import re
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Cli, TeamCli, write_jsonl

BROKER = """# Broker keeps orders

BrokerTimeoutError in the log.

## Fix

1. Restart it with `systemctl restart broker`
"""
SUMMARY = ["document", "key", "source", "title", "url", "updated_at", "created_at"]
HOSTILE = "\x1b]0;owned\x07 \x1b[31mred\x1b[0m \u202etxt.exe [bold]x[/bold]"
JIRA = (
    "Summary,Issue key,Issue id,Issue Type,Status,Created,Comment,Comment\n"
    "Mixer stops,M-1,1,Bug,Done,{created},"
    "{created};ines;Root cause was a worn belt. Fixed by fitting a new one.,\n"
)


@pytest.fixture
def wiki(tmp_path: Path) -> Path:
    """Return a folder of two pages."""
    folder = tmp_path / "wiki"
    (folder / "plant").mkdir(parents=True)
    (folder / "broker.md").write_text(BROKER)
    (folder / "plant" / "lift.html").write_text(
        "<title>Lift</title><h1>Lift</h1><p>The motor gets hot.</p>"
    )
    return folder


def data(cli: Cli, *arguments: str | Path, code: int = 0) -> Any:
    """Return what a command gives as JSON."""
    given = [str(argument) for argument in arguments]
    return cli(*given, "-o", "json", code=code).data


def test_folder_is_imported_listed_shown_and_removed(cli: Cli, wiki: Path) -> None:
    """The source is named after the folder; a document has a number of its own."""
    taken = data(cli, "import", wiki)
    assert (taken["source"], taken["created"], taken["removed"]) == ("wiki", 2, 0)
    listed = data(cli, "document", "list")
    assert [list(row) for row in listed] == [SUMMARY, SUMMARY]
    assert {row["title"] for row in data(cli, "document", "list", "motor", "hot")} == {
        "Lift"
    }
    assert re.search(r"(?m)^D1 .*wiki.*broker\.md", cli("document").out)
    shown = data(cli, "document", "show", "D1")
    assert list(shown) == [*SUMMARY, "body"]
    assert (shown["document"], shown["body"]) == (1, BROKER.strip())
    assert cli("document", "show", "plant/lift.html").out.startswith("D2 Lift")
    assert "# D1" in cli("document", "show", "1", "-o", "markdown").out
    assert data(cli, "document", "remove", "D2")["document"] == 2
    assert "there is no document D2" in cli("document", "show", "D2", code=7).err
    assert [row["document"] for row in data(cli, "document", "list")] == [1]


def test_document_is_found_and_cited(cli: Cli, wiki: Path, tmp_path: Path) -> None:
    """Rows of issues keep their fields; a document is told apart in every form."""
    issue = {"key": "A", "title": "Broker is slow", "body": "BrokerTimeoutError"}
    cli("import", str(write_jsonl(tmp_path / "a.jsonl", issue)))
    cli("import", str(wiki))
    rows = data(cli, "search", "broker keeps orders BrokerTimeoutError")
    assert {(row["number"], row["document"]) for row in rows} == {
        (None, 1),
        (None, 2),
        (1, None),
    }
    assert rows[0]["title"] == "Broker keeps orders"
    assert rows[0]["status"] is None
    assert re.search(r"(?m)^D1 ", cli("search", "broker keeps orders").out)
    assert "\nD1  " in cli("search", "broker keeps orders", "--explain").out
    assert data(cli, "similar", "A")[0]["document"] == 1
    made = data(cli, "suggest", "A")
    assert made["steps"][0]["rationale"] == "from Broker keeps orders (D1)"
    assert made["evidence"][0]["source"] == {
        "type": "document",
        "number": None,
        "key": "broker.md",
        "document": 1,
        "heading": "Fix",
        "sop": None,
    }
    assert made["similar"][0]["document"] == 1
    told = cli("suggest", "A").out
    assert "D1 (broker.md), document, Fix: " in told
    assert "D1 (broker.md)" in cli("suggest", "A", "-o", "markdown").out


def test_second_import_and_vanished_page(cli: Cli, wiki: Path) -> None:
    """Unchanged pages are not indexed again; one that is gone is removed."""
    data(cli, "import", wiki)
    (wiki / "plant" / "lift.html").unlink()
    foreseen = data(cli, "import", wiki, "--dry-run")
    taken = data(cli, "import", wiki)
    for report in (foreseen, taken):
        assert (report["unchanged"], report["removed"]) == (1, 1)
    assert data(cli, "index", "status")["queued"] == 0
    assert all(check["ok"] for check in data(cli, "db", "check"))


def test_bad_pages_are_told_of(cli: Cli, wiki: Path) -> None:
    """Exit code 6 and a line for what was put aside; a line for what was left out."""
    (wiki / "bad.md").write_bytes(b"# \xff")
    (wiki / "void.md").write_text("")
    (wiki / "out.md").symlink_to("/etc/hostname")
    done = cli("import", str(wiki), code=6)
    assert done.err.splitlines() == [
        "warning: left out out.md: it is a link out of the folder",
        "warning: left out void.md: it is empty",
        "warning: bad.md: byte 3 is not UTF-8",
    ]
    cli("import", str(wiki), "--strict", "--source", "other", code=2)


def test_another_folder_under_the_same_name(
    cli: Cli, wiki: Path, tmp_path: Path
) -> None:
    """The documents of the first are kept, and the remedy is named."""
    data(cli, "import", wiki)
    other = tmp_path / "b" / "wiki"
    other.mkdir(parents=True)
    (other / "x.md").write_text("# X")
    done = cli("import", str(other))
    assert "2 other documents of wiki were kept" in done.err
    assert "another --source" in done.err
    assert len(data(cli, "document", "list")) == 3


def test_what_does_not_go_together(cli: Cli, wiki: Path, tmp_path: Path) -> None:
    """Folders, issues and options that exclude each other are refused."""
    issues = write_jsonl(tmp_path / "a.jsonl", {"key": "A", "title": "a"})
    for given, message in (
        ((wiki, issues), "do not go together"),
        ((wiki, tmp_path), "one folder after the other"),
        ((wiki, "--map", "a=key"), "--map"),
        ((wiki, "--format", "csv"), "is a folder"),
        ((wiki, "--format", "slack"), "no Slack export"),
    ):
        assert message in cli("import", *map(str, given), code=2).err
    assert data(cli, "document", "list") == []


def test_single_pages_go_into_one_source(cli: Cli, wiki: Path, tmp_path: Path) -> None:
    """Several files are several documents; text files are told from records."""
    notes, table = tmp_path / "notes.txt", tmp_path / "table.txt"
    notes.write_text("The gate needs a new badge reader.")
    table.write_text("key,title\nT-1,Gate is shut\n")
    taken = data(cli, "import", wiki / "broker.md", notes, "--source", "loose")
    assert (taken["created"], taken["source"]) == (2, "loose")
    data(cli, "import", notes, "--source", "loose")
    assert len(data(cli, "document", "list")) == 2
    data(cli, "import", table)
    assert [row["key"] for row in data(cli, "issue", "list")] == ["T-1"]


def test_slack_export(cli: Cli, tmp_path: Path) -> None:
    """A zip file is read as it is; its threads are documents."""
    thread = [
        {
            "user": "U1",
            "ts": "1767340800.1",
            "thread_ts": "1767340800.1",
            "text": "Boiler E42?",
        },
        {
            "user": "U1",
            "ts": "1767340900.1",
            "thread_ts": "1767340800.1",
            "text": "reset it",
        },
        {"user": "U1", "ts": "1767340950.1", "text": "alone"},
    ]
    path = tmp_path / "acme.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("channels.json", json.dumps([{"id": "C1", "name": "ops"}]))
        archive.writestr("users.json", json.dumps([{"id": "U1", "name": "ines"}]))
        archive.writestr("ops/2026-01-02.json", json.dumps(thread))
    taken = data(cli, "import", path)
    assert (taken["source"], taken["created"], taken["skipped"]) == ("acme", 1, 1)
    (row,) = data(cli, "search", "boiler E42")
    assert (row["key"], row["title"]) == ("ops/1767340800.1", "Boiler E42?")
    path.write_bytes(path.read_bytes()[:200])
    assert "not a whole zip file" in cli("import", str(path), code=2).err


def test_tracker_export_and_its_dates(cli: Cli, tmp_path: Path) -> None:
    """Dates that may be either are refused with the option that tells."""
    path = tmp_path / "jira.csv"
    path.write_text(JIRA.format(created="03/04/26 9:05 AM"))
    assert "--date-format dmy" in cli("import", str(path), code=2).err
    taken = data(cli, "import", path, "--date-format", "dmy")
    assert (taken["created"], taken["comments"], taken["resolutions"]) == (1, 1, 1)
    shown = data(cli, "issue", "show", "M-1")
    assert shown["created_at"].startswith("2026-04-03T09:05")
    assert data(cli, "import", path, "--date-format", "dmy")["unchanged"] == 1


def test_hostile_titles_do_not_reach_the_terminal(cli: Cli, wiki: Path) -> None:
    """Control characters of titles, texts and names are shown, not sent."""
    # FAULTS 21, 25
    (wiki / "x\x1b[2J.md").write_text(
        f"# {HOSTILE}\n\n## Fix\n\n1. Run `ls -l` {HOSTILE}\n"
    )
    for arguments in (
        ("import", str(wiki)),
        ("document", "list"),
        ("document", "show", "D3"),
        ("document", "show", "D3", "-o", "markdown"),
        ("document", "list", "-o", "csv"),
        ("search", "red txt exe"),
        ("suggest", "--text", "red txt.exe owned bold"),
        ("document", "remove", "D3"),
    ):
        done = cli(*arguments)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", done.out + done.err)


def test_roles(team_cli: TeamCli, wiki: Path) -> None:
    """A viewer reads documents, and imports and removes none."""
    team_cli("import", str(wiki), by="engineer")
    assert "Broker" in team_cli("document", "show", "D1", by="viewer").out
    team_cli("document", "remove", "D1", by="viewer", code=3)
    team_cli("import", str(wiki), by="viewer", code=3)
    team_cli("document", "list", by="exporter", code=3)


def test_file_holds_no_text_of_documents(cli: Cli, wiki: Path, tmp_path: Path) -> None:
    """Neither the database nor the files beside it show a word."""
    # FAULTS 32
    (wiki / "broker.md").write_text("# Ocelotword\n\nquetzalword is the secret")
    cli("import", str(wiki))
    for path in tmp_path.glob("test.db*"):
        content = path.read_bytes()
        assert b"ocelotword" not in content.lower()
        assert b"quetzalword" not in content.lower()
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(tmp_path / "test.db").execute("SELECT * FROM document")
