"""`search` and `similar`: find past issues, documents and approved procedures."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli.context import Invocation, text_argument
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.engine.errors import UsageError

if TYPE_CHECKING:
    from issuetrack.engine.issues.finding import Found
    from issuetrack.engine.retrieval.search import Match, Question
    from issuetrack.engine.workspace import Workspace

COLUMNS = ("number", "key", "status", "score", "title")
EXPLAINED = (*COLUMNS, "explain")
FIELDS = (
    *("number", "key", "title", "status", "url", "score", "explain"),
    *("document", "sop"),
)
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100)]
Explain = Annotated[
    bool, typer.Option("--explain", help="Show what made up each score.")
]
TextOption = Annotated[
    str | None, typer.Option("--text", "-t", help="Describe it instead; - is stdin.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @command(
        app,
        "search",
        needs="read",
        examples="issuetrack search 'too many clients already'\n"
        "issuetrack search 'disk full on worker' --explain --output json",
    )
    def search(
        run: Invocation,
        text: Annotated[list[str], typer.Argument(help="Words, or - for stdin.")],
        limit: Limit = 10,
        explain: Explain = False,
    ) -> None:
        """Search issues, fixes, documents and SOPs by words and by meaning."""
        question = _free_question(" ".join(text))
        _find(run, question, limit, explain)

    @command(
        app,
        "similar",
        needs="read",
        examples="issuetrack similar 17\n"
        "kubectl describe pod web-0 | issuetrack similar --text -",
    )
    def similar(
        run: Invocation,
        issue: Annotated[
            str | None, typer.Argument(help="#17, 17, a key or a url.")
        ] = None,
        text: TextOption = None,
        limit: Limit = 10,
        explain: Explain = False,
    ) -> None:
        """Show the issues, documents and SOPs most like an issue or a description."""
        _find(run, None, limit, explain, issue=issue, text=text)


def _free_question(text: str) -> "Question":
    from issuetrack.engine.retrieval.search import Question

    return Question.from_text(text_argument(text))


def question_for(
    workspace: "Workspace", issue: str | None, text: str | None
) -> "Question":
    """Return what an issue or a description asks.

    Raises:
        UsageError: neither or both were given.
    """
    if (issue is None) == (text is None):
        raise UsageError(
            "name an issue or give a description", "issuetrack similar 17, or --text -"
        )
    if issue is not None:
        return workspace.finding.question_of(workspace.actor, issue)
    assert text is not None
    return _free_question(text)


def warn_of_backlog(run: Invocation, workspace: "Workspace") -> None:
    """Say so where not everything can be found yet."""
    status = workspace.index_status()
    if status.queued:
        kinds = {"issues": True, "documents": status.documents, "SOPs": status.sops}
        what = " or ".join(kind for kind, there in kinds.items() if there)
        run.warn(f"{status.queued} {what} are not indexed yet: issuetrack index update")


def explanation(match: "Match") -> list[dict[str, Any]]:
    """Return what each leg added to a score."""
    return [
        {
            "leg": c.leg,
            "strength": None if c.strength is None else round(c.strength, 4),
            "standard_score": round(c.standard_score, 4),
            "weight": c.weight,
            "adds": round(c.value, 4),
        }
        for c in match.contributions
    ]


def name_of(row: dict[str, Any]) -> str:
    """Return what people call a row: `#17`, `D5` or `S3`."""
    if row["sop"] is not None:
        return f"S{row['sop']}"
    number, document = row["number"], row["document"]
    return f"#{number}" if document is None else f"D{document}"


def match_data(summary: "Found", match: "Match", *, explain: bool) -> dict[str, Any]:
    """Return one issue, document or procedure found as a row."""
    return {
        "number": summary.number,
        "key": summary.key,
        "title": summary.title,
        "status": summary.status,
        "url": summary.url,
        "score": round(match.score, 4),
        "explain": explanation(match) if explain else None,
        "document": match.document,
        "sop": match.sop,
    }


def _find(
    run: Invocation,
    question: "Question | None",
    limit: int,
    explain: bool,
    *,
    issue: str | None = None,
    text: str | None = None,
) -> None:
    with run.workspace(model_soon=issue is None) as workspace:
        asked = question or question_for(workspace, issue, text)
        found = workspace.finding.similar(workspace.actor, asked, limit)
        warn_of_backlog(run, workspace)
    rows = [match_data(summary, match, explain=explain) for summary, match in found]
    shown = EXPLAINED if explain else COLUMNS
    table = partial(_table, rows, explain=explain)
    run.show(Result(rows, shown, table=table, fields=FIELDS))


def _table(rows: list[dict[str, Any]], *, explain: bool) -> Any:
    from rich.console import Group
    from rich.text import Text

    from issuetrack.cli.output import plain_table

    if not rows:
        return Text("Nothing like it is on record.")
    shown = [row | {"number": _shown_number(row)} for row in rows]
    table = plain_table(shown, COLUMNS)
    if not explain:
        return table
    lines = []
    for row in rows:
        parts = [
            f"{part['leg']} {part['adds']:+.2f}"
            + ("" if part["strength"] is None else f" ({part['strength']:.2f})")
            for part in row["explain"]
        ]
        lines.append(Text(f"{name_of(row)}  {', '.join(parts)}"))
    return Group(table, Text(), *lines)


def _shown_number(row: dict[str, Any]) -> int | str:
    number = row["number"]
    return name_of(row) if number is None else int(number)
