"""What the author of a connector gives the contract, and what its tests share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import stamina

from issuetrack.engine.errors import IssueTrackError
from issuetrack.engine.sync.connector import (
    Connector,
    SourceSettings,
    Tracker,
    Waiting,
)
from issuetrack.testing.server import Fault, Received
from issuetrack.testing.upstream import Gathered, Upstream, gather

MOST_ATTEMPTS = 9
ALWAYS = 200
MINUTES = 300.0

Waits = list[tuple[str, float]]
Talk = Callable[[str], Connector]


class Basis:
    """What there is to talk to, and how.

    Attributes:
        tracker: the kind of tracker.
        secret: a credential that the stand-in takes.
        many: how many issues fill more than two pages.
    """

    tracker: Tracker
    secret: str = "a-token-of-the-contract"  # noqa: S105 - opens nothing
    many: int = 7

    def serve(self) -> AbstractContextManager[Upstream]:
        """Run a stand-in during a block."""
        raise NotImplementedError

    def settings(self, upstream: Upstream) -> SourceSettings:
        """Return the settings of a source there, as a person would give them."""
        raise NotImplementedError

    def connect(
        self, settings: SourceSettings, secret: str | None, waiting: Waiting
    ) -> Connector:
        """Return a conversation; override it if the tracker has to be made quick.

        `issuetrack.connectors.http.Client` does not wait during the contract.
        """
        return self.tracker.connect(settings, secret, waiting)

    @pytest.fixture(autouse=True)
    def _no_waits(self) -> Iterator[None]:
        with stamina.set_testing(True, attempts=MOST_ATTEMPTS, cap=True):
            yield

    @pytest.fixture
    def upstream(self) -> Iterator[Upstream]:
        """Return a stand-in that holds nothing."""
        with self.serve() as upstream:
            yield upstream

    @pytest.fixture
    def waits(self) -> Waits:
        """Return what was told of waits."""
        return []

    @pytest.fixture
    def talk(self, upstream: Upstream, waits: Waits) -> Iterator[Talk]:
        """Return a maker of conversations, each with a secret."""
        opened: list[Connector] = []
        settled = self.tracker.settle(self.settings(upstream))

        def start(secret: str) -> Connector:
            opened.append(
                self.connect(settled, secret, lambda why, s: waits.append((why, s)))
            )
            return opened[-1]

        yield start
        for connector in opened:
            connector.close()

    @pytest.fixture
    def connector(self, talk: Talk) -> Connector:
        """Return a conversation."""
        return talk(self.secret)

    def fill(self, upstream: Upstream, count: int | None = None) -> list[str]:
        """Open issues a while apart, each with a comment; return their keys."""
        keys = []
        for number in range(self.many if count is None else count):
            upstream.wait(MINUTES)
            keys.append(
                upstream.add(
                    f"Pump {number} stopped", "It hums.", [f"Looked at pump {number}."]
                )
            )
        upstream.wait(MINUTES)
        return keys


def read(connector: Connector, cursor: str | None = None) -> Gathered:
    """Read what there is behind a cursor."""
    return gather(connector.pages(cursor, None))


def always(upstream: Upstream, fault: Fault) -> None:
    """Let every request meet a fault from now on."""
    upstream.server.faults.clear()
    upstream.server.fail(*[fault] * ALWAYS)


def writes(upstream: Upstream) -> list[Received]:
    """Return the requests that may have changed something."""
    return [r for r in upstream.server.received if r.method != "GET"]


def refusal_of(act: Callable[[], object]) -> IssueTrackError | None:
    """Do something; return the error that it ends with, if any."""
    try:
        act()
    except IssueTrackError as error:
        return error
    return None


def told(error: IssueTrackError) -> str:
    """Return all that an error says."""
    return f"{error!r} {error} {error.message} {error.hint}"
