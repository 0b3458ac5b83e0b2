"""How a suggestion looks: as JSON, on a terminal, as Markdown."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from issuetrack.cli.suggestion_reasons import (
    dropped_data,
    explanation_data,
    place_name,
    reason_lines,
    similar_data,
)
from issuetrack.terminal_safety import clean, clean_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from issuetrack.engine.assistant.composer import (
        Cause,
        Composition,
        Evidence,
        Step,
    )
    from issuetrack.engine.assistant.recommendations import StoredRecommendation
    from issuetrack.engine.assistant.suggestions import Suggestion

SECTIONS = (
    ("steps", "Steps"),
    ("validation", "How to check"),
    ("rollback", "How to undo"),
)


def _step(step: "Step") -> dict[str, Any]:
    return {
        "action": step.action,
        "rationale": step.rationale,
        "command": step.command,
        "evidence": list(step.evidence),
        "by_model": step.by_model,
    }


def _cause(cause: "Cause") -> dict[str, Any]:
    return {
        "cause": cause.cause,
        "confidence": cause.confidence,
        "evidence": list(cause.evidence),
        "by_model": cause.by_model,
    }


def suggestion_data(suggestion: "Suggestion", *, explain: bool) -> dict[str, Any]:
    """Return a suggestion as one object."""
    return {
        "recommendation": suggestion.recommendation,
        "issue": suggestion.issue,
        **composition_data(suggestion.composition),
        "similar": similar_data(suggestion.trace, explain=explain),
        "evidence": evidence_data(suggestion.composition),
        "composer": suggestion.composer,
        "model": suggestion.model,
        "dropped": dropped_data(suggestion.dropped, explain=explain),
        "explain": explanation_data(suggestion.trace) if explain else None,
    }


def stored_data(stored: "StoredRecommendation", *, explain: bool) -> dict[str, Any]:
    """Return a suggestion that was given earlier as one object, like a new one."""
    trace, summary = stored.trace, stored.summary
    asked = trace.asked if trace else None
    return {
        "recommendation": summary.recommendation,
        "issue": summary.issue,
        **composition_data(stored.composition),
        "similar": similar_data(trace, explain=explain) if trace else [],
        "evidence": evidence_data(stored.composition),
        "composer": "extractive" if summary.model == "extractive" else "llm",
        "model": asked.model if asked else None,
        "dropped": dropped_data(trace.dropped, explain=explain) if trace else [],
        "explain": explanation_data(trace) if trace and explain else None,
        "question": stored.question,
        "created_at": summary.created_at,
    }


def composition_data(c: "Composition") -> dict[str, Any]:
    """Return what is suggested."""
    return {
        "confidence": c.confidence,
        "confidence_basis": asdict(c.basis),
        "summary": c.summary,
        "root_causes": [_cause(cause) for cause in c.root_causes],
        "steps": [_step(step) for step in c.steps],
        "validation": [_step(step) for step in c.validation],
        "rollback": [_step(step) for step in c.rollback],
        "questions": list(c.questions),
    }


def evidence_data(c: "Composition") -> list[dict[str, Any]]:
    """Return the quotes that a suggestion cites."""
    return [_evidence(item) for item in c.evidence]


def _evidence(item: "Evidence") -> dict[str, Any]:
    source = {
        "type": item.kind,
        "number": item.issue,
        "key": item.key,
        "document": item.document,
        "heading": item.heading,
        "sop": item.sop,
    }
    return {"id": item.id, "source": source, "quote": item.quote}


def confidence_words(data: dict[str, Any]) -> str:
    """Say how sure a suggestion is, and where the number comes from."""
    from issuetrack.engine.assistant.confidence import Basis

    if not data["evidence"]:
        return "none: nothing on record helps"
    return f"{data['confidence']:.2f}, {Basis(**data['confidence_basis']).words}"


def _own_command(step: dict[str, Any]) -> str | None:
    """Return the command where the action does not show it already."""
    command = step["command"]
    return command if command and command not in step["action"] else None


def suggestion_panel(data: dict[str, Any]) -> "RenderableType":
    """Return a suggestion for the terminal."""
    from rich.console import Group

    return Group(*_panel_parts(data))


def _panel_parts(data: dict[str, Any]) -> "Iterator[RenderableType]":
    from rich.text import Text

    yield Text.assemble(
        (f"R{data['recommendation']}", "bold"),
        "  confidence ",
        (confidence_words(data), "bold"),
    )
    yield Text(clean_line(data["summary"]))
    causes = (
        _cited(f"{cause['confidence']:.2f}  {cause['cause']}", cause["evidence"])
        for cause in data["root_causes"]
    )
    yield from _section("Likely cause", causes)
    for name, title in SECTIONS:
        yield from _section(title, _step_lines(data[name], numbered=name == "steps"))
    asked = (Text(f"- {clean_line(question)}") for question in data["questions"])
    yield from _section("To find out", asked)
    yield from _section("Evidence", map(_evidence_line, data["evidence"]))
    for title, told in reason_lines(data):
        yield from _section(title, (Text(clean_line(line)) for line in told))


def _section(
    title: str, lines: "Iterator[RenderableType]"
) -> "Iterator[RenderableType]":
    """Yield a title and its lines; nothing where there are none."""
    from rich.padding import Padding
    from rich.text import Text

    for place, line in enumerate(lines):
        if place == 0:
            yield Text(f"\n{title}", style="bold")
        yield Padding(line, (0, 0, 0, 2))


def _cited(text: str, marks: list[str]) -> "Text":
    from rich.text import Text

    return Text(clean_line(text)).append(f"  [{', '.join(marks)}]", style="cyan")


def _step_lines(
    steps: list[dict[str, Any]], *, numbered: bool
) -> "Iterator[RenderableType]":
    from rich.padding import Padding
    from rich.text import Text

    for place, step in enumerate(steps, start=1):
        mark = f"{place}. " if numbered else "- "
        yield _cited(mark + step["action"], step["evidence"])
        if command := _own_command(step):
            shown = Text(
                clean(command).rstrip(),
                style="green",
                no_wrap=True,
                overflow="ignore",
            )
            yield Padding(shown, (0, 0, 0, 5))


def _evidence_line(item: dict[str, Any]) -> "RenderableType":
    from rich.text import Text

    place = _place(item["source"])
    quote = clean_line(item["quote"])
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{item['id']:<4}", style="cyan")
    return line.append(place + ": ", style="dim").append(f'"{quote}"')


def _place(source: dict[str, Any]) -> str:
    """Return where a quote stands, as a person reads it."""
    key = f" ({source['key']})" if source["key"] else ""
    heading = f", {source['heading']}" if source["heading"] else ""
    return clean_line(f"{place_name(source)}{key}, {source['type']}{heading}")


def suggestion_markdown(data: dict[str, Any]) -> str:
    """Return a suggestion as Markdown."""
    lines = [
        f"# R{data['recommendation']}, confidence {confidence_words(data)}",
        "",
        clean_line(data["summary"]),
    ]
    if data["root_causes"]:
        lines += ["", "## Likely cause", ""]
        lines += [
            f"- {clean_line(cause['cause'])} [{', '.join(cause['evidence'])}]"
            for cause in data["root_causes"]
        ]
    for name, title in SECTIONS:
        if data[name]:
            lines += ["", f"## {title}", ""]
        for step in data[name]:
            mark = "1." if name == "steps" else "-"
            marks = ", ".join(step["evidence"])
            lines.append(f"{mark} {clean_line(step['action'])} [{marks}]")
            if command := _own_command(step):
                lines += ["", "   ```"]
                lines += [f"   {line}" for line in clean(command).splitlines()]
                lines += ["   ```", ""]
    if data["questions"]:
        lines += ["", "## To find out", ""]
        lines += [f"- {clean_line(question)}" for question in data["questions"]]
    if data["evidence"]:
        lines += ["", "## Evidence", ""]
    for item in data["evidence"]:
        quote = clean_line(item["quote"])
        lines.append(f'- {item["id"]}: {_place(item["source"])}: "{quote}"')
    for title, told in reason_lines(data):
        lines += ["", f"## {title}", ""]
        lines += [f"- {clean_line(line)}" for line in told]
    return "\n".join(lines)
