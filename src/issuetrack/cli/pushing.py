"""`push`: writes back to the tracker that an issue is from."""

import json
import os
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation, text_argument
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.cli.user import Yes, confirm

if TYPE_CHECKING:
    from rich.console import RenderableType

    from issuetrack.engine.sync.connector import Request
    from issuetrack.engine.sync.push import PushPlan

StatusName = Literal["open", "in_progress", "resolved", "closed"]
COLUMNS = ("issue", "key", "source", "sent", "requests")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "push",
        needs="push",
        examples="issuetrack push 17 --comment 'Raised the pool to 8; stable since.'\n"
        "issuetrack push 17 --pending --dry-run\n"
        "issuetrack push OPS-17 --sop 4 --yes",
    )
    def push(
        run: Invocation,
        name: Annotated[
            str, typer.Argument(metavar="ISSUE", help="#17, 17, a key or a url.")
        ],
        comment: Annotated[
            str | None, typer.Option("--comment", help="Text; - is stdin.")
        ] = None,
        comment_id: Annotated[
            int | None,
            typer.Option("--comment-id", help="A local comment that is to go there."),
        ] = None,
        internal: Annotated[
            bool, typer.Option("--internal", help="For the tracker's own people only.")
        ] = False,
        status: Annotated[StatusName | None, typer.Option("--status")] = None,
        sop: Annotated[
            int | None,
            typer.Option("--sop", min=1, help="Say that SOP n resolved it."),
        ] = None,
        pending: Annotated[
            bool, typer.Option("--pending", help="Send local edits of its fields.")
        ] = False,
        field: Annotated[
            list[str] | None,
            typer.Option("--field", help="Of these only the edit of this field."),
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Show the requests; send nothing.")
        ] = False,
        again: Annotated[
            bool, typer.Option("--again", help="Though the same was sent before.")
        ] = False,
        yes: Yes = False,
    ) -> None:
        """Write a comment, a status or local edits back to the tracker.

        A source is only written to where an admin has said so: `source edit NAME
        --write-back on`. What will be sent is shown, and asked about.
        """
        from issuetrack.connectors import registry
        from issuetrack.engine.store.types import IssueStatus
        from issuetrack.engine.sync.push import PushWish

        text = text_argument(comment) if comment is not None else None
        if sop is not None:
            said = (text or "").strip()
            text = "\n\n".join(p for p in (said, f"Resolved by SOP {sop}.") if p)
            status = status or "resolved"
        wish = PushWish(
            text,
            comment_id,
            internal,
            IssueStatus(status) if status else None,
            pending or bool(field),
            tuple(field or ()),
            again,
        )
        with run.workspace() as workspace:
            ask = workspace.actor, name, wish, registry.connect, os.environ
            plan = workspace.push.plan(*ask)
            if not dry_run:
                for request in plan.requests:
                    diagnostics.say(shown(request))
                confirm(run, f"Send this to {plan.source}?", yes)
                plan = workspace.push.push(*ask, agreed=plan)
        data = {
            "issue": plan.issue,
            "key": plan.key,
            "source": plan.source,
            "sent": not dry_run,
            "already_there": plan.done,
            "requests": [vars(request) for request in plan.requests],
        }
        run.show(Result(data, COLUMNS, table=lambda: _told(plan, sent=not dry_run)))


def shown(request: "Request") -> str:
    """Return a request as a person reads it."""
    content = json.dumps(request.content, indent=2, ensure_ascii=False)
    return f"{request.method} {request.url}\n{content}"


def _told(plan: "PushPlan", *, sent: bool) -> "RenderableType":
    from rich.text import Text

    from issuetrack.terminal_safety import clean

    if sent:
        return Text(clean(f"#{plan.issue} ({plan.key}): sent to {plan.source}"))
    return Text(clean("\n\n".join(shown(request) for request in plan.requests)))
