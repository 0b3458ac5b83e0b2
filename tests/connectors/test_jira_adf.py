"""Documents of Jira Cloud as Markdown."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuetrack.connectors.markup.adf import markdown

SHARED = Path(__file__).resolve().parents[3] / "shared"
JIRA = SHARED / "data" / "jira"


def text(words: str, *marks: str, **attrs: str) -> dict[str, Any]:
    shown = [{"type": mark, "attrs": attrs} for mark in marks]
    return {"type": "text", "text": words, "marks": shown}


def node(kind: str, *content: Any, **attrs: Any) -> dict[str, Any]:
    return {"type": kind, "attrs": attrs, "content": list(content)}


def paragraph(*words: str) -> dict[str, Any]:
    return node("paragraph", *map(text, words))


def leaf(kind: str, **attrs: Any) -> dict[str, Any]:
    return {"type": kind, "attrs": attrs}


def sample(name: str) -> Any:
    path = JIRA / name
    if not path.is_file():
        pytest.skip(f"the shared data set {name} is not here")
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, ""),
        ("as it is", "as it is"),
        (node("heading", text("Disk full"), level=2), "## Disk full"),
        (node("paragraph", text("a "), text("b", "strong"), text(" c")), "a **b** c"),
        (node("paragraph", text("x ", "em"), text("y", "em", "strong")), "*x* ***y***"),
        (node("paragraph", text("ls -l `x`", "code")), "`` ls -l `x` ``"),
        (node("paragraph", text("docs", "link", href="http://h/a b")), "[docs](<http://h/a b>)"),
        (node("paragraph", text("http://h", "link", href="http://h")), "http://h"),
        (node("paragraph", text("u", "underline", "textColor")), "u"),
        (node("paragraph", leaf("mention", id="1", text="Ann")), "@Ann"),
        (node("paragraph", leaf("emoji", shortName=":fire:")), ":fire:"),
        (node("paragraph", leaf("date", timestamp="1769860800000")), "2026-01-31"),
        (node("paragraph", leaf("status", text="DONE")), "DONE"),
        (node("paragraph", leaf("inlineCard", url="http://h/1")), "<http://h/1>"),
        (node("paragraph", text("a"), leaf("hardBreak"), text("b")), "a  \nb"),
        (node("panel", paragraph("hot"), panelType="warning"), "> **Warning:**\n> hot"),
        (node("expand", paragraph("in"), title="Log"), "**Log**\n\nin"),
        (leaf("rule"), "---"),
        (node("mediaGroup", leaf("media", id="7", alt="a.png")), "![a.png](a.png)"),
        (node("taskList", node("taskItem", text("x"), state="DONE")), "- [x] x"),
        (node("decisionList", node("decisionItem", text("x"))), "- x"),
        (node("codeBlock", text("a\n```\n\tb"), language="go"), "````go\na\n```\n\tb\n````"),
        (node("blockquote", paragraph("a"), paragraph("b")), "> a\n>\n> b"),
    ],
)  # fmt: skip
def test_nodes(document: object, expected: str) -> None:
    assert markdown(document) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("# root", "\\# root"),
        ("> said", "\\> said"),
        ("- dash", "\\- dash"),
        ("1. one", "1\\. one"),
        ("a\n---", "a\n\\---"),
        ("```", "\\```"),
        ("#12 a_b 2*3 -x", "#12 a_b 2*3 -x"),
    ],
)
def test_text_does_not_become_structure(line: str, expected: str) -> None:
    assert markdown(paragraph(line)) == expected


def test_nested_lists_are_tight() -> None:
    inner = node("orderedList", node("listItem", paragraph("b")), order=3)
    outer = node("bulletList", node("listItem", paragraph("a"), inner))
    assert markdown(outer) == "- a\n\n  3. b"
    inner["attrs"] = {}
    assert markdown(outer) == "- a\n  1. b"


def test_table_spans_and_blocks() -> None:
    head = node("tableRow", node("tableHeader", paragraph("h|1"), colspan=2))
    first = node(
        "tableRow", node("tableCell", paragraph("a"), paragraph("b"), rowspan=2)
    )
    second = node("tableRow", node("tableCell", paragraph("c")))
    expected = "| h\\|1 |  |\n| --- | --- |\n| a <br> b |\n|  | c |"
    assert markdown(node("table", head, first, second)) == expected


def test_code_in_a_table_stays_code() -> None:
    cell = node("tableCell", node("codeBlock", text("x|y\n z")))
    shown = markdown(node("table", node("tableRow", cell)))
    assert shown == "- ```\n  x|y\n   z\n  ```"


@pytest.mark.parametrize(
    "document",
    [
        {"type": "doc", "content": "words"},
        {"type": "doc", "content": ["words"]},
        {"type": "doc", "content": {"type": "text", "text": "words"}},
        {"type": ["doc"], "attrs": 3, "content": [[{"text": "words"}]]},
        {"type": "paragraph", "text": "words"},
        {"type": "mystery", "content": [text("words", "mystery")]},
        {"type": "table", "content": [text("words")]},
        {"type": "table", "content": [{"type": "tableRow", "text": "words"}]},
        {"type": "text", "text": {"type": "text", "text": "words"}, "marks": "strong"},
        {"type": "codeBlock", "content": [paragraph("words")]},
        {"type": "orderedList", "attrs": {"order": "x"}, "content": [text("words")]},
    ],
)
def test_malformed_documents_keep_their_text(document: object) -> None:
    assert "words" in markdown(document)


@pytest.mark.parametrize("kind", ["bulletList", "panel", "table", "mystery", "text"])
def test_deep_documents(kind: str) -> None:
    document: dict[str, Any] = text("deep")
    for level in range(10_000):
        document = {"type": kind, "content": [text(f"w{level} "), document]}
    shown = set(re.findall(r"\w+", markdown(document)))
    assert shown >= {"deep", *(f"w{level}" for level in range(10_000))}


def test_every_node_and_mark_of_the_schema_keeps_text() -> None:
    definitions = sample("adf-schema-v1-full.json")["definitions"]
    for name, definition in definitions.items():
        kinds = definition.get("properties", {}).get("type", {}).get("enum")
        if not kinds:
            continue
        kind = kinds[0]
        if name.endswith("_mark"):
            marked = node("paragraph", text("before "), text("words", kind))
            assert "words" in markdown(node("doc", marked)), kind
            continue
        attrs = {
            "text": "label",
            "alt": "label",
            "url": "http://label",
            "title": "label",
        }
        shown = markdown(
            node("doc", {**leaf(kind, **attrs), "content": [text("words")]})
        )
        assert "words" in shown, kind
        if kind in ("mention", "status", "placeholder", "media", "expand", "extension"):
            assert "label" in shown, kind


def test_sample_documents_keep_their_text() -> None:
    texts = 0
    for document in sample("jira-cli_testdata.json")["files"].values():
        shown = markdown(document).replace("\\", "")
        for words in re.findall(r'"text": "(\w[\w ]*)"', json.dumps(document)):
            if isinstance(document, dict) and document.get("type") == "doc":
                assert words in shown
                texts += 1
    assert texts > 30


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "attrs", "content", "text", "marks"]), inner
        )
    ),
    max_leaves=15,
)
KINDS = st.sampled_from(
    ["paragraph", "panel", "table", "tableRow", "bulletList", "listItem", "codeBlock"]
)


@given(JSON)
def test_never_raises(document: object) -> None:
    assert isinstance(markdown(document), str)


@given(st.lists(st.tuples(KINDS, st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True))))
def test_words_survive(levels: list[tuple[str, str]]) -> None:
    document = text("end")
    for kind, word in levels:
        document = node(kind, text(f" {word} "), document)
    shown = re.findall(r"\w+", markdown(document))
    assert {word for _, word in levels} <= set(shown)
