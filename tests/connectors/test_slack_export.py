"""Slack exports: threads, names, markup, and archives that are not what they say."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from issuetrack.connectors.files import slack_files
from issuetrack.connectors.files.slack import SlackReader
from issuetrack.connectors.files.slack_text import SlackText
from issuetrack.engine.errors import ImportFormatError, NotFoundError
from issuetrack.engine.sync.ports import BadRecord, RemoteDocument, SkippedRecord

CHANNELS = [{"id": "C1", "name": "ops"}, {"id": "C2", "name": "quiet"}]
USERS = [
    {"id": "U1", "name": "ines", "profile": {"display_name": "Ines"}},
    {"id": "U2", "name": "tarek", "real_name": "Tarek B."},
]
ASKED: dict[str, Any] = {
    "type": "message",
    "user": "U1",
    "ts": "1767340800.000100",
    "thread_ts": "1767340800.000100",
    "text": "Boiler 3 shows *E42* since <!here> <#C1|ops>\nSee <https://wiki.example/b|wiki>",
}
ANSWERED: dict[str, Any] = {
    "type": "message",
    "user": "U2",
    "ts": "1767427200.000200",
    "thread_ts": "1767340800.000100",
    "text": "<@U1> fixed by ```valve reset --unit 3 &amp;&amp; valve status```",
}
DAYS: dict[str, Any] = {
    "channels.json": CHANNELS,
    "users.json": USERS,
    "ops/2026-01-02.json": [
        {
            "type": "message",
            "subtype": "channel_join",
            "user": "U2",
            "ts": "1767340700.1",
        },
        ASKED,
        {"type": "message", "user": "U2", "ts": "1767340900.3", "text": "lunch?"},
    ],
    "ops/2026-01-03.json": [ANSWERED],
}


def folder_of(path: Path, files: Mapping[str, Any]) -> Path:
    """Write an export to a folder; bytes as they are, the rest as JSON."""
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        is_raw = isinstance(content, bytes)
        target.write_bytes(content if is_raw else json.dumps(content).encode())
    return path


def zip_of(path: Path, files: Mapping[str, Any], top: str = "") -> Path:
    """Write an export to a zip file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            is_raw = isinstance(content, bytes)
            data = content if is_raw else json.dumps(content).encode()
            archive.writestr(top + name, data)
    return path


def documents(path: Path) -> list[RemoteDocument]:
    """Return the threads of an export."""
    items = SlackReader(path).items()
    return [item for item in items if isinstance(item, RemoteDocument)]


def bad(path: Path) -> list[BadRecord]:
    """Return what could not be read."""
    items = SlackReader(path).items()
    return [item for item in items if isinstance(item, BadRecord)]


@pytest.mark.parametrize("form", ["folder", "zip", "zip with a top folder"])
def test_thread_over_two_days_is_one_document(tmp_path: Path, form: str) -> None:
    """A thread is told whole, with names, times and Markdown."""
    if form == "folder":
        path = folder_of(tmp_path / "export", DAYS)
    else:
        path = zip_of(tmp_path / "e.zip", DAYS, "acme export/" if "top" in form else "")
    reader = SlackReader(path)
    items = list(reader.items())
    (thread,) = [item for item in items if isinstance(item, RemoteDocument)]

    assert thread.key == "ops/1767340800.000100"
    assert thread.title == "Boiler 3 shows E42 since @here #ops"
    assert thread.updated_at.isoformat() == "2026-01-03T08:00:00.000200+00:00"
    assert thread.body == (
        "**Ines**, 2026-01-02 08:00 UTC\n\n"
        "Boiler 3 shows **E42** since @here #ops\n"
        "See [wiki](https://wiki.example/b)\n\n"
        "**Tarek B.**, 2026-01-03 08:00 UTC\n\n"
        "@Ines fixed by \n```\nvalve reset --unit 3 && valve status\n```"
    )
    assert [i.what for i in items if isinstance(i, SkippedRecord)] == [
        "message without replies"
    ]
    assert (reader.whole, reader.spared) == (True, set())
    assert 0 < reader.position <= reader.size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "*bold* _soft_ ~gone~ a*b*c snake_case_name",
            "**bold** *soft* ~~gone~~ a*b*c snake_case_name",
        ),
        ("&lt;b&gt; &amp;amp;", "<b> &amp;"),
        ("<@U9> <@U9|old> <@U1>", "@U9 @old @Ines"),
        ("<#C1> <#C9> <!subteam^S1|@oncall> <!channel>", "#ops #C9 @oncall @channel"),
        (
            "<https://x.example/a_b_c> <mailto:a@x.example|a@x.example>",
            "https://x.example/a_b_c a@x.example",
        ),
        ("`a *b* <https://x.example>`", "`a *b* https://x.example`"),
        ("```\nls *\n```", "```\nls *\n```"),
        ("```a``` and ```b```", "```\na\n```\n and \n```\nb\n```"),
        ("\u2022 one\n\u2022 two", "- one\n- two"),
        ("# not a heading", "\\# not a heading"),
        ("unclosed ```code *x*", "unclosed ```code **x**"),
        ("<not a tag", "<not a tag"),
    ],
)
def test_markup(text: str, expected: str) -> None:
    """Slack's markup becomes Markdown; what is in code stays as it is."""
    assert SlackText({"U1": "Ines"}, {"C1": "ops"}).markdown(text) == expected


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\n\n  first   line \nsecond", "first line"),
        (
            "word " * 30,
            "word " * 16 + "...",
        ),
        ("x" * 200, "x" * 80 + " ..."),
        ("```trace\nback```", "trace"),
        ("", "Thread in #ops, 2026-01-02 08:00"),
    ],
)
def test_title_is_the_first_line(tmp_path: Path, text: str, title: str) -> None:
    """The first line, without markup and cut at a word; else channel and time."""
    first = ASKED | {"text": text, "files": [] if text else [{"name": None}]}
    if not text:
        first["attachments"] = [{"fallback": "\u200b"}]
    days = DAYS | {"ops/2026-01-02.json": [first]}
    found = documents(folder_of(tmp_path / "e", days))

    assert [d.title.replace("\u200b", "") or title for d in found] == [title]


def test_bots_and_files_are_told(tmp_path: Path) -> None:
    """An alert keeps the text that it carries; a file is named."""
    alert = {
        "type": "message",
        "subtype": "bot_message",
        "username": "alerts",
        "ts": "1767340800.000100",
        "text": "",
        "attachments": [{"title": "Disk full", "text": "db-1 at 99 %"}],
        "files": [{"name": "graph.png"}],
    }
    days = DAYS | {"ops/2026-01-02.json": [alert]}
    (thread,) = documents(folder_of(tmp_path / "e", days))

    assert thread.title == "Disk full"
    assert thread.body.startswith(
        "**alerts**, 2026-01-02 08:00 UTC\n\nDisk full\ndb-1 at 99 %\n(file graph.png)"
    )


def test_reply_that_was_broadcast_is_told_once(tmp_path: Path) -> None:
    """The same message in the channel and in the thread is one."""
    again = ANSWERED | {"subtype": "thread_broadcast"}
    days = DAYS | {"ops/2026-01-03.json": [ANSWERED, again]}
    (thread,) = documents(folder_of(tmp_path / "e", days))

    assert thread.body.count("valve reset") == 1


@pytest.mark.parametrize(
    ("day", "origin", "reason"),
    [
        (b"[{", "ops/2026-01-03.json", "it is not JSON"),
        (b"\xff\xfe\x00", "ops/2026-01-03.json", "it is not JSON"),
        (b'"text"', "ops/2026-01-03.json", "it is no list of messages"),
        (b"[" * 100_000, "ops/2026-01-03.json", "it is nested too deeply"),
        (b"[1]", "ops/2026-01-03.json", "it is not a JSON object"),
        (b'[{"text": "no time"}]', "ops/2026-01-03.json", "ts is missing"),
        (
            b'[{"ts": "nan", "text": "x"}]',
            "ops/2026-01-03.json",
            "ts 'nan' is no moment",
        ),
        (
            b'[{"ts": "1.0", "text": {}}]',
            "ops/2026-01-03.json",
            "text should be a text, not an object",
        ),
    ],
)
def test_bad_day_is_put_aside(
    tmp_path: Path, day: bytes, origin: str, reason: str
) -> None:
    """A day that cannot be read is named, and its channel is not taken for gone."""
    # FAULTS 15
    path = folder_of(tmp_path / "e", DAYS | {"ops/2026-01-03.json": day})
    reader = SlackReader(path)
    found = [item for item in reader.items() if isinstance(item, BadRecord)]

    assert [(item.origin, item.reason) for item in found] == [(origin, reason)]
    assert reader.spared == {"ops/"}


@pytest.mark.parametrize("name", ["../../etc", "..", "a/b", "", "x" * 300, "\\server"])
def test_channel_that_is_a_path_is_not_followed(tmp_path: Path, name: str) -> None:
    """A channel's name leads nowhere but to its own folder."""
    days = DAYS | {"channels.json": [{"id": "C1", "name": name}]}
    folder_of(tmp_path, {"etc/2026-01-02.json": [ASKED, ANSWERED]})
    found = list(SlackReader(folder_of(tmp_path / "a" / "e", days)).items())

    assert [type(item) for item in found] == [BadRecord]


def test_link_out_of_the_export_is_not_followed(tmp_path: Path) -> None:
    """Neither a channel nor a day that is a link leads out of the folder."""
    outside = folder_of(tmp_path / "outside", {"2026-01-02.json": [ASKED, ANSWERED]})
    path = folder_of(tmp_path / "e", {"channels.json": CHANNELS, "ops/x": []})
    (path / "ops" / "2026-01-02.json").symlink_to(outside / "2026-01-02.json")
    (path / "quiet").symlink_to(outside)

    assert [(item.origin, item.reason) for item in bad(path)] == [
        ("ops/2026-01-02.json", "it is a link out of the folder"),
        ("quiet/2026-01-02.json", "it is a link out of the folder"),
    ]
    assert documents(path) == []


def test_members_with_paths_are_never_written(tmp_path: Path) -> None:
    """A zip file whose members climb out is read by name only; nothing is unpacked."""
    path = zip_of(tmp_path / "e.zip", DAYS | {"../../climb.json": [], "/abs.json": []})
    before = sorted(tmp_path.rglob("*"))

    assert len(documents(path)) == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert not (tmp_path.parent.parent / "climb.json").exists()


def test_zip_bomb_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that grows beyond the limit is not read to its end; the rest is."""
    # FAULTS 19
    monkeypatch.setattr(slack_files, "MOST_MEMBER", 1024 * 1024)
    bomb = b"[" + b" " * (8 * 1024 * 1024) + b"]"
    path = zip_of(tmp_path / "e.zip", DAYS | {"quiet/2026-01-02.json": bomb})

    assert path.stat().st_size < 100_000
    assert [item.reason for item in bad(path)] == ["it is larger than 64 MiB"]
    assert len(documents(path)) == 1


def test_many_small_bombs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is read together has a limit too, and so has the number of members."""
    # FAULTS 19
    path = zip_of(tmp_path / "e.zip", DAYS)
    monkeypatch.setattr(slack_files, "MOST_READ", 500)
    with pytest.raises(ImportFormatError, match="more than 4 GiB"):
        documents(path)
    monkeypatch.setattr(slack_files, "MOST_MEMBERS", 3)
    with pytest.raises(ImportFormatError, match="more than 3 files"):
        documents(path)


@pytest.mark.parametrize("left", [0, 10, 400])
def test_truncated_zip_is_refused(tmp_path: Path, left: int) -> None:
    """A download that broke off is told of."""
    path = zip_of(tmp_path / "e.zip", DAYS)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ImportFormatError, match="not a whole zip file"):
        documents(path)


def test_damaged_member_is_put_aside(tmp_path: Path) -> None:
    """A member whose bytes were changed does not stop the others."""
    path = zip_of(tmp_path / "e.zip", DAYS)
    content = bytearray(path.read_bytes())
    place = content.index(b"ops/2026-01-03.json") + len(b"ops/2026-01-03.json") + 5
    content[place] ^= 0xFF
    path.write_bytes(content)
    (found,) = bad(path)

    assert found.origin == "ops/2026-01-03.json"
    assert found.reason.startswith("it is damaged")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"users.json": USERS}, "has no channels.json"),
        ({"channels.json": b"{"}, "channels.json: it is not JSON"),
        ({"channels.json": {}}, "channels.json is no list"),
        ({"channels.json": CHANNELS, "users.json": b"x"}, "users.json: it is not JSON"),
    ],
)
def test_what_is_no_export_is_refused(
    tmp_path: Path, files: dict[str, Any], message: str
) -> None:
    """Folders and zip files without the lists of an export are refused."""
    for path in (
        folder_of(tmp_path / "e", files),
        zip_of(tmp_path / "e.zip", files),
    ):
        with pytest.raises(ImportFormatError, match=message):
            documents(path)


def test_missing_export(tmp_path: Path) -> None:
    """A zip file that is not there is not found."""
    with pytest.raises(NotFoundError):
        documents(tmp_path / "no.zip")
