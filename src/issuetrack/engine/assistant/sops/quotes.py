"""What resolved issues tell, as the parts of a procedure: quotes, each with its source."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from issuetrack.engine.assistant.composer import (
    SAME,
    Cause,
    Citations,
    Composition,
    Evidence,
    Step,
    rationale,
    step_items,
)
from issuetrack.engine.assistant.grounding import (
    Section,
    is_command,
    is_grounded,
    may_be_done,
    spans,
)
from issuetrack.engine.assistant.sops.records import Citation
from issuetrack.engine.assistant.sources import Source, SourceSpan, fix_spans
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.retrieval.lexical_index import signatures, words
from issuetrack.engine.retrieval.search import Match
from issuetrack.engine.store.types import CommentKind, Role

READ_CHARACTERS = 20_000
MOST_CAUSES, MOST_STEPS, MOST_CHECKS = 5, 40, 10
MOST_SENTENCES, MOST_SYMPTOMS, MOST_LOG_LINES = 3, 5, 20
_FENCED = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)\n[ \t]*\1", re.MULTILINE | re.DOTALL
)
_TICKS = re.compile(r"`{3,}")
_ITEM = re.compile(r"(?:-|\d+\.) ")
_ERROR = re.compile(r"(?i)\b(?:fatal|error|exception|traceback|panic)\b")
_NUMBER = re.compile(r"^\d+\.")


@dataclass(frozen=True)
class Block:
    """A piece of Markdown in a field of a procedure, with what bears it out."""

    markdown: str
    citations: tuple[Citation, ...]


Blocks = dict[str, tuple[Block, ...]]


def joined(blocks: Sequence[str]) -> str:
    """Return pieces of Markdown as one text, the items of a list close together."""
    text = ""
    for block in blocks:
        listed = _ITEM.match(block) and _ITEM.match(text.rpartition("\n")[2])
        between = "\n" if listed else "\n\n"
        text = f"{text}{between}{block}" if text else block
    return text


def numbered(blocks: Sequence[str]) -> list[str]:
    """Return the items of a numbered list, counted from 1."""
    return [
        _NUMBER.sub(f"{place}.", block, count=1)
        for place, block in enumerate(blocks, start=1)
    ]


def source_of(issue: IssueRecord, *, with_notes: bool) -> Source:
    """Return an issue as a source of its own fix.

    Without notes only what viewers may read is in it.
    """
    told = fix_spans(issue)
    if with_notes:
        told = (*told, *_notes(issue))
    else:
        told = tuple(item for item in told if item.reader is Role.VIEWER)
    match = Match(issue.number, 1.0, 1.0, ())
    return Source(issue, match, 1.0, same_error=True, fix=told)


def _notes(issue: IssueRecord) -> Iterator[SourceSpan]:
    """Yield what the work notes that tell a fix say, but for the resolution itself."""
    known = issue.resolution.text if issue.resolution else None
    for comment in issue.comments:
        text = (comment.body or "").strip()
        if comment.kind is not CommentKind.WORK_NOTE or text in ("", known):
            continue
        if comment.carries_fix:
            for span in spans(text[:READ_CHARACTERS]):
                yield SourceSpan(span, "work note", Role.ENGINEER)


def quoted(sources: Sequence[Source]) -> Composition:
    """Return causes, steps, checks and the way back of all sources, in their words."""
    citations = Citations()
    causes = tuple(
        Cause(item.span.text, 1.0, (citations.cite(source, item).id,))
        for source, item in _distinct(_every(sources, Section.CAUSE), MOST_CAUSES)
    )
    to_do = ((source, item) for source in sources for item in step_items(source))
    steps = _steps(citations, to_do, MOST_STEPS)
    checks = _steps(citations, _every(sources, Section.VALIDATION), MOST_CHECKS)
    back = _steps(citations, _every(sources, Section.ROLLBACK), MOST_CHECKS)
    told = tuple(citations.used.values())
    return Composition(1.0, "", causes, steps, checks, back, (), told)


Item = tuple[Source, SourceSpan]


def _every(sources: Sequence[Source], section: Section) -> Iterator[Item]:
    return ((source, item) for source in sources for item in source.of(section))


def _steps(citations: Citations, items: Iterable[Item], most: int) -> tuple[Step, ...]:
    return tuple(
        Step(
            item.span.text,
            rationale(source),
            item.span.command,
            (citations.cite(source, item).id,),
        )
        for source, item in _distinct(items, most)
        if is_grounded(item.span.text, item.span.command, item.span.quote)
    )


def _distinct(items: Iterable[Item], most: int) -> list[Item]:
    """Return items of which none repeats one of another issue."""
    kept: list[Item] = []
    for source, item in items:
        if not any(_repeats(source, item, *other) for other in kept):
            kept.append((source, item))
    return kept[:most]


def _repeats(source: Source, item: SourceSpan, of: Source, known: SourceSpan) -> bool:
    if source is of:
        return item.span.quote == known.span.quote
    ours, theirs = set(words(item.span.quote)), set(words(known.span.quote))
    return len(ours & theirs) >= SAME * max(1, min(len(ours), len(theirs)))


def blocks_of(issues: Sequence[IssueRecord], told: Composition) -> Blocks:
    """Return what a procedure of issues says, by field.

    Args:
        issues: tell the problem and its symptoms.
        told: causes, steps, checks and way back, verified.
    """
    evidence = {item.id: item for item in told.evidence}

    def cited(field: str, text: str, names: Iterable[str]) -> tuple[Citation, ...]:
        return tuple(_citation(field, text, evidence[name]) for name in names)

    blocks: Blocks = {
        "problem": tuple(_problem(issues)),
        "symptoms": tuple(_symptoms(issues)),
        "cause": tuple(
            Block(f"- {_indented(c.cause, 2)}", cited("cause", c.cause, c.evidence))
            for c in told.root_causes
        ),
    }
    fields = (("steps", told.steps), ("validation", told.validation))
    for field, steps in (*fields, ("rollback", told.rollback)):
        blocks[field] = tuple(
            Block(
                _step_text(f"{place}." if field == "steps" else "-", step),
                cited(field, _statement(step), step.evidence),
            )
            for place, step in enumerate(steps, start=1)
        )
    return blocks


def _citation(field: str, text: str, item: Evidence) -> Citation:
    assert item.issue is not None
    return Citation(field, text, item.issue, item.key, item.kind, item.quote)


def _indented(text: str, width: int) -> str:
    lines = text.split("\n")
    return "\n".join([lines[0], *(f"{' ' * width}{x}" if x else x for x in lines[1:])])


def _statement(step: Step) -> str:
    if step.command is None or step.command in step.action:
        return step.action
    if step.action in step.command:
        return step.command
    return f"{step.action}\n{step.command}"


def _step_text(mark: str, step: Step) -> str:
    """Return a step as an item of a list; its command is a block of code under it."""
    width = len(mark) + 1
    if step.command is None or step.command in step.action:
        return f"{mark} {_indented(step.action, width)}"
    code = _fenced(step.command)
    if step.action in step.command:
        return f"{mark} {_indented(code, width)}"
    whole = f"{step.action}\n\n{code}"
    return f"{mark} {_indented(whole, width)}"


def _fenced(code: str) -> str:
    longest = max((len(run) for run in _TICKS.findall(code)), default=2)
    ticks = "`" * (longest + 1)
    return f"{ticks}\n{code}\n{ticks}"


def _problem(issues: Sequence[IssueRecord]) -> Iterator[Block]:
    """Yield the first sentences that say what was wrong; the title where none do."""
    for issue in issues:
        sentences = [s for s in _sentences(issue) if not _is_error(s)]
        if sentences:
            for sentence in sentences[:MOST_SENTENCES]:
                yield Block(sentence, (_own(issue, "problem", "body", sentence),))
        else:
            title = issue.summary.title
            yield Block(title, (_own(issue, "problem", "title", title),))


def _symptoms(issues: Sequence[IssueRecord]) -> Iterator[Block]:
    """Yield the errors and logs that an issue was reported with."""
    for issue in issues:
        errors = [s for s in _sentences(issue) if _is_error(s)][:MOST_SYMPTOMS]
        if _is_error(issue.summary.title):
            title = issue.summary.title
            mark = _own(issue, "symptoms", "title", title)
            yield Block(f"- {title}", (mark,))
        for error in errors:
            mark = _own(issue, "symptoms", "body", error)
            yield Block(f"- {_indented(error, 2)}", (mark,))
        for log in _logs(issue.body):
            yield Block(_fenced(log), (_own(issue, "symptoms", "body", log),))


def _is_error(sentence: str) -> bool:
    return bool(signatures(sentence) or _ERROR.search(sentence))


def _sentences(issue: IssueRecord) -> list[str]:
    found = spans(issue.body[:READ_CHARACTERS])
    texts = (span.text for span in found if span.text and may_be_done(span.text))
    return list(dict.fromkeys(texts))


def _logs(body: str) -> Iterator[str]:
    """Yield the first lines of the blocks of code that are no commands."""
    for match in list(_FENCED.finditer(body[:READ_CHARACTERS]))[:MOST_SENTENCES]:
        code = match[2]
        if code.strip() and not is_command(code):
            yield "\n".join(code.split("\n")[:MOST_LOG_LINES])


def _own(issue: IssueRecord, field: str, kind: str, text: str) -> Citation:
    summary = issue.summary
    return Citation(field, text, summary.number, summary.key, kind, text)
