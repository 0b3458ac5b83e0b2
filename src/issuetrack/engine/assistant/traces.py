"""What an answer was made of, kept so that it can be shown and made again."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from issuetrack.engine.assistant.grounding import Section, Span
from issuetrack.engine.assistant.merging import Dropped
from issuetrack.engine.assistant.sources import Origin, Source, SourceSpan
from issuetrack.engine.inference.ports import ChatMessage
from issuetrack.engine.retrieval.fusion import Contribution
from issuetrack.engine.retrieval.search import Match, Question
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.types import Role

FORM = 1


@dataclass(frozen=True)
class Asked:
    """What a model was asked, and what it said.

    Attributes:
        offered: how many spans it was shown, of those that it could have been.
        output: its words; None if it failed.
        seconds: how long it took in all; `first_token` until its first word.
    """

    model: str
    fingerprint: str
    context: int
    seed: int
    messages: tuple[ChatMessage, ...]
    schema: Mapping[str, Any]
    offered: int
    output: str | None = None
    finish: str | None = None
    completion_tokens: int = 0
    first_token: float = 0.0
    seconds: float = 0.0

    @property
    def prompt_hash(self) -> str:
        """Return the SHA-256 of what was sent, in hexadecimal."""
        sent = [[m.role, m.content] for m in self.messages], self.schema
        return hashlib.sha256(json.dumps(sent).encode()).hexdigest()


@dataclass(frozen=True)
class Trace:
    """Everything that an answer was made of.

    Attributes:
        sources: what was found, with its words as they were.
        features: what the confidence was computed from.
        adds: what each of them added to its log-odds.
        asked: None if no model was asked.
        dropped: what the model said and is not shown.
    """

    question: Question
    sources: tuple[Source, ...]
    features: Mapping[str, float] = field(default_factory=dict)
    adds: Mapping[str, float] = field(default_factory=dict)
    asked: Asked | None = None
    dropped: tuple[Dropped, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def reader(self) -> Role:
        """Return the least role that may read all of it."""
        readers = (item.reader for source in self.sources for item in source.fix)
        return max(readers, key=lambda role: role.rank, default=Role.VIEWER)

    def written(self) -> str:
        """Return it as JSON."""
        return json.dumps(
            {
                "form": FORM,
                "question": asdict(self.question),
                "sources": [_source_data(source) for source in self.sources],
                "features": dict(self.features),
                "adds": dict(self.adds),
                "asked": asdict(self.asked) if self.asked else None,
                "dropped": [asdict(item) for item in self.dropped],
                "warnings": self.warnings,
            }
        )

    @classmethod
    def read(cls, text: str) -> "Trace":
        """Return what `written` gave."""
        data = json.loads(text)
        dropped = (
            Dropped(d["field"], d["text"], tuple(d["evidence"]), d["reason"])
            for d in data["dropped"]
        )
        return cls(
            Question(**data["question"]),
            tuple(_source_of(source) for source in data["sources"]),
            data["features"],
            data["adds"],
            _asked(data["asked"]) if data["asked"] else None,
            tuple(dropped),
            tuple(data["warnings"]),
        )


def _asked(data: Mapping[str, Any]) -> Asked:
    messages = tuple(ChatMessage(m["role"], m["content"]) for m in data["messages"])
    return Asked(**{**data, "messages": messages})


def _source_data(source: Source) -> dict[str, Any]:
    origin = source.origin
    return {
        "kind": int(origin.subject.kind),
        "number": origin.subject.number,
        "key": origin.key,
        "title": origin.title,
        "status": origin.status,
        "settled": origin.settled.isoformat() if origin.settled else None,
        "quality": origin.quality,
        "score": source.match.score,
        "similarity": source.match.similarity,
        "coverage": source.coverage,
        "same_error": source.same_error,
        "legs": [
            [c.leg, c.strength, c.standard_score, c.weight]
            for c in source.match.contributions
        ],
        "fix": [_span_data(item) for item in source.fix],
    }


def _span_data(item: SourceSpan) -> list[str | None]:
    span = item.span
    return [
        span.text,
        span.command,
        span.section,
        span.heading,
        item.kind,
        item.reader,
    ]


def _span_of(data: Sequence[Any]) -> SourceSpan:
    text, command, section, heading, kind, reader = data
    return SourceSpan(
        Span(text, command, Section(section), heading), kind, Role(reader)
    )


def _source_of(data: Mapping[str, Any]) -> Source:
    subject = Subject(SubjectKind(data["kind"]), data["number"])
    settled = datetime.fromisoformat(data["settled"]) if data["settled"] else None
    origin = Origin(
        subject,
        data["key"],
        data["title"],
        data["status"],
        settled,
        data["quality"],
    )
    numbers = {subject.kind: subject.number}
    match = Match(
        numbers.get(SubjectKind.ISSUE),
        data["score"],
        data["similarity"],
        tuple(Contribution(*leg) for leg in data["legs"]),
        numbers.get(SubjectKind.DOCUMENT),
        numbers.get(SubjectKind.SOP),
    )
    fix = tuple(_span_of(item) for item in data["fix"])
    return Source(origin, match, data["coverage"], data["same_error"], fix)


def changed(then: Iterable[Source], now: Mapping[Subject, Source]) -> list[str]:
    """Return what of recorded sources reads otherwise now, a line for each."""
    lines = []
    for source in then:
        current = now.get(source.origin.subject)
        if current is None:
            lines.append(f"{source.name} is gone, or may not be read")
            continue
        quotes = [item.span.quote for item in current.fix]
        lost = [i.span.quote for i in source.fix if i.span.quote not in quotes]
        if lost:
            lines.append(f"{source.name} no longer says: {lost[0]}")
        elif len(quotes) != len(source.fix):
            lines.append(f"{source.name} says more than it did")
    return lines
