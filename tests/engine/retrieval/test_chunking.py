"""Documents cut into pieces: none too long, nothing lost, code kept together."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from issuetrack.engine.inference.llama import shipped_path
from issuetrack.engine.inference.wordpiece import WordPieces
from issuetrack.engine.retrieval.chunking import Chunk, blocks, chunks

PIECES = WordPieces(shipped_path())
LOOK = settings(derandomize=True, deadline=None, database=None, max_examples=60)

WORDS = (
    *("the", "disk", "is", "full", "on", "node-7", "connection", "refused", "kubectl"),
    *("java.lang.NullPointerException", "Überlauf", "naïve", "日本語", "ORA-00942"),
    *("10.20.0.53:53", "<none>", "max_connections=200", "/var/log/pods/*.log"),
    *("p95", "->", "--", "100%", "$HOME", "`df -h`", "**bold**"),
)
FRAME = "\tat com.example.shop.Handler.call(Handler.java:42)"

words = st.sampled_from(WORDS)
sentences = st.lists(words, min_size=1, max_size=30).map(" ".join)
long_words = st.text("abcdefgxyz0123", min_size=100, max_size=1500)
headings = st.tuples(st.sampled_from(["# ", "### ", "h2. "]), sentences).map("".join)
code_lines = st.lists(st.one_of(sentences, st.just("")), min_size=1, max_size=12)
fenced = st.tuples(st.sampled_from(["```", "~~~", "{code}", "{noformat}"]), code_lines)
fences = fenced.map(lambda f: "\n".join([f[0], *f[1], f[0]]))
traces = st.integers(1, 12).map(
    lambda n: "\n".join(["java.io.IOException: broken", *[FRAME] * n])
)
bullets = st.lists(sentences, min_size=1, max_size=6).map(
    lambda items: "\n".join(f"- {item}" for item in items)
)
markdown = st.lists(
    st.one_of(sentences, headings, fences, traces, bullets, long_words),
    min_size=1,
    max_size=12,
).flatmap(
    lambda parts: st.sampled_from(["\n", "\n\n", "\r\n\r\n"]).map(
        lambda gap: gap.join(parts)
    )
)


def cut(text: str, limit: int = 254, most: int | None = None) -> list[Chunk]:
    """Cut a text with the real word pieces."""
    return chunks(text, limit=limit, count=PIECES.count, most=most)


def code(lines: int, fence: str = "```", end: str | None = None) -> str:
    """Return a code block of numbered assignments with empty lines between."""
    body = "\n\n".join(f"value_{n} = {n}" for n in range(lines))
    return f"{fence}\n{body}\n{end or fence}"


@LOOK
@given(text=markdown, limit=st.integers(16, 254))
def test_no_chunk_is_longer_than_the_limit(text: str, limit: int) -> None:
    """Whatever the text is made of, the model sees every chunk whole."""
    sizes = [PIECES.count(chunk.text) for chunk in cut(text, limit)]
    assert max(sizes) <= limit


@LOOK
@given(text=markdown, limit=st.integers(8, 254))
def test_no_letter_is_lost_or_moved(text: str, limit: int) -> None:
    """The chunks together hold every letter of the text, in its order."""
    joined = "".join(chunk.text for chunk in cut(text, limit))
    assert "".join(joined.split()) == "".join(text.split())


@LOOK
@given(text=st.text(max_size=800), limit=st.integers(8, 60))
def test_no_letter_of_any_text_is_lost(text: str, limit: int) -> None:
    """Text that is not Markdown at all comes back whole, too."""
    joined = "".join(chunk.text for chunk in cut(text, limit))
    assert "".join(joined.split()) == "".join(text.split())


@LOOK
@given(text=markdown, limit=st.integers(16, 254))
def test_words_that_fit_stay_whole(text: str, limit: int) -> None:
    """A word of fewer letters than the limit is in one chunk, in order."""
    assume(all(len(word) <= limit for word in text.split()))
    kept = [word for chunk in cut(text, limit) for word in chunk.text.split()]
    assert kept == text.split()


@LOOK
@given(text=markdown, limit=st.integers(16, 254), most=st.integers(1, 5))
def test_no_more_chunks_than_asked_for(text: str, limit: int, most: int) -> None:
    """`most` takes the first chunks and leaves the rest out."""
    assert cut(text, limit, most) == cut(text, limit)[:most]


@LOOK
@given(
    before=st.lists(sentences, max_size=6),
    lines=code_lines,
    fence=st.sampled_from(["```", "~~~", "{code}", "{noformat}"]),
    after=st.lists(sentences, max_size=6),
    limit=st.integers(60, 254),
)
def test_a_code_block_that_fits_is_in_one_chunk(
    before: list[str], lines: list[str], fence: str, after: list[str], limit: int
) -> None:
    """Prose around a code block never makes it break."""
    block = "\n".join([fence, *lines, fence])
    assume(PIECES.count(block) <= limit)
    text = "\n\n".join([*before, block, *after])
    assert any(block in chunk.text for chunk in cut(text, limit))


@LOOK
@given(
    before=st.lists(sentences, max_size=6),
    frames=st.integers(1, 15),
    after=st.lists(sentences, max_size=6),
)
def test_a_stack_trace_that_fits_is_in_one_chunk(
    before: list[str], frames: int, after: list[str]
) -> None:
    """A stack trace between paragraphs stays together."""
    trace = "\n".join(["java.io.IOException: broken pipe", *[FRAME] * frames])
    assume(PIECES.count(trace) <= 254)
    text = "\n\n".join([*before, trace, *after])
    assert any(trace in chunk.text for chunk in cut(text))


def test_a_stack_trace_right_under_a_paragraph_is_in_one_chunk() -> None:
    """Without an empty line above it, a trace that fits stays together as well."""
    trace = "\n".join(["java.io.IOException: broken pipe", *[FRAME] * 6])
    text = f"{'the disk is full ' * 40}\n{trace}"
    assert any(trace in chunk.text for chunk in cut(text, 200))


@pytest.mark.parametrize(
    "trace",
    [
        "\tat a.b.C.d(C.java:1)\n\tat a.b.C.e(C.java:2)\n"
        "Caused by: java.lang.Error: x\n\t... 12 more",
        'Traceback (most recent call last)\n  File "a.py", line 3, in f\n    g()',
        "goroutine 7 [running]:\n  at main.go:12\n  at main.go:30",
    ],
    ids=["java", "python", "go"],
)
def test_an_empty_line_inside_a_trace_does_not_end_it(trace: str) -> None:
    """Some loggers put an empty line after each; the trace is still one block."""
    found = [block.text for block in blocks(trace.replace("\n", "\n\n"))]
    assert found == [trace]


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("```", "```"),
        ("```sql", "```"),
        ("~~~", "~~~"),
        ("{code}", "{code}"),
        ("{code:java}", "{code}"),
        ("{code:title=a.sh|borderStyle=solid}", "{code}"),
        ("{noformat}", "{noformat}"),
        ("{noformat:nopanel=true}", "{noformat}"),
        ("   ```", "   ```"),
    ],
)
def test_every_kind_of_fence_holds_its_code_together(
    opening: str, closing: str
) -> None:
    """Markdown and Jira fences keep code with empty lines in one block."""
    block = code(8, opening, closing)
    text = f"Before the code.\n\n{block}\n\nAfter the code."
    found = [b.text for b in blocks(text)]
    assert found == ["Before the code.", block, "After the code."]


def test_a_markdown_fence_on_one_line_opens_nothing() -> None:
    """Code that is opened and closed on one line leaves what follows as text."""
    text = "```reload nginx```\n\nFirst.\n\nSecond."
    assert [b.text for b in blocks(text)] == ["```reload nginx```", "First.", "Second."]


def test_a_jira_fence_on_one_line_opens_nothing() -> None:
    """`{code:bash}ls{code}` is code by itself; the block after it stays whole."""
    block = code(8, "{code:java}", "{code}")
    text = f"{{code:bash}}ls -l{{code}}\n\nSome text.\n\n{block}"
    assert [b.text for b in blocks(text)][-1] == block


def test_a_jira_fence_can_close_at_the_end_of_a_line() -> None:
    """`return x;{code}` ends the code, as it does in Jira."""
    text = "{code}\nfirst();\nreturn x;{code}\n\nFirst.\n\nSecond."
    assert [b.text for b in blocks(text)][1:] == ["First.", "Second."]


def test_a_fence_that_never_closes_loses_nothing() -> None:
    """The rest of the text is in the block then."""
    text = "intro\n\n```\na\n\nb\n\nc"
    assert [b.text for b in blocks(text)] == ["intro", "```\na\n\nb\n\nc"]


def test_a_code_block_longer_than_a_chunk_is_divided_at_lines() -> None:
    """No line of an oversized code block is broken."""
    block = code(60)
    pieces = cut(block, 60)
    lines = [line for chunk in pieces for line in chunk.text.splitlines() if line]
    assert lines == [line for line in block.splitlines() if line]


def test_each_chunk_records_the_heading_above_it() -> None:
    """Markdown and Jira headings are recorded without their marks."""
    text = "\n\n".join(
        [
            "Opening words " * 11,
            "## Root cause ##",
            "cause " * 30,
            "h3. *The fix*",
            "fix " * 30,
            "more of the fix " * 10,
        ]
    )
    found = [(chunk.heading, chunk.text.split()[-1]) for chunk in cut(text, 40)]
    assert found == [
        (None, "words"),
        ("Root cause", "cause"),
        ("The fix", "fix"),
        ("The fix", "fix"),
    ]


def test_a_heading_stays_with_what_follows_it() -> None:
    """An empty line under a heading does not part it from its text."""
    found = [b.text for b in blocks("# Cause\n\nThe disk was full.\n\nNext.")]
    assert found == ["# Cause\nThe disk was full.", "Next."]


def test_chunks_are_numbered_from_zero() -> None:
    """Ordinals count up without gaps."""
    pieces = cut("\n\n".join(["word " * 30] * 9), 40)
    assert [chunk.ordinal for chunk in pieces] == list(range(9))


def test_small_paragraphs_share_a_chunk() -> None:
    """What fits together is not spread over many chunks."""
    assert [c.text for c in cut("one\n\ntwo\n\nthree")] == ["one\n\ntwo\n\nthree"]


def test_a_new_section_starts_a_chunk_when_the_last_is_half_full() -> None:
    """Sections are kept apart unless the one before is short."""
    short, long = "word " * 5, "word " * 25
    assert len(cut(f"{short}\n\n# Next\n\nsome text", 40)) == 1
    assert len(cut(f"{long}\n\n# Next\n\nsome text", 40)) == 2


@pytest.mark.parametrize("text", ["", " ", "\n\n\t\n", "\r\n"])
def test_nothing_gives_no_chunks(text: str) -> None:
    """Blank text has no chunks."""
    assert cut(text) == []


def test_a_word_of_thousands_of_letters_is_divided() -> None:
    """A word longer than the model's window is spread over chunks, letter by letter."""
    word = "0123456789abcdefghijklmnop" * 200
    pieces = cut(f"see {word} end")
    assert len(pieces) > 5
    assert "".join("".join(c.text for c in pieces).split()) == f"see{word}end"
    assert max(PIECES.count(c.text) for c in pieces) <= 254


def test_a_korean_word_keeps_within_the_limit() -> None:
    """Letters that are several tokens each do not make a chunk too long."""
    assert max(PIECES.count(c.text) for c in cut("한" * 300)) <= 254
