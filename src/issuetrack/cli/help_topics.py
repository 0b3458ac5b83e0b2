"""`help`: topics that are not about one command."""

import typer

from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result, plain_table
from issuetrack.cli.registration import command, invoke


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(help="Topics: permissions.", rich_markup_mode=None)
    app.add_typer(noun, name="help")

    @command(
        noun, "permissions", needs=None, examples="issuetrack help permissions -o json"
    )
    def permissions(run: Invocation) -> None:
        """Show what each role may do; each may do what those before it may."""
        from issuetrack.engine.identity.policy import table
        from issuetrack.engine.store.types import Role

        rows = list(table())
        told = [
            {
                "permission": row["permission"],
                "from_role": next(role.value for role in Role if row[role]),
                "detail": row["covers"],
            }
            for row in rows
        ]
        run.show(
            Result(
                rows, tuple(rows[0]), table=lambda: plain_table(told, tuple(told[0]))
            )
        )

    @noun.callback(invoke_without_command=True)
    def default_topic(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            invoke(context, permissions, "permissions")
