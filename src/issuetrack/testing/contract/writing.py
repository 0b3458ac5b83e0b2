"""Writing back: what is told is what is sent, once."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import pytest

from issuetrack.engine.errors import RemoteUnreachable, UsageError
from issuetrack.engine.store.types import CommentKind, IssueStatus
from issuetrack.engine.sync.connector import Change, Connector, Request
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.testing.contract.basis import Basis, Talk, read, writes
from issuetrack.testing.contract.reading import ENDED
from issuetrack.testing.server import Received, Reply
from issuetrack.testing.upstream import Upstream

TEXT = "Restarted the pump."
MARK, OTHER = "0d6b1c3e4f5a", "9a8b7c6d5e4f"


class WritingContract(Basis):
    """Writing back."""

    def test_what_is_told_is_sent(self, upstream: Upstream, talk: Talk) -> None:
        """The requests of a change are told before they are sent, in their order."""
        key = self.fill(upstream, 2)[1]
        change = Change(key, MARK, TEXT)
        planned = talk(self.secret).requests_for(change)
        assert writes(upstream) == []
        assert all(r.url.startswith(upstream.server.url) for r in planned)
        assert self.secret not in repr(planned)
        talk(self.secret).push(change)
        assert [_sent(r) for r in writes(upstream)] == [_planned(r) for r in planned]

    def test_a_change_is_known_by_its_mark(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """A change that was made is found by its mark, and no other is."""
        keys = self.fill(upstream, 2)
        change = Change(keys[1], MARK, TEXT)
        assert connector.pushed(change) is None
        key = connector.push(change)
        assert key
        assert connector.pushed(change) == key
        assert connector.pushed(Change(keys[1], OTHER, TEXT)) is None
        assert connector.pushed(Change(keys[0], MARK, TEXT)) is None

    def test_what_was_pushed_is_read(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """The comment comes with the next read, under the key that was told."""
        key = self.fill(upstream, 2)[1]
        first = read(connector)
        upstream.wait(60)
        pushed = connector.push(Change(key, MARK, TEXT))
        comments = read(connector, first.cursor).comments[key].values()
        (comment,) = [c for c in comments if TEXT in c.body]
        assert comment.key == pushed

    def test_internal_comments(self, upstream: Upstream, connector: Connector) -> None:
        """A work note stays one, or is refused before anything is sent."""
        key = self.fill(upstream, 1)[0]
        change = Change(key, MARK, TEXT, CommentKind.WORK_NOTE)
        try:
            connector.push(change)
        except UsageError:
            assert writes(upstream) == []
        else:
            issue = connector.fetch(key)
            assert isinstance(issue, RemoteIssue)
            (note,) = [c for c in issue.comments if TEXT in c.body]
            assert note.kind is CommentKind.WORK_NOTE

    def test_a_status(self, upstream: Upstream, connector: Connector) -> None:
        """An issue is resolved there, or the wish is refused before anything is sent."""
        key = self.fill(upstream, 1)[0]
        try:
            connector.push(Change(key, MARK, status=IssueStatus.RESOLVED))
        except UsageError:
            assert writes(upstream) == []
        else:
            issue = connector.fetch(key)
            assert isinstance(issue, RemoteIssue)
            assert issue.status in ENDED

    def test_fields(self, upstream: Upstream, connector: Connector) -> None:
        """A title is written or refused; a field that there is not is refused."""
        key = self.fill(upstream, 1)[0]
        change = Change(key, MARK, fields={"no such field": "x"})
        for act in (connector.requests_for, connector.push):
            with pytest.raises(UsageError):
                act(change)
        assert writes(upstream) == []
        try:
            connector.push(Change(key, MARK, fields={"title": "Pump 0 is loud"}))
        except UsageError:
            assert writes(upstream) == []
        else:
            issue = connector.fetch(key)
            assert isinstance(issue, RemoteIssue)
            assert issue.title == "Pump 0 is loud"

    def test_a_change_is_sent_once(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """A change whose answer is lost is not sent again by itself."""
        key = self.fill(upstream, 1)[0]
        respond = upstream.server.respond

        def lose(request: Received) -> Reply:
            reply = respond(request)
            return reply if request.method == "GET" else Reply(status=502)

        upstream.server.respond = lose
        change = Change(key, MARK, TEXT)
        with pytest.raises(RemoteUnreachable):
            connector.push(change)
        assert len(writes(upstream)) == 1
        assert connector.pushed(change)


Sent = tuple[str, str, Mapping[str, str], object]


def _sent(request: Received) -> Sent:
    return request.method, request.path, request.query, request.content


def _planned(request: Request) -> Sent:
    parts = urlsplit(request.url)
    return request.method, parts.path, dict(parse_qsl(parts.query)), request.content
