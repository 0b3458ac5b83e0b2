"""`source`: the trackers that issues come from."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli import source_options as options
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command, invoke
from issuetrack.cli.source_options import Given, TokenGiven, takes_settings
from issuetrack.cli.source_view import (
    LIST_COLUMNS,
    LOG_COLUMNS,
    STATUS_COLUMNS,
    access_result,
    run_data,
    source_data,
    source_result,
    status_data,
)
from issuetrack.cli.user import Yes, confirm

if TYPE_CHECKING:
    from issuetrack.engine.sync.connector import Access, SourceSettings
    from issuetrack.engine.sync.source_records import SourceRecord

Name = Annotated[str, typer.Argument(metavar="NAME", help="The source.")]
Test = Annotated[
    bool, typer.Option("--test/--no-test", help="Try it before it is kept.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(
        help="Trackers: add, list, test, edit, pause, remove.",
        rich_markup_mode=None,
        invoke_without_command=True,
    )
    app.add_typer(noun, name="source")

    @noun.callback()
    def source(context: typer.Context) -> None:
        """Trackers: add, list, test, edit, pause, remove."""
        if context.invoked_subcommand is None:
            invoke(context, _list, "list")

    _register_adding(noun)
    _register_reading(noun)
    _register_changing(noun)


def _register_adding(noun: typer.Typer) -> None:
    @command(
        noun,
        "add",
        needs="manage sources",
        examples="issuetrack source add github --repo acme/shop --token-stdin < token\n"
        "issuetrack source add jira --base-url https://acme.atlassian.net "
        "--jql 'project = OPS' --username ada@acme.example --token-command 'pass jira'\n"
        "issuetrack source add servicenow --base-url https://acme.service-now.com "
        "--query 'active=true^priority<=2' --username svc --token-env SN_PASSWORD",
    )
    @takes_settings
    def add(
        run: Invocation,
        kind: Annotated[
            str, typer.Argument(metavar="KIND", help="github, jira or servicenow.")
        ],
        given: Given,
        token: TokenGiven,
        name: Annotated[
            str | None, typer.Option("--name", help="What to call it [default: KIND].")
        ] = None,
        write_back: options.WriteBack = None,
        test: Test = True,
    ) -> None:
        """Add a tracker; what is not said is asked for.

        The token never stands on the command line. It is kept sealed for engineers
        and bound to scheme, host and port, or is fetched at each sync.
        """
        from issuetrack.connectors import registry
        from issuetrack.engine.sync.connector import SourceSettings

        tracker = registry.tracker(kind)
        called = name or kind
        said = given.applied(SourceSettings(called, kind, ""))
        with run.workspace() as workspace:
            workspace.sources.check_new(workspace.actor, called, kind)
            origin = token.source(run, called)
            if origin is None:
                said, origin = options.guided(run, said)
            settings = tracker.settle(said)
            if test:
                secret = origin.secret(called, os.environ) if origin else None
                _warn_of(run, checked(settings, secret))
            record = workspace.sources.add(
                workspace.actor,
                settings,
                tracker.scope(settings),
                origin,
                write_back=write_back == "on",
            )
        run.show(source_result(record))
        diagnostics.say(f"next: issuetrack sync {called}")

    @command(
        noun,
        "edit",
        needs="manage sources",
        examples="issuetrack source edit jira --token-stdin < new-token\n"
        "issuetrack source edit github --map 'service=label:area/' "
        "--map 'status:closed not_planned=resolved'",
    )
    @takes_settings
    def edit(
        run: Invocation,
        name: Name,
        given: Given,
        token: TokenGiven,
        write_back: options.WriteBack = None,
    ) -> None:
        """Change a source; what is not said stays. An empty value empties an option.

        After a change of what it covers or of its mapping the next sync reads
        everything again.
        """
        from issuetrack.connectors import registry

        origin = token.source(run, name)
        with run.workspace() as workspace:
            known = workspace.sources.get(workspace.actor, name)
            tracker = registry.tracker(known.settings.kind)
            settings = tracker.settle(given.applied(known.settings))
            record = workspace.sources.edit(
                workspace.actor,
                name,
                settings,
                tracker.scope(settings),
                origin,
                write_back=None if write_back is None else write_back == "on",
            )
        run.show(source_result(record))


def checked(settings: "SourceSettings", secret: str | None) -> "Access":
    """Ask a tracker who we are there, what we may do and how much there is."""
    from issuetrack.connectors import registry

    connector = registry.connect(settings, secret, lambda _reason, _seconds: None)
    try:
        return connector.check()
    finally:
        connector.close()


def _warn_of(run: Invocation, access: "Access") -> None:
    for missing in access.may_not:
        run.warn(f"it may not {missing}")


def _list(run: Invocation) -> None:
    with run.workspace() as workspace:
        found = workspace.sources.every(workspace.actor)
    run.show(Result([source_data(record) for record in found], LIST_COLUMNS))
    if not found:
        diagnostics.say("no sources yet; add one: issuetrack source add github")


def _register_reading(noun: typer.Typer) -> None:
    @command(noun, "list", needs="read", examples="issuetrack source list")
    def list_sources(run: Invocation) -> None:
        """List the sources."""
        _list(run)

    @command(noun, "show", needs="read", examples="issuetrack source show github")
    def show(run: Invocation, name: Name) -> None:
        """Show how a source is reached and what it covers; never its token."""
        with run.workspace() as workspace:
            record = workspace.sources.get(workspace.actor, name)
        run.show(source_result(record))

    @command(
        noun, "test", needs="synchronise", examples="issuetrack source test github"
    )
    def test(run: Invocation, name: Name) -> None:
        """Ask the tracker who we are, what we may do and how much there is."""
        with run.workspace() as workspace:
            opened = workspace.sources.opened(workspace.actor, name, os.environ)
        run.show(access_result(name, checked(*opened)))

    @command(noun, "status", needs="read", examples="issuetrack source status")
    def status(
        run: Invocation,
        name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None,
    ) -> None:
        """Tell how each source is: last success, local edits, what was put aside."""
        with run.workspace() as workspace:
            sources = workspace.sources
            found: list[SourceRecord]
            if name is None:
                every = sources.every(workspace.actor)
                found = [record for record in every if record.connected]
            else:
                found = [sources.get(workspace.actor, name)]
        run.show(Result([status_data(record) for record in found], STATUS_COLUMNS))

    @command(noun, "log", needs="read", examples="issuetrack source log github -n 5")
    def log(
        run: Invocation,
        name: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None,
        limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)] = 20,
    ) -> None:
        """List the last runs, the newest first, with what went wrong."""
        with run.workspace() as workspace:
            runs = workspace.sources.runs(workspace.actor, name, limit)
        run.show(Result([run_data(one) for one in runs], LOG_COLUMNS))


def _register_changing(noun: typer.Typer) -> None:
    @command(
        noun, "pause", needs="manage sources", examples="issuetrack source pause jira"
    )
    def pause(run: Invocation, name: Name) -> None:
        """Leave a source out of syncs."""
        with run.workspace() as workspace:
            record = workspace.sources.pause(workspace.actor, name, paused=True)
        run.show(source_result(record))

    @command(
        noun, "resume", needs="manage sources", examples="issuetrack source resume jira"
    )
    def resume(run: Invocation, name: Name) -> None:
        """Take a paused source into syncs again."""
        with run.workspace() as workspace:
            record = workspace.sources.pause(workspace.actor, name, paused=False)
        run.show(source_result(record))

    @command(
        noun,
        "remove",
        needs="manage sources",
        examples="issuetrack source remove jira\n"
        "issuetrack source remove jira --with-issues",
    )
    def remove(
        run: Invocation,
        name: Name,
        with_issues: Annotated[
            bool, typer.Option("--with-issues", help="Delete its issues, too.")
        ] = False,
        yes: Yes = False,
    ) -> None:
        """Remove a source and its token. Its issues stay, as local ones."""
        with run.workspace() as workspace:
            known = workspace.sources.get(workspace.actor, name)
            fate = "deleting" if with_issues else "keeping"
            confirm(run, f"Remove {name}, {fate} its {known.issues} issues?", yes)
            count = workspace.sources.remove(
                workspace.actor, name, with_issues=with_issues
            )
        data = {"source": name, "issues": count, "with_issues": with_issues}
        run.show(Result(data, tuple(data)))
