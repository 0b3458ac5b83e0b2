"""`backtest` on the command line: what it tells, and when there is nothing to tell."""

from pathlib import Path

import pytest

from cli.conftest import Cli, write_jsonl
from conftest import KEY
from issuetrack.engine.assistant import replay
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace


def test_it_says_what_there_is_too_little_of(past_cli: Cli) -> None:
    """A few past issues are measured; the numbers stay uncalibrated, and it says so."""
    done = past_cli("backtest", "-o", "json")
    assert done.data["total"]["issues"] == 3
    assert done.data["truth"]["none"] == 3
    assert done.data["calibrated"] == []
    assert done.data["missing"].startswith("50 answered past issues (there are ")
    (warning,) = done.envelope["warnings"]
    assert warning.startswith("not calibrated: that takes at least 50 answered past")
    told = past_cli("suggest", "OPS-4").out
    assert "not calibrated yet: run issuetrack backtest" in told
    basis = past_cli("suggest", "OPS-4", "-o", "json").data["confidence_basis"]
    assert basis == {"issues": 0, "ratings": 0, "calibrated_at": None}


def test_it_is_told_for_people(past_cli: Cli) -> None:
    """The table and Markdown hold the same words and numbers."""
    for form in ("table", "markdown"):
        words = " ".join(past_cli("backtest", "--no-fit", "-o", form).out.split())
        assert "3 of 3 finished issues" in words
        assert "For 3 there was none, and silence is right." in words
        assert "Nothing was put in force." in words


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "markdown"])
def test_an_empty_workspace(cli: Cli, form: str) -> None:
    """No past at all is no failure, and is said."""
    done = cli("backtest", "-o", form)
    assert "no issue is resolved yet" in done.err


def test_nothing_since(past_cli: Cli) -> None:
    """A date after everything leaves nothing to replay."""
    done = past_cli("backtest", "--since", "2030-01-01", "-o", "json")
    assert done.data["total"]["issues"] == 0
    assert "no resolved issue was opened since then" in done.err


@pytest.mark.parametrize(
    "given", [["--since", "yesterday-ish"], ["--limit", "0"], ["--limit", "all"]]
)
def test_bad_options(cli: Cli, given: list[str]) -> None:
    """What is no date and what is no number is refused."""
    assert cli("backtest", *given, code=2).out == ""


def test_without_an_index(cli: Cli, tmp_path: Path) -> None:
    """Issues that are not indexed are a failure with a remedy, not a bad result."""
    record = {
        "key": "A-1",
        "title": "Disk full",
        "status": "resolved",
        "created_at": "2026-01-01T00:00:00Z",
        "resolved_at": "2026-01-02T00:00:00Z",
    }
    file = write_jsonl(tmp_path / "one.jsonl", record)
    cli("import", str(file), "--no-index")
    done = cli("backtest", code=9)
    assert "no issue is indexed yet" in done.err
    assert "issuetrack index update" in done.err


def test_interrupted_it_leaves_nothing(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl+C ends it with 130; no calibration and no audit entry is left."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(replay, "answer", interrupt)
    past_cli("backtest", code=130)
    monkeypatch.undo()
    workspace = Workspace.open(tmp_path / "test.db", Unlock(environment_key=KEY))
    try:
        with workspace._database.read() as uow:
            kept = uow.sql("SELECT count(*) FROM calibration")
            told = uow.sql(
                "SELECT count(*) FROM audit_entry WHERE action = 'backtest.fit'"
            )
    finally:
        workspace.close()
    assert (kept, told) == ([(0,)], [(0,)])
