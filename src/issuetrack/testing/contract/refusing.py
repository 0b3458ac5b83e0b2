"""Trackers that refuse, fail, lie, or lead elsewhere."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from issuetrack.engine.errors import (
    CredentialError,
    IssueTrackError,
    NotFoundError,
    RemoteAnswerError,
    RemoteForbidden,
    RemoteUnreachable,
    UsageError,
)
from issuetrack.engine.sync.connector import Connector
from issuetrack.testing import server as faults
from issuetrack.testing.contract.basis import (
    Basis,
    Talk,
    Waits,
    always,
    read,
    refusal_of,
    told,
)
from issuetrack.testing.server import Fault, Received, Reply, Respond, serving
from issuetrack.testing.upstream import Gathered, Upstream, gather

WRONG = "another-token-that-is-wrong"
BOUND = 60
LONGEST_WAIT = 15 * 60
WORDS = "no\x1b[2J\r\x9b1m way"
LOUD = Reply(
    {
        "message": WORDS,
        "errorMessages": [WORDS],
        "error": {"message": WORDS, "detail": WORDS},
    },
    400,
)
NONSENSE = {
    "a login page": faults.page(),
    "cut off": faults.truncated(),
    "a number": faults.answering(Reply(7)),
    "nothing": faults.answering(Reply()),
    "a text": faults.answering(Reply("hello")),
    "something else": faults.answering(Reply({"notice": "closed for repairs"})),
}
FAILURES = {
    "500": faults.status(500),
    "503": faults.status(503, {"Retry-After": "1"}),
    "reset": faults.reset(),
}


def _named(known: dict[str, Fault]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", known.values(), ids=known.keys())


class RefusingContract(Basis):
    """Refusals and failures."""

    def test_a_wrong_credential(self, upstream: Upstream, talk: Talk) -> None:
        """It is named as such, told to nobody, and never an empty success."""
        self.fill(upstream, 1)
        connector = talk(WRONG)
        for act in (connector.check, lambda: read(connector)):
            with pytest.raises(CredentialError) as refused:
                act()
            assert refused.value.hint
            assert WRONG not in told(refused.value)

    @pytest.mark.parametrize(
        ("code", "condition"),
        [(403, (RemoteForbidden,)), (404, (NotFoundError, UsageError))],
    )
    def test_missing_rights(
        self,
        upstream: Upstream,
        connector: Connector,
        code: int,
        condition: tuple[type[IssueTrackError], ...],
    ) -> None:
        """What may not be read is never taken for empty."""
        self.fill(upstream, 1)
        always(upstream, faults.status(code))
        with pytest.raises(condition) as refused:
            read(connector)
        assert refused.value.hint
        with pytest.raises(condition):
            connector.check()

    @pytest.mark.parametrize("after", ["1", "99999999", "-5", "soon", None])
    def test_a_rate_limit(
        self,
        upstream: Upstream,
        connector: Connector,
        waits: Waits,
        after: str | None,
    ) -> None:
        """It waits as long as was asked for, within reason, says so and goes on."""
        # FAULTS 13
        keys = self.fill(upstream)
        upstream.server.fail(None, faults.limited(after), faults.limited(after))
        assert set(read(connector).issues) == set(keys)
        assert all(why and 0 <= seconds <= LONGEST_WAIT for why, seconds in waits)
        assert waits or after != "1"

    @_named(FAILURES)
    def test_failures_that_pass(
        self, upstream: Upstream, connector: Connector, fault: Fault
    ) -> None:
        """What fails twice is asked for again."""
        # FAULTS 14
        keys = self.fill(upstream)
        upstream.server.fail(fault, fault, None, fault, fault)
        assert set(read(connector).issues) == set(keys)

    @_named({**FAILURES, "429": faults.limited("1")})
    def test_failures_that_last(
        self, upstream: Upstream, connector: Connector, fault: Fault
    ) -> None:
        """After a few attempts it says that the tracker cannot be reached."""
        # FAULTS 14
        always(upstream, fault)
        with pytest.raises(RemoteUnreachable) as failed:
            read(connector)
        assert failed.value.hint
        assert len(upstream.server.received) < BOUND

    @_named(NONSENSE)
    def test_nonsense(
        self, upstream: Upstream, connector: Connector, fault: Fault
    ) -> None:
        """An answer that is not what was promised is never taken for empty."""
        # FAULTS 15
        keys = self.fill(upstream, 1)
        always(upstream, fault)
        with pytest.raises(RemoteAnswerError):
            read(connector)
        with pytest.raises(RemoteAnswerError):
            connector.fetch(keys[0])

    @_named({**NONSENSE, **FAILURES})
    def test_failures_on_the_way(
        self, upstream: Upstream, connector: Connector, fault: Fault
    ) -> None:
        """What was read before a failure is kept, and the rest comes after it."""
        keys = self.fill(upstream)
        walk, found = connector.pages(None, None), Gathered()
        found.take(next(walk))
        always(upstream, fault)
        with pytest.raises(RemoteUnreachable):
            gather(walk, found)
        upstream.server.faults.clear()
        gather(connector.pages(found.cursor, None), found)
        assert set(found.issues) == set(keys)

    def test_pages_that_repeat(self, upstream: Upstream, connector: Connector) -> None:
        """A tracker that gives the same page again and again is left."""
        # FAULTS 16
        self.fill(upstream)
        upstream.server.respond = _stuck(upstream.server.respond)
        with suppress(IssueTrackError):
            read(connector)

    @pytest.mark.parametrize("fault", [faults.endless(), faults.bomb()])
    def test_answers_without_an_end(
        self, upstream: Upstream, connector: Connector, fault: Fault
    ) -> None:
        """They are cut off."""
        # FAULTS 19
        upstream.server.fail(fault)
        with pytest.raises(RemoteUnreachable):
            read(connector)

    @pytest.mark.parametrize("code", [301, 302, 307, 308])
    @pytest.mark.parametrize("form", ["{url}/x", "//{host}/x"])
    def test_redirects_elsewhere(
        self, upstream: Upstream, connector: Connector, code: int, form: str
    ) -> None:
        """Another origin gets nothing."""
        # FAULTS 17
        with serving(lambda _request: Reply([])) as canary:
            host = canary.url.partition("://")[2]
            url = form.format(url=canary.url, host=host)
            always(upstream, faults.redirect(url, code))
            for act in (connector.check, lambda: read(connector)):
                with pytest.raises(RemoteUnreachable):
                    act()
            assert canary.received == []

    def test_secrets_are_not_told(self, upstream: Upstream, talk: Talk) -> None:
        """No error and no representation has the credential in it."""
        connector = talk(self.secret)
        said = [repr(connector), repr(self.tracker), repr(connector.traffic)]
        for fault in (*NONSENSE.values(), *FAILURES.values(), faults.status(401)):
            always(upstream, fault)
            failed = refusal_of(connector.check)
            said.append(told(failed) if failed else "")
        assert self.secret not in "".join(said)

    def test_words_of_the_tracker_are_cleaned(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """What a tracker says in a refusal can be shown on a terminal."""
        # FAULTS 21
        always(upstream, faults.answering(LOUD))
        with pytest.raises(IssueTrackError) as refused:
            read(connector)
        assert refused.value.message.isprintable()
        assert (refused.value.hint or "-").isprintable()


def _stuck(respond: Respond) -> Callable[[Received], Reply]:
    """Return what answers each path as it did the first time."""
    known: dict[tuple[str, str], Reply] = {}

    def repeat(request: Received) -> Reply:
        place = request.method, request.path
        if place not in known:
            known[place] = respond(request)
        return known[place]

    return repeat
