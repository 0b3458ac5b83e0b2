"""A tracker that misbehaves, lies or attacks: what is sent, read and waited for."""

import gzip
import json
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.github_server import FakeGitHub, running, talking
from issuetrack.connectors import network
from issuetrack.connectors.answers import MOST_EMPTY_PAGES, Answer
from issuetrack.connectors.github.refusals import refusal
from issuetrack.connectors.http import MOST_REDIRECTS, Client, Patience, next_link
from issuetrack.connectors.network import GuardedTransport, networks
from issuetrack.engine import addresses
from issuetrack.engine.errors import (
    IssueTrackError,
    RemoteAnswerError,
    RemoteUnreachable,
    UsageError,
)
from issuetrack.engine.sync.connector import Page
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.testing import server as faults
from issuetrack.testing.server import LoopbackServer, Received, Reply, serving

SECRET = "a-credential-that-must-not-leak"
QUICK = Patience(attempts=3, first=0.01, longest=0.05, answer=10.0)
SHORT = Patience(attempts=2, first=0.01, longest=0.02, answer=0.5)
MIB = 1024 * 1024
MOST_GROWTH = 200 * MIB


def fine(_request: Received) -> Reply:
    """Answer that all is well."""
    return Reply([{"ok": True}])


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """Return a tracker that does as it is told."""
    with serving(fine) as running_server:
        yield running_server


@contextmanager
def client_of(
    url: str,
    patience: Patience = QUICK,
    *,
    ca_file: str | None = None,
    waits: list[float] | None = None,
    allowed: str = "",
    find: addresses.Resolve = addresses.resolve,
) -> Iterator[Client]:
    """Return a client with credentials of every sort."""
    waited = [] if waits is None else waits
    client = Client(
        url,
        network.transport(url, ca_file, networks(allowed), find),
        refusal,
        headers={"X-Api-Key": SECRET},
        auth=("ines", SECRET),
        patience=patience,
        waiting=lambda _reason, seconds: waited.append(seconds),
    )
    try:
        yield client
    finally:
        client.close()


@dataclass
class Canary:
    """A port that nobody must talk to; whoever does waits in its queue."""

    listening: socket.socket
    port: int

    def song(self) -> list[bytes]:
        """Return what each connection so far has sent."""
        heard = []
        self.listening.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                connection, _ = self.listening.accept()
                with connection:
                    connection.settimeout(0.2)
                    with suppress(OSError):
                        heard.append(connection.recv(65536))
        return heard


@pytest.fixture
def canary() -> Iterator[Canary]:
    """Return a canary, which must not have sung at the end of the test."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bird = Canary(listening, listening.getsockname()[1])
        yield bird
        assert bird.song() == []


def test_canary_would_sing(canary: Canary) -> None:
    """A connection to the canary is seen; else its silence would say nothing."""
    with socket.create_connection(("127.0.0.1", canary.port)) as connection:
        connection.sendall(b"GET /")
    assert canary.song() == [b"GET /"]


ASKED = {
    "huge": "99999999999",
    "overflow": "9" * 5000,
    "negative": "-5",
    "zero": "0",
    "absent": None,
    "empty": "",
    "nan": "nan",
    "infinity": "inf",
    "exponent": "1e400",
    "words": "soon",
    "date to come": "Fri, 31 Dec 9999 23:59:59 GMT",
    "date beyond all dates": "Fri, 31 Dec 9999 23:59:59 -2359",
    "date gone by": "Wed, 21 Oct 2015 07:28:00 GMT",
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_faults_13_wait_is_capped_and_goes_on(
    server: LoopbackServer, asked: str | None
) -> None:
    """Whatever a tracker asks us to wait, the wait is short and the answer comes."""
    # FAULTS 13
    server.fail(faults.limited(asked), faults.limited(asked))
    waits: list[float] = []
    started = time.monotonic()
    with client_of(server.url, waits=waits) as client:
        answer = client.get("/x")
    assert answer.records() == [{"ok": True}]
    assert len(server.received) == client.requests == 3
    assert all(0 <= seconds <= QUICK.longest for seconds in waits)
    assert time.monotonic() - started < 50


def test_faults_13_limit_that_does_not_end(server: LoopbackServer) -> None:
    """After a few attempts it is said until when, and what to do."""
    # FAULTS 13
    reset = int((datetime.now(UTC) + timedelta(minutes=50)).timestamp())
    told = {
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Reset": str(reset),
    }
    server.fail(*[faults.status(403, told)] * 10)
    waits: list[float] = []
    with client_of(server.url, waits=waits) as client:
        with pytest.raises(RemoteUnreachable, match=r"is used up until \d\d:\d\d UTC"):
            client.get("/x")
        assert client.rate is not None
        assert (client.rate.remaining, client.rate.limit) == (0, 60)
    assert len(server.received) == QUICK.attempts
    assert waits == [QUICK.longest] * (QUICK.attempts - 1)


LONG = "9" * 5000


@pytest.mark.parametrize(
    "number", [pytest.param(LONG, id="long"), "-1", "NaN", "1e9", "\xb2", "9" * 18]
)
def test_faults_13_nonsense_about_the_rate(server: LoopbackServer, number: str) -> None:
    """Numbers that are none are as good as absent."""
    # FAULTS 13
    names = ("Remaining", "Limit", "Reset")
    told = {f"X-RateLimit-{name}": number for name in names} | {"Date": "tomorrow"}
    server.fail(faults.status(429, told), faults.answering(Reply([], headers=told)))
    with client_of(server.url) as client:
        assert client.get("/x").date is None
        assert client.rate is None or client.rate.reset_at is None
    assert len(server.received) == 2


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 -2359", "", "0", "x" * 9])
def test_faults_13_date_that_is_none(server: LoopbackServer, date: str) -> None:
    """The tracker's own time may be anything."""
    # FAULTS 13
    server.fail(faults.answering(Reply([], headers={"Date": date})))
    with client_of(server.url) as client:
        assert client.get("/x").date is None


FLEETING: dict[str, Callable[[], faults.Fault]] = {
    "500": lambda: faults.status(500),
    "502": lambda: faults.page(502),
    "503": lambda: faults.status(503, {"Retry-After": "99999"}),
    "504": lambda: faults.status(504),
    "timeout": lambda: faults.slow(1.0),
    "reset": lambda: faults.reset(),
    "reset at once": lambda: faults.reset(0),
    "shorter than promised": lambda: faults.answering(
        Reply(raw=b"[]", headers={"Content-Length": "20", "Connection": "close"})
    ),
    "packed and cut": lambda: faults.answering(
        Reply(
            raw=gzip.compress(b"[" + b" " * 9999)[:-12],
            headers={"Content-Encoding": "gzip"},
        )
    ),
    "packed and wrong": lambda: faults.answering(
        Reply(raw=b"[]", headers={"Content-Encoding": "gzip"})
    ),
    "no http": lambda: (
        lambda handler: _say(handler.wfile.write, b"SSH-2.0-OpenSSH\r\n")
    ),
}


def _say(write: Callable[[bytes], object], words: bytes) -> None:
    write(words)
    raise ConnectionError


@pytest.mark.parametrize("name", FLEETING)
def test_faults_14_fleeting_faults_are_tried_again(
    server: LoopbackServer, name: str
) -> None:
    """One fault is got over, many are given up after a bounded number of requests."""
    # FAULTS 14
    server.fail(FLEETING[name]())
    with client_of(server.url, SHORT) as client:
        assert client.get("/x").records() == [{"ok": True}]
        assert len(server.received) == 2
        server.fail(*[FLEETING[name]() for _ in range(10)])
        started = time.monotonic()
        with pytest.raises(RemoteUnreachable) as caught:
            client.get("/x")
    assert len(server.received) == 2 + SHORT.attempts
    assert time.monotonic() - started < 50
    assert caught.value.hint
    assert SECRET not in f"{caught.value.message} {caught.value.hint}"


def test_faults_14_nobody_listens() -> None:
    """A port that refuses is asked a bounded number of times."""
    # FAULTS 14
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            client_of(url) as client,
            pytest.raises(RemoteUnreachable, match=r"cannot talk to .*refused"),
        ):
            client.get("/x")
        assert client.requests == QUICK.attempts


@pytest.mark.parametrize("name", FLEETING)
def test_faults_14_change_is_never_sent_twice(
    server: LoopbackServer, name: str
) -> None:
    """Whether a change was made is not known, so it is not made again by itself."""
    # FAULTS 14
    server.fail(FLEETING[name]())
    with client_of(server.url, SHORT) as client:
        with pytest.raises(RemoteUnreachable):
            client.send("POST", "/x", {"body": "text"})
        assert len(server.received) == client.requests == 1
        server.fail(faults.limited("0"))
        with pytest.raises(RemoteUnreachable, match="rate limit"):
            client.send("PATCH", "/x", {"body": "text"})
    assert len(server.received) == 2


@pytest.mark.parametrize(
    "fault",
    [faults.status(500), faults.reset(), faults.limited("9"), faults.truncated()],
)
def test_faults_14_cursor_stays_behind_the_last_whole_page(fault: faults.Fault) -> None:
    """What breaks in the middle yields nothing of its page; the next run goes on."""
    # FAULTS 13, FAULTS 14
    github = FakeGitHub()
    with running(github) as server, talking(github) as connector:
        github.populate(250, every=1)
        walk = connector.pages(None, None)
        pages = [next(walk)]
        server.fail(*[fault] * 3)
        with pytest.raises(RemoteUnreachable):
            pages += walk
        assert len(pages) == 1
        server.faults.clear()
        pages += connector.pages(pages[-1].cursor, None)
    assert (
        len({i.key for p in pages for i in p.items if isinstance(i, RemoteIssue)})
        == 250
    )


STRANGE: dict[str, tuple[Reply, str]] = {
    "truncated": (Reply(raw=b'[{"number": 1, "title": "brok'), "not whole JSON"),
    "page": (Reply(raw=b" <!doctype html><title>Log in</title>"), "a web page"),
    "nothing": (Reply(raw=b""), "not whole JSON"),
    "binary": (Reply(raw=b"\xff\xfe\x00["), "not whole JSON"),
    "deep": (Reply(raw=b"[" * 200_000), "not whole JSON"),
    "number": (Reply(raw=b"1" * 5000), "not whole JSON"),
    "text": (Reply(raw=b'"all is well"'), "other than a list"),
    "object": (Reply({"items": []}), "other than a list"),
    "null": (Reply(raw=b"null"), "other than a list"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_faults_15_strange_answers_are_refused(
    server: LoopbackServer, name: str
) -> None:
    """What is no list is no list, whatever status it comes with."""
    # FAULTS 15
    reply, words = STRANGE[name]
    server.fail(faults.answering(reply))
    with (
        client_of(server.url) as client,
        pytest.raises(RemoteAnswerError, match=words) as caught,
    ):
        client.get("/rest/issues").records()
    assert "/rest/issues" in caught.value.message
    assert caught.value.hint
    assert len(server.received) == 1


def records_of(count: int) -> list[dict[str, object]]:
    """Return issues that never change."""
    url = "https://api.example.com/repos/acme/shop/issues"
    moment = "2026-03-02T09:00:00Z"
    return [
        {
            "id": number,
            "number": number,
            "title": "Disk full",
            "state": "open",
            "url": f"{url}/{number}",
            "created_at": moment,
            "updated_at": moment,
        }
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [0, 1, 100])
@pytest.mark.parametrize("turning", ["self", "new"])
def test_faults_16_pages_without_an_end(count: int, turning: str) -> None:
    """Pages that repeat themselves, or stay empty, end after a few requests."""
    # FAULTS 16
    turn = iter(range(2, 10**6))

    def respond(request: Received) -> Reply:
        page = next(turn) if turning == "new" else 1
        link = f'<{github.server.url}{request.path}?page={page}>; rel="next"'
        shown = records_of(count)
        found = {"total_count": 10**6, "items": shown}
        content = found if "/search" in request.path else shown
        return Reply(content, headers={"Link": link})

    for options in ({"repo": "acme/shop"}, {"org": "acme"}, {"query": "is:open"}):
        github = FakeGitHub()
        with serving(respond) as server:
            github.server = server
            with talking(github, options) as connector, suppress(IssueTrackError):
                for seen, _ in enumerate(connector.pages(None, None)):
                    assert seen < 50
        assert len(server.received) <= 3 * (MOST_EMPTY_PAGES + 110)
        if "repo" in options:
            assert len(server.received) <= 3 * (MOST_EMPTY_PAGES + 3)


def test_faults_16_history_without_an_end() -> None:
    """The history of one issue that goes round in circles is given up."""
    # FAULTS 16

    def respond(request: Received) -> Reply:
        if not request.path.endswith("/timeline"):
            return Reply(records_of(1)[0])
        page = int(request.query.get("page", "1")) % 7 + 1
        link = f'<{github.server.url}{request.path}?page={page}>; rel="next"'
        return Reply([{"event": "labeled", "page": page}], headers={"Link": link})

    github = FakeGitHub()
    with serving(respond) as server:
        github.server = server
        with (
            talking(github) as connector,
            pytest.raises(RemoteAnswerError, match="repeats its pages without an end"),
        ):
            connector.fetch("acme/shop#1")
    assert len(server.received) <= 10


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_faults_16_redirects_without_an_end(server: LoopbackServer, code: int) -> None:
    """A redirect to itself, or to nowhere, is followed a few times only."""
    # FAULTS 16
    for place in (f"{server.url}/x", "/x", ""):
        server.received.clear()
        server.fail(*[faults.redirect(place, code)] * 20)
        with (
            client_of(server.url) as client,
            pytest.raises(RemoteUnreachable) as caught,
        ):
            client.get("/x")
        assert "redirects without an end" in caught.value.message
        assert len(server.received) == MOST_REDIRECTS
        server.faults.clear()


def elsewhere(own: int, other: int) -> Mapping[str, str]:
    """Return places that are not at `http://127.0.0.1:own`, some only seemingly."""
    return {
        "port": f"http://127.0.0.1:{other}/x",
        "host": f"http://localhost:{own}/x",
        "host and port": f"http://localhost:{other}/x",
        "version 6": f"http://[::1]:{own}/x",
        "mapped": f"http://[::ffff:127.0.0.1]:{own}/x",
        "number": f"http://2130706433:{own}/x",
        "hexadecimal": f"http://0x7f.0.0.1:{own}/x",
        "short": f"http://127.1:{own}/x",
        "scheme": f"https://127.0.0.1:{own}/x",
        "no scheme": f"//127.0.0.1:{other}/x",
        "three strokes": f"///127.0.0.1:{other}/x",
        "user": f"http://user@127.0.0.1:{own}/x",
        "own host as user": f"http://127.0.0.1:{own}@127.0.0.1:{other}/x",
        "own host as user and password": f"http://127.0.0.1:{own}:x@127.0.0.1:{other}/x",
        "backslash": f"http://127.0.0.1:{own}\\@127.0.0.1:{other}/x",
        "backslash for stroke": f"http:\\\\127.0.0.1:{other}\\x",
        "backslash after host": f"http://127.0.0.1\\:{other}/x",
        "backslash and nothing": f"\\\\127.0.0.1:{other}\\x",
        "stroke and backslash": f"/\\127.0.0.1:{other}/x",
        "hash before at": f"http://127.0.0.1:{own}#@127.0.0.1:{other}/x",
        "mark before at": f"http://127.0.0.1:{own}?@127.0.0.1:{other}/x",
        "wide dots": f"http://127\u30020\u30020\u30021:{other}/x",
        "wide digits": f"http://\uff11\uff12\uff17.0.0.1:{other}/x",
        "wide stroke": f"http://127.0.0.1:{own}\uff0f@127.0.0.1:{other}/x",
        "wide at": f"http://127.0.0.1:{own}\uff20127.0.0.1:{other}/x",
        "own host as beginning": f"http://127.0.0.1.example.com:{own}/x",
        "percent": f"http://127.0.0.1%2f@127.0.0.1:{other}/x",
        "percent in host": f"http://127.0.0.1%2eexample.com:{own}/x",
        "tab in the scheme": f"ht\ttp://127.0.0.1:{other}/x",
        "blank in front": f" http://127.0.0.1:{other}/x",
        "no port at all": "http://127.0.0.1/x",
        "port 0": "http://127.0.0.1:0/x",
        "port too large": "http://127.0.0.1:99999/x",
        "port of words": f"http://127.0.0.1:{own}x/x",
        "open bracket": "http://[::1/x",
        "not printable": f"http://127.0.0.1:{own}/\x7f",
        "no host": "http:///x",
        "file": "file:///etc/hostname",
        "script": "javascript:alert(1)",
        "mail": "mailto:ines@example.com",
        "ftp": f"ftp://127.0.0.1:{other}/x",
        "gopher": f"gopher://127.0.0.1:{other}/_x",
        "very long": f"http://{'a' * 300}.example.com/x",
    }


def on_the_wire(text: str) -> str:
    """Return a header so that its bytes are UTF-8."""
    return text.encode().decode("latin-1")


def safely(server: LoopbackServer, ask: Callable[[], object]) -> None:
    """Ask, which must be refused or stay with the server."""
    with suppress(RemoteUnreachable):
        ask()
        own = urlsplit(server.url).netloc
        assert all(r.headers["host"] == own for r in server.received)
        assert len(server.received) > 1


@pytest.mark.parametrize("name", elsewhere(1, 2))
def test_faults_17_redirect_elsewhere(
    server: LoopbackServer, canary: Canary, name: str
) -> None:
    """A redirect leads nowhere but to the same origin; no credential gets out."""
    # FAULTS 17
    own = urlsplit(server.url).port or 0
    place = on_the_wire(elsewhere(own, canary.port)[name])
    with client_of(server.url) as client:
        for code in (301, 302, 307, 308):
            server.fail(faults.redirect(place, code))
            safely(server, lambda: client.get("/start"))
            server.fail(faults.redirect(place, code))
            safely(server, lambda: client.send("POST", "/start", {"body": "text"}))


PLAIN = ("port", "host", "scheme", "no scheme", "user", "own host as user", "backslash")


@pytest.mark.parametrize("name", PLAIN)
def test_faults_17_words_about_another_origin(
    server: LoopbackServer, canary: Canary, name: str
) -> None:
    """It is said where it was to go, and that nothing was sent there."""
    # FAULTS 17
    own = urlsplit(server.url).port or 0
    server.fail(faults.redirect(elsewhere(own, canary.port)[name], 301))
    with (
        client_of(server.url) as client,
        pytest.raises(RemoteUnreachable, match="another origin; nothing was sent") as e,
    ):
        client.get("/start")
    assert len(server.received) == 1
    assert SECRET not in f"{e.value.message} {e.value.hint}"


@pytest.mark.parametrize("name", elsewhere(1, 2))
def test_faults_17_next_page_elsewhere(
    server: LoopbackServer, canary: Canary, name: str
) -> None:
    """A next page is at the same origin, or there is none."""
    # FAULTS 17
    own = urlsplit(server.url).port or 0
    place = on_the_wire(elsewhere(own, canary.port)[name])
    link = {"Link": f'<{place}>; rel="next"'}
    with client_of(server.url) as client:
        server.fail(faults.answering(Reply([], headers=link)))
        answer = client.get("/start")

        def follow() -> None:
            following = next_link(answer, client)
            if following is not None:
                client.get(following)

        safely(server, follow)


@pytest.mark.parametrize(
    "options", [{"repo": "acme/shop"}, {"org": "acme"}, {"query": "org:acme"}]
)
def test_faults_17_whole_walk_stays_at_its_origin(
    canary: Canary, options: dict[str, str]
) -> None:
    """No page of any kind of source is asked for elsewhere."""
    # FAULTS 17
    place = f"http://127.0.0.1:{canary.port}/x"

    def respond(request: Received) -> Reply:
        shown = github.respond(request)
        return Reply(
            shown.content,
            shown.status,
            {**shown.headers, "Link": f'<{place}>; rel="next"'},
            shown.raw,
        )

    github = FakeGitHub()
    github.populate(3)
    with serving(respond) as server:
        github.server = server
        with talking(github, options) as connector, suppress(RemoteUnreachable):
            list(connector.pages(None, None))
        with talking(github, options) as connector, suppress(RemoteUnreachable):
            connector.fetch("acme/shop#1")
    assert server.received


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:1/x", "//example.com/x", "http://["]
)
def test_faults_17_target_elsewhere(server: LoopbackServer, target: str) -> None:
    """A url from a record is not asked for either."""
    # FAULTS 17
    with client_of(server.url) as client:
        with pytest.raises(RemoteUnreachable, match="another origin"):
            client.get(target)
        with pytest.raises(RemoteUnreachable, match="another origin"):
            client.send("POST", target, {})
        with pytest.raises(RemoteUnreachable, match="another origin"):
            client.read("POST", target, {})
    assert server.received == []


LINKS = [
    "",
    "<",
    ">",
    "<>",
    ";",
    ",",
    '<>; rel="next"',
    'rel="next"',
    "<x>; rel",
    "<x>; =; rel=next",
    "<" * 5000,
    '<x>; rel="prev", <y>; rel=',
    '<x>; title="a, b"; rel="next"',
    "\xff\xfe",
]


@pytest.mark.parametrize("link", LINKS)
def test_faults_17_link_headers_that_are_none(
    server: LoopbackServer, link: str
) -> None:
    """A header that cannot be read names a page of ours or none."""
    # FAULTS 17
    server.fail(faults.answering(Reply([], headers={"Link": link})))
    with client_of(server.url) as client:
        following = next_link(client.get("/start"), client)
    assert following is None or following.startswith(f"{server.url}/")


@dataclass
class Recorder(httpx.BaseTransport):
    """Connects to nothing and keeps where it would have gone."""

    urls: list[str] = field(default_factory=list)
    failing: list[Exception] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(str(request.url))
        assert request.headers["host"].startswith("tracker.example.com")
        assert request.extensions["sni_hostname"] == "tracker.example.com"
        if self.failing:
            raise self.failing.pop()
        return httpx.Response(200, json=[])


REFUSED = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "2002:7f00:1::",
    "0.0.0.0",
    "::",
    "169.254.169.254",
    "169.254.170.2",
    "::ffff:169.254.169.254",
    "100.100.100.200",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "224.0.0.1",
    "ff02::1",
]
HOST = "tracker.example.com"


def guarded(
    addresses: Callable[[], list[str]], allowed: str = ""
) -> tuple[httpx.Client, Recorder]:
    """Return a client whose names lead where the test says."""
    recorder = Recorder()
    transport = GuardedTransport(recorder, networks(allowed), lambda *_: addresses())
    return httpx.Client(transport=transport, trust_env=False), recorder


@pytest.mark.parametrize("address", REFUSED)
@pytest.mark.parametrize("before", [[], ["198.51.100.7"]])
def test_faults_18_name_that_leads_inside(address: str, before: list[str]) -> None:
    """A name of a tracker never leads to this machine or to a metadata service."""
    # FAULTS 18
    client, recorder = guarded(lambda: [*before, address])
    with client, pytest.raises(RemoteUnreachable, match="no address of a tracker") as e:
        client.get(f"https://{HOST}/x")
    assert recorder.urls == []
    assert "--allow-address" in str(e.value.hint)


def test_faults_18_allowed_addresses() -> None:
    """What somebody has allowed is connected to; what is near it is not."""
    # FAULTS 18
    allowed = "127.0.0.0/8, 169.254.10.0/24"
    for address in ("127.0.0.1", "169.254.10.9", "::ffff:127.0.0.1"):
        client, recorder = guarded(lambda address=address: [address], allowed)  # type: ignore[misc]
        with client:
            client.get(f"https://{HOST}/x")
        assert len(recorder.urls) == 1
    client, recorder = guarded(lambda: ["169.254.169.254"], allowed)
    with client, pytest.raises(RemoteUnreachable):
        client.get(f"https://{HOST}/x")


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.1.9", "198.51.100.7", "fc00::1"]
)
def test_faults_18_ordinary_addresses(address: str) -> None:
    """The address that was checked is the one that is connected to."""
    # FAULTS 18
    client, recorder = guarded(lambda: [address])
    with client:
        client.get(f"https://{HOST}:8443/x?q=1")
    shown = f"[{address}]" if ":" in address else address
    assert recorder.urls == [f"https://{shown}:8443/x?q=1"]


def test_faults_18_name_that_changes_its_mind() -> None:
    """A second answer for the same name is not asked for, or is checked again."""
    # FAULTS 18
    answers = [["127.0.0.1"], ["198.51.100.7"]]
    client, recorder = guarded(lambda: answers.pop())
    with client:
        for _ in range(3):
            client.get(f"https://{HOST}/x")
        assert recorder.urls == ["https://198.51.100.7/x"] * 3
        recorder.failing = [httpx.ConnectError("gone")]
        with pytest.raises(httpx.ConnectError):
            client.get(f"https://{HOST}/x")
        with pytest.raises(RemoteUnreachable, match=r"leads to 127\.0\.0\.1"):
            client.get(f"https://{HOST}/x")
    assert len(recorder.urls) == 4


def test_faults_18_other_addresses_are_tried() -> None:
    """Where one address does not answer, the next one does."""
    # FAULTS 18
    client, recorder = guarded(lambda: ["198.51.100.7", "198.51.100.8"])
    recorder.failing = [httpx.ConnectTimeout("slow")]
    with client:
        assert client.get(f"https://{HOST}/x").json() == []
    assert recorder.urls == ["https://198.51.100.7/x", "https://198.51.100.8/x"]


@pytest.mark.parametrize("error", [OSError("no such name"), None])
def test_faults_18_name_without_an_address(error: OSError | None) -> None:
    """A name that leads nowhere is said to."""
    # FAULTS 18

    def find() -> list[str]:
        if error is not None:
            raise error
        return []

    client, _ = guarded(find)
    with client, pytest.raises(httpx.ConnectError, match="has no address"):
        client.get(f"https://{HOST}/x")


def test_faults_18_real_connections(server: LoopbackServer) -> None:
    """Loopback that was named is talked to, a name that leads there is not."""
    # FAULTS 18
    port = urlsplit(server.url).port
    for host in ("127.0.0.1", "localhost", "LOCALHOST"):
        with client_of(f"http://{host}:{port}") as client:
            assert client.get("/x").status == 200
    count = len(server.received)
    lead: addresses.Resolve = lambda *_: ["127.0.0.1"]  # noqa: E731
    url = f"http://{HOST}:{port}"
    with client_of(url, find=lead) as client, pytest.raises(RemoteUnreachable):
        client.get("/x")
    assert len(server.received) == count
    with client_of(url, find=lead, allowed="127.0.0.1") as client:
        assert client.get("/x").status == 200
    assert server.received[-1].headers["host"] == f"{HOST}:{port}"


@pytest.mark.parametrize("host", ["169.254.169.254", "0.0.0.0", "[fe80::1]", "[::]"])
def test_faults_18_literal_addresses(host: str) -> None:
    """A metadata service is not talked to though it is named as such."""
    # FAULTS 18
    with (
        client_of(f"http://{host}") as client,
        pytest.raises(RemoteUnreachable, match="no address of a tracker"),
    ):
        client.get("/latest/meta-data/")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "017700000001"])
def test_faults_18_disguised_loopback(server: LoopbackServer, host: str) -> None:
    """A number that the system takes for loopback is no name of a tracker."""
    # FAULTS 18
    port = urlsplit(server.url).port
    with (
        client_of(f"http://{host}:{port}", SHORT) as client,
        pytest.raises(RemoteUnreachable),
    ):
        client.get("/x")
    assert server.received == []


FLOODS: dict[str, tuple[Callable[[], faults.Fault], str]] = {
    "10 GiB": (faults.endless, "more than 64 MiB"),
    "1 GiB packed": (faults.bomb, "more than 64 MiB"),
    "packed twice": (lambda: faults.bomb(2), "packs its answer as gzip, gzip"),
    "packed three times": (lambda: faults.bomb(3), "packs its answer"),
    "packed as nobody asked": (
        lambda: faults.answering(Reply(raw=b"x", headers={"Content-Encoding": "br"})),
        "packs its answer as br",
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_faults_19_flood_is_cut_off(server: LoopbackServer, name: str) -> None:
    """However much comes, little of it is taken in, and it is not asked for again."""
    # FAULTS 19
    fault, words = FLOODS[name]
    server.fail(fault())
    tracemalloc.start()
    try:
        started = time.monotonic()
        with (
            client_of(server.url) as client,
            pytest.raises(RemoteAnswerError, match=words),
        ):
            client.get("/x")
        assert time.monotonic() - started < 30
        assert tracemalloc.get_traced_memory()[1] < MOST_GROWTH
    finally:
        tracemalloc.stop()
    assert len(server.received) == 1


@pytest.mark.parametrize("packing", ["identity", "gzip"])
def test_faults_19_answer_that_drips(server: LoopbackServer, packing: str) -> None:
    """An answer that comes a little at a time for ever ends at the deadline."""
    # FAULTS 19
    head = gzip.compress(b"")[:10]
    stored = b"\x00\x00\x00\xff\xff"
    piece = b" " if packing == "identity" else stored

    def drip(handler: object) -> None:
        if packing == "gzip":
            faults.drip(0.02, piece, "gzip")(Prefixed(handler, head))  # type: ignore[arg-type]
        else:
            faults.drip(0.02, piece)(handler)  # type: ignore[arg-type]

    server.fail(drip, drip)
    started = time.monotonic()
    with (
        client_of(server.url, SHORT) as client,
        pytest.raises(RemoteUnreachable, match="does not answer in time"),
    ):
        client.get("/x")
    assert time.monotonic() - started < 50
    assert len(server.received) == SHORT.attempts


class Prefixed:
    """A handler that writes something in front of its body."""

    def __init__(self, handler: object, head: bytes) -> None:
        self._handler, self._head = handler, head

    def __getattr__(self, name: str) -> object:
        return getattr(self._handler, name)

    def end_headers(self) -> None:
        self._handler.end_headers()  # type: ignore[attr-defined]
        self._handler.wfile.write(self._head)  # type: ignore[attr-defined]


def test_faults_19_packed_answer_is_read(server: LoopbackServer) -> None:
    """An honest packed answer comes whole, as does a long one."""
    # FAULTS 19
    content = [{"body": "x" * 1000} for _ in range(3000)]
    raw = gzip.compress(json.dumps(content).encode())
    for body in (raw, b""):
        packed = Reply(raw=body, headers={"Content-Encoding": "gzip"})
        server.fail(faults.answering(packed))
    with client_of(server.url) as client:
        assert client.get("/x").records() == content
        assert client.get("/x").body == b""


@dataclass(frozen=True)
class Certificate:
    """A certificate of our own making."""

    path: Path
    tls: ssl.SSLContext


@pytest.fixture
def certify(tmp_path: Path) -> Callable[[str], Certificate]:
    """Return a maker of self-signed certificates for an address."""

    def make(address: str) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tracker")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path / f"{address}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        both = tmp_path / f"{address}-with-key.pem"
        both.write_bytes(
            path.read_bytes()
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(both)
        return Certificate(path, tls)

    return make


def test_untrusted_certificate(certify: Callable[[str], Certificate]) -> None:
    """A certificate that nobody vouches for is refused before anything is sent."""
    with (
        serving(fine, certify("127.0.0.1").tls) as server,
        client_of(server.url) as client,
        pytest.raises(RemoteUnreachable, match=r"is not trusted: self.signed") as e,
    ):
        client.get("/x")
    assert server.received == []
    assert "--ca-file" in str(e.value.hint)


def test_certificate_of_a_private_authority(
    certify: Callable[[str], Certificate],
) -> None:
    """With the file of the authority it is trusted, for its own address only."""
    mine = certify("127.0.0.1")
    with (
        serving(fine, mine.tls) as server,
        client_of(server.url, ca_file=str(mine.path)) as client,
    ):
        assert client.get("/x").records() == [{"ok": True}]
    other = certify("198.51.100.7")
    with (
        serving(fine, other.tls) as server,
        client_of(server.url, ca_file=str(other.path)) as client,
        pytest.raises(RemoteUnreachable, match=r"not trusted: .*mismatch.*127.0.0.1"),
    ):
        client.get("/x")
    assert server.received == []


def test_name_is_checked_though_the_address_is_connected_to(
    certify: Callable[[str], Certificate],
) -> None:
    """The certificate must be for the name of the tracker, not for its address."""
    mine = certify("127.0.0.1")
    with serving(fine, mine.tls) as server:
        url = f"https://{HOST}:{urlsplit(server.url).port}"
        with (
            client_of(
                url,
                ca_file=str(mine.path),
                allowed="127.0.0.1",
                find=lambda *_: ["127.0.0.1"],
            ) as client,
            pytest.raises(RemoteUnreachable, match=f"not trusted: .*{HOST}"),
        ):
            client.get("/x")
    assert server.received == []


def test_plain_http_at_a_tls_port(certify: Callable[[str], Certificate]) -> None:
    """Neither side of a mistaken scheme hangs or crashes."""
    with serving(fine, certify("127.0.0.1").tls) as server:
        url = server.url.replace("https", "http")
        with client_of(url, SHORT) as client, pytest.raises(RemoteUnreachable):
            client.get("/x")
    with serving(fine) as server:
        url = server.url.replace("http", "https")
        with client_of(url, SHORT) as client, pytest.raises(RemoteUnreachable):
            client.get("/x")
    assert server.received == []


@pytest.mark.parametrize("content", [None, "not a certificate", ""])
def test_ca_file_that_is_none(tmp_path: Path, content: str | None) -> None:
    """A file without certificates is refused at once."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"ca.pem holds no certificates"):
        network.trust(str(path))


@dataclass
class Proxy:
    """Passes connections on; `answer` refuses them instead."""

    url: str
    answer: bytes | None = None
    asked: list[str] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            line = lines.readline().decode()
            head = [line]
            while head[-1] not in ("\r\n", ""):
                head.append(lines.readline().decode())
            self.asked.append("".join(head))
            if self.answer is not None:
                connection.sendall(self.answer)
                return
            method, target, _ = line.split(" ")
            assert method == "CONNECT"
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port))) as there:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pour, args=(there, connection))
                back.start()
                pour(connection, there)
                back.join()


def pour(source: socket.socket, target: socket.socket) -> None:
    """Send what comes from one side to the other."""
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Return a proxy on loopback that the environment names."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Proxy(f"http://127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setenv("HTTPS_PROXY", made.url)
        monkeypatch.setenv("HTTP_PROXY", made.url)

        def listen() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(
                        target=made.serve, args=(connection,), daemon=True
                    ).start()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield made
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_proxy_of_the_environment(
    proxy: Proxy, certify: Callable[[str], Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is used, sees no credential, and `NO_PROXY` goes past it."""
    mine = certify("127.0.0.1")
    with serving(fine, mine.tls) as server:
        with client_of(server.url, ca_file=str(mine.path)) as client:
            assert client.get("/x").records() == [{"ok": True}]
        (asked,) = proxy.asked
        assert asked.startswith(f"CONNECT {urlsplit(server.url).netloc} ")
        assert SECRET not in asked
        assert server.received[0].headers["x-api-key"] == SECRET
        for value in ("127.0.0.1", urlsplit(server.url).netloc, "*"):
            monkeypatch.setenv("NO_PROXY", value)
            with client_of(server.url, ca_file=str(mine.path)) as client:
                assert client.get("/x").status == 200
        assert len(proxy.asked) == 1


def test_proxy_for_plain_http(
    server: LoopbackServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that only the proxy knows is left to it; a proxy may have no scheme."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    with client_of(f"http://{HOST}") as client:
        assert client.get("/x").status == 200
    assert server.received[0].headers["host"] == HOST
    monkeypatch.setenv("HTTP_PROXY", urlsplit(server.url).netloc)
    with client_of(f"http://{HOST}") as client:
        assert client.get("/x").status == 200
    assert len(server.received) == 2
    assert proxy.asked == []


@pytest.mark.parametrize(
    "status", ["407 Proxy Authentication Required", "502 Bad Gateway"]
)
def test_proxy_that_refuses(proxy: Proxy, status: str) -> None:
    """It is said that it was the proxy, after a bounded number of attempts."""
    proxy.answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    with (
        client_of(f"https://{HOST}") as client,
        pytest.raises(RemoteUnreachable, match=f"the proxy does not .*{status}") as e,
    ):
        client.get("/x")
    assert "HTTPS_PROXY" in str(e.value.hint)
    assert len(proxy.asked) <= QUICK.attempts
    with client_of(f"http://{HOST}") as client, pytest.raises(RemoteUnreachable) as e:
        client.get("/x")
    assert status[:3] in e.value.message


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1", "gopher://x", "ftp://x"])
def test_proxy_that_cannot_be_used(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A proxy of another kind is refused in words."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    with (
        pytest.raises(UsageError, match="the proxy that the environment names"),
        client_of(f"https://{HOST}"),
    ):
        pass


def test_faults_20_guard_of_the_tests_trips() -> None:
    """A connection to the outside fails the test before a packet leaves."""
    # FAULTS 20
    with (
        socket.socket() as reaching,
        pytest.raises(AssertionError, match="a test reached for"),
    ):
        reaching.connect(("192.0.2.1", 80))
    with (
        socket.socket(socket.AF_INET6) as reaching,
        pytest.raises(AssertionError, match="a test reached for"),
    ):
        reaching.connect(("2001:db8::1", 80, 0, 0))
    assert reaching.fileno() == -1


def test_answers_of_no_moment() -> None:
    """An answer without a date or a rate says so."""
    answer = Answer(200, httpx.Headers(), b"[]", "http://127.0.0.1/x")
    assert answer.date is None
    assert answer.records() == []
    assert Page((), "").total is None
