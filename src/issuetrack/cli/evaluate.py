"""`eval`: measures retrieval on issues whose duplicates are known."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.engine.errors import ImportFormatError, NotFoundError

if TYPE_CHECKING:
    from issuetrack.engine.workspace import Workspace

COLUMNS = ("leg", "queries", "recall_1", "recall_5", "recall_10", "mrr")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(help="Measure how well it finds.", rich_markup_mode=None)
    app.add_typer(noun, name="eval")

    @noun.callback()
    def evaluation() -> None:
        """Measure how well it finds."""

    @command(
        noun,
        "duplicates",
        needs=None,
        examples="issuetrack eval duplicates issues.jsonl pairs.jsonl",
    )
    def duplicates(
        run: Invocation,
        issues: Annotated[Path, typer.Argument(metavar="ISSUES.jsonl")],
        pairs: Annotated[
            Path, typer.Argument(metavar="PAIRS.jsonl", help='Lines {"a": .., "b": ..}')
        ],
    ) -> None:
        """Ask with each side of known duplicate pairs and see where the other comes.

        The issues are imported into a throw-away workspace; yours is not touched.
        """
        from issuetrack.connectors.files.reader import FileFormat, FileReader

        known = read_pairs(pairs)
        with temporary_workspace() as workspace:
            reader = FileReader(issues, FileFormat.AUTO, {})
            with diagnostics.progress("Importing", "bytes") as advance:
                workspace.imports.run(
                    workspace.actor,
                    "evaluation",
                    "jsonl",
                    reader.items(),
                    progress=lambda _: advance(reader.position, reader.size),
                )
            with diagnostics.progress("Indexing") as advance:
                workspace.drain_index(advance)
            with diagnostics.progress("Asking") as advance:
                scores = workspace.evaluation.run(workspace.actor, known, advance)
        run.show(Result([asdict(score) for score in scores], COLUMNS))


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Return the pairs of keys in a file of JSON lines.

    Raises:
        NotFoundError: there is no such file.
        ImportFormatError: a line is not a pair.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", "check the name") from error
    except UnicodeDecodeError as error:
        raise ImportFormatError(f"{path} is not UTF-8", "check the file") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            pair = json.loads(line)
            found.append((str(pair["a"]), str(pair["b"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ImportFormatError(
                f"{path} line {number} is not a pair of keys",
                'write {"a": "KEY-1", "b": "KEY-2"} on each line',
            ) from error
    if not found:
        raise ImportFormatError(f"{path} holds no pairs", "check the file")
    return found


@contextmanager
def temporary_workspace() -> "Iterator[Workspace]":
    """Give an empty workspace that is gone afterwards."""
    from issuetrack.engine.settings import operating_system_user
    from issuetrack.engine.store.slots import SlotKind, SlotSecret
    from issuetrack.engine.store.unlock import Unlock
    from issuetrack.engine.workspace import Workspace

    key = os.urandom(32).hex()
    with tempfile.TemporaryDirectory(prefix="issuetrack-") as folder:
        path = Path(folder) / "issuetrack.db"
        secret = SlotSecret(SlotKind.ENVIRONMENT, key.encode())
        Workspace.create(path, operating_system_user(), lambda _: [secret])
        workspace = Workspace.open(path, Unlock(environment_key=key))
        try:
            yield workspace
        finally:
            workspace.close()
