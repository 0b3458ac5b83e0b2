"""The palette: what can be done now, by its name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import Matcher
from textual.markup import escape

from issuetrack.terminal_safety import clean_line
from issuetrack.tui.actions import Place
from issuetrack.tui.keys import LISTS, OWN, TEXTS, grouped
from issuetrack.tui.page import Page
from issuetrack.tui.themes import THEMES


@dataclass(frozen=True)
class Entry:
    """Something to be done.

    Attributes:
        title: what it is; from a file of the person's, so it may hold anything.
        told: the line below: where it belongs, and its keys.
        run: does it.
    """

    title: str
    told: str
    run: Callable[[], object]


class Commands(Provider):
    """Actions, views, themes and own commands of the page that the palette lies over."""

    def _entries(self) -> Iterator[Entry]:
        page = self.screen
        if not isinstance(page, Page):
            return
        yield from self._actions(page)
        if page.application.workspace is not None:
            for name, query in page.application.preferences.views.items():
                show = partial(_show, page, query)
                yield Entry(f"View: {name}", query, show)
        for theme in THEMES:
            take = partial(setattr, page.app, "theme", theme.name)
            yield Entry(f"Theme: {theme.name}", "Colours", take)

    @staticmethod
    def _actions(page: Page) -> Iterator[Entry]:
        for offer in grouped(page):
            if offer.group in (LISTS, TEXTS):
                continue
            told = f"{offer.group}   {offer.keys}"
            if offer.group == OWN:
                place = cast("int", offer.name)
                run = partial(page.application.action_own, place)
            else:
                run = partial(page.action_do, str(offer.name))
            yield Entry(offer.title, told, run)

    async def discover(self) -> Hits:
        """Yield everything."""
        for entry in self._entries():
            title, told = _literal(entry)
            yield DiscoveryHit(Content(title), entry.run, title, told)

    async def search(self, query: str) -> Hits:
        """Yield what fits the words that are typed."""
        matcher = self.matcher(query)
        for entry in self._entries():
            title, told = _literal(entry)
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, _marked(matcher, title), entry.run, title, told)


def _literal(entry: Entry) -> tuple[str, str]:
    return clean_line(entry.title), escape(clean_line(entry.told))


def _marked(matcher: Matcher, title: str) -> Content:
    _, places = matcher.fuzzy_search.match(matcher.query, title)
    content = Content(title)
    for place in places:
        content = content.stylize(matcher.match_style, place, place + 1)
    return content


def _show(page: Page, query: str) -> None:
    """Go to triage and filter by a view."""
    from issuetrack.tui.screens.triage import TriageScreen

    page.application.go(Place.TRIAGE)
    triage = page.application.get_screen(Place.TRIAGE.value)
    triage.call_later(cast("TriageScreen", triage).filter_by, query)
