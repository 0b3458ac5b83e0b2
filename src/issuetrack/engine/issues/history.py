"""What happened to an issue, field by field."""

from datetime import datetime
from typing import Any

from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store.tables import Issue, IssueEvent
from issuetrack.engine.store.unit_of_work import UnitOfWork


def record_event(
    uow: UnitOfWork,
    actor: Actor,
    row: Issue,
    now: datetime,
    field: str,
    before: Any,
    after: Any,
) -> None:
    """Keep that somebody changed one field of an issue."""

    def shown(value: Any) -> str | None:
        if isinstance(value, list | tuple):
            return ", ".join(value)
        return None if value is None else str(value)

    assert row.number is not None
    uow.session.add(
        IssueEvent(
            issue_number=row.number,
            at=now,
            actor=actor.name,
            field=field,
            before=shown(before),
            after=shown(after),
        )
    )
