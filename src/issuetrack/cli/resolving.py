"""`resolve`: says what fixed an issue, and which answer helped."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation, text_argument
from issuetrack.cli.output import cell
from issuetrack.cli.registration import command
from issuetrack.engine.errors import IssueTrackError

if TYPE_CHECKING:
    from issuetrack.engine.assistant.feedback import Help
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.engine.workspace import Workspace

NOTHING = "none"
NO_KEYS = ("n", "N", "0", "\r", "\n", " ", "\x1b")
MOST_ASKED = 9
EXAMPLES = (
    "issuetrack resolve 17 'Root cause: ... Fix: ...'\n"
    "issuetrack resolve 17 'Did as S3 says' --helped S3\n"
    "issuetrack resolve 17 - < what-fixed-it.md"
)


def register(
    noun: typer.Typer,
    app: typer.Typer,
    show: "Callable[[Invocation, IssueRecord], None]",
) -> None:
    """Add the command to the program and to the noun `issue`."""

    def resolve(
        run: Invocation,
        issue: Annotated[
            str, typer.Argument(metavar="ISSUE", help="#17, 17, a key or a url.")
        ],
        text: Annotated[
            str | None, typer.Argument(help="What fixed it; - is stdin.")
        ] = None,
        helped: Annotated[
            str | None,
            typer.Option(
                "--helped", help="Which suggestion or SOP helped: R12, S3 or none."
            ),
        ] = None,
    ) -> None:
        """Resolve an issue and say what fixed it, and which answer helped.

        On a terminal it is asked which of the latest answers helped, if there are any.
        """
        text = text or run.ask("What fixed it", "issuetrack resolve ISSUE TEXT")
        with run.workspace() as workspace:
            helper = _helper(run, workspace, issue, helped)
            record = workspace.issues.resolve(
                workspace.actor, issue, text_argument(text)
            )
            _credit(workspace, helper, record.number)
            run.index_one(workspace, record.number)
            _draft(run, workspace, record.number)
        show(run, record)

    command(app, "resolve", needs="write issues", examples=EXAMPLES)(resolve)
    command(noun, "resolve", needs="write issues", examples=EXAMPLES)(resolve)


def _helper(
    run: Invocation, workspace: "Workspace", issue: str, helped: str | None
) -> str | None:
    """Return the name of what helped: as it was said, or asked for on a terminal."""
    if helped is not None:
        if helped.strip().lower() == NOTHING:
            return None
        return workspace.feedback.check(workspace.actor, helped).name
    if not run.interactive:
        return None
    given = workspace.feedback.recent(workspace.actor, issue)[:MOST_ASKED]
    return _asked(given) if given else None


def _asked(given: "list[Help]") -> str | None:
    """Ask which of these helped; one key answers.

    Raises:
        Abort: the input ended.
    """
    diagnostics.say("Which of these helped?")
    for place, one in enumerate(given, 1):
        diagnostics.say(f"  {place}  {_line(one)}")
    diagnostics.say("  n  none of them")
    keys = {str(place): one.target.name for place, one in enumerate(given, 1)}
    while True:
        try:
            key = typer.getchar()
        except EOFError:
            raise typer.Abort from None
        if key in keys:
            return keys[key]
        if key in NO_KEYS:
            return None


def _line(one: "Help") -> str:
    sure = "" if one.confidence is None else f" ({one.confidence:.2f})"
    return f"{one.target.name}{sure}, {cell(one.at)}  {one.about}".rstrip()


def _credit(workspace: "Workspace", helper: str | None, issue: int) -> None:
    from issuetrack.engine.store.types import OutcomeResult

    if helper is not None:
        workspace.feedback.outcome(
            workspace.actor, helper, OutcomeResult.ACCEPTED, str(issue)
        )


def _draft(run: Invocation, workspace: "Workspace", issue: int) -> None:
    """Have a procedure drafted where the workspace wants that; say which."""
    from issuetrack.engine.identity.policies import DRAFT_ON_RESOLVE

    policy = workspace.policies.get(workspace.actor, DRAFT_ON_RESOLVE.name)
    if policy.value is not True:
        return
    try:
        draft = workspace.sops.draft_for(workspace.actor, str(issue))
    except IssueTrackError as error:
        run.warn(f"#{issue} is resolved, but no SOP was drafted: {error.message}")
        return
    if draft is not None and draft.written:
        name = draft.record.summary.name
        diagnostics.say(f"{name} was drafted: issuetrack sop show {name}")
