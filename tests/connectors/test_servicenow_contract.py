"""ServiceNow keeps to what every connector keeps to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from connectors.servicenow_server import Instance, Row, running
from issuetrack.connectors.servicenow.tracker import ServiceNow
from issuetrack.engine.sync.connector import SourceSettings
from issuetrack.testing.contract import ConnectorContract
from issuetrack.testing.contract.basis import Basis
from issuetrack.testing.contract.refusing import RefusingContract
from issuetrack.testing.server import LoopbackServer
from issuetrack.testing.upstream import Upstream

USER = "sync"


@dataclass
class Desk:
    """An instance, as the contract asks for it."""

    instance: Instance
    server: LoopbackServer
    opened: int = 0
    rows: dict[str, Row] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.instance.now.replace(tzinfo=UTC)

    def wait(self, seconds: float) -> None:
        self.instance.now += timedelta(seconds=seconds)

    def add(self, title: str, body: str, comments: Sequence[str] = ()) -> str:
        self.opened += 1
        row = self.instance.incident(
            self.opened, short_description=title, description=body, state="1"
        )
        self.rows[row["number"]] = row
        for text in comments:
            self.comment(row["number"], text)
        return row["number"]

    def edit(self, key: str, title: str) -> None:
        row = self.rows[key]
        self.instance.touch(row, short_description=title)
        self.instance.audit(row, "category", "", "pumps")

    def comment(self, key: str, body: str) -> None:
        self.instance.say(self.rows[key], body, "comments")
        self.instance.touch(self.rows[key])

    def close(self, key: str) -> None:
        self.instance.touch(self.rows[key], state="7", active="false")

    def delete(self, key: str) -> None:
        self.instance.tables["incident"].remove(self.rows[key])

    def spoil(self, key: str) -> None:
        self.rows[key]["opened_at"] = "soon"


class Served(Basis):
    """What there is to talk to."""

    tracker = ServiceNow(per_page=3)
    auth = "basic"

    @contextmanager
    def serve(self) -> Iterator[Upstream]:
        instance = Instance(USER, self.secret, tick=timedelta())
        instance.add("sys_user", user_name=USER, name="Sync Account", active="true")
        other = instance.add("incident", sys_class_name="incident")
        instance.tables["incident"].clear()
        instance.audit(other, "state", "1", "2")
        with running(instance) as server:
            yield Desk(instance, server)

    def settings(self, upstream: Upstream) -> SourceSettings:
        options = {"auth": self.auth}
        return SourceSettings("desk", "servicenow", upstream.server.url, USER, options)


class TestServiceNow(Served, ConnectorContract):
    """With a name and a password."""


class TestServiceNowWithTokens(Served, RefusingContract):
    """With a client's id and secret, where refusals differ."""

    auth = "oauth"
