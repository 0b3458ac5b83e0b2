"""`import`: what it takes, what it puts aside, and what a second run does."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import PAST, Cli, Done, write_jsonl
from issuetrack.connectors.files import reader as files

COUNTS = ("created", "updated", "unchanged", "comments", "resolutions", "quarantined")


def take(cli: Cli, *arguments: str | Path, code: int = 0) -> Done:
    """Import without indexing, as JSON."""
    given = [str(argument) for argument in arguments]
    return cli("import", *given, "--no-index", "--output", "json", code=code)


def counts(done: Done) -> dict[str, int]:
    """Return the counts of an import that are not zero."""
    return {name: done.data[name] for name in COUNTS if done.data[name]}


def issues(cli: Cli) -> list[dict[str, Any]]:
    """Return every issue, the first one first."""
    found = cli("issue", "list", "--sort", "number", "-o", "json").data
    assert isinstance(found, list)
    return found


def show(cli: Cli, name: str) -> dict[str, Any]:
    """Return one issue."""
    found = cli("issue", "show", name, "-o", "json").data
    assert isinstance(found, dict)
    return found


def test_every_field_is_taken(cli: Cli, tmp_path: Path) -> None:
    """Our own format keeps every field of an issue."""
    done = take(cli, write_jsonl(tmp_path / "past.jsonl", *PAST))
    assert counts(done) == {"created": 4, "comments": 3, "resolutions": 2}
    assert done.data["source"] == "past"
    found = show(cli, "OPS-1")
    same = set(PAST[0]) - {"resolution", "comments"}
    assert {name: found[name] for name in same} == {n: PAST[0][n] for n in same}
    assert found["resolution"]["text"] == PAST[0]["resolution"].strip()
    assert [c["body"] for c in found["comments"]] == [
        c["body"] for c in PAST[0]["comments"]
    ]
    assert show(cli, "OPS-2")["resolution"]["how"] == "mined"
    assert show(cli, "OPS-4")["duplicate_of"] == 1


def test_imported_issues_are_indexed(cli: Cli, tmp_path: Path) -> None:
    """Without --no-index what was imported is found at once."""
    cli("import", str(write_jsonl(tmp_path / "a.jsonl", {"key": "A", "title": "disk"})))
    assert cli("index", "status", "-o", "json").data["indexed"] == 1
    assert cli("search", "disk", "-o", "json").data[0]["key"] == "A"


def test_issues_not_indexed_yet_are_told_of(cli: Cli, tmp_path: Path) -> None:
    """After --no-index a search says that something is missing."""
    take(cli, write_jsonl(tmp_path / "a.jsonl", {"key": "A", "title": "disk"}))
    done = cli("search", "disk", "-o", "json")
    warning = "1 issues are not indexed yet: issuetrack index update"
    assert done.envelope["warnings"] == [warning]


def test_second_import_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    """The same file again leaves every issue unchanged."""
    file = write_jsonl(tmp_path / "past.jsonl", *PAST)
    take(cli, file)
    before = issues(cli)
    done = take(cli, file)
    assert counts(done) == {"unchanged": 4}
    assert issues(cli) == before


def test_changed_record_is_updated(cli: Cli, tmp_path: Path) -> None:
    """A record that changed is updated, its comments merged once."""
    old = {"key": "A", "title": "a", "comments": [{"key": "1", "body": "one"}]}
    take(cli, write_jsonl(tmp_path / "a.jsonl", old, {"key": "B", "title": "b"}))
    new = {
        "key": "A",
        "title": "a, but changed",
        "status": "closed",
        "comments": [{"key": "1", "body": "one"}, {"key": "2", "body": "two"}],
    }
    file = write_jsonl(tmp_path / "a.jsonl", new, {"key": "B", "title": "b"})
    done = take(cli, file)
    assert counts(done) == {"updated": 1, "unchanged": 1, "comments": 1}
    found = show(cli, "A")
    assert (found["title"], found["status"]) == ("a, but changed", "closed")
    assert [c["body"] for c in found["comments"]] == ["one", "two"]
    assert counts(take(cli, file)) == {"unchanged": 2}


def test_changed_comment_replaces_the_old_one(cli: Cli, tmp_path: Path) -> None:
    """A comment that was edited at its source is kept once, in its new words."""
    record = {"key": "A", "title": "a", "comments": [{"key": "1", "body": "old"}]}
    take(cli, write_jsonl(tmp_path / "a.jsonl", record))
    record["comments"] = [{"key": "1", "body": "new"}]
    take(cli, write_jsonl(tmp_path / "a.jsonl", record))
    assert [c["body"] for c in show(cli, "A")["comments"]] == ["new"]


def test_comments_without_keys_are_merged_once(cli: Cli, tmp_path: Path) -> None:
    """Comments that have no key are known again by what they say."""
    comment = {"author": "x", "body": "same", "created_at": "2026-01-01T00:00:00Z"}
    for title in ("first", "second"):
        record = {"key": "A", "title": title, "comments": [comment, comment]}
        take(cli, write_jsonl(tmp_path / "a.jsonl", record))
    assert [c["body"] for c in show(cli, "A")["comments"]] == ["same"]


def test_later_duplicate_is_known(cli: Cli, tmp_path: Path) -> None:
    """An issue that is marked as a duplicate later on becomes one."""
    first, second = {"key": "A", "title": "a"}, {"key": "B", "title": "b"}
    take(cli, write_jsonl(tmp_path / "a.jsonl", first, second))
    marked = second | {"duplicate_of": "A"}
    take(cli, write_jsonl(tmp_path / "a.jsonl", first, marked))
    assert show(cli, "B")["duplicate_of"] == 1


def test_what_a_person_told_survives_an_import(cli: Cli, tmp_path: Path) -> None:
    """A fix told with `resolve` is not replaced by one mined from comments."""
    record: dict[str, Any] = {
        "key": "A",
        "title": "a",
        "status": "closed",
        "resolution": "Fixed",
        "comments": [
            {"key": "1", "body": "Fixed by restarting. Root cause was a memory leak."}
        ],
    }
    take(cli, write_jsonl(tmp_path / "a.jsonl", record))
    told = "Root cause: a limit of 1 GiB. Fix: raise it to 4 GiB."
    cli("resolve", "A", told)
    take(cli, write_jsonl(tmp_path / "a.jsonl", record | {"title": "changed"}))
    assert show(cli, "A")["resolution"]["text"] == told


def test_sources_keep_their_keys_apart(cli: Cli, tmp_path: Path) -> None:
    """The same key in two sources is two issues, which a key alone cannot name."""
    for name in ("x", "y"):
        take(
            cli, write_jsonl(tmp_path / f"{name}.jsonl", {"key": "1-A", "title": name})
        )
    assert [issue["source"] for issue in issues(cli)] == ["x", "y"]
    done = cli("issue", "show", "1-A", code=7)
    assert "names several issues: #1, #2" in done.err


def test_source_can_be_named(cli: Cli, tmp_path: Path) -> None:
    """--source names the source; several files may go into one."""
    first = write_jsonl(tmp_path / "x.jsonl", {"key": "A", "title": "a"})
    second = write_jsonl(tmp_path / "y.jsonl", {"key": "A", "title": "changed"})
    take(cli, first, "--source", "shop")
    assert counts(take(cli, second, "--source", "shop")) == {"updated": 1}
    assert issues(cli)[0]["source"] == "shop"
    take(cli, first, "--source", " ", code=2)


def test_dry_run_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    """--dry-run counts what would be done, and changes no byte."""
    take(cli, write_jsonl(tmp_path / "a.jsonl", {"key": "A", "title": "a"}))
    records = (
        {"key": "A", "title": "changed"},
        {"key": "B", "title": "b", "comments": [{"body": "one"}]},
        {"key": "C"},
    )
    file = write_jsonl(tmp_path / "a.jsonl", *records)
    before = (tmp_path / "test.db").read_bytes()
    done = take(cli, file, "--dry-run", code=6)
    assert counts(done) == {
        "created": 1,
        "updated": 1,
        "comments": 1,
        "quarantined": 1,
    }
    assert done.data["dry_run"] is True
    assert (tmp_path / "test.db").read_bytes() == before
    assert [issue["title"] for issue in issues(cli)] == ["a"]


def test_dry_run_counts_comments_on_their_own(cli: Cli, tmp_path: Path) -> None:
    """A dry run of a file of comments tells what the import would do."""
    take(cli, write_jsonl(tmp_path / "i.jsonl", GITHUB_ISSUE), "--source", "shop")
    file = write_jsonl(tmp_path / "c.jsonl", GITHUB_COMMENT)
    foreseen = counts(take(cli, file, "--source", "shop", "--dry-run"))
    assert foreseen == counts(take(cli, file, "--source", "shop"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{bad", "it is not JSON"),
        (b'{"key": "K", "title": "\xff"}', "is not UTF-8"),
        (b'{"key": "K", "title": "a\x00b"}', "it is not JSON"),
        (b'{"title": "x"}', "key is missing"),
        (b'{"key": "", "title": "x"}', "key is missing"),
        (b'{"key": null, "title": "x"}', "key is missing"),
        (b'{"key": "K", "title": " "}', "title is missing"),
        (b'{"key": "K", "title": null}', "title is missing"),
        (b'{"key": "K"}', "it is not an issue of a known format"),
        (b"{}", "it is not an issue of a known format"),
        (b"[1]", "it is not a JSON object"),
        (b'"text"', "it is not a JSON object"),
        (b'{"key": true, "title": "x"}', "key should be a text, not true or false"),
        (b'{"key": "K", "title": ["x"]}', "title should be a text, not a list"),
        (b'{"key": "K", "title": "x", "body": {}}', "body should be a text"),
        (b'{"key": "K", "title": "x", "labels": "y"}', "labels should be a list"),
        (b'{"key": "K", "title": "x", "labels": [1]}', "labels should hold texts"),
        (b'{"key": "K", "title": "x", "comments": [1]}', "comments should hold"),
        (b'{"key": "K", "title": "x", "comments": [{"kind": "z"}]}', "kind of comment"),
        (b'{"key": "K", "title": "x", "status": "gone"}', "unknown status 'gone'"),
        (b'{"key": "K", "title": "x", "created_at": "soon"}', "'soon' is not a date"),
        (b'{"key": "K", "title": "x", "closed_at": "9"}', "'9' is not a date"),
        (b'{"key": "K", "title": "x", "created_at": 12}', "'12' is not a date"),
        (
            b'{"key": "K", "title": "x", "created_at": "0001-01-01T00:00:00+14:00"}',
            "out of range",
        ),
        (b'{"key": "' + b"k" * 501 + b'", "title": "x"}', "its key is too long"),
        (b'{"key": ' + b"9" * 5000 + b', "title": "x"}', "it is not JSON"),
        (b'{"key": "K", "title": "x", "z": ' + b"[" * 3000 + b"}", "it is not JSON"),
    ],
    ids=lambda value: ascii(value[:60]) if isinstance(value, bytes) else value,
)
def test_bad_record_is_put_aside(
    cli: Cli, tmp_path: Path, line: bytes, reason: str
) -> None:
    """A bad record is told with line and reason, and the others are taken in."""
    # FAULTS 15
    good = [json.dumps({"key": key, "title": key}).encode() for key in "AB"]
    file = tmp_path / "some.jsonl"
    file.write_bytes(b"\n".join([good[0], line, good[1]]) + b"\n")
    done = take(cli, file, code=6)
    assert counts(done) == {"created": 2, "quarantined": 1}
    (problem,) = done.data["problems"]
    assert (problem["origin"], problem["line"]) == ("some.jsonl", 2)
    assert reason in problem["reason"]
    told = f"some.jsonl line 2: {problem['reason']}"
    assert done.envelope["warnings"] == [told]
    assert done.err == f"warning: {told}\n"


def test_only_some_problems_are_shown(cli: Cli, tmp_path: Path) -> None:
    """Hundreds of bad records are counted; the first of them are shown."""
    records: list[dict[str, Any]] = [
        {"key": "A", "title": "a"},
        *([{"key": "B"}] * 150),
    ]
    done = take(cli, write_jsonl(tmp_path / "a.jsonl", *records), code=6)
    assert done.data["quarantined"] == 150
    assert [p["line"] for p in done.data["problems"]] == list(range(2, 22))


def test_nothing_but_bad_records_is_a_failure(cli: Cli, tmp_path: Path) -> None:
    """A file of which nothing could be taken in was probably the wrong file."""
    done = cli(
        "import", str(write_jsonl(tmp_path / "a.jsonl", {"a": 1})), "--no-index", code=2
    )
    assert "error: no record could be taken in; the first, a.jsonl line 1:" in done.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (bytes(range(256)) * 40, "is not a text file"),
        ('{"key": "A", "title": "a"}'.encode("utf-16"), "is not a text file"),
        (b"[{]", "is not JSON"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"a,b\n1,2\n", "has no column for key and title"),
        (b"key,b\n1,2\n", "has no column for title"),
    ],
    ids=["empty", "blank", "binary", "utf-16", "broken", "deep", "columns", "column"],
)
def test_unreadable_file_is_refused(
    cli: Cli, tmp_path: Path, content: bytes, message: str
) -> None:
    """A file that is not what it should be is refused whole, with a remedy."""
    # FAULTS 15
    path = tmp_path / "some.file"
    path.write_bytes(content)
    done = cli("import", str(path), "--no-index", code=2)
    assert done.err.startswith(f"error: {path}")
    assert message in done.err
    assert "  try: " in done.err
    assert issues(cli) == []


def test_missing_file_and_folder(cli: Cli, tmp_path: Path) -> None:
    """A file that is not there has exit code 7, a folder without pages 2."""
    assert "there is no file" in cli("import", str(tmp_path / "no"), code=7).err
    done = cli("import", str(tmp_path), code=2)
    assert done.err.startswith(f"error: there is no page in {tmp_path}")


def test_file_that_may_not_be_read(cli: Cli, tmp_path: Path) -> None:
    """A file without permission is told of, not crashed over."""
    path = write_jsonl(tmp_path / "a.jsonl", {"key": "A", "title": "a"})
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "cannot read" in cli("import", str(path), code=2).err


def test_nul_is_kept_out_of_lines_and_kept_in_bodies(cli: Cli, tmp_path: Path) -> None:
    """NUL in a title becomes a replacement; in a body it is kept and not shown."""
    # FAULTS 24
    record = {"key": "A", "title": "a\0b", "service": "s\0t", "body": "c\0d"}
    record |= {"comments": [{"key": "1", "body": "e\0f"}]}  # type: ignore[dict-item]
    done = cli("import", str(write_jsonl(tmp_path / "a.jsonl", record)))
    assert done.err == ""
    found = show(cli, "A")
    assert (found["title"], found["service"]) == ("a\ufffdb", "s\ufffdt")
    assert (found["body"], found["comments"][0]["body"]) == ("c\0d", "e\0f")
    assert "cd" in cli("issue", "show", "A").out
    assert cli("search", "c d", "-o", "json").data


def test_huge_body_is_stored_and_shown(cli: Cli, tmp_path: Path) -> None:
    """A body of 10 MB is kept whole and comes out again."""
    # FAULTS 24
    body = "".join(f"line {place} of a long log\n" for place in range(400_000))
    assert len(body) > 10_000_000
    take(
        cli, write_jsonl(tmp_path / "a.jsonl", {"key": "A", "title": "a", "body": body})
    )
    assert show(cli, "A")["body"] == body
    told = cli("issue", "show", "A", "--output", "markdown").out
    assert "line 399999 of a long log" in told


def test_body_over_the_limit_is_put_aside(cli: Cli, tmp_path: Path) -> None:
    """A body over 16 MiB is put aside with the reason."""
    # FAULTS 24
    long = {"key": "A", "title": "a", "body": "x" * (16 * 1024 * 1024 + 1)}
    file = write_jsonl(tmp_path / "a.jsonl", long, {"key": "B", "title": "b"})
    done = take(cli, file, code=6)
    assert done.data["problems"][0]["reason"] == "its text is longer than 16 MiB"


def test_line_over_the_limit_is_put_aside(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is too long is skipped whole; the next one is read."""
    # FAULTS 24
    monkeypatch.setattr(files, "MOST_RECORD", 1000)
    long = {"key": "A", "title": "x" * 5000}
    file = write_jsonl(tmp_path / "a.jsonl", long, {"key": "B", "title": "b"}, long)
    done = take(cli, file, code=6)
    assert [p["line"] for p in done.data["problems"]] == [1, 3]
    assert "the line is longer than" in done.data["problems"][0]["reason"]
    assert [issue["key"] for issue in issues(cli)] == ["B"]


def test_document_over_the_limit_is_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One JSON document that is too large says to write a line for each issue."""
    # FAULTS 24
    monkeypatch.setattr(files, "MOST_DOCUMENT", 100)
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"key": "A", "title": "x" * 200}]))
    assert "try: write one object a line" in cli("import", str(path), code=2).err


@pytest.mark.parametrize("strict", [True, False])
def test_strict_stops_at_the_first_bad_record(
    cli: Cli, tmp_path: Path, strict: bool
) -> None:
    """--strict refuses with the line; what came before in the batch is not in."""
    records = ({"key": "A", "title": "a"}, {"key": "B"}, {"key": "C", "title": "c"})
    file = write_jsonl(tmp_path / "a.jsonl", *records)
    arguments = ["import", str(file), "--no-index", *(["--strict"] if strict else [])]
    done = cli(*arguments, code=2 if strict else 6)
    if strict:
        assert done.err.startswith("error: a.jsonl line 2: ")
        assert "  try: 0 issues before it are in; " in done.err
    assert len(issues(cli)) == (0 if strict else 2)


def test_csv_file_is_closed(cli: Cli, tmp_path: Path) -> None:
    """A CSV file is closed once it has been read."""
    path = tmp_path / "a.csv"
    path.write_text("key,title\nA,a\n")
    take(cli, path)


@pytest.mark.parametrize(
    "content",
    [
        "key,title,body\nA,first,text\nB,second,more\n",
        "\ufeffkey,title,body\r\nA,first,text\r\nB,second,more\r\n",
        'Issue key,Summary,Description\n"A","first","text"\nB,second,more\n',
    ],
    ids=["plain", "bom and crlf", "headers of jira"],
)
def test_csv_is_taken(cli: Cli, tmp_path: Path, content: str) -> None:
    """CSV with the usual headers is taken, with or without a byte order mark."""
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8", newline="")
    take(cli, path)
    assert [(i["key"], i["title"]) for i in issues(cli)] == [
        ("A", "first"),
        ("B", "second"),
    ]
    assert show(cli, "B")["body"] == "more"


def test_csv_cells_may_hold_line_breaks(cli: Cli, tmp_path: Path) -> None:
    """A quoted cell keeps its line breaks, commas and quotes."""
    path = tmp_path / "a.csv"
    path.write_text('key,title,body\nA,"one, two","line 1\nline ""2"""\n')
    take(cli, path)
    assert issues(cli)[0]["title"] == "one, two"
    assert show(cli, "A")["body"] == 'line 1\nline "2"'


def test_csv_rows_that_do_not_fit_are_put_aside(cli: Cli, tmp_path: Path) -> None:
    """A ragged row and one that is not UTF-8 are told with their lines."""
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'key,title,body\nA,"a\nb",x\nB,b\nC,c,x,y\nD,\xff,x\nE,e,x\nF,f,x\n'
    )
    done = take(cli, path, code=6)
    assert [(p["line"], p["reason"]) for p in done.data["problems"]] == [
        (4, "it has 2 columns, the header has 3"),
        (5, "it has 4 columns, the header has 3"),
        (6, "it is not UTF-8"),
    ]
    assert [issue["key"] for issue in issues(cli)] == ["A", "E", "F"]


def test_csv_columns_are_mapped(cli: Cli, tmp_path: Path) -> None:
    """--map names columns; of two columns for a field the mapped one counts."""
    path = tmp_path / "a.csv"
    path.write_text("Ticket No,What,Title,Tags\n7,real title,other,a b\n")
    take(cli, path, "--map", "ticket no=key", "--map", "What=title")
    (found,) = issues(cli)
    assert (found["key"], found["title"]) == ("7", "real title")
    assert found["labels"] == ["a", "b"]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("Nope=key", "has no column 'Nope'"),
        ("No=nofield", "there is no field 'nofield'"),
        ("No", "is not COLUMN=FIELD"),
        ("=key", "is not COLUMN=FIELD"),
        ("No=", "is not COLUMN=FIELD"),
    ],
)
def test_wrong_mapping_is_refused(
    cli: Cli, tmp_path: Path, mapping: str, message: str
) -> None:
    """A column or a field that is not there is named, with those that are."""
    path = tmp_path / "a.csv"
    path.write_text("No,title\n1,a\n")
    assert message in cli("import", str(path), "--map", mapping, code=2).err


GITHUB_ISSUE: dict[str, Any] = {
    "url": "https://api.github.com/repos/acme/shop/issues/7",
    "html_url": "https://github.com/acme/shop/issues/7",
    "number": 7,
    "title": "Checkout is down",
    "body": None,
    "state": "closed",
    "user": {"login": "reporter"},
    "assignee": {"login": "worker"},
    "labels": [{"name": "bug"}, {"name": "priority/high"}, "plain"],
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-03T00:00:00Z",
    "closed_at": "2026-01-02T00:00:00Z",
}
GITHUB_PULL: dict[str, Any] = GITHUB_ISSUE | {
    "number": 8,
    "url": "https://api.github.com/repos/acme/shop/issues/8",
    "pull_request": {"url": "https://api.github.com/repos/acme/shop/pulls/8"},
}
GITHUB_COMMENT: dict[str, Any] = {
    "id": 11,
    "issue_url": "https://api.github.com/repos/acme/shop/issues/7",
    "body": "Fixed by raising the pool limit. The root cause was a small pool.",
    "user": {"login": "worker"},
    "created_at": "2026-01-02T00:00:00Z",
}
JIRA_ISSUE: dict[str, Any] = {
    "key": "SHOP-7",
    "self": "https://jira.example/rest/api/2/issue/10007",
    "fields": {
        "summary": "Checkout is down",
        "description": None,
        "created": "2026-01-01T00:00:00.000+0200",
        "status": {"name": "Closed"},
        "priority": {"name": "Blocker"},
    },
}


@pytest.mark.parametrize("form", ["auto", "github"])
@pytest.mark.parametrize("whole", [False, True], ids=["lines", "array"])
def test_github_objects_are_taken(
    cli: Cli, tmp_path: Path, form: str, whole: bool
) -> None:
    """Raw GitHub objects: pull requests are skipped, a body may be null."""
    path = tmp_path / "raw.json"
    if whole:
        path.write_text(json.dumps([GITHUB_ISSUE, GITHUB_PULL]))
    else:
        write_jsonl(path, GITHUB_ISSUE, GITHUB_PULL)
    done = take(cli, path, "--format", form)
    assert (done.data["created"], done.data["skipped"]) == (1, 1)
    found = show(cli, "acme/shop#7")
    assert (found["body"], found["type"], found["priority"]) == ("", "bug", "P2")
    assert found["labels"] == ["bug", "priority/high", "plain"]
    assert show(cli, GITHUB_ISSUE["html_url"])["number"] == found["number"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_github_comments_find_their_issue(
    cli: Cli, tmp_path: Path, order: Sequence[int]
) -> None:
    """A file of comments is attached to its issues, whichever file comes first."""
    paths = [
        write_jsonl(tmp_path / "issues.jsonl", GITHUB_ISSUE),
        write_jsonl(tmp_path / "comments.jsonl", GITHUB_COMMENT),
    ]
    done = take(cli, *(paths[place] for place in order), "--source", "shop")
    assert counts(done) == {"created": 1, "comments": 1}
    found = show(cli, "acme/shop#7")
    assert [c["author"] for c in found["comments"]] == ["worker"]
    assert found["resolution"]["provenance"] == "comment 11"
    again = take(cli, *paths, "--source", "shop")
    assert counts(again) == {"unchanged": 1}


def test_comment_of_an_unknown_issue_is_put_aside(cli: Cli, tmp_path: Path) -> None:
    """A comment whose issue is not there is told with the issue's name."""
    stray = GITHUB_COMMENT | {
        "issue_url": "https://api.github.com/repos/acme/shop/issues/99"
    }
    file = write_jsonl(tmp_path / "raw.jsonl", GITHUB_ISSUE, stray)
    done = take(cli, file, code=6)
    reason = "its issue acme/shop#99 has not been imported"
    assert done.data["problems"][0]["reason"] == reason


@pytest.mark.parametrize("form", ["auto", "jira"])
@pytest.mark.parametrize(
    "shape",
    [
        "lines",
        "array",
        "indented",
        "search result",
    ],
)
def test_jira_objects_are_taken(
    cli: Cli, tmp_path: Path, form: str, shape: str
) -> None:
    """Raw Jira v2 objects: a line each, an array, or a search result."""
    result = {"total": 1, "issues": [JIRA_ISSUE]}
    path = tmp_path / "raw.json"
    path.write_text(
        {
            "lines": json.dumps(JIRA_ISSUE) + "\n",
            "array": json.dumps([JIRA_ISSUE]),
            "indented": json.dumps(result, indent=2),
            "search result": json.dumps(result),
        }[shape]
    )
    take(cli, path, "--format", form)
    found = show(cli, "SHOP-7")
    assert (found["status"], found["priority"], found["body"]) == ("closed", "P1", "")
    assert found["created_at"] == "2025-12-31T22:00:00+00:00"
    assert found["url"] == "https://jira.example/browse/SHOP-7"


@pytest.mark.parametrize("letter", [",", "[", "{"])
def test_long_first_line_is_a_line(cli: Cli, tmp_path: Path, letter: str) -> None:
    """JSON lines are known as such whatever their first line is made of."""
    first = {"key": "A", "title": "a", "body": letter * 300_000}
    take(cli, write_jsonl(tmp_path / "a.jsonl", first, {"key": "B", "title": "b"}))
    assert [issue["key"] for issue in issues(cli)] == ["A", "B"]


def test_formats_may_be_mixed(cli: Cli, tmp_path: Path) -> None:
    """Without --format each record is known by its own looks."""
    own = {"key": "OWN-1", "title": "own"}
    take(cli, write_jsonl(tmp_path / "mix.jsonl", own, GITHUB_ISSUE, JIRA_ISSUE))
    keys = [issue["key"] for issue in issues(cli)]
    assert keys == ["OWN-1", "acme/shop#7", "SHOP-7"]
