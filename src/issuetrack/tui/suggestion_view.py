"""How a suggestion is drawn: how sure, what to do, what it rests on."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from issuetrack.engine.store.types import RecommendationKind
from issuetrack.terminal_safety import clean, clean_line
from issuetrack.tui.sop_view import Copied
from issuetrack.tui.text import plain
from issuetrack.tui.widgets.dialogs import STARS
from issuetrack.tui.widgets.reader import Block

if TYPE_CHECKING:
    from issuetrack.engine.assistant.composer import (
        Cause,
        Composition,
        Evidence,
        Step,
    )
    from issuetrack.engine.assistant.feedback_log import FeedbackEntry
    from issuetrack.engine.assistant.recommendations import StoredRecommendation
    from issuetrack.engine.assistant.suggestions import Suggestion

BAR, SURE, UNSURE = 10, 0.7, 0.4
STEPS = (
    ("steps", "Steps"),
    ("validation", "How to check"),
    ("rollback", "How to undo"),
)
_OPEN = re.compile(r"(?:[\\|,({\[]|&&|\b(?:do|then))\s*$")
_INSIDE = re.compile(r"\s|(?:done|fi|esac|else|elif)\b|[|)}\]]")
_PROMPT = re.compile(r"^\s*\$ ")
Key = Callable[[str], str]


@dataclass(frozen=True)
class Cited:
    """Choosing it shows where a quote stands."""

    evidence: "Evidence"


@dataclass(frozen=True)
class Advice:
    """A suggestion as the panel shows it.

    Attributes:
        number: of the recommendation.
        issue: the issue that it was asked for, and what that is called.
        model: who put a part of it in words; None if it only quotes.
        warnings: what went less than well.
        left_out: how many statements of the model are not shown.
        said: what people said of it, a line for each.
    """

    number: int
    issue: int
    called: str
    composition: "Composition"
    model: str | None = None
    warnings: tuple[str, ...] = ()
    left_out: int = 0
    said: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return what people call the recommendation."""
        return f"R{self.number}"


def made(suggestion: "Suggestion", issue: int, called: str) -> Advice:
    """Return a suggestion that was just made."""
    return Advice(
        suggestion.recommendation,
        issue,
        called,
        suggestion.composition,
        suggestion.model if suggestion.composer == "llm" else None,
        suggestion.trace.warnings,
        len(suggestion.dropped),
    )


def kept(stored: "StoredRecommendation", issue: int, called: str) -> Advice:
    """Return a suggestion that was made earlier."""
    summary, trace = stored.summary, stored.trace
    model = None if summary.model == "extractive" else summary.model
    if model is not None and trace is not None and trace.asked is not None:
        model = trace.asked.model
    return Advice(
        summary.recommendation,
        issue,
        called,
        stored.composition,
        model,
        trace.warnings if trace else (),
        len(trace.dropped) if trace else 0,
    )


def is_suggestion(kind: RecommendationKind) -> bool:
    """Tell whether a recommendation is one that the panel shows."""
    return kind is RecommendationKind.SUGGESTION


def said(entry: "FeedbackEntry") -> str:
    """Return what somebody said of a suggestion as a line."""
    told = rated(entry.stars, entry.source) if entry.stars else f"{entry.result}"
    return f"{told}, said by {entry.by}" + (f": {entry.text}" if entry.text else "")


def rated(stars: int, source: str | None = None) -> str:
    """Return a rating in words."""
    about = f" for {source}" if source else ""
    return f"{stars} of {len(STARS)} stars{about} ({STARS[stars]})"


def blocks(advice: Advice, key: Key) -> Iterator[Block]:
    """Yield a suggestion.

    Args:
        advice: the suggestion.
        key: names the key of an action.
    """
    yield _title(advice)
    yield from _confidence(advice.composition)
    for told in advice.said:
        yield Block(Text(clean_line(told), "good"))
    for warning in advice.warnings:
        yield Block(Text(clean_line(warning), "warn"))
    yield from _content(advice.composition)
    yield from _ending(advice, key)


def quoted(c: "Composition") -> Iterator[Block]:
    """Yield what the evidence says in its own words, while a model still writes."""
    yield from _confidence(c)
    yield from _content(c)


def _content(c: "Composition") -> Iterator[Block]:
    yield Block("")
    yield Block(plain(c.summary, "text"))
    known = {item.id: item for item in c.evidence}
    yield from _causes(c.root_causes, known)
    for name, title in STEPS:
        yield from _steps(title, getattr(c, name), known, numbered=name == "steps")
    yield from _questions(c.questions)
    yield from _evidence(c.evidence)


def _title(advice: Advice) -> Block:
    title = Text(advice.name, "heading")
    title.append(f"  for {clean_line(advice.called)}", "strong")
    return Block(title, name="title")


def _heading(text: str, hint: str = "") -> Block:
    title = Text(f"\n{text}", "heading")
    return Block(title.append(f"  {hint}", "quiet") if hint else title)


def _confidence(c: "Composition") -> Iterator[Block]:
    if not c.evidence:
        yield Block(Text("Confidence none: nothing on record helps", "warn"))
        return
    filled = round(c.confidence * BAR)
    style = "good" if c.confidence >= SURE else "warn"
    if c.confidence < UNSURE:
        style = "bad"
    bar = Text("Confidence ").append("[", "quiet").append("#" * filled, style)
    bar.append("-" * (BAR - filled), "quiet").append("] ", "quiet")
    yield Block(bar.append(f"{c.confidence:.2f}", "strong"))
    yield Block(Text(clean_line(c.basis.words), "quiet"))


def _marked(text: str, marks: Sequence[str]) -> Text:
    told = Text().append(clean_line(text), "text")
    return told.append(f" [{', '.join(marks)}]", "accent") if marks else told


def _cited(marks: Sequence[str], known: "dict[str, Evidence]") -> Cited | None:
    found = [known[mark] for mark in marks if mark in known]
    return Cited(found[0]) if found else None


def _causes(causes: "Sequence[Cause]", known: "dict[str, Evidence]") -> Iterator[Block]:
    if causes:
        yield _heading("Likely cause")
    for cause in causes:
        text = Text().append(f"{cause.confidence:.2f} ", "accent")
        text.append_text(_marked(cause.cause, cause.evidence))
        yield Block(text, 2, choice=_cited(cause.evidence, known))


def _steps(
    title: str,
    steps: "Sequence[Step]",
    known: "dict[str, Evidence]",
    *,
    numbered: bool,
) -> Iterator[Block]:
    if steps:
        has_command = any(step.command for step in steps)
        yield _heading(title, "Enter copies a command" if has_command else "")
    for place, step in enumerate(steps, start=1):
        sign = f"{place}. " if numbered else "- "
        text = Text().append(sign, "accent")
        text.append_text(_marked(_action(step), step.evidence))
        yield Block(text, 2, choice=_cited(step.evidence, known))
        for command in commands(step.command or ""):
            shown = Text(command, "code", overflow="fold")
            yield Block(shown, 5, choice=Copied(command))


def _action(step: "Step") -> str:
    """Return what to do, without the command that stands under it on its own."""
    same = step.command and step.action.strip("` .") == step.command.strip()
    return "Run" if same else step.action


def commands(text: str) -> Iterator[str]:
    """Yield commands one by one; lines that belong together stay together."""
    whole = clean(text).expandtabs(4)
    lines = [_PROMPT.sub("", each) for each in whole.split("\n") if each.strip()]
    together: list[str] = []
    for each in lines:
        if together and not _goes_on("\n".join(together), each, lines[-1]):
            yield "\n".join(together).strip()
            together = []
        together.append(each.rstrip())
    if together:
        yield "\n".join(together).strip()


def _goes_on(before: str, following: str, last: str) -> bool:
    """Tell whether a line belongs to the command before it."""
    is_statement = last.endswith(";") and ";" not in before
    return bool(
        is_statement
        or "<<" in before
        or any(before.count(quote) % 2 for quote in "'\"")
        or _OPEN.search(before)
        or _INSIDE.match(following)
    )


def _questions(questions: Sequence[str]) -> Iterator[Block]:
    if questions:
        yield _heading("To find out")
    for question in questions:
        text = Text().append("- ", "accent").append(clean_line(question), "text")
        yield Block(text, 2)


def _evidence(evidence: "Sequence[Evidence]") -> Iterator[Block]:
    if evidence:
        yield _heading("Evidence", "Enter opens it")
    for item in evidence:
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{item.id:<4}", "accent").append(f"{place(item)}: ", "quiet")
        text.append(f'"{clean_line(item.quote)}"', "text")
        yield Block(text, 2, choice=Cited(item), name=item.id)


def place(item: "Evidence") -> str:
    """Return where a quote stands, as a person reads it."""
    if item.issue is not None:
        return clean_line(f"{item.key or f'#{item.issue}'} {item.kind}")
    name = f"D{item.document}" if item.document is not None else f"S{item.sop}"
    return clean_line(f"{name} {item.heading or item.key or ''}")


def _ending(advice: Advice, key: Key) -> Iterator[Block]:
    by = "Quotes only; no language model had a part in it."
    if advice.model is not None:
        by = f"Partly in the words of {advice.model}, checked against the quotes."
    told = [by]
    if advice.left_out:
        statements = "statement" if advice.left_out == 1 else "statements"
        told.append(
            f"{advice.left_out} {statements} of the model left out: not borne out."
        )
    told.append(
        f"{key('assistant.rate')} rates it, {key('assistant.outcome')} says what "
        f"became of it, {key('assistant.suggest')} asks again"
    )
    yield Block("")
    yield from (Block(Text(clean_line(each), "quiet")) for each in told)


def nothing(called: str, key: Key, *, has_model: bool) -> Iterator[Block]:
    """Yield what the panel says before anything was suggested."""
    yield Block(Text("Suggestions", "heading"))
    yield Block("")
    asks = Text(key("assistant.suggest"), "accent")
    asks.append(" suggests causes and steps for ", "text")
    asks.append(clean_line(called), "strong")
    yield Block(asks.append(" from past issues, documents and SOPs.", "text"))
    yield Block("")
    told = "Every line cites where it stands; no language model is asked."
    if has_model:
        told = "A language model drafts; only what the quotes bear out is shown."
    yield Block(Text(told, "quiet"))
    if not has_model:
        yield Block(Text("A local model: issuetrack models pull", "quiet"))


def stopped(called: str, key: Key, *, has_model: bool) -> Iterator[Block]:
    """Yield what the panel says when somebody cancelled."""
    yield Block(Text(f"Cancelled: no suggestion for {clean_line(called)}", "warn"))
    yield Block("")
    if has_model:
        told = "What the records say in their own words comes when the model has ended."
        yield Block(Text(told, "quiet"))
    yield Block(Text(f"{key('assistant.suggest')} asks again", "text"))


def failed(called: str, error: str, hint: str | None, key: Key) -> Iterator[Block]:
    """Yield what the panel says when it did not work."""
    yield Block(Text(f"No suggestion for {clean_line(called)}", "bad"))
    yield Block("")
    yield Block(plain(error))
    if hint:
        yield Block(plain(f"try: {hint}", "quiet"))
    yield Block(Text(f"{key('assistant.suggest')} asks again", "text"))
