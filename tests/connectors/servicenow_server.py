"""A stand-in for a ServiceNow instance, kept in memory and spoken to over loopback."""

import base64
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from issuetrack.testing.server import LoopbackServer, Received, Reply, serving

Row = dict[str, str]
FORMAT = "%Y-%m-%d %H:%M:%S"
DATES = ("sys_updated_on", "sys_created_on", "opened_at", "resolved_at", "closed_at")
JOURNALS = {"work_notes": "Work notes", "comments": "Additional comments"}
STATES = {
    "1": "New",
    "2": "In Progress",
    "3": "On Hold",
    "6": "Resolved",
    "7": "Closed",
}
PRIORITIES = {"1": "1 - Critical", "2": "2 - High", "3": "3 - Moderate", "4": "4 - Low"}
COLUMNS = frozenset(
    re.findall(
        r"\S+",
        "sys_id number sys_class_name sys_mod_count short_description description active "
        "state incident_state problem_state priority business_service cmdb_ci location "
        "category subcategory caller_id opened_by assigned_to assignment_group close_notes "
        "close_code parent_incident problem_id caused_by rfc u_place comments work_notes "
        "sys_updated_on sys_created_on opened_at resolved_at closed_at sys_created_by "
        "element_id element value documentkey tablename fieldname oldvalue newvalue user "
        "table_sys_id file_name user_name name email time_zone inactive caller_id.location",
    )
)
CONDITION = re.compile(
    r"(?P<name>[a-z][a-z0-9_.]*)"
    r"(?P<how>ISEMPTY|ISNOTEMPTY|IN|>=|<=|>|<|!=|=)(?P<what>.*)",
    re.DOTALL,
)


@cache
def parsed(condition: str) -> re.Match[str] | None:
    """Return the field, operator and value of a condition."""
    return CONDITION.fullmatch(condition)


def sys_id() -> str:
    """Return a new sys_id."""
    return uuid.uuid4().hex


@dataclass
class Instance:
    """An instance.

    Attributes:
        tables: rows by the names of tables.
        labels: what sys_ids are shown as.
        hidden: tables of which no row may be seen.
        forbidden: tables that are refused.
        invisible: sys_ids of rows that an access rule hides.
        readonly: fields that cannot be changed, silently.
        shift: how far the time zone of the account is from UTC.
        local_literals: whether dates in queries are in that zone.
        no_rows_if_invalid: the property glide.invalid_query.returns_no_rows.
        counted: whether totals are told.
        lifetime: for how many requests a token is good.
        tick: how far the clock moves with each change.
        after: called with the table after each answer.
    """

    user: str = "sync"
    password: str = "pässword"
    tables: dict[str, list[Row]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    invisible: set[str] = field(default_factory=set)
    readonly: set[str] = field(default_factory=set)
    shift: timedelta = timedelta()
    layout: str = FORMAT
    local_literals: bool = False
    no_rows_if_invalid: bool = False
    counted: bool = True
    lifetime: int = 1000
    tokens: dict[str, int] = field(default_factory=dict)
    link: str | None = None
    now: datetime = datetime(2026, 3, 1, 12, 0)  # noqa: DTZ001 - as ServiceNow has it
    tick: timedelta = timedelta(seconds=1)
    after: Callable[[str], None] = lambda _table: None
    headers: dict[str, str] = field(default_factory=dict)

    def add(self, table: str, **values: str) -> Row:
        """Add a row, changed a second after the one before."""
        self.now += self.tick
        row = {
            "sys_id": sys_id(),
            "sys_created_on": self.now.strftime(FORMAT),
            "sys_updated_on": self.now.strftime(FORMAT),
            "sys_mod_count": "0",
            **values,
        }
        self.tables.setdefault(table, []).append(row)
        return row

    def incident(self, number: int, **values: str) -> Row:
        """Add an incident."""
        plain = {
            "number": f"INC{number:07}",
            "sys_class_name": "incident",
            "short_description": f"Printer {number} jams",
            "description": "Paper is stuck since Monday.",
            "state": "2",
            "priority": "2",
            "active": "true",
        }
        row = self.add("incident", **{**plain, **values})
        row["opened_at"] = values.get("opened_at", row["sys_created_on"])
        return row

    def touch(self, row: Row, **values: str) -> None:
        """Change a row now."""
        self.now += self.tick
        row.update(values, sys_updated_on=self.now.strftime(FORMAT))
        row["sys_mod_count"] = str(int(row["sys_mod_count"]) + 1)

    def say(self, row: Row, text: str, element: str = "work_notes") -> Row:
        """Write into the journal of a record."""
        return self.add(
            "sys_journal_field",
            element_id=row["sys_id"],
            element=element,
            value=text,
            sys_created_by="ada",
        )

    def audit(self, row: Row, name: str, before: str, after: str) -> Row:
        """Write into the history of a record."""
        return self.add(
            "sys_audit",
            documentkey=row["sys_id"],
            tablename=row["sys_class_name"],
            fieldname=name,
            oldvalue=before,
            newvalue=after,
            user="ada",
        )

    def respond(self, request: Received) -> Reply:
        """Answer a request."""
        if request.path == "/oauth_token.do":
            return self._token(request)
        if not self._is_known(request):
            said = {
                "message": "User Not Authenticated",
                "detail": "Required to provide",
            }
            return Reply({"error": said, "status": "failure"}, 401)
        table, _, key = request.path.removeprefix("/api/now/table/").partition("/")
        if table in self.forbidden:
            said = {"message": "Insufficient rights", "detail": "ACL\x1b[31m says no"}
            return Reply({"error": said, "status": "failure"}, 403)
        if key:
            return self._patched(table, key, request.content)
        reply = self._listed(table, request)
        self.after(table)
        return reply

    def _token(self, request: Received) -> Reply:
        form = {
            name: values[0] for name, values in parse_qs(request.body.decode()).items()
        }
        wanted = {
            "grant_type": "client_credentials",
            "client_id": self.user,
            "client_secret": self.password,
        }
        if form != wanted:
            said = {"error_description": "access_denied", "error": "server_error"}
            return Reply(said, 401)
        token = sys_id()
        self.tokens[token] = self.lifetime
        return Reply(
            {"access_token": token, "token_type": "Bearer", "expires_in": 1799}
        )

    def _is_known(self, request: Received) -> bool:
        kind, _, said = request.headers.get("authorization", "").partition(" ")
        if kind == "Bearer":
            self.tokens[said] = self.tokens.get(said, 0) - 1
            return self.tokens[said] >= 0
        right = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return kind == "Basic" and said == right

    def _listed(self, table: str, request: Received) -> Reply:
        query = request.query
        found = self._found(table, query.get("sysparm_query", ""))
        offset = int(query.get("sysparm_offset", "0"))
        limit = int(query.get("sysparm_limit", "10000"))
        part = [] if table in self.hidden else found[offset : offset + limit]
        rows = [
            self._given(table, row, query)
            for row in part
            if row["sys_id"] not in self.invisible
        ]
        headers = dict(self.headers)
        if self.counted and query.get("sysparm_no_count") != "true":
            headers["X-Total-Count"] = str(len(found))
        if self.link:
            headers["Link"] = f'<{self.link}>;rel="next"'
        return Reply({"result": rows}, headers=headers)

    def _given(self, table: str, row: Row, query: Mapping[str, str]) -> dict[str, Any]:
        names = query.get("sysparm_fields") or ",".join(COLUMNS)
        known = [name for name in names.split(",") if name in COLUMNS]
        if query.get("sysparm_display_value") != "all":
            return {name: row.get(name, "") for name in known}
        return {
            name: {"value": row.get(name, ""), "display_value": self._shown(row, name)}
            for name in known
        }

    def _shown(self, row: Row, name: str) -> str:
        said = row.get(name, "")
        if name in JOURNALS:
            return self._journal(row, name)
        if name in DATES:
            return self._local(said)
        if name in ("state", "incident_state"):
            return STATES.get(said, said)
        if name == "priority":
            return PRIORITIES.get(said, said)
        return self.labels.get(said, said)

    def _local(self, said: str) -> str:
        with suppress(ValueError):
            there = datetime.strptime(said, FORMAT)  # noqa: DTZ007
            return (there + self.shift).strftime(self.layout)
        return said

    def _journal(self, row: Row, name: str) -> str:
        entries = [
            f"{self._local(entry['sys_created_on'])} - Ada Lovelace "
            f"({JOURNALS[name]})\n{entry['value']}\n\n"
            for entry in self.tables.get("sys_journal_field", [])
            if (entry["element_id"], entry["element"]) == (row["sys_id"], name)
        ]
        return "".join(reversed(entries))

    def _found(self, table: str, query: str) -> list[Row]:
        rows = self.tables.get(table, [])
        parts = query.split("^")
        order = [part for part in parts if part.startswith("ORDERBY")]
        conditions = "^".join(part for part in parts if part not in order)
        groups = conditions.split("^NQ")
        found = [row for row in rows if any(self._meets(row, g) for g in groups)]
        for part in reversed(order):
            name = part.removeprefix("ORDERBY")
            down = name.startswith("DESC")
            name = name.removeprefix("DESC")
            found.sort(key=lambda row, n=name: row.get(n, ""), reverse=down)  # type: ignore[misc]
        return found

    def _meets(self, row: Row, group: str) -> bool:
        terms: list[list[bool]] = []
        for part in group.split("^"):
            if not part:
                continue
            said = self._is_met(row, part.removeprefix("OR"))
            if said is None:
                continue
            if part.startswith("OR") and terms:
                terms[-1].append(said)
            else:
                terms.append([said])
        return all(any(term) for term in terms)

    def _is_met(self, row: Row, condition: str) -> bool | None:
        """Tell whether a row meets a condition; None drops the condition."""
        match = parsed(condition)
        if match is None or match["name"] not in COLUMNS:
            return False if self.no_rows_if_invalid else None
        have, how, what = row.get(match["name"], ""), match["how"], match["what"]
        if what == "javascript:gs.getUserID()":
            what = next(u["sys_id"] for u in self.tables["sys_user"])
        if match["name"] in DATES and self.local_literals and what:
            what = (datetime.strptime(what, FORMAT) - self.shift).strftime(FORMAT)  # noqa: DTZ007
        return {
            "ISEMPTY": not have,
            "ISNOTEMPTY": bool(have),
            "IN": have in what.split(","),
            ">=": have >= what,
            "<=": have <= what,
            ">": have > what,
            "<": have < what,
            "!=": have != what,
            "=": have == what,
        }[how]

    def _patched(self, table: str, key: str, content: Mapping[str, str]) -> Reply:
        row = next((r for r in self.tables.get(table, []) if r["sys_id"] == key), None)
        if row is None:
            said = {"message": "No Record found", "detail": "Record doesn't exist"}
            return Reply({"error": said, "status": "failure"}, 404)
        for name, new in content.items():
            if name in JOURNALS:
                self.say(row, new, name)
            elif name not in self.readonly:
                row[name] = new
        self.touch(row)
        return Reply({"result": {name: row.get(name, "") for name in COLUMNS}})


@contextmanager
def running(instance: Instance) -> Iterator[LoopbackServer]:
    """Run an instance on loopback during the block."""
    with serving(instance.respond) as server:
        yield server
