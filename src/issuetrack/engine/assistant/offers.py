"""What a chat model is offered: the spans of the sources that it may cite."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from issuetrack.engine.assistant.composer import Evidence, evidence, step_items
from issuetrack.engine.assistant.grounding import Section, may_be_done
from issuetrack.engine.assistant.prompts import Exhibit
from issuetrack.engine.assistant.sources import Source, SourceSpan

MOST_OFFERED = 16
MOST_OF_ONE = {
    Section.CAUSE: 2,
    Section.STEP: 6,
    Section.VALIDATION: 2,
    Section.ROLLBACK: 2,
}
LEAST_CHARACTERS = 8


@dataclass(frozen=True)
class Offer:
    """A span that the model may cite, and where it stands."""

    exhibit: Exhibit
    source: Source
    item: SourceSpan

    @property
    def evidence(self) -> Evidence:
        """Return it as evidence under the name that the model knows."""
        return evidence(self.exhibit.id, self.source, self.item)


def _offered_spans(source: Source) -> Iterator[tuple[SourceSpan, Section]]:
    """Yield what a source tells that may be cited, not too much of one kind."""
    steps = {id(item) for item in step_items(source)}
    left = dict(MOST_OF_ONE)
    for item in source.fix:
        section = Section.STEP if id(item) in steps else item.span.section
        long_enough = len(item.span.quote) >= LEAST_CHARACTERS
        if left.get(section) and long_enough and may_be_done(item.span.text):
            left[section] -= 1
            yield item, section


def offers(helpful: Sequence[Source]) -> list[Offer]:
    """Return what the model may cite, of the most relevant source first."""
    found: dict[tuple[str, str], Offer] = {}
    for source in helpful:
        for item, section in _offered_spans(source):
            name, span = f"E{len(found) + 1}", item.span
            exhibit = Exhibit(name, source.name, span.text, span.command, section)
            place = (source.name, span.quote)
            if len(found) < MOST_OFFERED:
                found.setdefault(place, Offer(exhibit, source, item))
    return list(found.values())
