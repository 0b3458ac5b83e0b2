"""The egress ledger: hosts and reasons, nothing else, never in the way."""

import json
import stat
import threading
from pathlib import Path

import httpx
import pytest

from conftest import Clock
from engine.inference.loopback import json_reply, serving
from issuetrack.connectors.network import transport
from issuetrack.connectors.settling import transport_for
from issuetrack.engine import egress
from issuetrack.engine.egress import MOST_ENTRIES, Ledger, Outcome, recording_to
from issuetrack.engine.errors import RemoteUnreachable
from issuetrack.engine.sync.connector import SourceSettings


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Ledger:
    """Return an empty ledger in a folder that is not there yet."""
    return Ledger(tmp_path / "state" / egress.FILE, clock)


def test_same_host_and_reason_are_one_entry(ledger: Ledger) -> None:
    """First and last time and the count are kept; another outcome is another entry."""
    for _ in range(3):
        ledger.record("host.example", 443, "sync github", Outcome.CONTACTED)
    ledger.record("host.example", 443, "sync github", Outcome.REFUSED)
    first, second = ledger.entries()
    assert (first.count, (first.last - first.first).seconds) == (3, 2)
    assert (second.outcome, second.count) == (Outcome.REFUSED, 1)


def test_only_the_owner_reads_it(ledger: Ledger) -> None:
    """File and folder are private."""
    ledger.record("host.example", 443, "x", Outcome.CONTACTED)
    assert stat.S_IMODE(ledger._path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ledger._path.parent.stat().st_mode) == 0o700


def test_it_does_not_grow_without_an_end(ledger: Ledger) -> None:
    """The oldest entries make room, and names are cut and made plain."""
    lines = [
        json.dumps(
            {
                "host": f"h{number}",
                "port": 1,
                "purpose": "x",
                "outcome": "contacted",
                "first": "2026-01-01T00:00:00+00:00",
                "last": "2026-01-01T00:00:00+00:00",
                "count": 1,
            }
        )
        for number in range(MOST_ENTRIES)
    ]
    ledger._path.parent.mkdir()
    ledger._path.write_text("\n".join(lines))
    ledger.record("\x1b[2J" + "x" * 9999, 1, "x", Outcome.FAILED)
    found = ledger.entries()
    assert (len(found), found[0].host) == (MOST_ENTRIES, "h1")
    assert found[-1].host == "?[2J" + "x" * 249


def test_broken_lines_do_no_harm(ledger: Ledger) -> None:
    """What cannot be read is passed over."""
    ledger.record("host.example", 443, "x", Outcome.CONTACTED)
    with ledger._path.open("a") as file:
        file.write('{"host": 1}\nnot json\n[]\n\x00\n')
    ledger.record("host.example", 443, "x", Outcome.CONTACTED)
    (entry,) = ledger.entries()
    assert entry.count == 2


def test_ledger_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    """A file in the place of the folder stops nobody."""
    (tmp_path / "state").write_text("")
    ledger = Ledger(tmp_path / "state" / egress.FILE)
    ledger.record("host.example", 443, "x", Outcome.CONTACTED)
    assert ledger.entries() == []


def test_threads_lose_no_entry(ledger: Ledger) -> None:
    """Several at once are counted, each of them."""
    threads = [
        threading.Thread(
            target=ledger.record, args=("host.example", 1, "x", Outcome.CONTACTED)
        )
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.count for entry in ledger.entries()] == [20]


def source(url: str) -> SourceSettings:
    """Return a source of GitHub at a url."""
    return SourceSettings(
        name="shop",
        kind="github",
        base_url=url,
        options={"allow-address": "127.0.0.1"},
    )


def test_sync_leaves_an_entry_without_path_or_token(tmp_path: Path) -> None:
    """Two requests of one run are one contact; of the url only the host is kept."""
    with (
        serving(lambda _: json_reply({})) as server,
        recording_to(tmp_path / "egress.jsonl") as ledger,
        httpx.Client(transport=transport_for(source(server.url))) as client,
    ):
        for _ in range(2):
            client.get(
                f"{server.url}/repos/secret-name?q=secret",
                headers={"Authorization": "Bearer secret"},
            )
    (entry,) = ledger.entries()
    assert (entry.host, entry.port, entry.purpose, entry.count) == (
        "127.0.0.1",
        server.port,
        "sync github",
        1,
    )
    assert "secret" not in (tmp_path / "egress.jsonl").read_text()


def test_refused_and_unreachable_trackers_are_recorded(tmp_path: Path) -> None:
    """A name that leads inside is refused, and that is on record."""
    inside = transport("http://t.example", None, (), lambda *_: ["127.0.0.1"])
    nowhere = transport("http://n.example", None, (), lambda *_: [])
    with recording_to(tmp_path / "egress.jsonl") as ledger:
        with httpx.Client(transport=inside) as client, pytest.raises(RemoteUnreachable):
            client.get("http://t.example/")
        with (
            httpx.Client(transport=nowhere) as client,
            pytest.raises(httpx.ConnectError),
        ):
            client.get("http://n.example/")
    outcomes = {entry.host: entry.outcome for entry in ledger.entries()}
    assert outcomes == {"t.example": Outcome.REFUSED, "n.example": Outcome.FAILED}


def test_nothing_is_recorded_outside_a_run(tmp_path: Path) -> None:
    """Without an open ledger a program that uses the engine writes nowhere."""
    egress.record("host.example", 443, "x", Outcome.CONTACTED)
    assert list(tmp_path.glob("**/*.jsonl")) == []
