"""Why a suggestion is as it is: what was found, what it counted, what was left out."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from issuetrack.engine.assistant.merging import Dropped
    from issuetrack.engine.assistant.sources import Source
    from issuetrack.engine.assistant.traces import Trace

MARKS = (("sop", "S"), ("document", "D"), ("number", "#"))


def place_name(row: dict[str, Any]) -> str:
    """Return what people call a row: `#17`, `D5` or `S3`."""
    found = (f"{mark}{row[name]}" for name, mark in MARKS if row[name] is not None)
    return next(found, "?")


def _numbers(source: "Source") -> dict[str, int | None]:
    match = source.match
    subject = source.origin.subject
    column = {0: "number", 1: "document", 2: "sop"}[int(subject.kind)]
    known = {"number": match.issue, "document": match.document, "sop": match.sop}
    return known | {column: subject.number}


def similar_data(trace: "Trace", *, explain: bool) -> list[dict[str, Any]]:
    """Return what was found, best first, a row for each."""
    from issuetrack.cli.searching import explanation

    rows = []
    for source in trace.sources:
        origin, numbers = source.origin, _numbers(source)
        is_issue = numbers["number"] is not None
        rows.append(
            {
                "number": numbers["number"],
                "key": origin.key,
                "title": origin.title,
                "status": origin.status if is_issue else None,
                "url": source.summary.url if source.summary else None,
                "score": round(source.match.score, 4),
                "explain": explanation(source.match) if explain else None,
                "document": numbers["document"],
                "sop": numbers["sop"],
            }
        )
    return rows


def dropped_data(
    dropped: Iterable["Dropped"], *, explain: bool
) -> list[dict[str, Any]]:
    """Return what a model said and is not shown; its words only where asked for."""
    return [
        {
            "field": item.field,
            "reason": item.reason,
            "evidence": list(item.evidence),
            "text": item.text if explain else None,
        }
        for item in dropped
    ]


def explanation_data(trace: "Trace") -> dict[str, Any]:
    """Return what the suggestion was made of."""
    asked = trace.asked
    return {
        "features": {
            name: {"value": round(value, 4), "adds": _rounded(trace.adds.get(name))}
            for name, value in trace.features.items()
        },
        "sources": [
            {
                **_numbers(source),
                "relevance": round(source.relevance, 3),
                "quality": source.quality,
                "coverage": round(source.coverage, 3),
                "same_error": source.same_error,
                "spans": len(source.fix),
            }
            for source in trace.sources
        ],
        "model": None
        if asked is None
        else {
            "name": asked.model,
            "fingerprint": asked.fingerprint,
            "context": asked.context,
            "seed": asked.seed,
            "offered": asked.offered,
            "tokens": asked.completion_tokens,
            "first_token_seconds": round(asked.first_token, 3),
            "seconds": round(asked.seconds, 3),
        },
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def reason_lines(data: dict[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield titles with the lines under them; nothing where it was not asked for."""
    why = data["explain"]
    if why is None:
        return
    if why["features"]:
        counted = [
            f"{name} {part['value']:.2f} ({part['adds']:+.2f})"
            for name, part in why["features"].items()
            if part["adds"] is not None
        ]
        yield "What the confidence rests on", [", ".join(counted)]
    sources = zip(why["sources"], data["similar"], strict=True)
    yield "What was found", [_source_line(row, found) for row, found in sources]
    if why["model"]:
        yield "Model", [_model_line(why["model"])]
    if data["dropped"]:
        lines = (f"{d['field']}: {d['reason']}: {d['text']}" for d in data["dropped"])
        yield "Said by the model and left out: do not follow it", list(lines)


def _source_line(row: dict[str, Any], found: dict[str, Any]) -> str:
    legs = ", ".join(f"{part['leg']} {part['adds']:+.2f}" for part in found["explain"])
    tells = f"{row['spans']} spans" if row["spans"] else "tells no fix"
    error = ", same error" if row["same_error"] else ""
    return (
        f"{place_name(row)}  relevance {row['relevance']:.2f}, words shared "
        f"{row['coverage']:.2f}{error}, known {row['quality']:.2f}, {tells}; {legs}"
    )


def _model_line(model: dict[str, Any]) -> str:
    return (
        f"{model['name']} ({model['fingerprint']}), seed {model['seed']}, "
        f"{model['offered']} spans offered, {model['tokens']} tokens in "
        f"{model['seconds']:.1f} s, the first after {model['first_token_seconds']:.1f} s"
    )
