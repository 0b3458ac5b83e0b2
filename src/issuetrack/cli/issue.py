"""`issue`: opens, lists, shows and changes issues."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from issuetrack.cli import (
    issue_linking,
    issue_upstream,
    issue_view,
    probable,
    recurring,
    resolving,
)
from issuetrack.cli.context import Invocation, edited, text_argument
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.engine.errors import UsageError

if TYPE_CHECKING:
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.engine.store.types import IssueStatus

Name = Annotated[str, typer.Argument(metavar="ISSUE", help="#17, 17, a key or a url.")]
Body = Annotated[str | None, typer.Option("--body", "-b", help="Text; - is stdin.")]
PriorityName = Literal["P1", "P2", "P3", "P4", "none"]
TypeName = Literal["incident", "service_request", "problem", "change", "bug"]
PriorityOption = Annotated[
    PriorityName | None, typer.Option("--priority", "-p", help="P1 is the most urgent.")
]
TypeOption = Annotated[TypeName | None, typer.Option("--type", help="Kind of work.")]
ServiceOption = Annotated[str | None, typer.Option("--service", "-s")]
SiteOption = Annotated[str | None, typer.Option("--site")]
CategoryOption = Annotated[str | None, typer.Option("--category")]
LabelOption = Annotated[
    list[str] | None, typer.Option("--label", "-l", help="May be given several times.")
]
AssigneeOption = Annotated[str | None, typer.Option("--assignee", "-a")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(
        help="Open, list, show and change issues.", rich_markup_mode=None
    )
    app.add_typer(noun, name="issue")
    _register_reading(noun)
    _register_writing(noun)
    _register_status(noun)
    resolving.register(noun, app, _show)
    issue_linking.register(noun, _show)
    recurring.register(noun)
    issue_upstream.register(noun, _show)


def _show(run: Invocation, record: "IssueRecord") -> None:
    data = issue_view.issue_data(record)
    run.show(
        Result(
            data,
            issue_view.LIST_COLUMNS,
            table=lambda: issue_view.issue_panel(record),
            markdown=lambda: issue_view.issue_markdown(record),
        )
    )


def _register_reading(noun: typer.Typer) -> None:
    @command(
        noun,
        "list",
        needs="read",
        examples="issuetrack issue list 'status:open priority:P1,P2'\n"
        "issuetrack issue list 'service:checkout updated:>2026-01-01 timeout'\n"
        "issuetrack issue list --sort priority -- '-label:noise assignee:none'",
    )
    def list_issues(
        run: Invocation,
        query: Annotated[
            list[str] | None,
            typer.Argument(
                help="column:value terms and words. Columns: status, priority, type, "
                "service, site, category, assignee, reporter, key, label, source, "
                "created, updated, resolved, closed."
            ),
        ] = None,
        sort: Annotated[
            str,
            typer.Option(
                "--sort",
                help="number, created, updated, priority, status or title; "
                "- in front turns it round.",
            ),
        ] = "-updated",
        limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000)] = 50,
    ) -> None:
        """List issues."""
        with run.workspace() as workspace:
            found, total = workspace.issues.matching(
                workspace.actor, " ".join(query or ()), sort, limit
            )
        if total > len(found):
            run.warn(f"{len(found)} of {total} shown; see more with --limit {total}")
        rows = [issue_view.summary_data(summary) for summary in found]
        fields = issue_view.summary_fields()
        run.show(Result(rows, issue_view.LIST_COLUMNS, fields=fields))

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            from issuetrack.cli.registration import invoke

            invoke(context, list_issues, "list", query=None, sort="-updated", limit=50)

    @command(
        noun,
        "show",
        needs="read",
        examples="issuetrack issue show 17\n"
        "issuetrack issue show OPS-116 --output markdown\n"
        "issuetrack issue show OPS-116 --raw",
    )
    def show(
        run: Invocation,
        issue: Name,
        raw: Annotated[
            bool,
            typer.Option("--raw", help="Which of the tracker's words became what."),
        ] = False,
    ) -> None:
        """Show an issue with its comments, history and what fixed it."""
        with run.workspace() as workspace:
            if raw:
                rows = workspace.mirror.mapped(workspace.actor, issue)
                run.show(issue_upstream.raw_result(rows))
                return
            record = workspace.issues.get(workspace.actor, issue)
        _show(run, record)


def _changes(**given: Any) -> dict[str, Any]:
    """Return the fields that were given; `none` and an empty text empty a field."""
    changes: dict[str, Any] = {}
    for field, value in given.items():
        if value is None:
            continue
        emptied = value in ("none", "") and field != "title"
        changes[field] = None if emptied else value
    return changes


def _typed(changes: dict[str, Any]) -> dict[str, Any]:
    from issuetrack.engine.store.types import IssueType, Priority

    if changes.get("priority"):
        changes["priority"] = Priority(changes["priority"])
    if changes.get("type"):
        changes["type"] = IssueType(changes["type"])
    return changes


def _register_writing(noun: typer.Typer) -> None:
    @command(
        noun,
        "new",
        needs="write issues",
        examples="issuetrack issue new 'Checkout returns 500' -p P1 -s checkout\n"
        "journalctl -u checkout -n 50 | issuetrack issue new 'Checkout down' --body -",
    )
    def new(
        run: Invocation,
        title: Annotated[str | None, typer.Argument(help="What is wrong.")] = None,
        body: Body = None,
        type: TypeOption = None,
        priority: PriorityOption = None,
        service: ServiceOption = None,
        site: SiteOption = None,
        category: CategoryOption = None,
        label: LabelOption = None,
        assignee: AssigneeOption = None,
        duplicate_of: probable.OriginalOption = None,
        link_duplicate: probable.LinkOption = False,
        no_similar: probable.SilentOption = False,
    ) -> None:
        """Open an issue; says so if it is probably a duplicate of another one."""
        from issuetrack.engine.issues.service import IssueDraft

        title = title or run.ask("Title", "issuetrack issue new TITLE")
        fields = _typed(
            _changes(
                type=type,
                priority=priority,
                service=service,
                site=site,
                category=category,
                assignee=assignee,
            )
        )
        draft = IssueDraft(
            title,
            text_argument(body) if body else "",
            labels=tuple(label or ()),
            **fields,
        )
        wish = probable.Wish(duplicate_of, link_duplicate, no_similar)
        wish.check()
        with run.workspace() as workspace:
            original = wish.original(workspace)
            record = workspace.issues.create(workspace.actor, draft)
            run.index_one(workspace, record.number)
            record = probable.meet(run, workspace, record, wish, original)
        _show(run, record)

    @command(
        noun,
        "edit",
        needs="write issues",
        examples="issuetrack issue edit 17 --priority P2 --label db\n"
        "issuetrack issue edit 17          (opens EDITOR)",
    )
    def edit(
        run: Invocation,
        issue: Name,
        title: Annotated[str | None, typer.Option("--title", "-t")] = None,
        body: Body = None,
        type: TypeOption = None,
        priority: PriorityOption = None,
        service: ServiceOption = None,
        site: SiteOption = None,
        category: CategoryOption = None,
        label: LabelOption = None,
        assignee: AssigneeOption = None,
    ) -> None:
        """Change fields of an issue; `none` empties one. Without any, opens EDITOR."""
        changes = _typed(
            _changes(
                title=title,
                body=text_argument(body) if body is not None else None,
                type=type,
                priority=priority,
                service=service,
                site=site,
                category=category,
                labels=None if label is None else [x for x in label if x != "none"],
                assignee=assignee,
            )
        )
        if "type" in changes and changes["type"] is None:
            raise UsageError("an issue needs a type", "--type incident")
        if label is not None:
            changes["labels"] = [name for name in label if name != "none"]
        with run.workspace() as workspace:
            revision = None
            if not changes:
                changes, revision = _edited_fields(run, workspace, issue)
            record = workspace.issues.edit(
                workspace.actor, issue, changes, revision=revision
            )
            run.index_one(workspace, record.number)
        _show(run, record)

    @command(
        noun,
        "comment",
        needs="write issues",
        examples="issuetrack issue comment 17 'Rolled back to 5.7, watching'\n"
        "issuetrack issue comment 17 --note 'the replica was rebuilt by hand'",
    )
    def comment(
        run: Invocation,
        issue: Name,
        text: Annotated[str, typer.Argument(help="The comment; - is stdin.")],
        note: Annotated[
            bool, typer.Option("--note", help="A work note, for engineers only.")
        ] = False,
    ) -> None:
        """Add a comment or a work note."""
        from issuetrack.engine.store.types import CommentKind

        kind = CommentKind.WORK_NOTE if note else CommentKind.PUBLIC
        with run.workspace() as workspace:
            record = workspace.issues.comment(
                workspace.actor, issue, text_argument(text), kind
            )
            run.index_one(workspace, record.number)
        _show(run, record)

    @command(
        noun,
        "assign",
        needs="write issues",
        examples="issuetrack issue assign 17 oncall-db\n"
        "issuetrack issue assign 17 none",
    )
    def assign(
        run: Invocation,
        issue: Name,
        assignee: Annotated[str, typer.Argument(help="Who; none for nobody.")],
    ) -> None:
        """Give an issue to somebody."""
        with run.workspace() as workspace:
            record = workspace.issues.assign(
                workspace.actor, issue, None if assignee == "none" else assignee
            )
            run.index_one(workspace, record.number)
        _show(run, record)


def _edited_fields(
    run: Invocation, workspace: Any, issue: str
) -> tuple[dict[str, Any], int]:
    if not run.interactive:
        raise UsageError("nothing to change was given", "issuetrack issue edit --help")
    record = workspace.issues.get(workspace.actor, issue)
    text = edited(f"{record.summary.title}\n\n{record.body}")
    title, _, body = text.partition("\n")
    changes = {"title": title, "body": body.strip("\n")}
    return changes, record.summary.revision


def _register_status(noun: typer.Typer) -> None:
    def move(
        run: Invocation, issue: str, status: "IssueStatus", comment: str | None
    ) -> None:
        with run.workspace() as workspace:
            record = workspace.issues.set_status(
                workspace.actor, issue, status, comment and text_argument(comment)
            )
            run.index_one(workspace, record.number)
        _show(run, record)

    Comment = Annotated[  # noqa: N806 - a type
        str | None, typer.Option("--comment", "-c", help="Say why; - is stdin.")
    ]

    @command(noun, "start", needs="write issues", examples="issuetrack issue start 17")
    def start(run: Invocation, issue: Name, comment: Comment = None) -> None:
        """Begin work on an issue."""
        from issuetrack.engine.store.types import IssueStatus

        move(run, issue, IssueStatus.IN_PROGRESS, comment)

    @command(
        noun,
        "close",
        needs="write issues",
        examples="issuetrack issue close 17 -c 'duplicate of #12'",
    )
    def close(run: Invocation, issue: Name, comment: Comment = None) -> None:
        """Close an issue."""
        from issuetrack.engine.store.types import IssueStatus

        move(run, issue, IssueStatus.CLOSED, comment)

    @command(
        noun,
        "reopen",
        needs="write issues",
        examples="issuetrack issue reopen 17 -c 'it is back'",
    )
    def reopen(run: Invocation, issue: Name, comment: Comment = None) -> None:
        """Reopen a resolved or closed issue."""
        from issuetrack.engine.store.types import IssueStatus

        move(run, issue, IssueStatus.OPEN, comment)
