"""The imaginary ticket server of docs/writing-a-connector.md, on loopback."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from issuetrack.testing.server import LoopbackServer, Received, Reply, serving

PER_PAGE = 3
Ticket = dict[str, Any]


@dataclass
class Deskbell:
    """A ticket server; also the stand-in that the contract asks for."""

    token: str
    now: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    tickets: dict[int, Ticket] = field(default_factory=dict)
    notes: int = 0
    server: LoopbackServer = field(init=False)

    @property
    def moment(self) -> str:
        return f"{self.now:%Y-%m-%dT%H:%M:%SZ}"

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def add(self, title: str, body: str, comments: Sequence[str] = ()) -> str:
        number = len(self.tickets) + 1
        self.tickets[number] = {
            "id": number,
            "subject": title,
            "text": body,
            "state": "open",
            "urgency": "high",
            "created": self.moment,
            "updated": self.moment,
            "notes": [],
        }
        for text in comments:
            self.comment(str(number), text)
        return str(number)

    def comment(self, key: str, body: str) -> None:
        self.note(int(key), body, internal=False)

    def note(self, number: int, text: str, *, internal: bool) -> int:
        self.notes += 1
        note = {"id": self.notes, "text": text, "by": "Ada", "at": self.moment}
        ticket = self.tickets[number]
        ticket["notes"] = [*ticket["notes"], {**note, "internal": internal}]
        ticket["updated"] = self.moment
        return self.notes

    def edit(self, key: str, title: str) -> None:
        self.tickets[int(key)] |= {"subject": title, "updated": self.moment}

    def close(self, key: str) -> None:
        self.tickets[int(key)] |= {"state": "closed", "updated": self.moment}

    def delete(self, key: str) -> None:
        self.tickets[int(key)] = {}

    def spoil(self, key: str) -> None:
        self.tickets[int(key)]["subject"] = ["no", "text"]

    def respond(self, request: Received) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Reply({"message": "who are you?"}, 401)
        parts = request.path.strip("/").split("/")
        if parts == ["me"]:
            return Reply({"name": "Mia", "tickets": len(self._all())})
        if parts == ["tickets"]:
            return self._listed(request)
        known = {str(ticket["id"]): ticket for ticket in self._all()}
        if parts[0] != "tickets" or parts[1] not in known:
            return Reply({"message": "there is no such ticket"}, 404)
        if request.method == "POST" and parts[2:] == ["notes"]:
            said = request.content
            number = self.note(int(parts[1]), said["text"], internal=said["internal"])
            return Reply({"id": number}, 201)
        return Reply(known[parts[1]])

    def _all(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets.values() if ticket]

    def _listed(self, request: Received) -> Reply:
        after = (
            request.query.get("updated_after", ""),
            int(request.query.get("after_id", "0")),
        )
        found = sorted((t["updated"], t["id"]) for t in self._all())
        found = [place for place in found if place > after]
        shown = [self.tickets[number] for _, number in found[:PER_PAGE]]
        return Reply({"tickets": shown, "more": len(found) > PER_PAGE})


@contextmanager
def running(token: str) -> Iterator[Deskbell]:
    """Serve tickets during the block."""
    desk = Deskbell(token)
    with serving(desk.respond) as server:
        desk.server = server
        yield desk
