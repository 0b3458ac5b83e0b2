"""Wiki markup of Jira Server as Markdown."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuetrack.connectors.markup.wiki import markdown
from timing import growth

SHARED = Path(__file__).resolve().parents[3] / "shared"
ISSUES = SHARED / "data" / "jira" / "raw_v2_issues.jsonl"
MARKUP = {"color", "code", "quote", "noformat", "panel", "anchor", "bq", "_"}


@pytest.mark.parametrize(
    ("wiki", "expected"),
    [
        ("h2. *Bold* head", "## **Bold** head"),
        ("{*}b{*}lah *_bi_* {_}i{_}", "**b**lah **_bi_** _i_"),
        ("-old- +new+ x^2^ H~2~O ??who??", "~~old~~ new x^2 H2O _who_"),
        ("{{a*b*c}} {{${x}}}", "`a*b*c` `${x}`"),
        ("bq. said", "> said"),
        ("{quote}\na\n{code}x{code}\n{quote}\nb", "> a\n> ```\n> x\n> ```\n\nb"),
        ("{panel:title=T|x=y}\nb\n{panel}", "> **T**\n>\n> b"),
        ("{code:java}\nint *x = {a};\n{code}", "```java\nint *x = {a};\n```"),
        ("{code:title=A.sh}\n```\n{code}", "**A.sh**\n\n````\n```\n````"),
        ("{noformat}\n*a* \n\n [b|c]\n{noformat}", "```\n*a* \n\n [b|c]\n```"),
        ("[text|http://h/a_b_c] [http://h]", "[text](http://h/a_b_c) http://h"),
        ("[~ann] [^a.log] [x|#y]", "@ann [a.log](a.log) x"),
        ("!shot 1.png|thumbnail!", "![shot 1.png](<shot 1.png>)"),
        ("{color:red}*hot*{color} {anchor:a}b", "**hot** b"),
        ("* a\n** b\n*# c\n*# d\n# e", "- a\n  - b\n  1. c\n  2. d\n1. e"),
        ("* a\n{code}\nx\n{code}\n* b", "- a\n  ```\n  x\n  ```\n- b"),
        ("||a||b||\n|1|2|\nend", "| a | b |\n| --- | --- |\n| 1 | 2 |\n\nend"),
        ("|[a|http://h]|b|\n|c|d|", "| [a](http://h) | b |\n| --- | --- |\n| c | d |"),
        ("a\n----\nb", "a\n\n---\n\nb"),
        ("a\\\\\nb", "a  \nb"),
        ("\\*no\\* \\{x}", "\\*no\\* {x}"),
        ("(/) good (x) bad f(x)", "yes good no bad f(x)"),
        ("a\r\n*b*", "a\n**b**"),
    ],
)
def test_markup(wiki: str, expected: str) -> None:
    assert markdown(wiki) == expected


@pytest.mark.parametrize(
    "text",
    [
        "foo-bar-baz a_b_c 2*3*4 *.log $HOME [ERROR] {foo}",
        r"C:\temp\x C:\\temp\\new \\server\share",
        "java -Xmx512m -Xms1g -jar a-b-c.jar",
        "rm *.log *.tmp foo*",
        "select *, count(*) from t where a*b*c",
        "2026-01-31 12:00:00,123 [main] WARN a.b.C - lost -- retry",
        "java.lang.Error: x\n\tat a.b.C.<init>(C.java:3)\n    at a.b.D$_x_.y(D.java)",
        "-rw-r--r-- 1 root root 5 a-b",
        "+1 for a C++ fix, -1 for b-",
        "**bold** `a*b*` __x__ https://h/a_b_c?d=-e-",
        "```\n*a*\nh1. b\n```",
        "| a | b |\n|---|:-:|\n| c | d |",
        "cat x | grep y || die",
        "trailing \n\n  spaces  \n",
        "{code} never closed *",
    ],
)
def test_what_is_not_markup_stays(text: str) -> None:
    assert markdown(text) == text


@pytest.mark.parametrize(
    "part",
    [
        "{code", "{code:a}", "{quote}{panel}", "*a ", "[", "[a|", "||a", "|a|\n", " _a_a",
        "{{a{b}", "\\*", "!a.b", "{*}a ", " ", "(/) ", "```\n", "`a", " -a", "^a~",
    ],
)  # fmt: skip
def test_hostile_texts_take_linear_time(part: str) -> None:
    assert growth(lambda times: markdown(part * times), 100_000 // len(part)) < 8


def test_real_issues_keep_their_words() -> None:
    """Names of colours, of headings and of icons are dropped."""
    if not ISSUES.is_file():
        pytest.skip("the shared data set jira/raw_v2_issues.jsonl is not here")
    lost: Counter[str] = Counter()
    for line in ISSUES.read_text().splitlines():
        fields = json.loads(line)["fields"]
        comments = (fields.get("comment") or {}).get("comments", [])
        for wiki in [fields.get("description") or "", *(c["body"] for c in comments)]:
            without = re.sub(r"\{color:[#\w]+\}|\bh[1-6]\.|\(x\)", "", wiki)
            before = Counter(re.findall(r"[^\W_]+", without))
            after = Counter(re.findall(r"[^\W_]+", markdown(wiki)))
            lost += before - after
    assert {word: n for word, n in lost.items() if word not in MARKUP} == {}


@given(st.text(alphabet="*_-+^~?{}[]|!#\\`\n\r h1.ab(/)x:cquote", max_size=60))
def test_never_raises(text: str) -> None:
    assert isinstance(markdown(text), str)


@given(
    st.lists(
        st.from_regex(r"[*_+{}|!-]{0,2}[a-z0-9]{1,5}[*_+{}|!-]{0,2}", fullmatch=True)
    )
)
def test_words_survive(words: list[str]) -> None:
    text = " ".join(words)
    shown = "".join(re.findall(r"[a-z0-9]+", markdown(text)))
    assert shown == "".join(re.findall(r"[a-z0-9]+", text))
