"""Jira as a source: its settings, who we are there, whole issues, and refusals."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from connectors.jira_server import FakeJira, one, talking
from connectors.jira_tickets import START
from issuetrack.connectors.jira.tracker import TRACKER
from issuetrack.engine.errors import (
    CredentialError,
    IssueTrackError,
    NotFoundError,
    RemoteAnswerError,
    RemoteForbidden,
    RemoteUnreachable,
    UsageError,
)
from issuetrack.engine.sync.connector import SourceSettings, Tracker
from issuetrack.testing import server as faults
from issuetrack.testing.server import Reply, serving

VERSIONS = pytest.mark.parametrize("version", ["2", "3"])
SERVER = SourceSettings("ops", "jira", "https://jira.example.com")
CLOUD = SourceSettings("ops", "jira", "https://acme.atlassian.net", "me@example.com")


def settled(settings: SourceSettings = SERVER, **options: str) -> SourceSettings:
    """Return settings as the tracker completes them."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    return TRACKER.settle(replace(settings, options=named))


def test_tracker_is_what_the_engine_wants() -> None:
    """The tracker has a kind, a title and options."""
    tracker: Tracker = TRACKER
    assert (tracker.kind, tracker.title) == ("jira", "Jira")
    names = [option.name for option in tracker.options]
    assert names == ["jql", "api-version", "context-path", "auth"]
    assert tracker.scope(settled()) == "all issues that may be seen"
    assert tracker.scope(settled(jql="project = OPS")) == "project = OPS"


@pytest.mark.parametrize(
    ("settings", "options", "expected"),
    [
        (SERVER, {}, ("2", "bearer", "")),
        (replace(SERVER, username="me"), {}, ("2", "basic", "")),
        (SERVER, {"api_version": "3"}, ("3", "bearer", "")),
        (CLOUD, {}, ("3", "basic", "")),
        (CLOUD, {"api_version": "2", "auth": "bearer"}, ("2", "bearer", "")),
        (SERVER, {"context_path": "jira/"}, ("2", "bearer", "/jira")),
        (
            replace(SERVER, base_url="https://api.atlassian.com"),
            {"context_path": "/ex/jira/1-2"},
            ("3", "bearer", "/ex/jira/1-2"),
        ),
    ],
)
def test_defaults(
    settings: SourceSettings, options: dict[str, str], expected: tuple[str, ...]
) -> None:
    """Where Jira is and who asks decide the version and the kind of credential."""
    found = settled(settings, **options).options
    path = found.get("context-path", "")
    assert (found["api-version"], found["auth"], path) == expected


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        (SERVER, {"api_version": "4"}, "--api-version cannot be '4'"),
        (SERVER, {"auth": "basic"}, "needs a name"),
        (SERVER, {"context_path": "/a/../b"}, "is no path"),
        (SERVER, {"context_path": "a?b"}, "is no path"),
        (SERVER, {"jql": "(a"}, "parenthesis"),
        (SERVER, {"board": "7"}, "has no board"),
        (replace(SERVER, base_url="https://x.example/jira"), {}, "has a path"),
        (replace(CLOUD, base_url="http://acme.atlassian.net"), {}, "unencrypted"),
        (replace(CLOUD, base_url="http://api.atlassian.com"), {}, "unencrypted"),
        (replace(SERVER, base_url=""), {}, "--base-url is needed"),
    ],
)
def test_settings_that_make_no_sense(
    settings: SourceSettings, options: dict[str, str], message: str
) -> None:
    """What is wrong is named, with what to write."""
    with pytest.raises(UsageError, match=message) as error:
        settled(settings, **options)
    assert error.value.hint


@VERSIONS
def test_check(version: str) -> None:
    """A check tells the account, the server, what may be done, and how much there is."""
    jira = FakeJira(version, may={"BROWSE_PROJECTS", "ADD_COMMENTS"})
    jira.add(*[START] * 3, project="OPS")
    jira.add(START, project="WEB")
    with talking(jira, options={"jql": "project = OPS"}) as connector:
        access = connector.check()
        assert len(jira.server.received) == 4
    server = "Jira Cloud 9.12.4" if version == "3" else "Jira Server 9.12.4"
    assert (access.account, access.server) == ("Mia Krystof", server)
    assert access.may == ("read issues", "add comments")
    assert access.may_not == (
        "change the status: the permission TRANSITION_ISSUES is missing",
        "change fields: the permission EDIT_ISSUES is missing",
    )
    assert access.issues == 3


@VERSIONS
def test_answers_of_another_shape_are_not_taken_for_none(version: str) -> None:
    """Where no number of issues comes, the check fails; a walk goes on without."""
    # FAULTS 15
    jira = FakeJira(version, most=1)
    jira.add(START, START)
    odd = faults.answering(Reply({"count": "many"}))
    with talking(jira) as connector:
        jira.server.fail(None, None, None, odd)
        with pytest.raises(RemoteAnswerError, match="a number of issues"):
            connector.check()
        jira.server.faults.clear()
        if version == "3":
            jira.server.fail(None, None, odd)
            first = next(iter(connector.pages(None, None)))
            assert (len(first.items), first.total) == (1, None)


@VERSIONS
def test_check_without_a_credential(version: str) -> None:
    """Public projects can be read by anybody."""
    jira = FakeJira(version)
    jira.add(START)
    with talking(jira, secret=None) as connector:
        access = connector.check()
    assert (access.account, access.issues) == (None, 1)
    assert all("authorization" not in r.headers for r in jira.server.received)


def test_check_of_a_jira_that_tells_no_permissions() -> None:
    """Where Jira tells no permissions, none are claimed."""
    jira = FakeJira()
    with talking(jira) as connector:
        jira.server.fail(None, None, faults.status(404))
        access = connector.check()
    assert (access.may, access.may_not, access.issues) == ((), (), 0)


@pytest.mark.parametrize(
    ("username", "options", "expected"),
    [
        (None, {}, "Bearer token"),
        ("me", {}, "Basic " + base64.b64encode(b"me:token").decode()),
        ("me", {"auth": "bearer"}, "Bearer token"),
    ],
)
def test_credential_goes_as_it_should(
    username: str | None, options: dict[str, str], expected: str
) -> None:
    """A name makes it basic, none makes it a bearer token."""
    jira = FakeJira(secret=expected)
    with talking(jira, username, options=options) as connector:
        assert connector.check().account == "Mia Krystof"
    assert {r.headers["authorization"] for r in jira.server.received} == {expected}


def test_context_path_is_in_front() -> None:
    """A Jira under a path is found there, and its issues are seen there."""
    jira = FakeJira(context="/jira")
    jira.add(START)
    with talking(jira) as connector:
        assert one(connector).url == f"{jira.server.url}/jira/browse/OPS-1"
        assert all(r.path.startswith("/jira/rest/") for r in jira.server.received)


@VERSIONS
def test_credential_goes_nowhere_else(version: str) -> None:
    """A redirect to elsewhere is refused, and addresses in records are not followed."""
    # FAULTS 17
    jira = FakeJira(version)
    jira.add(START)
    for n in range(60):
        jira.tickets[1].comment(f"comment {n}")
    with serving(lambda _: Reply({})) as other, talking(jira) as connector:
        jira.tickets[1].fields["self"] = f"{other.url}/rest/api/2/issue/1"
        assert len(one(connector).comments) == 60
        for code in (301, 302, 307, 308):
            jira.server.fail(faults.redirect(f"{other.url}/rest/api/2/myself", code))
            with pytest.raises(RemoteUnreachable, match="another origin"):
                connector.check()
        jira.server.fail(None, faults.redirect(f"{other.url}/x", 307))
        with pytest.raises(RemoteUnreachable, match="another origin"):
            list(connector.pages(None, None))
        assert other.received == []


CAPTCHA = {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=https://x"}


@pytest.mark.parametrize(
    ("reply", "kind", "message", "hint"),
    [
        (
            Reply(status=401, raw=b"<html>Unauthorized</html>"),
            CredentialError, "does not take the credential", "personal access token",
        ),
        (Reply({}, 401, CAPTCHA), CredentialError, "captcha", "in the browser once"),
        (Reply({}, 403, CAPTCHA), CredentialError, "captcha", "in the browser once"),
        (
            Reply({"errorMessages": ["no \x1b[1mway"]}, 403),
            RemoteForbidden, r"refuses /rest/api/2/myself: no \[1mway", "BROWSE_PROJECTS",
        ),
        (Reply(status=404, raw=b"<html>"), NotFoundError, "has no /rest", "context-path=/jira"),
        (Reply({}, 410), NotFoundError, "no longer has", "--api-version 3"),
        (Reply({"message": "x" * 999}, 418), RemoteAnswerError, "status 418: x+", "kind"),
        (
            Reply({"errorMessages": 7, "errors": {"a": "b", "c": 1}}, 400),
            UsageError, "Jira refuses: a: b; c: 1$", "mend",
        ),
        (Reply([], 409), UsageError, "Jira refuses: status 409", "mend"),
    ],
)  # fmt: skip
def test_refusals(
    reply: Reply, kind: type[IssueTrackError], message: str, hint: str
) -> None:
    """Each refusal says what to do."""
    jira = FakeJira()
    with talking(jira) as connector:
        jira.server.fail(faults.answering(reply))
        with pytest.raises(kind, match=message) as error:
            connector.check()
    assert type(error.value) is kind
    assert hint in (error.value.hint or "")
    assert len(error.value.message) < 400


def test_cloud_is_told_apart() -> None:
    """At Atlassian's own a token needs the address of its account."""
    refusals = TRACKER.connect(settled(CLOUD), "token", lambda *_: None)
    explain = refusals.site.client.explain
    answer: Any = type(
        "Answer", (), {"status": 401, "headers": {}, "url": "https://a/b"}
    )
    assert "id.atlassian.com" in (explain(answer).hint or "")
    refusals.close()


def test_jira_that_lets_nobody_in() -> None:
    """Without a credential the error says that one is wanted."""
    with talking(FakeJira(secret="Bearer x"), secret=None) as connector:
        with pytest.raises(CredentialError, match="wants a credential"):
            connector.check()
        with pytest.raises(CredentialError, match="wants a credential"):
            list(connector.pages(None, None))
        with pytest.raises(CredentialError, match="wants a credential"):
            connector.fetch("OPS-1")


def test_wrong_credential_ends_a_walk() -> None:
    """A refused token is told before anything is read."""
    with talking(FakeJira(secret="Bearer x")) as connector:
        with pytest.raises(CredentialError, match="does not take the credential"):
            list(connector.pages(None, None))
        assert connector.traffic.requests == 1


def test_rate_limit_is_told() -> None:
    """What is left of the rate limit is part of the check and of the traffic."""
    jira = FakeJira()
    with talking(jira) as connector:
        headers = {"X-RateLimit-Remaining": "41", "X-RateLimit-Limit": "50"}
        jira.server.fail(None, faults.answering(Reply({"version": "9"}, 200, headers)))
        access = connector.check()
        assert (access.rate_remaining, access.rate_limit) == (41, 50)
        assert connector.traffic.rate_remaining == 41
