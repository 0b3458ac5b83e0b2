"""HTML of ServiceNow's fields and of wiki pages as Markdown.

Pages beyond the limits below come out as plain text. The element names with a colon
are those of Confluence's storage format.
"""

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement
from markdownify import MarkdownConverter

from issuetrack.connectors.markup.markdown import code_block, link_target

DEEPEST = 100
MOST_CHARACTERS = 2_000_000
MOST_TAGS = 50_000
WIDEST_GAP = 1000
MOST_ENTRIES = 500
UNSEEN = ("script", "style", "nav", "head", "template", "noscript")
MAIN = ("main", "#main-content", "article", "body")
TABLE_PARTS = ("table", "thead", "tbody", "tfoot", "tr", "td", "th")
CODE_MACROS = ("code", "noformat")
_PAIRED = (
    "html|body|p|div|span|a|b|i|u|em|strong|ul|ol|li|dl|dt|dd|table|tr|td|th|thead"
    "|tbody|h[1-6]|pre|code|blockquote|font|center|section|article|main|sub|sup|s|del"
)
_OPENING = re.compile(rf"<({_PAIRED})(?:\s[^<>]*)?>", re.IGNORECASE)
_CLOSING = re.compile(rf"</({_PAIRED})\s*>", re.IGNORECASE)
_ALONE = re.compile(
    r"<(?:br\s*/?|hr\s*/?|img\s[^<>]*|!doctype html[^<>]*|(?:ac|ri):[\w-]+[^<>]*)>",
    re.IGNORECASE,
)
_JOURNAL = re.compile(r"\[(/?)code\]", re.IGNORECASE)
_GAPS = re.compile(r"\s+")
_PROLOG = re.compile(r"<\?xml[^<>]*>", re.IGNORECASE)
_LANGUAGES = re.compile(
    r"(?:language-|lang-|highlight-source-|brush:\s*)([\w+#-]+)", re.IGNORECASE
)
_LINE_BREAKS = ("br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6")
_NO_LANGUAGES = ("plain", "text", "none", "plaintext")


def is_html(text: str) -> bool:
    """Tell whether a text is HTML; a lone name between angle brackets is not."""
    if "<" not in text and "[" not in text:
        return False
    opened = {match[1].lower() for match in _OPENING.finditer(text)}
    closed = {match[1].lower() for match in _CLOSING.finditer(text)}
    if opened & closed or _ALONE.search(text):
        return True
    return {match[1] for match in _JOURNAL.finditer(text)} == {"", "/"}


def markdown(html: str) -> str:
    """Return HTML as Markdown; a text that is not HTML as it is.

    `[code]` marks, which ServiceNow's journals put around HTML, are taken away.
    """
    if not is_html(html):
        return html
    parts = _JOURNAL.split(html)
    pieces, marks = parts[::2], parts[1::2]
    if "" not in marks or "/" not in marks:
        return document(html)[1]
    if len(pieces) > MOST_ENTRIES:
        html = "".join(pieces)
        return document(html)[1]
    return "".join(document(p)[1] if is_html(p) else p for p in pieces)


def document(html: str) -> tuple[str | None, str]:
    """Return the title of a page, if it has one, and its main part as Markdown."""
    if "<" not in html:
        return None, html
    source = _without_sections(_PROLOG.sub("", html))
    widest = max(map(len, _GAPS.findall(source)), default=0)
    too_long = len(source) > MOST_CHARACTERS or source.count("<") > MOST_TAGS
    if too_long or widest > WIDEST_GAP:
        return _plain(source)
    soup = BeautifulSoup(source, "html.parser")
    if _depth(soup) > DEEPEST:
        return _plain(source)
    title = soup.find("title") or soup.find("h1")
    name = " ".join(title.get_text().split()) if title else ""
    for unseen in soup.find_all(UNSEEN):
        unseen.extract()
    main = next((part for name in MAIN if (part := soup.select_one(name))), soup)
    _prepare(soup, main)
    return name or None, _Converter().convert_soup(main).strip()


class _Converter(MarkdownConverter):
    """Markdown without escapes, with code unchanged and columns kept apart."""

    class Options:
        heading_style = "atx"
        bullets = "-"
        autolinks = False
        escape_asterisks = False
        escape_underscores = False
        table_infer_header = True

    def convert_pre(self, el: Tag, _text: str, **_: object) -> str:
        code = "".join(_code(el)).removeprefix("\n").removesuffix("\n")
        return f"\n\n{code_block(code, _language(el))}\n\n" if code.strip() else ""

    def convert_td(self, el: Tag, text: str, **_: object) -> str:
        lines = (line.strip() for line in text.split("\n"))
        cell = " <br> ".join(line for line in lines if line).replace("|", "\\|")
        span = str(el.get("colspan", "1"))
        return f" {cell} |" + " |" * (min(50, int(span)) - 1 if span.isdecimal() else 0)

    convert_th = convert_td

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        target = str(el.get("href") or "")
        core = text.strip()
        if not core or not target or target == core or "_noformat" in parent_tags:
            return text
        start, _, end = text.partition(core)
        return f"{start}[{core}]({link_target(target)}){end}"

    def convert_sup(self, _el: Tag, text: str, **_: object) -> str:
        return f"^{text.strip()}" if text.strip() else text

    def convert_li(self, el: Tag, text: str, **_: object) -> str:
        number = el.get("data-number")
        marker = f"{number}. " if number else "- "
        lines = text.strip().split("\n")
        rest = [" " * len(marker) + line if line else "" for line in lines[1:]]
        return "\n".join([marker + lines[0], *rest]) + "\n"


class _Text(HTMLParser):
    """Collects the text of a page, however deep."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.title = ""
        self.unseen = 0
        self.within_title = False

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self.unseen += tag in UNSEEN and tag != "head"
        self.within_title = tag == "title" and not self.title
        self.parts.append("\n" if tag in _LINE_BREAKS else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in UNSEEN and tag != "head":
            self.unseen = max(0, self.unseen - 1)
        self.within_title = False
        self.parts.append("\n" if tag in _LINE_BREAKS else " " if tag == "td" else "")

    def handle_data(self, data: str) -> None:
        if self.within_title:
            self.title += data
        elif not self.unseen:
            self.parts.append(data)


def _plain(source: str) -> tuple[str | None, str]:
    """Return title and text of a page without its form."""
    reader = _Text()
    reader.feed(source)
    reader.close()
    lines = (line.strip() for line in "".join(reader.parts).split("\n"))
    return reader.title.strip() or None, "\n".join(line for line in lines if line)


def _without_sections(source: str) -> str:
    """Return a page whose CDATA is ordinary text, without its comments.

    What opens and never closes becomes text: parsers take quadratic time over it.
    """
    first, *rest = source.split("<![CDATA[")
    parts = [first]
    for section in rest:
        text, end, after = section.partition("]]>")
        parts.append(html.escape(text, quote=False) + after if end else text)
    first, *rest = "".join(parts).split("<!--")
    parts = [first]
    for comment in rest:
        text, end, after = comment.partition("-->")
        parts.append(after if end else f"&lt;!--{text}")
    source = "".join(parts).replace("<![", "&lt;![")
    complete, last, tail = source.rpartition(">")
    return complete + last + tail.replace("<", "&lt;")


def _depth(soup: BeautifulSoup) -> int:
    depths = {id(soup): 0}
    for tag in soup.find_all(True):
        depths[id(tag)] = depths.get(id(tag.parent), 0) + 1
    return max(depths.values())


def _prepare(soup: BeautifulSoup, main: Tag) -> None:
    """Turn what Markdown or the converter has no form for into what it has."""
    for tag in main.find_all(re.compile(r"^(?:ac|ri):|^time$")):
        _replace_confluence(soup, tag)
    for table in main.find_all("table"):
        if table.find("pre"):
            for part in (table, *table.find_all(TABLE_PARTS)):
                part.name = "div"
    for numbered in main.find_all("ol"):
        start = str(numbered.get("start", "1"))
        first = int(start) if start.isdecimal() and len(start) < len("1" * 7) else 1
        for number, item in enumerate(numbered.find_all("li", recursive=False), first):
            item["data-number"] = str(number)


def _replace_confluence(soup: BeautifulSoup, tag: Tag) -> None:
    name = tag.name.removeprefix("ac:")
    if name == "structured-macro":
        _replace_macro(soup, tag)
    elif name == "link":
        if not tag.get_text(strip=True):
            tag.append(_named(tag))
        tag.name = "span"
    elif name == "image":
        target = _named(tag)
        tag.replace_with(
            soup.new_tag("img", attrs={"src": link_target(target), "alt": target})
        )
    elif name in ("task-list", "task"):
        tag.name = {"task-list": "ul", "task": "li"}[name]
    elif name == "task-status":
        done = tag.get_text(strip=True) == "complete"
        tag.replace_with("[x] " if done else "[ ] ")
    elif name in ("task-id", "task-uuid"):
        tag.extract()
    elif name == "time" and not tag.get_text(strip=True):
        tag.append(str(tag.get("datetime") or ""))


def _replace_macro(soup: BeautifulSoup, macro: Tag) -> None:
    """Make code of a code macro; keep the title and body of others."""
    named = {
        str(parameter.get("ac:name")): parameter
        for parameter in macro.find_all("ac:parameter", recursive=False)
    }
    language = named.get("language")
    title = named.get("title")
    for parameter in named.values():
        parameter.extract()
    body = macro.find("ac:plain-text-body", recursive=False)
    if isinstance(body, Tag) and macro.get("ac:name") in CODE_MACROS:
        body.name = "pre"
        if language:
            body["class"] = f"language-{language.get_text(strip=True)}"
    macro.name = "div"
    if title and title.get_text(strip=True):
        heading = soup.new_tag("p")
        strong = soup.new_tag("strong", string=title.get_text(strip=True))
        heading.append(strong)
        macro.insert(0, heading)


def _named(tag: Tag) -> str:
    """Return what the resource in a link or image is called."""
    for resource in tag.find_all(True):
        for name in ("content-title", "filename", "value", "username", "space-key"):
            if value := resource.get(f"ri:{name}"):
                return str(value)
    return str(tag.get("ac:anchor") or "")


def _code(el: Tag) -> Iterator[str]:
    """Yield the texts of a code element; breaks are line ends."""
    for part in el.descendants:
        if isinstance(part, Tag):
            yield "\n" if part.name == "br" else ""
        elif _is_text(part):
            yield str(part)


def _is_text(part: PageElement) -> bool:
    return type(part) is NavigableString


def _language(el: Tag) -> str:
    outer = [el, *el.find_parents(("div", "code"), limit=2), *el.find_all("code")]
    for tag in outer:
        told = f"{tag.get('class', '')} {tag.get('data-syntaxhighlighter-params', '')}"
        if found := _LANGUAGES.search(told):
            return "" if found[1].lower() in _NO_LANGUAGES else found[1].lower()
    return ""
