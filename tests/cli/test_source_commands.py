"""`source`: trackers added, tried, shown, changed and taken out."""

import datetime as dt
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cli.conftest import Cli, OnTerminal
from cli.shop import add, lines, said, served, sync
from conftest import KEY
from connectors.github_server import TOKEN, FakeGitHub, refused
from issuetrack.testing.server import answering, page, redirect

KEYS = {
    *("name", "kind", "base_url", "scope", "state", "username", "token", "options"),
    *("mapping", "write_back", "paused", "issues", "gone", "pending", "quarantined"),
    *("created_at", "succeeded_at", "last_run", "cursor"),
}


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    """Return a GitHub with one repository."""
    with served(monkeypatch) as github:
        yield github


def test_source_from_beginning_to_end(cli: Cli, github: FakeGitHub) -> None:
    """Add, list, show, test, pause, resume, edit, status, log, remove."""
    github.populate(3, 1)
    done = add(cli, github, "-o", "json")
    assert set(done.data) == KEYS
    assert (done.data["state"], done.data["token"]) == ("never run", "stored")
    assert "next: issuetrack sync store" in add(cli, github, name="store").err
    tried = cli("source", "test", "shop", "-o", "json").data
    assert (tried["account"], tried["issues"], tried["may_not"]) == ("ines", 3, [])
    assert tried["rate_remaining"] < tried["rate_limit"]

    sync(cli, "shop")
    status = cli("source", "status", "shop", "-o", "json").data
    assert [(s["name"], s["state"], s["issues"]) for s in status] == [
        ("shop", "done", 3)
    ]
    (run,) = cli("source", "log", "shop", "-o", "json").data
    assert (run["outcome"], run["created"], run["comments"]) == ("done", 3, 3)
    assert cli("source", "pause", "store", "-o", "json").data["state"] == "paused"
    assert [r["source"] for r in sync(cli, "all")] == ["shop"]
    assert "is paused" in cli("sync", "store", code=2).err
    assert not cli("source", "resume", "store", "-o", "json").data["paused"]

    edited = cli(
        *("source", "edit", "shop", "--map", "priority:urgent=P1"),
        *("--write-back", "on", "-o", "json"),
    ).data
    assert (edited["mapping"], edited["write_back"]) == (["priority:urgent=P1"], True)
    assert edited["cursor"] is None
    listed = cli("source", "list", "-o", "json").data
    assert [source["name"] for source in listed] == ["shop", "store"]
    assert cli("source").out == cli("source", "list").out
    assert "add --yes" in cli("source", "remove", "shop", code=5).err
    removed = cli("source", "remove", "shop", "--yes", "-o", "json").data
    assert removed == {"source": "shop", "issues": 3, "with_issues": False}
    assert len(cli("issue", "list", "-o", "json").data) == 3
    sync(cli, "store")
    cli("source", "remove", "store", "--yes", "--with-issues")
    assert len(cli("issue", "list", "-o", "json").data) == 3
    assert "source add github" in cli("source", "list").err


@pytest.mark.parametrize(
    ("arguments", "code", "cause", "remedy"),
    [
        (["nope"], 2, "no connector for nope", "github, jira, servicenow"),
        (["github", "--repo", "shop"], 2, "no repository", "--repo acme/shop"),
        (["github"], 2, "repositories, an organisation or a search", "--repo"),
        (
            ["github", "--repo", "a/b", "--org", "a"],
            2,
            "repositories, an organisation or a search",
            "one of",
        ),
        (
            ["github", "--repo", "a/b", "--base-url", "https://git.example/api/v3"],
            2,
            "has a path",
            "--base-url https://git.example; where the interface is under a path: "
            "--option api-path=/api/v3",
        ),
        (
            ["github", "--repo", "a/b", "--base-url", "https://ann:s3cret@git.example"],
            2,
            "user name or password",
            "--base-url https://git.example --username NAME --token-stdin",
        ),
        (
            ["github", "--repo", "a/b", "--base-url", "http://api.github.com"],
            2,
            "unencrypted",
            "--insecure-http",
        ),
        (["github", "--repo", "a/b", "--base-url", "git.example"], 2, "url", ""),
        (["github", "--repo", "a/b", "--option", "x=1"], 2, "has no x", "repo"),
        (["github", "--repo", "a/b", "--option", "x"], 2, "not NAME=VALUE", ""),
        (["github", "--repo", "a/b", "--map", "colour:red=P1"], 2, "colour", ""),
        (["github", "--repo", "a/b", "--allow-address", "here"], 2, "here", "10.1"),
        (
            ["github", "--repo", "a/b", "--ca-file", "/nowhere.pem"],
            2,
            "/nowhere",
            "PEM",
        ),
        (["github", "--repo", "a/b", "--name", "all"], 2, "several sources", "--name"),
        (["github", "--repo", "a/b", "--token-command", "'"], 2, "quotation", "pass"),
        (["github", "--repo", "a/b", "--token-stdin"], 5, "the token is empty", ""),
        (
            ["github", "--repo", "a/b", "--token-env", "X", "--token-command", "pass"],
            2,
            "one place only",
            "use one of",
        ),
        (["github", "--repo", "a/b", "--token-env", "NO_SUCH"], 4, "NO_SUCH", "check"),
        (["github", "--repo", "a/b", "--token-keyring"], 5, "token", ""),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_source_that_makes_no_sense_is_refused(
    cli: Cli, tmp_path: Path, arguments: list[str], code: int, cause: str, remedy: str
) -> None:
    """Cause and remedy, a line each; nothing is kept, nothing secret is shown."""
    if "all" in arguments:
        arguments = [*arguments, "--no-test"]
    before = (tmp_path / "test.db").read_bytes()
    done = cli("source", "add", *arguments, code=code)
    (error,), (hint,) = lines(done, "error: "), lines(done, "  try: ")
    assert cause in error
    assert remedy in hint
    assert "s3cret" not in done.err
    assert done.out == ""
    assert (tmp_path / "test.db").read_bytes() == before


def test_what_the_tracker_refuses_is_told(
    cli: Cli, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each refusal has its exit code, its cause and its remedy; nothing is kept."""
    sso = {"X-GitHub-SSO": "required; url=https://github.example/sso"}
    asks = {"X-Accepted-GitHub-Permissions": "issues=read"}
    hostile = "bad query \x1b]52;c;eHg=\x07 \u202e[/b]"
    wrong = refused(422, "Validation Failed", errors=[{"message": hostile}])
    server = github.server
    for fault, code, cause, remedy in (
        (answering(refused(401, "Bad credentials")), 4, "expired", "--token-stdin"),
        (answering(refused(403, "No", asks)), 3, "it takes issues=read", "permission"),
        (answering(refused(403, "No", sso)), 3, "single sign-on", "authorise"),
        (answering(wrong), 2, "bad query", "--query"),
        (page(), 8, "", "base url"),
        (redirect("https://evil.example/x"), 8, "another origin", "--base-url"),
    ):
        server.fail(fault)
        done = cli(
            *("source", "add", *said(github), "--token-stdin"), stdin=TOKEN, code=code
        )
        (error,), (hint,) = lines(done, "error: "), lines(done, "  try: ")
        assert cause in error
        assert remedy in hint
        assert not {"\x1b", "\x07", "\u202e"} & set(done.err)
    done = cli(
        *("source", "add", *said(github, repo="acme/nothing"), "--token-stdin"),
        stdin=TOKEN,
        code=7,
    )
    assert "acme/nothing, or the token may not see it" in done.err
    assert "check the spelling" in done.err
    for token in ("wr0ng", "tökén"):
        done = cli(
            *("source", "add", *said(github), "--token-stdin"), stdin=token, code=4
        )
        assert token not in done.err
    assert cli("source", "list", "-o", "json").data == []

    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    away = ("source", "add", "github", "--repo", "a/b")
    done = cli(*away, "--base-url", "https://git.example", code=8)
    assert "https://git.example" in done.err
    assert "HTTPS_PROXY" in done.err
    assert "stamina" not in done.err


@contextmanager
def encrypted(folder: Path) -> Iterator[tuple[str, Path]]:
    """Serve nothing over TLS with a certificate of our own; return url and roots."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "roots.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing."""

    server = Server(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}", pem
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_certificate_that_is_not_trusted_is_told(
    cli: Cli, github: FakeGitHub, tmp_path: Path
) -> None:
    """The cause is the certificate, the remedy a file of roots, which then is used."""
    with encrypted(tmp_path) as (url, roots):
        given = ("source", "add", "github", "--repo", "a/b", "--base-url", url)
        done = cli(*given, code=8)
        assert "certificate" in done.err
        assert "--ca-file" in done.err
        done = cli(*given, "--ca-file", str(roots), code=8)
        assert "certificate" not in done.err


def test_token_is_asked_for_and_not_shown(cli: Cli, on_terminal: OnTerminal) -> None:
    """On a terminal what is missing is asked for; the token is typed unseen."""

    code, shown = on_terminal(
        *("source", "add", "github", "--no-test"),
        answers=[
            (b"Repository, as acme/shop", b"acme/shop\n"),
            (b"empty for none): ", b"typed-canary\n"),
        ],
    )
    assert code == 0, shown
    assert b"typed-canary" not in shown
    found = cli("source", "show", "github", "-o", "json").data
    assert (found["scope"], found["token"]) == ("repo acme/shop", "stored")


@pytest.mark.usefixtures("home_within")
def test_token_is_in_no_file_and_on_no_screen(
    cli: Cli, github: FakeGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULTS 32: also after a refusal, a crash and a look at everything."""
    canary = "canary-token-77aa"
    told = []
    for arguments, code in (
        (["source", "add", *said(github), "--token-stdin"], 4),
        (["source", "add", *said(github), "--token-stdin", "--no-test"], 0),
        (["source", "test", "shop"], 4),
        (["sync", "shop"], 4),
        (["source", "show", "shop", "-o", "json"], 0),
        (["source", "log", "-o", "json"], 0),
        (["audit", "log", "-o", "json"], 0),
        (["audit", "export", "--to", str(tmp_path / "trail.jsonl")], 0),
    ):
        done = cli(*arguments, stdin=canary, code=code)
        told += [done.out, done.err]

    def broken(*_: object) -> None:
        secret = canary
        raise RuntimeError(f"unforeseen, near {len(secret)}")

    with monkeypatch.context() as patch:
        patch.setattr("issuetrack.connectors.http.Client.get", broken)
        done = cli("sync", "shop", code=1)
        told += [done.out, done.err]
    assert "report it" in done.err
    assert github.server.received[-1].headers["authorization"] == f"Bearer {canary}"
    assert canary not in "".join(told)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if path.name.startswith("crash-")]
    assert not [path for path in files if canary.encode() in path.read_bytes()]
    assert KEY not in "".join(told)
