"""How known fixes and their candidates look: as rows, as a panel, as Markdown."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from issuetrack.cli.issue_view import heading, screenful
from issuetrack.terminal_safety import clean, clean_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from issuetrack.engine.issues.resolution import Candidate
    from issuetrack.engine.issues.review import FixEntry, FixReview

COLUMNS = ("issue", "key", "how", "score", "uses", "provenance", "title")
FIELDS = (
    *("issue", "key", "title", "status", "how", "provenance", "reader", "score"),
    "uses",
)
MOST_FEATURES = 6


def entry_data(entry: "FixEntry") -> dict[str, Any]:
    """Return a list entry as a row."""
    return {
        "issue": entry.issue.number,
        "key": entry.issue.key,
        "title": entry.issue.title,
        "status": entry.issue.status,
        "how": entry.how,
        "provenance": entry.provenance,
        "reader": entry.reader,
        "score": entry.score,
        "uses": entry.uses,
    }


def candidate_data(number: int, candidate: "Candidate") -> dict[str, Any]:
    """Return a candidate as a row."""
    return {
        "candidate": number,
        "text": candidate.text,
        "provenance": candidate.provenance,
        "author": candidate.author,
        "reader": candidate.reader,
        "score": candidate.score,
        "features": [asdict(feature) for feature in candidate.features],
    }


def review_data(review: "FixReview") -> dict[str, Any]:
    """Return a review as one object."""
    return {
        "issue": review.issue.number,
        "key": review.issue.key,
        "title": review.issue.title,
        "status": review.issue.status,
        "resolution": asdict(review.resolution) if review.resolution else None,
        "candidates": [
            candidate_data(number, candidate)
            for number, candidate in enumerate(review.candidates, 1)
        ],
        "rejected": review.rejected,
    }


def best_text(review: "FixReview") -> str:
    """Return what to start writing from."""
    if review.resolution is not None and review.resolution.text:
        return review.resolution.text
    return review.candidates[0].text if review.candidates else ""


def known_line(review: "FixReview") -> str:
    """Return in a line how the fix is known, and who may read it."""
    known = review.resolution
    if known is None:
        return "no fix is known"
    sure = "" if known.score is None else f", score {known.score:.2f}"
    who = "" if known.reader == "viewer" else ", for engineers only"
    return clean_line(f"{known.how} from {known.provenance}{sure}{who}")


def candidate_line(number: int, candidate: "Candidate") -> str:
    """Return in a line where a candidate is from and how good it looks."""
    who = f" by {candidate.author}" if candidate.author else ""
    note = "" if candidate.reader == "viewer" else ", for engineers only"
    return clean_line(
        f"{number}. {candidate.provenance}{who}, score {candidate.score:.2f}{note}"
    )


def reasons(candidate: "Candidate") -> str:
    """Return in a line what spoke for and against a candidate."""
    told = (
        f"{feature.name} {feature.value * feature.weight:+.1f}"
        for feature in candidate.features[:MOST_FEATURES]
    )
    return ", ".join(told)


def review_panel(review: "FixReview") -> "RenderableType":
    """Return a review for the terminal."""
    from rich.console import Group
    from rich.text import Text

    summary = review.issue
    parts: list[Any] = [
        Text(heading(summary.number, summary.key, summary.title), style="bold"),
        Text(f"Fix: {known_line(review)}"),
    ]
    if review.resolution is not None:
        parts += [Text(), Text(screenful(review.resolution.text or ""))]
    if review.candidates:
        parts += [Text(), Text("Candidates", style="bold")]
    kept = review.resolution.text if review.resolution else None
    for number, candidate in enumerate(review.candidates, 1):
        again = candidate.text == kept
        parts += [
            Text(),
            Text(candidate_line(number, candidate), style="bold"),
            Text(reasons(candidate), style="dim"),
            Text("(the text above)" if again else screenful(candidate.text)),
        ]
    if review.rejected:
        parts += [Text(), Text(f"{review.rejected} rejected")]
    return Group(*parts)


def review_markdown(review: "FixReview") -> str:
    """Return a review as Markdown."""
    summary = review.issue
    lines = [f"# {heading(summary.number, summary.key, summary.title)}", ""]
    lines.append(f"Fix: {known_line(review)}")
    if review.resolution is not None:
        lines += ["", clean(review.resolution.text or "")]
    for number, candidate in enumerate(review.candidates, 1):
        lines += ["", f"## {candidate_line(number, candidate)}", ""]
        lines += [clean(candidate.text)]
    return "\n".join(lines)
