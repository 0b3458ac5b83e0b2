"""Judging mined fixes at the terminal, one key each; every key is saved at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from issuetrack.cli import diagnostics, resolution_view
from issuetrack.cli.context import Invocation, edited
from issuetrack.cli.issue_view import heading, screenful
from issuetrack.engine.errors import UsageError

if TYPE_CHECKING:
    from issuetrack.engine.issues.review import FixReview
    from issuetrack.engine.workspace import Workspace

KEYS = "c confirm  e edit  r reject  n next candidate  s skip  q quit"
PUBLIC_KEY = "p confirm for everybody  "
SHOWN = 2000


@dataclass
class Judged:
    """What became of the fixes that were shown."""

    confirmed: int = 0
    edited: int = 0
    rejected: int = 0
    skipped: int = 0
    left: int = 0


def _key() -> str:
    """Return the key that was pressed; the end of input quits."""
    try:
        return typer.getchar().lower()
    except EOFError:
        return "q"


class Judge:
    """One sitting at the queue.

    Args:
        run: the invocation.
        workspace: where the fixes are.
        waiting: how many wait in all.
    """

    def __init__(self, run: Invocation, workspace: "Workspace", waiting: int) -> None:
        self._run = run
        self._workspace = workspace
        self._judged = Judged(left=waiting)
        self._place = 0
        self._ended = False

    def judge(self, numbers: list[int]) -> Judged:
        """Show one issue after the other until the queue or the person ends."""
        for number in numbers:
            self._place = 0
            while self._ask(number):
                pass
            if self._ended:
                break
        return self._judged

    def _ask(self, number: int) -> bool:
        """Show a fix and do what a key says; tell whether to show the issue again."""
        review = self._workspace.review.get(self._workspace.actor, str(number))
        if review.resolution is None or not review.candidates:
            self._judged.left -= 1
            return False
        self._place %= len(review.candidates)
        diagnostics.say(self._shown(review))
        key = _key()
        actions = {
            "c": self._confirm,
            "p": self._publish,
            "e": self._edit,
            "r": self._reject,
            "n": self._next,
            "s": self._skip,
            "q": self._quit,
        }
        action = actions.get(key)
        return action(review) if action else True

    def _shown(self, review: "FixReview") -> str:
        summary, candidate = review.issue, review.candidates[self._place]
        number = f"{self._place + 1} of {len(review.candidates)}"
        keys = KEYS if candidate.reader == "viewer" else PUBLIC_KEY + KEYS
        return "\n".join(
            [
                "",
                heading(summary.number, summary.key, summary.title),
                resolution_view.candidate_line(self._place + 1, candidate)
                + f" ({number})",
                resolution_view.reasons(candidate),
                "",
                screenful(candidate.text[:SHOWN]),
                "",
                f"{self._judged.left} left.  {keys}",
            ]
        )

    def _confirm(self, review: "FixReview", *, public: bool = False) -> bool:
        number = review.issue.number
        self._workspace.review.confirm(
            self._workspace.actor, str(number), self._place + 1, public=public
        )
        self._judged.confirmed += 1
        return self._done(number)

    def _publish(self, review: "FixReview") -> bool:
        return self._confirm(review, public=True)

    def _edit(self, review: "FixReview") -> bool:
        number = review.issue.number
        try:
            text = edited(review.candidates[self._place].text)
            self._workspace.review.edit(self._workspace.actor, str(number), text)
        except UsageError as error:
            diagnostics.warn(error.message)
            return True
        self._judged.edited += 1
        return self._done(number)

    def _reject(self, review: "FixReview") -> bool:
        number = review.issue.number
        after = self._workspace.review.reject(
            self._workspace.actor, str(number), self._place + 1
        )
        self._judged.rejected += 1
        self._run.index_one(self._workspace, number)
        if not after.candidates or after.resolution is None:
            self._judged.left -= 1
            return False
        return True

    def _next(self, review: "FixReview") -> bool:
        self._place = (self._place + 1) % len(review.candidates)
        return True

    def _skip(self, _review: "FixReview") -> bool:
        self._judged.skipped += 1
        return False

    def _quit(self, _review: "FixReview") -> bool:
        self._ended = True
        return False

    def _done(self, number: int) -> bool:
        self._judged.left -= 1
        self._run.index_one(self._workspace, number)
        return False
