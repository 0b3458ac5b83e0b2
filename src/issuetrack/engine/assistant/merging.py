"""What a model said, put in the place of the quotes it stands for.

A statement of the model takes the place of a quote only if it is borne out and holds
every word of the quote that carries meaning; one about evidence that was not quoted is
added. So no model, however weak or hostile, makes a suggestion say less, or say what
nobody wrote.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from issuetrack.engine.assistant.answers import Answer, Item
from issuetrack.engine.assistant.composer import (
    SAME,
    Cause,
    Composition,
    Evidence,
    Step,
    rationale,
)
from issuetrack.engine.assistant.offers import Offer
from issuetrack.engine.assistant.prompts import FIELDS, harmless
from issuetrack.engine.assistant.verification import (
    check_question,
    check_text,
    content_words,
    verify,
)

MOST_ADDED, MOST_ASKED = 2, 2
SHARE_OF_ADDED = 0.5
Statement = TypeVar("Statement", Cause, Step)


@dataclass(frozen=True)
class Dropped:
    """What the model said and is not shown, and why."""

    field: str
    text: str
    evidence: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Merged:
    """The suggestion with what the model added, and what of it was left out."""

    composition: Composition
    dropped: tuple[Dropped, ...]

    @property
    def by_model(self) -> bool:
        """Tell whether anything shown is in the model's words."""
        return any(statement.by_model for statement in _statements(self.composition))


def merge(quoted: Composition, offered: Sequence[Offer], answer: Answer) -> Merged:
    """Return a suggestion in the model's words where they are borne out.

    Args:
        quoted: the extractive suggestion.
        offered: what the model was shown.
        answer: what it said.
    """
    return _Merger(quoted, offered).merged(answer)


class _Merger:
    """Puts verified statements in the place of the quotes they stand for."""

    def __init__(self, quoted: Composition, offered: Sequence[Offer]) -> None:
        self._offers = {offer.exhibit.id: offer for offer in offered}
        names = {(o.evidence.subject, o.evidence.quote): o.exhibit.id for o in offered}
        self._pool = {o.exhibit.id: o.evidence for o in offered}
        known: dict[str, str] = {}
        for item in quoted.evidence:
            name = names.get((item.subject, item.quote), f"Q{item.id}")
            self._pool[name] = item
            known[item.id] = name
        self._quoted = _renamed(quoted, known)
        self._dropped: list[Dropped] = []

    def merged(self, answer: Answer) -> Merged:
        q = self._quoted
        made = replace(
            q,
            root_causes=self._causes(answer.items["root_causes"]),
            steps=self._steps("steps", q.steps, answer),
            validation=self._steps("validation", q.validation, answer),
            rollback=self._steps("rollback", q.rollback, answer),
            summary=self._summary(answer.summary),
        )
        made = replace(made, questions=(*q.questions, *self._questions(answer)))
        return Merged(_renumbered(made, self._pool), tuple(self._dropped))

    def _drop(self, field: str, item: Item, reason: str) -> None:
        self._dropped.append(Dropped(field, item.text, item.evidence, reason))

    def _verified(
        self, field: str, items: Iterable[Item]
    ) -> Iterator[tuple[Item, str | None]]:
        """Yield the items that are borne out, each with its stored command."""
        section = FIELDS[field][0]
        known = [o.exhibit for o in self._offers.values() if o.exhibit.helps is section]
        for item in items:
            verdict = verify(item.text, item.evidence, item.command, known)
            if verdict.reason is not None:
                self._drop(field, item, verdict.reason)
                continue
            yield item, verdict.command

    def _placed(
        self,
        field: str,
        quoted: Sequence[Statement],
        said: Iterable[tuple[Item, Statement]],
    ) -> tuple[Statement, ...]:
        """Return the quotes with the statements that stand for them or are new."""
        kept: list[Statement] = list(quoted)
        added: list[Statement] = []
        for item, statement in said:
            cited = set(statement.evidence)
            same = [q for q in kept if cited & set(q.evidence)]
            if any(q.by_model for q in same):
                self._drop(field, item, "it was said already")
            elif same and not _covers(statement, same):
                self._drop(field, item, "it says less than the quote that is shown")
            elif same:
                place = kept.index(same[0])
                together = tuple(dict.fromkeys(e for q in same for e in q.evidence))
                kept[place] = replace(statement, evidence=together)
                kept = [q for q in kept if q not in same]
            elif any(_alike(statement, other) for other in kept + added):
                self._drop(field, item, "it repeats what is shown")
            elif len(added) == MOST_ADDED or len(kept) + len(added) >= FIELDS[field][2]:
                self._drop(field, item, "enough is shown")
            else:
                added.append(statement)
        return tuple(kept + added)

    def _steps(
        self, field: str, quoted: Sequence[Step], answer: Answer
    ) -> tuple[Step, ...]:
        said = (
            (item, self._step(item, command))
            for item, command in self._verified(field, answer.items[field])
        )
        return self._placed(field, quoted, said)

    def _step(self, item: Item, command: str | None) -> Step:
        cited = [self._offers[name] for name in item.evidence]
        why = rationale(cited[0].source)
        if item.rationale and item.rationale != item.text:
            words = [offer.exhibit.words for offer in cited]
            if check_text(item.rationale, words) is None:
                why = f"{why}: {item.rationale}"
        return Step(item.text, why, command, tuple(item.evidence), by_model=True)

    def _causes(self, items: Iterable[Item]) -> tuple[Cause, ...]:
        quoted = self._quoted.root_causes
        least = min((c.confidence for c in quoted), default=self._quoted.confidence)
        sure = {name: c.confidence for c in quoted for name in c.evidence}

        def said() -> Iterator[tuple[Item, Cause]]:
            for item, _ in self._verified("root_causes", items):
                known = [sure[name] for name in item.evidence if name in sure]
                share = max(known, default=round(least * SHARE_OF_ADDED, 2))
                yield item, Cause(item.text, share, tuple(item.evidence), by_model=True)

        return self._placed("root_causes", quoted, said())

    def _summary(self, said: str) -> str:
        words = [offer.exhibit.text for offer in self._offers.values()]
        reason = check_text(said, words) if said else "it says nothing"
        if reason is not None:
            self._drop("summary", Item(said, ()), reason)
            return self._quoted.summary
        return f"{self._quoted.summary} {said}"

    def _questions(self, answer: Answer) -> Iterator[str]:
        known = [offer.exhibit.text for offer in self._offers.values()]
        asked = 0
        for text in answer.questions:
            reason = check_question(text, known)
            if reason is None and asked == MOST_ASKED:
                reason = "enough is asked"
            if reason is not None:
                self._drop("questions", Item(text, ()), reason)
                continue
            asked += 1
            yield text
        yield from self._doubts()

    def _doubts(self) -> Iterator[str]:
        """Ask about evidence of which the model said what is not there."""
        stated = [d for d in self._dropped if d.field in FIELDS]
        cited = (name for d in stated for name in d.evidence if name in self._offers)
        used = {name for s in _statements(self._quoted) for name in s.evidence}
        shown = {self._pool[name].subject.name for name in used}
        places = dict.fromkeys(self._offers[name].exhibit.place for name in cited)
        for place in [place for place in places if place not in shown][:MOST_ASKED]:
            yield f"Does {place} apply here? What the model made of it is not in it."


def _statements(c: Composition) -> tuple[Cause | Step, ...]:
    return (*c.root_causes, *c.steps, *c.validation, *c.rollback)


def _text(statement: Cause | Step) -> str:
    return statement.cause if isinstance(statement, Cause) else statement.action


def _command(statement: Cause | Step) -> str | None:
    return None if isinstance(statement, Cause) else statement.command


def _covers(statement: Cause | Step, quoted: Sequence[Cause | Step]) -> bool:
    """Tell whether a statement holds all that quotes say and give to run."""
    said = content_words(_text(statement))
    commands = {harmless(c) for q in quoted if (c := _command(q))}
    own = _command(statement)
    held = {harmless(own)} if own else set()
    return commands <= held and all(content_words(_text(q)) <= said for q in quoted)


def _alike(statement: Cause | Step, other: Cause | Step) -> bool:
    a, b = content_words(_text(statement)), content_words(_text(other))
    same_command = _command(statement) == _command(other)
    return same_command and len(a & b) >= SAME * max(1, min(len(a), len(b)))


def _renamed(c: Composition, names: Mapping[str, str]) -> Composition:
    def cited(statement: Statement) -> Statement:
        return replace(
            statement, evidence=tuple(names[name] for name in statement.evidence)
        )

    return replace(
        c,
        root_causes=tuple(map(cited, c.root_causes)),
        steps=tuple(map(cited, c.steps)),
        validation=tuple(map(cited, c.validation)),
        rollback=tuple(map(cited, c.rollback)),
    )


def _renumbered(c: Composition, pool: Mapping[str, Evidence]) -> Composition:
    """Return a suggestion with its evidence numbered in the order of use."""
    used = dict.fromkeys(name for s in _statements(c) for name in s.evidence)
    names = {name: f"E{place}" for place, name in enumerate(used, start=1)}
    shown = tuple(replace(pool[name], id=new) for name, new in names.items())
    return replace(_renamed(c, names), evidence=shown)
