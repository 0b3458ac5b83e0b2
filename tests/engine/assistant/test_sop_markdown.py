"""Runbooks of every form read as procedures, and written so that nothing is lost."""

import json
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuetrack.engine.assistant.sops.markdown import read, write
from issuetrack.engine.assistant.sops.markdown_headings import Kind, kind_of
from issuetrack.engine.assistant.sops.markdown_parts import MOST_HEADINGS, parts
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.errors import ImportFormatError

RUNBOOKS = Path(__file__).resolve().parents[4] / "shared/data/runbooks/runbooks.jsonl"
LOOK = settings(derandomize=True, deadline=None, database=None, max_examples=60)

ALERT = """
    ---
    title: Queue is filling up
    tags: [queue, "on call"]
    weight: 20  # of the menu
    ---

    # QueueFillingUp

    ## Meaning

    More jobs come in than go out.

    ## Impact

    Mails arrive late.

    ## Diagnosis

    Look at the consumers: `queuectl consumers`

    ## Mitigation

    ### One consumer hangs

    Restart it.

    ### 2. Verify the fix

    The queue gets shorter.

    ## Escalation

    Call the mail team.
"""
CLASSIC = """
    Printer prints nothing
    ======================

    Symptoms
    --------

    Jobs wait, no paper moves.

    Possible causes
    ---------------

    The spooler has died.

    Resolution
    ----------

    ```sh
    # Symptoms of a dead spooler
    systemctl restart cups
    ```
"""
STEPS = """
    # How to renew the certificate

    The certificate lasts 90 days.

    ## Prerequisites

    Access to the proxy.

    ## Steps

    1. `certbot renew`

    ## Verification

    `curl` shows the new date.

    ## Rollback

    Put the old file back.
"""
BOLD = """
    # Login fails

    **Symptoms:** the page says 401.

    **Root cause**

    The clock is wrong.

    __How to fix__

    - Restart `chronyd`

    Validation:

    Log in.
"""
GERMAN = """
    # Datenbank voll

    ## Beschreibung

    Kein Platz mehr.

    ## Auswirkungen

    Nichts wird gespeichert.

    ## Mögliche Ursachen

    Alte Protokolle.

    ## Maßnahmen

    1. Protokolle löschen

    ## Überprüfung

    `df -h`

    ## Rückfallplan

    Sicherung einspielen.

    ## Ansprechpartner

    Team Speicher.
"""
SEVERAL = """
    # Database trouble

    ## Replica lags

    ### Symptoms

    Old rows.

    ### Resolution

    Restart the replica.

    ## Pool is full

    ### Symptoms

    Timeouts.

    ### Resolution

    Raise the limit.
"""
NO_HEADINGS = """
    The nightly export stops half way when the share is gone.

    Nobody notices until Monday.

    Mount it again:

        mount /srv/export

    1. Start the export with `systemctl start export`
    2. Wait
"""


def text_of(sample: str) -> str:
    return dedent(sample).lstrip()


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))


def test_the_alert_family() -> None:
    """Meaning, Impact, Diagnosis, Mitigation; other words for headings are kept."""
    expected = Procedure(
        "Queue is filling up",
        problem="### QueueFillingUp\n\n### Meaning\n\nMore jobs come in than go out.",
        symptoms="### Impact\n\nMails arrive late.",
        cause="### Diagnosis\n\nLook at the consumers: `queuectl consumers`",
        steps="### Mitigation\n\n#### One consumer hangs\n\nRestart it.",
        validation="### 2. Verify the fix\n\nThe queue gets shorter.",
        notes="### Escalation\n\nCall the mail team.\n\n"
        "```yaml\nweight: 20  # of the menu\n```",
        tags=("queue", "on call"),
    )
    assert read(text_of(ALERT), "queue.md") == expected


def test_the_symptom_family_in_setext() -> None:
    """Symptoms, Cause, Resolution under lines of = and -; code holds no heading."""
    expected = Procedure(
        "Printer prints nothing",
        symptoms="Jobs wait, no paper moves.",
        cause="### Possible causes\n\nThe spooler has died.",
        steps="### Resolution\n\n```sh\n# Symptoms of a dead spooler\n"
        "systemctl restart cups\n```",
    )
    assert read(text_of(CLASSIC), "printer.md") == expected


def test_the_steps_family() -> None:
    """Steps, Verification, Rollback; what is needed first is among the steps."""
    expected = Procedure(
        "How to renew the certificate",
        problem="The certificate lasts 90 days.",
        steps="### Prerequisites\n\nAccess to the proxy.\n\n1. `certbot renew`",
        validation="### Verification\n\n`curl` shows the new date.",
        rollback="Put the old file back.",
    )
    assert read(text_of(STEPS), "renew.md") == expected


def test_bold_lines_and_labels() -> None:
    """Bold lines, bold labels with text and plain labels are headings if usual."""
    expected = Procedure(
        "Login fails",
        symptoms="**Symptoms:** the page says 401.",
        cause="**Root cause**\n\nThe clock is wrong.",
        steps="__How to fix__\n\n- Restart `chronyd`",
        validation="Validation:\n\nLog in.",
    )
    assert read(text_of(BOLD), "login.md") == expected


def test_german() -> None:
    """German headings go to the same fields."""
    found = read(text_of(GERMAN), "voll.md")
    assert found.problem == "### Beschreibung\n\nKein Platz mehr."
    assert found.symptoms.endswith("Nichts wird gespeichert.")
    assert found.cause.endswith("Alte Protokolle.")
    assert found.steps.endswith("1. Protokolle löschen")
    assert found.validation.endswith("`df -h`")
    assert found.rollback.endswith("Sicherung einspielen.")
    assert found.notes == "### Ansprechpartner\n\nTeam Speicher."


def test_a_page_on_several_problems_keeps_their_names() -> None:
    """Each piece of a field stands under the problem it is about."""
    found = read(text_of(SEVERAL), "db.md")
    assert found.symptoms == (
        "### Replica lags\n\nOld rows.\n\n"
        "### Pool is full\n\n#### Symptoms\n\nTimeouts."
    )
    assert found.steps == (
        "### Replica lags\n\n#### Resolution\n\nRestart the replica.\n\n"
        "### Pool is full\n\n#### Resolution\n\nRaise the limit."
    )
    assert found.notes == ""


def test_no_headings() -> None:
    """What comes before the first thing to do is the problem; the name is the title."""
    expected = Procedure(
        "nightly export",
        problem="The nightly export stops half way when the share is gone.\n\n"
        "Nobody notices until Monday.",
        steps="Mount it again:\n\n    mount /srv/export\n\n"
        "1. Start the export with `systemctl start export`\n2. Wait",
    )
    assert read(text_of(NO_HEADINGS), "runbooks/nightly-export.md") == expected


@pytest.mark.parametrize(
    ("markdown", "name", "title"),
    [
        ("text", "docs/disk_full/README.md", "disk full"),
        ("text", "", "text"),
        ("## Only heading\n\ntext", "x.md", "Only heading"),
        ("## Steps\n\ntext", "x.md", "x"),
        ("intro\n\n# [Late](https://example.org)\n\ntext", "x.md", "Late"),
        ("---\ntitle: 'It''s: full'\n---\n# Other", "x.md", "It's: full"),
        ("---\ntitle: Full # since May\n---\ntext", "x.md", "Full"),
        ('+++\ntitle = "Full"\n+++\ntext', "x.md", "Full"),
        ("<!-- a\n# Hidden\n-->\n\n# Shown\n", "x.md", "Shown"),
    ],
)
def test_titles(markdown: str, name: str, title: str) -> None:
    """The title is that of the front matter, the first heading or the file."""
    assert read(markdown, name).title == title
    assert not words(markdown) - words(write(read(markdown, name)))


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("1. Symptoms", Kind.SYMPTOMS),
        ("**Root-Cause**", Kind.CAUSE),
        ("Common symptoms and impact:", Kind.SYMPTOMS),
        ("Step 3: Drain the node", Kind.STEPS),
        ("Troubleshooting & Resolution", Kind.STEPS),
        ("What to do in the first 5 minutes", Kind.STEPS),
        ("How to fix", Kind.STEPS),
        ("Fehlersuche", Kind.INVESTIGATION),
        ("Possible checks", Kind.INVESTIGATION),
        ("Validate", Kind.VALIDATION),
        ("Roll back", Kind.ROLLBACK),
        ("Escalation path", Kind.NOTES),
        ("Alert", Kind.PROBLEM),
        ("\N{FIRE} Impact", Kind.SYMPTOMS),
        ("KubeNodeNotReady", None),
        ("", None),
    ],
)
def test_headings(heading: str, kind: Kind | None) -> None:
    """Numbers, emphasis and what surrounds the usual word do not matter."""
    assert kind_of(heading) == kind


def test_front_matter_that_cannot_be_read_is_text() -> None:
    """Neither broken YAML nor a rule above a text loses a line."""
    for markdown in (
        "---\ntitle: [broken\n---\n\nbody",
        "---\n- a list\n---\n\nbody",
        "---\n" + "[" * 600 + "\n---\n\nbody",
        "---\n\nA rule above a text, with no end.",
    ):
        found = read(markdown, "x.md")
        assert found.title == "x"
        assert words(markdown) == words(found.problem)


def test_windows_files_read_as_unix_ones() -> None:
    """A byte order mark and carriage returns make no difference."""
    text = text_of(ALERT)
    assert read("\ufeff" + text.replace("\n", "\r\n"), "q") == read(text, "q")


@pytest.mark.parametrize(
    "markdown",
    [
        "",
        " \n\t\n",
        "\ufeff",
        "a\x00b",
        "\x7fELF\x01\x02\x03\x04",
        "\ufffd" * 9 + "a" * 9,
    ],
)
def test_what_is_no_text_is_refused(markdown: str) -> None:
    """An empty or binary file is named, with one line of remedy."""
    with pytest.raises(ImportFormatError, match=r"^pump\.md is ") as refused:
        read(markdown, "pump.md")
    assert refused.value.hint
    assert "\n" not in f"{refused.value}{refused.value.hint}"


def test_a_fence_that_nothing_closes_hides_nothing() -> None:
    """Headings below it count, and the next block that is closed is still code."""
    markdown = "# T\n\n## Cause\n\n````\n\n## Steps\n\n```\n## Rollback\n```\n"
    expected = Procedure("T", cause="````", steps="```\n## Rollback\n```")
    assert read(markdown, "x.md") == expected


def test_only_so_many_headings_are_read() -> None:
    """What stands below the last of them belongs to it."""
    found = parts("## a\n\n## Steps\n\n" * MOST_HEADINGS)
    assert len(found) == MOST_HEADINGS + 1
    assert found[-1].body.count("Steps") == MOST_HEADINGS // 2


@pytest.mark.parametrize(
    ("piece", "size"),
    [
        ("Some words about a server that is slow today.\n\n", 2_000_000),
        ("## Steps\n\n1. Restart `it`\n\n", 200_000),
        ("> > > [[[ ![a](b **c** <div> `` ` | --- |\n", 200_000),
        ("````\n```\n# a\n", 200_000),
        ("<!-- a\n", 200_000),
        ("# " + "[a](" * 9 + "1." * 9 + "#" * 9, 200_000),
        ("#" * 50 + " a\n", 200_000),
        ("## x\n\n" + "[" * 3_000 + "\n", 50_000),
        ("[" * 99, 200_000),
        ("\n", 200_000),
    ],
    ids=range(10),
)
def test_megabytes_are_read_in_linear_time(piece: str, size: int) -> None:
    """Four times as much takes no more than eight times as long; nothing is lost."""

    def seconds(size: int) -> tuple[float, str, Procedure]:
        markdown = "# T\n" + piece * (size // len(piece)) + "end"
        started = time.process_time()
        found = read(markdown, "big.md")
        return time.process_time() - started, markdown, found

    quarter, _, _ = seconds(size // 4)
    whole, markdown, found = seconds(size)
    assert whole < 8 * max(quarter, 0.25)
    assert not words(markdown) - words(write(found))


def test_the_canonical_form() -> None:
    """All seven fields are there to be filled in, tags on one line."""
    written = write(Procedure("Disk: full", steps="Delete.", tags=("a", "b, c")))
    assert written == (
        "---\nschema: issuetrack/sop-v1\ntitle: 'Disk: full'\ntags: [a, 'b, c']\n---\n"
        "\n## Problem\n\n## Symptoms\n\n## Cause\n\n## Steps\n\nDelete.\n"
        "\n## Validation\n\n## Rollback\n"
    )


def test_an_edited_canonical_file_loses_nothing() -> None:
    """Blank lines, sections and keys that somebody adds end up where they belong."""
    written = write(Procedure("t", problem="p", steps="s"))
    edited = (
        written.replace("tags: []", "tags: [x]\nowner: storage team")
        .replace("## Steps\n\n", "## Steps\n\n\n")
        .replace("## Validation", "## Contacts\n\nAnna\n\n## Validation\n\nlook")
    )
    expected = Procedure(
        "t",
        problem="p",
        steps="s",
        validation="look",
        notes="### Contacts\n\nAnna\n\n```yaml\nowner: storage team\n```",
        tags=("x",),
    )
    assert read(edited, "t.md") == expected


AWKWARD = (
    "## Steps",
    "\\## Steps",
    "# a",
    "\\\\# a",
    "##",
    " ## Cause",
    "```",
    "````sh",
    "\\```",
    "  \\~~~",
    "~~~",
    "<!--",
    "-->",
    "\\<!-- x",
    "---",
    "===",
    "title: x",
    "**Steps**",
    "Rollback:",
    "    code",
    "",
    "a",
    "\u2028b\x0cc",
    "`" * 120,
)
texts = st.one_of(
    st.lists(st.sampled_from(AWKWARD), max_size=7).map("\n".join), st.text(max_size=40)
)
procedures = st.builds(
    Procedure,
    title=st.text(max_size=30),
    problem=texts,
    symptoms=texts,
    notes=texts,
    tags=st.lists(st.text(max_size=9), max_size=3).map(tuple),
)


@LOOK
@given(procedures)
def test_what_is_written_reads_the_same(procedure: Procedure) -> None:
    """Any procedure comes back to the letter, whatever its fields hold."""
    assert read(write(procedure), "other.md") == procedure


@LOOK
@given(
    st.lists(st.sampled_from((*AWKWARD, "## Meaning", "1. Run `ls -l`")), min_size=1)
)
def test_no_line_of_any_file_is_lost(lines: list[str]) -> None:
    """Every word of a file of odd lines is in what it is exported as."""
    markdown = "\n".join(["# Title", *lines])
    found = read(markdown, "x.md")
    assert not words(markdown) - words(write(found))


def test_procedures_that_read_the_same_are_equal() -> None:
    """Line breaks, blank ends and doubled tags make no difference."""
    tidy = Procedure("a b", steps="    x\ny", tags=("t", "u"))
    odd = Procedure(
        " a\n b", steps="\r\n \n    x\r\ny  \n\n", tags=("t", " u", "t", "")
    )
    assert odd == tidy
    assert replace(tidy, steps="a\x00\ud800").steps == "a\ufffd\ufffd"
    assert tidy.field("steps") == "    x\ny"
    with pytest.raises(KeyError):
        tidy.field("tags")


@pytest.mark.skipif(not RUNBOOKS.exists(), reason="the public runbooks are not here")
def test_the_public_runbooks_lose_no_word() -> None:
    """All 305 keep each word as often as it was there, and read again the same."""
    with RUNBOOKS.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = [read(row["text"], row["path"]) for row in rows]
    written = [write(procedure) for procedure in found]
    lost = [
        row["path"]
        for row, text in zip(rows, written, strict=True)
        if words(row["text"]) - words(text)
    ]
    assert (len(rows), lost) == (305, [])
    assert [read(text, "x.md") for text in written] == found
    alerts = [
        procedure
        for row, procedure in zip(rows, found, strict=True)
        if row["source"] != "gitlab"
    ]
    usable = sum(bool((x.problem or x.symptoms) and x.steps) for x in alerts)
    assert usable / len(alerts) > 0.95
