"""`issue recurring`: what comes back, as a table and for programs."""

import csv
import io
from pathlib import Path

import pytest

from cli.conftest import Cli, write_jsonl
from issuetrack.cli.recurring import FIELDS

DISK = "Disk \x1b[31mfull\u202e on [b]node 7[/b]"
FIX = "Root cause: old logs. Fix: rotate the logs with logrotate -f and free space."


@pytest.fixture
def again(cli: Cli, tmp_path: Path) -> Cli:
    """Return the program with a disk that was full twice and a printer that jams."""
    base = {"title": DISK, "body": "no space left on device /var/log", "service": "k8s"}
    first = {
        "key": "A",
        "status": "resolved",
        "created_at": "2026-05-01T08:00:00Z",
        "resolved_at": "2026-05-01T11:30:00Z",
        "resolution": FIX,
    }
    later = {"key": "B", "created_at": "2026-05-11T08:00:00Z"}
    jam = {"key": "C", "title": "Printer jams", "created_at": "2026-05-02T08:00:00Z"}
    file = write_jsonl(tmp_path / "again.jsonl", base | first, base | later, jam)
    cli("import", str(file))
    return cli


def test_row_has_everything(again: Cli) -> None:
    """Times, gap and lost time in seconds, the issues, the fix and the procedure."""
    (row,) = again("issue", "recurring", "-o", "json").data
    assert list(row) == list(FIELDS)
    assert (row["times"], row["issues"], row["services"]) == (2, [1, 2], ["k8s"])
    assert (row["mean_gap_seconds"], row["time_lost_seconds"]) == (864000, 12600)
    assert (row["resolved"], row["exemplar"], row["sop"]) == (1, 1, None)
    assert row["fix"] == {"issue": 1, "how": "stated", "text": FIX}


def test_table_is_for_people(again: Cli) -> None:
    """Spans are in days and hours, names as people say them, text is harmless."""
    told = again("issue", "recurring").out
    for part in ("10 d", "3.5 h", "2026-05-11", "#1 (stated)", "<U+202E>", "[b]node"):
        assert part in told
    assert "\x1b" not in told


def test_nothing_comes_back(cli: Cli, again: Cli) -> None:
    """An empty answer is an answer, with its header in csv."""
    assert cli("issue", "recurring", "--least", "3").out == "Nothing has come back.\n"
    rows = csv.reader(
        io.StringIO(again("issue", "recurring", "--since", "1h", "-o", "csv").out)
    )
    assert list(rows) == [list(FIELDS)]


def test_what_could_not_be_compared_is_told(again: Cli, tmp_path: Path) -> None:
    """Issues that are not indexed yet are a warning, not a silence."""
    file = write_jsonl(tmp_path / "more.jsonl", {"key": "D", "title": "Fan is loud"})
    again("import", str(file), "--no-index")
    done = again("issue", "recurring", "-o", "json")
    assert done.envelope["warnings"] == [
        "not every issue is indexed yet: issuetrack index update"
    ]


@pytest.mark.parametrize(
    "arguments", [("--since", "x"), ("--least", "1"), ("--limit", "0")]
)
def test_wrong_options_are_refused(cli: Cli, arguments: tuple[str, ...]) -> None:
    """A wrong use, without a trace."""
    cli("issue", "recurring", *arguments, code=2)
