"""Settings, and what is read: complete, in the common vocabulary."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from issuetrack.engine.errors import UsageError
from issuetrack.engine.store.types import GoneReason, IssueStatus
from issuetrack.engine.sync.connector import Connector
from issuetrack.engine.sync.ports import GoneIssue, RemoteIssue
from issuetrack.testing.contract.basis import Basis, Talk, read, refusal_of, told
from issuetrack.testing.upstream import Upstream, gather

PASSWORD = "hunter2-in-the-url"  # noqa: S105 - opens nothing
ENDED = (IssueStatus.RESOLVED, IssueStatus.CLOSED)


class ReadingContract(Basis):
    """Settings, and what is read."""

    def test_it_says_what_it_is(self, upstream: Upstream) -> None:
        """Kind, title and scope are each one line, and its options differ."""
        settled = self.tracker.settle(self.settings(upstream))
        for line in (
            self.tracker.kind,
            self.tracker.title,
            self.tracker.scope(settled),
        ):
            assert line
            assert line.isprintable()
        names = [option.name for option in self.tracker.options]
        assert len(names) == len(set(names))
        assert all(option.help for option in self.tracker.options)

    def test_settings_that_are_settled_stay_so(self, upstream: Upstream) -> None:
        """To settle twice is to settle once."""
        settled = self.tracker.settle(self.settings(upstream))
        assert self.tracker.settle(settled) == settled
        slash = replace(settled, base_url=f"{settled.base_url}/")
        assert self.tracker.settle(slash) == settled

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("/$", "/some/path"),
            ("/$", "/?a=b"),
            ("://", f"://ada:{PASSWORD}@"),
            ("http://", "ftp://"),
            ("http://", ""),
        ],
    )
    def test_base_urls_that_are_no_origin_are_refused(
        self, upstream: Upstream, old: str, new: str
    ) -> None:
        """A base url is scheme, host and port; nothing in it is told back."""
        given = self.settings(upstream)
        url = f"{given.base_url}/$".replace(old, new, 1).removesuffix("/$")
        with pytest.raises(UsageError) as refused:
            self.tracker.settle(replace(given, base_url=url))
        assert refused.value.hint
        assert PASSWORD not in told(refused.value)

    def test_unknown_options_are_refused(self, upstream: Upstream) -> None:
        """An option that there is not is named."""
        given = self.settings(upstream)
        options = {**given.options, "no-such-option": "1"}
        with pytest.raises(UsageError, match="no-such-option"):
            self.tracker.settle(replace(given, options=options))

    def test_nothing_is_sent_unasked(self, upstream: Upstream, talk: Talk) -> None:
        """Neither connecting nor asking for pages sends anything; one may close twice."""
        connector = talk(self.secret)
        connector.pages(None, None)
        assert connector.traffic.requests == 0
        connector.close()
        connector.close()
        assert upstream.server.received == []

    def test_everything_is_read(self, upstream: Upstream, connector: Connector) -> None:
        """A first read gives every issue with its comments."""
        keys = self.fill(upstream)
        found = read(connector)
        assert set(found.issues) == set(keys)
        assert found.repeated < len(keys)
        for number, key in enumerate(keys):
            assert found.titles[key] == f"Pump {number} stopped"
            assert "It hums." in found.issues[key].body
            assert f"Looked at pump {number}." in found.said(key)
        assert (found.bad, found.gone) == ([], [])
        assert connector.traffic.requests == len(upstream.server.received)

    def test_nothing_is_there(self, connector: Connector) -> None:
        """Where there is no issue, a read ends well."""
        assert read(connector).issues == {}

    def test_common_vocabulary(self, upstream: Upstream, connector: Connector) -> None:
        """Moments are in UTC, an open issue is open, and identities stay."""
        before = upstream.now
        key = upstream.add("Überlauf im Füllstand 2 €", "It hums.", ["Ein Umlaut: ä"])
        issue = read(connector).issues[key]
        assert issue.title == "Überlauf im Füllstand 2 €"
        assert issue.status in (IssueStatus.OPEN, IssueStatus.IN_PROGRESS)
        for moment in (issue.created_at, issue.updated_at):
            assert moment.utcoffset() == timedelta(0)
        assert before - timedelta(seconds=1) <= issue.updated_at
        assert issue.updated_at <= upstream.now + timedelta(seconds=1)
        upstream.wait(60)
        upstream.close(key)
        again = read(connector).issues[key]
        assert again.id == issue.id
        assert again.status in ENDED
        assert issue.url is None or issue.url.startswith(("http://", "https://"))

    def test_oldest_change_first(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """Issues come in the order in which they last changed."""
        keys = self.fill(upstream)
        upstream.edit(keys[0], "Pump 0 runs")
        found = read(connector)
        order = [issue.updated_at for issue in found.issues.values()]
        assert order == sorted(order)
        assert list(found.issues)[-1] == keys[0]

    def test_since(self, upstream: Upstream, connector: Connector) -> None:
        """Issues that have not changed since a moment are left out, in any zone."""
        old = set(self.fill(upstream, 3))
        upstream.wait(86400)
        moment = upstream.now
        upstream.wait(60)
        new = set(self.fill(upstream, 2))
        india = timezone(timedelta(hours=5, minutes=30))
        for since in (moment, moment.astimezone(india)):
            found = set(gather(connector.pages(None, since)).issues)
            assert new <= found
            assert not old & found
        later = datetime(2200, 1, 1, tzinfo=UTC)
        assert not gather(connector.pages(None, later)).issues

    def test_bad_records(self, upstream: Upstream, connector: Connector) -> None:
        """A record that cannot be understood is put aside; the others come."""
        # FAULTS 15
        keys = self.fill(upstream)
        upstream.spoil(keys[1])
        found = read(connector)
        assert set(keys) - {keys[1]} <= set(found.issues)
        assert found.bad
        for bad in found.bad:
            assert bad.origin
            assert bad.reason
            assert bad.content
        assert keys[1] not in read(connector, found.cursor).issues

    def test_fetch(self, upstream: Upstream, connector: Connector) -> None:
        """One issue comes complete, as the pages have it."""
        keys = self.fill(upstream, 3)
        upstream.comment(keys[1], "Changed the seal.")
        listed = read(connector)
        issue = connector.fetch(keys[1])
        assert isinstance(issue, RemoteIssue)
        assert issue.complete
        assert (issue.key, issue.id) == (keys[1], listed.issues[keys[1]].id)
        said = [comment.body for comment in issue.comments]
        assert len(said) == len(listed.comments[keys[1]])
        for text in ("Looked at pump 1.", "Changed the seal."):
            assert text in "".join(said)

    def test_fetch_what_is_gone(self, upstream: Upstream, connector: Connector) -> None:
        """An issue that was deleted is told to be gone, and is not listed."""
        keys = self.fill(upstream, 3)
        upstream.delete(keys[1])
        assert connector.fetch(keys[1]) == GoneIssue(keys[1], GoneReason.DELETED)
        assert set(read(connector).issues) == {keys[0], keys[2]}

    @pytest.mark.parametrize("key", ["../../secrets", "x?y=/secrets", "", "a b\n#"])
    def test_strange_keys(
        self, upstream: Upstream, connector: Connector, key: str
    ) -> None:
        """A key that is none does not lead to another address."""
        found: list[object] = []
        refused = refusal_of(lambda: found.append(connector.fetch(key)))
        assert refused is None or refused.message.isprintable()
        assert all(isinstance(item, GoneIssue) for item in found)
        for request in upstream.server.received:
            assert not request.path.endswith("/secrets")
            assert "y" not in request.query

    def test_check(self, upstream: Upstream, connector: Connector) -> None:
        """It tells who we are, what may be read and how much there is."""
        keys = self.fill(upstream, 3)
        access = connector.check()
        assert access.account
        assert access.may
        assert access.issues in (None, len(keys))
