"""Finds out what an account of ServiceNow may do, and whether a query means anything.

A condition on a field that does not exist is dropped by ServiceNow without a word, so
that the query finds far too much. Whether a field exists shows without further rights:
records where it is empty and those where it is not are together all records.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from issuetrack.connectors.servicenow.api import OAUTH, ROLES, Api
from issuetrack.connectors.servicenow.query import fields_in, narrowed
from issuetrack.connectors.servicenow.records import shown, value
from issuetrack.engine.errors import NotFoundError, RemoteForbidden, UsageError
from issuetrack.engine.sync.connector import Access, SourceSettings

BESIDE = {
    "sys_journal_field": "comments with their own keys",
    "sys_audit": "the history of changes",
    "sys_attachment": "the names of attachments",
}
WHO = ("user_name", "name", "time_zone")


@dataclass
class Inspector:
    """Asks what may be done."""

    api: Api
    settings: SourceSettings
    tables: Sequence[str]

    def access(self) -> Access:
        """Return what the account may do and how much there is.

        Raises:
            UsageError: the query names fields that do not exist.
        """
        account = self._account()
        may, may_not, totals = [], [], []
        for table in self.tables:
            total, seen = self._covered(table)
            totals.append(total)
            if seen:
                may.append(f"read {table}")
            else:
                may_not.append(
                    f"read {table}: it shows no record; role needed: {ROLES[table]}"
                )
        for table, what in BESIDE.items():
            if self._shows_rows(table):
                may.append(f"read {table}: {what}")
            else:
                role = f"role needed: {ROLES[table]}"
                may_not.append(f"read {table}: {what} ({role})")
        rate = self.api.rate()
        known = [total for total in totals if total is not None]
        return Access(
            account=account,
            server="ServiceNow",
            may=tuple(may),
            may_not=tuple(may_not),
            issues=sum(known) if len(known) == len(totals) else None,
            rate_remaining=rate.remaining,
            rate_limit=rate.limit,
            rate_reset_at=rate.reset_at,
        )

    def _account(self) -> str | None:
        """Return the name of the account; what was given where it is not shown."""
        given = self.settings.username
        oauth = self.settings.options.get("auth") == OAUTH
        query = f"user_name={given}"
        if oauth or given is None or "^" in given:
            query = "sys_id=javascript:gs.getUserID()"
        try:
            found = self.api.page("sys_user", query, WHO, limit=2).rows
        except (RemoteForbidden, UsageError, NotFoundError):
            found = ()
        if len(found) != 1:
            return None if oauth else given
        name, login = shown(found[0], "name"), value(found[0], "user_name")
        return f"{name} ({login})" if name and login else login or name

    def _covered(self, table: str) -> tuple[int | None, bool]:
        """Return how many records the query covers, and whether any can be seen."""
        query = self.settings.options.get("query", "")
        everything = self.api.count(table, "")
        if not query:
            return everything.total, bool(everything.rows)
        if everything.total:
            self._refuse_unknown_fields(table, query, everything.total)
        covered = self.api.count(table, narrowed(query, ()))
        return covered.total, bool(covered.rows or everything.rows)

    def _refuse_unknown_fields(self, table: str, query: str, total: int) -> None:
        names = fields_in(query)
        sample = self.api.page(table, "", names, limit=1).rows
        doubtful = [name for name in names if not sample or name not in sample[0]]
        unknown = [name for name in doubtful if not self._exists(table, name, total)]
        if unknown:
            raise UsageError(
                f"{table} has no {', '.join(unknown)}: ServiceNow would ignore that "
                "part of the query and give out other records",
                "copy the query from the filter of a list in ServiceNow",
            )

    def _exists(self, table: str, name: str, total: int) -> bool:
        """Tell whether a field splits the records into empty ones and others."""
        empty = self.api.count(table, f"{name}ISEMPTY").total
        filled = self.api.count(table, f"{name}ISNOTEMPTY").total
        if empty is None or filled is None:
            return True
        ignored = empty == filled == total
        return not ignored and empty + filled > 0

    def _shows_rows(self, table: str) -> bool:
        try:
            found = self.api.page(table, "", ("sys_id",), limit=1, counted=False)
        except (RemoteForbidden, UsageError, NotFoundError):
            return False
        return bool(found.rows)
