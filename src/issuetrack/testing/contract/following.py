"""Cursors: nothing is missed, and little is read twice."""

import pytest

from issuetrack.engine.errors import UsageError
from issuetrack.engine.sync.connector import Connector
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.testing.contract.basis import Basis, read, refusal_of
from issuetrack.testing.contract.reading import ENDED
from issuetrack.testing.upstream import Gathered, Upstream, gather

LONGEST_CURSOR = 64 * 1024
FEW = 10
LEAST_PAGES = 3
TOUCHED = 2


class FollowingContract(Basis):
    """Cursors."""

    def test_every_cursor_goes_on(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """What was stopped behind any page goes on there, and nothing is missing."""
        # FAULTS 1
        self.fill(upstream)
        whole = read(connector)
        assert len(whole.cursors) >= LEAST_PAGES
        for stop in range(1, len(whole.cursors) + 1):
            begun = Gathered()
            for _, page in zip(range(stop), connector.pages(None, None), strict=False):
                begun.take(page)
            assert isinstance(begun.cursor, str)
            assert 0 < len(begun.cursor) < LONGEST_CURSOR
            assert self.secret not in begun.cursor
            gather(connector.pages(begun.cursor, None), begun)
            assert begun.titles == whole.titles
            assert begun.comments == whole.comments

    def test_nothing_new_is_cheap(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """Where nothing changed, few requests are sent, and nothing seems changed."""
        self.fill(upstream)
        first = read(connector)
        cursor = first.cursor
        for _ in range(2):
            upstream.server.received.clear()
            again = read(connector, cursor)
            cursor = again.cursor if again.cursors else cursor
            assert again.changed_since(first) == set()
            assert len(upstream.server.received) <= FEW

    def test_what_is_new_arrives(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """A new issue, a comment, an edit and a close come with the next read."""
        keys = self.fill(upstream)
        first = read(connector)
        upstream.wait(3600)
        upstream.comment(keys[0], "It stopped again.")
        upstream.edit(keys[1], "Pump 1 is loud")
        upstream.close(keys[2])
        new = upstream.add("Fan 9 stopped", "Silence.")
        found = read(connector, first.cursor)
        assert found.changed_since(first) == {*keys[:3], new}
        assert "It stopped again." in found.said(keys[0])
        assert found.titles[keys[1]] == "Pump 1 is loud"
        assert found.issues[keys[2]].status in ENDED
        assert found.titles[new] == "Fan 9 stopped"

    def test_a_change_while_pages_are_read(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """An issue that moves to the end pushes no other one out of the pages."""
        keys = self.fill(upstream)
        found = Gathered()
        for number, page in enumerate(connector.pages(None, None)):
            found.take(page)
            if number < TOUCHED:
                upstream.wait(1)
                upstream.edit(keys[number], f"Pump {number} is loud")
        assert set(found.issues) == set(keys)
        gather(connector.pages(found.cursor, None), found)
        assert [found.titles[key] for key in keys[:TOUCHED]] == [
            "Pump 0 is loud",
            "Pump 1 is loud",
        ]

    def test_changes_of_one_moment(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """More issues than fit on a page may have changed at one moment."""
        keys = {upstream.add(f"Lamp {n}", "It is dark.") for n in range(self.many)}
        found = read(connector)
        assert set(found.issues) == keys
        late = upstream.add("Lamp of the same second", "It is dark.")
        assert late in read(connector, found.cursor).issues

    def test_what_appears_late(self, upstream: Upstream, connector: Connector) -> None:
        """An issue that turns up a minute behind the cursor is read nevertheless."""
        self.fill(upstream, 3)
        upstream.add("Fan 1 stopped", "Silence.")
        first = read(connector)
        upstream.wait(-60)
        late = upstream.add("Fan 2 stopped", "Silence.")
        assert late in read(connector, first.cursor).issues

    @pytest.mark.parametrize("cursor", ["", "rubbish", "{}", "[7]", '{"a": {"b": 1}}'])
    def test_a_cursor_that_is_none(
        self, upstream: Upstream, connector: Connector, cursor: str
    ) -> None:
        """A cursor that is not ours reads everything, or says how to."""
        keys = self.fill(upstream, 3)
        found = Gathered()
        refused = refusal_of(lambda: gather(connector.pages(cursor, None), found))
        if refused is None:
            assert set(found.issues) == set(keys)
        else:
            assert isinstance(refused, UsageError)
            assert "--full" in (refused.hint or "")

    def test_fetch_agrees_with_pages(
        self, upstream: Upstream, connector: Connector
    ) -> None:
        """An issue says the same whichever way it is read."""
        (key,) = self.fill(upstream, 1)
        listed, one = read(connector).issues[key], connector.fetch(key)
        assert isinstance(one, RemoteIssue)
        for name in ("title", "body", "status", "priority", "created_at", "updated_at"):
            assert getattr(one, name) == getattr(listed, name)
