"""Write-ups read as spans: what each sentence tells, commands to the letter."""

import json
from importlib import resources
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuetrack.engine.assistant.grounding import (
    Section,
    Span,
    inline_command,
    is_command,
    is_grounded,
    spans,
)

CAUSE, STEP, OTHER = Section.CAUSE, Section.STEP, Section.OTHER
VALIDATION, ROLLBACK = Section.VALIDATION, Section.ROLLBACK
LOOK = settings(derandomize=True, deadline=None, database=None, max_examples=100)

HEADINGS = """
    ## Root cause

    The pool was larger than the server allows. Nobody had noticed.

    ## Steps

    1. Who holds the slots:

       ```sql
       SELECT usename, count(*)
       FROM pg_stat_activity;
       ```

    2. Smaller pools: `kubectl -n shop set env deployment/checkout DB_POOL_MAX=8`
    3. Wait for the rollout

    ## Verification

    - No new `FATAL` in the log
    - Checkout works

    ## Rollback

    `kubectl -n shop rollout undo deployment/checkout`

    ## Follow-up

    Alert at 80 % of the slots.
"""
BOLD = """
    **Root cause:** nginx kept the old certificate in memory.

    **Steps**
    1. `sudo nginx -t && sudo systemctl reload nginx`
    2. Hook for the next time

    **Verified:** portal and app OK. **Rollback:** delete the hook file.
"""
INLINE = """
    Root cause: the disk was full of old logs. Fix: removed them with
    `find /var/log -mtime +30 -delete`. Verified: df shows 40 %. Rollback: none needed.
"""
FENCED = """
    Steps

    1. Stop it:
       ```
       net stop spooler
       del /Q /F "%systemroot%\\System32\\spool\\PRINTERS\\*.*"
       ```
    2. Start it again:
       ```
       net start spooler
       ```
"""
PROSE = """
    The certificate of the portal had expired. We renewed it and reloaded nginx. No more
    errors since then. If it fails, go back to the old file.
"""
TERSE = "restarted the spooler on prn-01"
JIRA = """
    Root cause: the queue had no limit.

    Fix: set one

    {code:bash}
    sudo rabbitmqctl set_policy audit-limit '^audit' '{"max-length":200000}'
    {code}

    Verified: no alarms in `rabbitmqctl status`
"""
GERMAN = """
    Ursache: Das Kennwort des Dienstkontos war abgelaufen.

    Lösung:
    1. Konto entsperren: `Unlock-ADAccount -Identity svc-print`
    2. Dienst neu starten

    Geprüft: Anmeldung geht wieder.
"""
DEAD_ENDS = """
    Restarted the service, did not help. Cleared the cache, no effect.

    Fix: renewed the token with `vault token renew`
"""
LOGS = """
    The log said:

    ```
    2026-01-01 12:00:00 ERROR disk full
    2026-01-01 12:00:01 ERROR giving up
    ```

    and in the other one

    ```
    java.io.IOException: No space left on device
    \tat a.b.C.d(C.java:12)
    ```

    Removed the old logs.
"""

Row = tuple[Section, str, str | None]
SHAPES: dict[str, tuple[str, list[Row]]] = {
    "headings": (
        HEADINGS,
        [
            (CAUSE, "The pool was larger than the server allows.", None),
            (CAUSE, "Nobody had noticed.", None),
            (
                STEP,
                "Who holds the slots:",
                "SELECT usename, count(*)\nFROM pg_stat_activity;",
            ),
            (
                STEP,
                "Smaller pools: "
                "`kubectl -n shop set env deployment/checkout DB_POOL_MAX=8`",
                "kubectl -n shop set env deployment/checkout DB_POOL_MAX=8",
            ),
            (STEP, "Wait for the rollout", None),
            (VALIDATION, "No new `FATAL` in the log", None),
            (VALIDATION, "Checkout works", None),
            (
                ROLLBACK,
                "`kubectl -n shop rollout undo deployment/checkout`",
                "kubectl -n shop rollout undo deployment/checkout",
            ),
            (OTHER, "Alert at 80 % of the slots.", None),
        ],
    ),
    "bold labels": (
        BOLD,
        [
            (CAUSE, "nginx kept the old certificate in memory.", None),
            (
                STEP,
                "`sudo nginx -t && sudo systemctl reload nginx`",
                "sudo nginx -t && sudo systemctl reload nginx",
            ),
            (STEP, "Hook for the next time", None),
            (VALIDATION, "portal and app OK.", None),
            (ROLLBACK, "delete the hook file.", None),
        ],
    ),
    "labels in a line": (
        INLINE,
        [
            (CAUSE, "the disk was full of old logs.", None),
            (
                STEP,
                "removed them with\n`find /var/log -mtime +30 -delete`.",
                "find /var/log -mtime +30 -delete",
            ),
            (VALIDATION, "df shows 40 %.", None),
            (ROLLBACK, "none needed.", None),
        ],
    ),
    "numbered list with fenced commands": (
        FENCED,
        [
            (
                STEP,
                "Stop it:",
                "net stop spooler\n"
                'del /Q /F "%systemroot%\\System32\\spool\\PRINTERS\\*.*"',
            ),
            (STEP, "Start it again:", "net start spooler"),
        ],
    ),
    "bare prose": (
        PROSE,
        [
            (CAUSE, "The certificate of the portal had expired.", None),
            (STEP, "We renewed it and reloaded nginx.", None),
            (VALIDATION, "No more\nerrors since then.", None),
            (ROLLBACK, "If it fails, go back to the old file.", None),
        ],
    ),
    "a terse line": (TERSE, [(STEP, "restarted the spooler on prn-01", None)]),
    "jira code": (
        JIRA,
        [
            (CAUSE, "the queue had no limit.", None),
            (
                STEP,
                "set one",
                "sudo rabbitmqctl set_policy audit-limit '^audit' "
                "'{\"max-length\":200000}'",
            ),
            (VALIDATION, "no alarms in `rabbitmqctl status`", "rabbitmqctl status"),
        ],
    ),
    "german": (
        GERMAN,
        [
            (CAUSE, "Das Kennwort des Dienstkontos war abgelaufen.", None),
            (
                STEP,
                "Konto entsperren: `Unlock-ADAccount -Identity svc-print`",
                "Unlock-ADAccount -Identity svc-print",
            ),
            (STEP, "Dienst neu starten", None),
            (VALIDATION, "Anmeldung geht wieder.", None),
        ],
    ),
    "dead ends before the fix": (
        DEAD_ENDS,
        [
            (OTHER, "Restarted the service, did not help.", None),
            (OTHER, "Cleared the cache, no effect.", None),
            (STEP, "renewed the token with `vault token renew`", "vault token renew"),
        ],
    ),
    "log excerpts": (
        LOGS,
        [
            (OTHER, "The log said:", None),
            (OTHER, "and in the other one", None),
            (STEP, "Removed the old logs.", None),
        ],
    ),
    "nothing": ("", []),
    "questions": ("Did the restart help?", [(OTHER, "Did the restart help?", None)]),
}


def rows(text: str) -> list[Row]:
    """Return the spans of an indented text as plain rows."""
    return [(s.section, s.text, s.command) for s in spans(dedent(text).strip())]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_write_up_is_read_as_it_is_meant(shape: str) -> None:
    """Sections, sentences and commands come out in order, each what it is."""
    text, expected = SHAPES[shape]
    assert rows(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Root cause: a lock was held.\n\nWhat helped:\n"
            "```sql\nSELECT pg_cancel_backend(9921);\n```",
            [
                (CAUSE, "a lock was held.", None),
                (
                    STEP,
                    "SELECT pg_cancel_backend(9921);",
                    "SELECT pg_cancel_backend(9921);",
                ),
            ],
            id="the code under a label belongs to the label, not to the cause above",
        ),
        pytest.param(
            "**Root cause:** a lock.\n\n**Fix:**\n\n```\nkubectl delete pod web-0\n```",
            [
                (CAUSE, "a lock.", None),
                (STEP, "kubectl delete pod web-0", "kubectl delete pod web-0"),
            ],
            id="the code under a bold label belongs to the label",
        ),
        pytest.param(
            "h3. Root cause\nThe disk was full.\n\nh3. Fix\nRemoved the old logs.",
            [
                (CAUSE, "The disk was full.", None),
                (STEP, "Removed the old logs.", None),
            ],
            id="jira headings",
        ),
        pytest.param(
            "*Fix:* removed the old logs:\n{code:bash}rm -r /var/log/old{code}",
            [(STEP, "removed the old logs:", "rm -r /var/log/old")],
            id="jira code on one line",
        ),
        pytest.param(
            "Root cause: old logs filled /var. Fixed by deleting them with `rm -r x`.",
            [
                (CAUSE, "old logs filled /var.", None),
                (STEP, "Fixed by deleting them with `rm -r x`.", "rm -r x"),
            ],
            id="what fixed it, in the paragraph of the cause",
        ),
        pytest.param(
            "Cleaned with `docker system prune -af`, runner is back in the pool.",
            [
                (
                    STEP,
                    "Cleaned with `docker system prune -af`, "
                    "runner is back in the pool.",
                    "docker system prune -af",
                )
            ],
            id="a sentence that acts and then tells the success is a step",
        ),
    ],
)
def test_further_shapes_of_write_ups(text: str, expected: list[Row]) -> None:
    """Labels with code under them, Jira markup and one-liners are understood."""
    assert rows(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Do not run `rm -rf /var/lib/postgresql`, it holds the data.",
        "We did not use `CONFIG SET stop-writes-on-bgsave-error no`.",
        "1. Never run `kubectl delete pv data-0` here",
        "Don't `git push --force` to it.",
        "Bitte nicht `systemctl stop mes-app` benutzen.",
    ],
)
def test_a_warning_is_not_a_command_to_run(text: str) -> None:
    """What the write-up says not to do is never offered as something to run."""
    assert [s for s in spans(text) if s.section is STEP and s.command] == []


@pytest.mark.parametrize(
    "text",
    [
        "Never run this:\n\n```\nrm -rf /var/lib/postgresql\n```",
        "## Steps\n1. Do not do it like this:\n   ```\n   kubectl delete pv x\n   ```",
        "Tried `systemctl restart x`, no effect.\n\n```\nsystemctl restart x\n```",
        "This did not help:\n```\nsystemctl restart x\n```",
    ],
    ids=["never", "do not", "no effect", "did not help"],
)
def test_code_under_a_warning_is_not_a_command_to_run(text: str) -> None:
    """A block of code that is shown as what not to do is no step either."""
    assert [s for s in spans(text) if s.section is STEP and s.command] == []


@pytest.mark.parametrize(
    "text",
    [
        "`kubectl delete pv data-0` must never be run here.",
        "`git push --force` is forbidden on this repository.",
        "No `docker system prune -a` on this host.",
        "Not with `kill -9 1`, that breaks the queue.",
        "It works without `kubectl drain worker-1`.",
    ],
)
def test_a_warning_in_other_words_is_no_command_to_run(text: str) -> None:
    """A warning can stand behind the command, or be made of no, not and without."""
    assert [s for s in spans(text) if s.section is STEP and s.command] == []


@pytest.mark.parametrize(
    "text",
    [
        "Redis with `vm.overcommit_memory = 0` refuses the fork.",
        "It fails with `permission denied for table orders`.",
        "The job ended with `exit code 137`.",
    ],
)
def test_a_message_told_with_with_is_no_command(text: str) -> None:
    """What something fails with is a message."""
    assert inline_command(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "kubectl get pods",
        "$ sudo reboot",
        "# systemctl restart x",
        "PS> Restart-Service Spooler",
        "sudo nginx -t && sudo systemctl reload nginx",
        "./run.sh --all",
        "/opt/app/bin/ctl stop",
        "Get-WinEvent -ComputerName dc-01",
        "(Get-VM x).ExtensionData.ConsolidateVMDisks()",
        "SELECT 1;",
        "ALTER ROLE checkout CONNECTION LIMIT 130;",
        "VACUUM (VERBOSE) event_log;",
        "net stop spooler\nnet start spooler",
        "interface GigabitEthernet1/0/7\n speed 100",
    ],
)
def test_commands_are_known(text: str) -> None:
    """Shell, PowerShell, SQL and switch commands look like something to run."""
    assert is_command(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n ",
        "2026-01-01 12:00:00 ERROR disk full",
        "12:14:31.902 INFO starting",
        "ERROR: could not open file",
        "FATAL:  sorry, too many clients already",
        "Exception in thread main",
        "Caused by: java.lang.Error: x",
        "Traceback (most recent call last):",
        "NAME READY STATUS",
        "Warning  FreeDiskSpaceFailed    node/wk-17",
        '{"registry-mirrors": ["https://mirror.example.com"]}',
        "<html>",
        "- item",
        "10.0.0.1 worker-1",
    ],
)
def test_logs_and_output_are_no_commands(text: str) -> None:
    """Log lines, traces, tables and documents are not offered to be run."""
    assert not is_command(text)


@pytest.mark.parametrize(
    "text",
    [
        "STOP REPLICA;\nSTART REPLICA;",
        "ROLLBACK PREPARED 'tx_4a1f77';",
        "BEGIN;\nUPDATE queue SET status = 'NEW' WHERE id = 7;\nCOMMIT;",
        "-- on the replica\nSTART REPLICA SQL_THREAD;",
        "WITH old AS (SELECT 1) DELETE FROM logs;",
        "FOO=1 ./run.sh",
        "#!/bin/sh\nnginx -t",
    ],
)
def test_more_commands_are_known(text: str) -> None:
    """Other SQL verbs, comments in front, variables and scripts are commands too."""
    assert is_command(text)


@pytest.mark.parametrize(
    "text",
    [
        "Controller log says `upstream timed out (110: Operation timed out)`.",
        "It shows `debezium_orders | logical | f | 409 GB`.",
        "Sessions sat `idle in transaction` for an hour.",
        "PgBouncer got `pool_mode = transaction` in its file.",
        "Collector log: `secure channel opened, policy Basic256Sha256`",
    ],
)
def test_output_between_backticks_is_no_command(text: str) -> None:
    """Log lines, output and settings in a sentence are not offered to be run."""
    assert inline_command(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`df -h /` at 47 %", "df -h /"),
        ("set `LOG_LEVEL` and run `kubectl get pods -A`", "kubectl get pods -A"),
        ("`nginx` was old", None),
        ("no code here", None),
        ("`A Sentence In Code`", None),
        ("see `file name:`", None),
        ("first `net stop x`, then `net start x`", "net stop x"),
    ],
)
def test_the_first_command_of_a_sentence_is_taken(
    text: str, expected: str | None
) -> None:
    """Names and settings between backticks are passed over."""
    assert inline_command(text) == expected


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span("Wait for it", None, STEP), "Wait for it"),
        (Span("Run `df -h`", "df -h", STEP), "Run `df -h`"),
        (Span("Stop it:", "net stop x", STEP), "Stop it:\nnet stop x"),
        (
            Span("net stop x", "net stop x\nnet start x", STEP),
            "net stop x\nnet start x",
        ),
    ],
)
def test_a_quote_holds_text_and_command(span: Span, expected: str) -> None:
    """A command that is not in the sentence is quoted under it."""
    assert span.quote == expected


@pytest.mark.parametrize(
    ("text", "command", "quote", "expected"),
    [
        ("Stop it:", "net stop x", "Stop it:\nnet stop x", True),
        ("Stop it:", None, "Before. Stop it: now", True),
        ("two  lines\nhere", None, "two lines here", True),
        ("Stop it:", "net stop y", "Stop it:\nnet stop x", False),
        ("Start it", None, "Stop it", False),
        ("Stop it", None, "", False),
        ("stop it", None, "Stop it", False),
    ],
)
def test_grounded_is_to_be_in_the_quoted_words(
    text: str, command: str | None, quote: str, expected: bool
) -> None:
    """Text and command must both be there, to the letter but for spaces."""
    assert is_grounded(text, command, quote) is expected


def sample_texts() -> list[str]:
    """Return the resolutions and comments of the sample incidents."""
    file = resources.files("issuetrack.cli") / "sample_incidents.jsonl"
    records = [json.loads(line) for line in file.read_text().splitlines()]
    texts = [record["resolution"] or "" for record in records]
    return texts + [c["body"] for r in records for c in r["comments"]]


def flat(text: str) -> str:
    """Return a text without spaces at all."""
    return "".join(text.split())


def test_every_span_of_the_sample_is_in_its_text() -> None:
    """Texts and commands of all 199 texts are verbatim, but for indentation."""
    texts = sample_texts()
    assert len(texts) > 190
    for text in texts:
        whole = flat(text)
        for span in spans(text):
            assert flat(span.text) in whole
            assert span.command is None or flat(span.command) in whole
            assert is_grounded(span.text, span.command, span.quote)


@LOOK
@given(
    lines=st.lists(
        st.sampled_from(
            [
                *("# Root cause", "## Steps", "**Fix:** x", "Rollback: undo `git x y`"),
                *("1. Stop it", "   ```", "```", "{code}", "{noformat:title=x}", "- a"),
                *("`kubectl get pods`", "***", "> quote", "    code", "Verified: ok"),
                *("", "did not help", "?", "| a | b |", "<b>", "\0", "\ud800", "`" * 9),
            ]
        )
        | st.text(max_size=20),
        max_size=25,
    )
)
def test_any_text_is_read_without_invention(lines: list[str]) -> None:
    """Broken Markdown is read as well, and each span is grounded in its quote."""
    for span in spans("\n".join(lines)):
        assert is_grounded(span.text, span.command, span.quote)
        assert span.section in Section


def test_code_belongs_to_the_item_it_stands_under() -> None:
    """Two blocks under one item: the second is a step of its own."""
    text = (
        "## Steps\n1. Stop it\n\n   ```\n   net stop x\n   ```\n\n"
        "   ```\n   net start x\n   ```"
    )
    assert rows(text) == [
        (STEP, "Stop it", "net stop x"),
        (STEP, "net start x", "net start x"),
    ]


def test_code_under_a_verification_checks() -> None:
    """A command in the verification is not a step."""
    text = "## Fix\nrestarted it\n\n## Verification\nLook at it:\n```\ndf -h\n```"
    assert rows(text)[-1] == (VALIDATION, "Look at it:", "df -h")


def test_a_full_stop_between_backticks_ends_no_sentence() -> None:
    """`find . -name x` stays in one piece."""
    text = "Removed them with `find . -name Old. Type f -delete`. It works."
    assert next(s.text for s in spans(text)).endswith("-delete`.")
