"""HTML of ServiceNow and of wiki pages as Markdown."""

import re
import time
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuetrack.connectors.markup.html import document, is_html, markdown

MACRO = (
    '<ac:structured-macro ac:name="code"><ac:parameter ac:name="language">java'
    "</ac:parameter><ac:plain-text-body><![CDATA[if (a < b && c > d) {\n\n  ```\n}]]>"
    "</ac:plain-text-body></ac:structured-macro>"
)
PAGE = (
    "<?xml version='1.0'?><html><head><title>Space : Restart</title><style>p{}</style>"
    '</head><body><nav>menu</nav><div id="main-content"><h1>Restart</h1>'
    '<div class="code panel pdl"><pre class="syntaxhighlighter-pre" '
    'data-syntaxhighlighter-params="brush: bash; gutter: false">a &lt; b\n  c\n</pre>'
    "</div></div><script>x()</script></body></html>"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>a &amp; <b>b</b></p><p>c_d * e</p>", "a & **b**\n\nc_d * e"),
        ('<ol start="3"><li>a<ul><li>b</li></ul></li></ol>', "3. a\n   - b"),
        ('<p><a href="http://h/1">one</a></p>', "[one](http://h/1)"),
        ("x<br>y", "x  \ny"),
        ("<pre>a\n \n  b</pre>", "```\na\n \n  b\n```"),
        ("<table><tr><th>a|b</th></tr><tr><td>c</td></tr></table>", "| a\\|b |\n| --- |\n| c |"),
        ("[code]<p>a <b>b</b></p>[/code]", "a **b**"),
        ("note [code]<b>x</b>[/code] List<T>", "note **x** List<T>"),
        ("[code]plain[/code]", "plain"),
        (MACRO, "````java\nif (a < b && c > d) {\n\n  ```\n}\n````"),
        ('<p><ac:link><ri:page ri:content-title="Disk"/></ac:link></p>', "Disk"),
        ('<ac:image><ri:attachment ri:filename="a.png"/></ac:image>', "![a.png](a.png)"),
    ],
)  # fmt: skip
def test_markdown(text: str, expected: str) -> None:
    assert is_html(text)
    assert markdown(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "plain", "List<String> a < b", "at A.<init>(A.java)", "put it into the <div>",
     "<value>1</value>", "[ERROR] [code] alone", "a &amp; b\n"],
)  # fmt: skip
def test_plain_text_stays(text: str) -> None:
    assert not is_html(text)
    assert markdown(text) == text


def test_document() -> None:
    title, body = document(PAGE)
    assert title == "Space : Restart"
    assert body == "# Restart\n\n```bash\na < b\n  c\n```"
    assert document("<h1>Only</h1><p>x</p>") == ("Only", "# Only\n\nx")
    assert document("no page") == (None, "no page")


def test_code_in_a_table_stays_code() -> None:
    shown = markdown("<table><tr><td>1</td><td><pre>a\n  b</pre></td></tr></table>")
    assert shown == "1\n\n```\na\n  b\n```"


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 10_000 + "words" + "</div>" * 10_000,
        "<p>words</p>" * 26_000,
        "<p>words</p>" + "<!--" * 50_000,
        "<p>words</p>" + "<a " * 50_000,
        "<p>words</p>" + "<![CDATA[" * 30_000,
    ],
    ids=["deep", "long", "comments", "tags", "sections"],
)
def test_hostile_pages(page: str) -> None:
    started = time.process_time()
    assert "words" in markdown(page)
    assert time.process_time() - started < 60


@settings(max_examples=50)
@given(st.text(alphabet="<>/!-[]pbrdiv&;=\"' \nac:CDATA", max_size=60))
def test_never_raises(text: str) -> None:
    assert isinstance(markdown(f"<p>{text}</p>"), str)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["p", "b", "li", "td", "pre", "h2"]), st.text(max_size=8)
        )
    )
)
def test_words_survive(parts: list[tuple[str, str]]) -> None:
    page = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in parts)
    expected = re.findall(r"[a-z0-9]+", "".join(text for _, text in parts))
    told = document(f"<div>{page}</div>")[1].replace("<br>", "")
    shown = re.sub(r"[^a-z0-9]", "", told)
    assert "".join(expected) == shown
