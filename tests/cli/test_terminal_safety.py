"""Ticket text made harmless: nothing that controls, reorders or hides is printed."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.hostile import (
    CONTROL_PAYLOADS,
    EMOJI_CODE,
    EVERYTHING,
    FORBIDDEN,
    FORMULAS,
    HIDDEN,
    MARKUP,
    PLACES,
)
from issuetrack.terminal_safety import clean, clean_cell, clean_line
from timing import growth

REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
ANY_TEXT = st.text(st.characters(), max_size=200) | st.lists(
    st.sampled_from([*CONTROL_PAYLOADS.values(), *HIDDEN.values(), *MARKUP])
    | st.text(st.characters(), max_size=20)
).map("".join)
PLAIN = st.text(st.characters(categories=["L", "N", "P", "Zs"], max_codepoint=0x2FF))


@given(ANY_TEXT)
@example("\x1b")
@example("\x1b[")
@example("\x1b]0;")
@example("\x1b\x1b[31m[31m")
@example("\x1b[\x1b[31m31m")
@example("\x9b\x9b31m")
@example("a\r\nb\rc\td")
@example("\ud800\udfff")
def test_clean_text_controls_nothing(text: str) -> None:
    """Whatever goes in, what comes out has no control, hidden or lone character."""
    # FAULTS 21, 25
    cleaned = clean(text)
    assert FORBIDDEN.search(cleaned) is None
    for letter in cleaned:
        category = unicodedata.category(letter)
        assert category not in ("Cs", "Zl", "Zp")
        assert category != "Cc" or letter in "\n\t"
        assert unicodedata.bidirectional(letter) not in REORDERING
    cleaned.encode("utf-8")


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """What is clean stays as it is."""
    assert clean(clean(text)) == clean(text)


@given(PLAIN)
def test_plain_text_is_kept(text: str) -> None:
    """Letters, digits, punctuation and spaces are shown as they are."""
    kept = text.replace("\u00ad", "<U+00AD>")
    assert clean(kept) == kept


@given(ANY_TEXT)
def test_clean_line_is_one_line(text: str) -> None:
    """A line holds no break and no tab."""
    line = clean_line(text)
    assert len(line.splitlines()) <= 1
    assert "\t" not in line
    assert clean(line) == line


@given(ANY_TEXT | st.sampled_from(FORMULAS))
def test_cell_is_no_formula(text: str) -> None:
    """No cell begins like a formula, whatever stood before the sign."""
    # FAULTS 26
    assert not clean_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("formula", FORMULAS)
def test_formula_is_kept_as_text(formula: str) -> None:
    """A cell that looks like a formula is quoted, not lost."""
    # FAULTS 26
    assert clean_cell(formula).startswith("'")
    assert clean_cell(formula).endswith(formula[-2:])


@pytest.mark.parametrize("payload", CONTROL_PAYLOADS.values(), ids=CONTROL_PAYLOADS)
def test_sequence_goes_and_text_stays(payload: str) -> None:
    """A terminal sequence is taken out; the words around it are not."""
    # FAULTS 21
    cleaned = clean(f"before {payload}\n after")
    assert cleaned.startswith("before ")
    assert cleaned.endswith("after")
    assert FORBIDDEN.search(cleaned) is None


@pytest.mark.parametrize("payload", HIDDEN.values(), ids=HIDDEN)
def test_hidden_characters_are_named(payload: str) -> None:
    """A character that hides or reorders is shown as its code point."""
    # FAULTS 25
    marks = "".join(f"<U+{ord(letter):04X}>" for letter in payload)
    assert clean(f"safe{payload}txt") == f"safe{marks}txt"


@pytest.mark.parametrize("markup", [*MARKUP, EMOJI_CODE])
def test_markup_is_text(markup: str) -> None:
    """What rich or Textual would take for markup is ordinary text."""
    # FAULTS 22
    assert clean(markup) == clean_line(markup) == markup


def test_text_after_each_payload_survives() -> None:
    """No finished sequence swallows what follows it."""
    cleaned = clean(EVERYTHING)
    for place in range(PLACES):
        assert f"x{place}" in cleaned
        assert f" y{place} " in f"{cleaned} "


def test_line_breaks_and_tabs_stay() -> None:
    """Line breaks and tabs are kept, and Windows line ends become ours."""
    assert clean("a\r\nb\n\tc") == "a\nb\n\tc"
    assert clean("safe\rrm -rf /") == "saferm -rf /"


@pytest.mark.parametrize("text", ["\x1b", "\x1b[", "\x1b]", "\x1b]0;", "\x9b", "\x9d"])
def test_unfinished_sequence_hides_no_later_line(text: str) -> None:
    """A sequence that never ends does not take the rest of the text with it."""
    # FAULTS 21
    cleaned = clean(f"before {text}\nnext line\n" + "more words " * 1000 + "end")
    assert FORBIDDEN.search(cleaned) is None
    assert cleaned.startswith("before ")
    assert cleaned.endswith("more words end")


@pytest.mark.parametrize(
    "part",
    [
        *("\x1b]", "\x1b]0;", "\x9d", "\x9d\x1b", "\x1b]\x9d"),
        *("\x1b[", "\x1b[0;", "\x1b", "\u202e", "\x1b[0m x"),
    ],
)
def test_long_text_is_cleaned_in_time(part: str) -> None:
    """Thousands of unfinished sequences are as quick to clean as other text."""
    # FAULTS 24

    def cleaned(times: int) -> None:
        assert FORBIDDEN.search(clean(part * times)) is None

    assert growth(cleaned, 40_000) < 8
