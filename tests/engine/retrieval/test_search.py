"""Finding past issues in a real workspace: which, in what order, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from issuetrack.engine.errors import ModelError, UsageError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.fusion import (
    LEXICAL_TEXT,
    LEXICAL_TITLE,
    VECTOR_TEXT,
    VECTOR_TITLE,
    WEIGHTS,
)
from issuetrack.engine.retrieval.search import Match, Question, Search
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

KEY = "00112233445566778899aabbccddeeff"
DISK, CERTIFICATE, CLIENTS, PRINTER, MAIL, AGAIN, BARE = range(1, 8)
ISSUES = (
    (
        "No space left on device on app-07",
        "touch says ENOSPC, the disk is full since the night. df shows 100 %.",
        "Fixed by deleting the old files in maildrop, df is at 40 % again",
    ),
    (
        "Portal certificate expired",
        "Browsers show NET::ERR_CERT_DATE_INVALID on the start page.",
        "Reloaded nginx after the renewal, it still had the old one in memory",
    ),
    (
        "Checkout cannot reach the database",
        "FATAL: sorry, too many clients already. All connection slots are in use.",
        "Closed idle sessions and made the connection pools smaller",
    ),
    ("Label printer skips every second label", "Sensor LED blinks.", None),
    ("Mails to customers are deferred", "No PTR record, says the log.", None),
    (
        "Disk full on app-12",
        "No space left on device while writing the log.",
        "Raised the size of the volume by 20 GB and removed old logs",
    ),
    ("Elevator stuck", "", None),
)


class CountingModel:
    """The shipped model, keeping account of what it was asked to embed."""

    def __init__(self, inner: LlamaEmbedder) -> None:
        self._inner = inner
        self.embedded: list[str] = []
        self.fingerprint = inner.fingerprint

    @property
    def dimensions(self) -> int:
        return self._inner.dimensions

    @property
    def window(self) -> int:
        return self._inner.window

    def count(self, text: str) -> int:
        return self._inner.count(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return self._inner.embed(texts)


@pytest.fixture(scope="module")
def known(
    tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder
) -> Iterator[Workspace]:
    """Return an indexed workspace of seven issues; tests leave it as it is."""
    path: Path = tmp_path_factory.mktemp("search") / "search.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    for title, body, fix in ISSUES:
        made = workspace.issues.create(workspace.actor, IssueDraft(title, body))
        if fix:
            workspace.issues.resolve(workspace.actor, str(made.number), fix)
    workspace.drain_index()
    yield workspace
    workspace.close()


def find(
    workspace: Workspace, question: Question, limit: int = 10, **weights: float
) -> list[Match]:
    """Search a workspace, with other weights where given."""
    search = Search(workspace.model, weights or WEIGHTS)
    with workspace._database.read() as uow:
        return search.find(uow, question, limit)


def numbers(matches: Sequence[Match]) -> list[int]:
    """Return the issues of matches in order."""
    return [match.subject.number for match in matches]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("disk is full on app-07", DISK),
        ("web site shows an expired TLS certificate", CERTIFICATE),
        ("PostgreSQL refuses sessions, no free slots", CLIENTS),
        ("the labels come out wrong", PRINTER),
        ("ERR_CERT_DATE_INVALID", CERTIFICATE),
        ("lift does not move", BARE),
        ("reloaded nginx", CERTIFICATE),
    ],
)
def test_the_issue_about_the_same_thing_comes_first(
    known: Workspace, text: str, expected: int
) -> None:
    """Same words, other words, an error code or words of the fix find the issue."""
    assert numbers(find(known, Question.from_text(text)))[0] == expected


def test_an_issue_finds_its_like_and_not_itself(known: Workspace) -> None:
    """An asked issue is not among its own matches."""
    question = known.finding.question_of(known.actor, f"#{DISK}")
    assert question == Question(*ISSUES[0][:2], DISK)
    found = numbers(find(known, question))
    assert found[0] == AGAIN
    assert DISK not in found
    assert DISK in numbers(find(known, replace(question, exclude=None)))


def test_the_order_is_the_same_every_time(known: Workspace) -> None:
    """The same question gives the same matches with the same scores."""
    question = Question("disk full", "no space left")
    assert find(known, question) == find(known, question)


def test_scores_fall_from_match_to_match(known: Workspace) -> None:
    """Matches are in the order of their scores, equal ones in that of numbers."""
    matches = find(known, Question("disk", "printer and database"))
    keys = [(-match.score, match.issue) for match in matches]
    assert keys == sorted(keys)


def test_a_smaller_limit_gives_the_first_ones(known: Workspace) -> None:
    """The limit cuts the list and changes nothing else."""
    question = Question("disk full")
    assert find(known, question, 2) == find(known, question, 7)[:2]


def test_contributions_add_up_to_the_score(known: Workspace) -> None:
    """What each leg says explains the score to the last digit."""
    for match in find(known, Question("disk full", "no space left on device")):
        assert match.score == pytest.approx(sum(c.value for c in match.contributions))
        assert [c.leg for c in match.contributions] == [
            LEXICAL_TITLE,
            LEXICAL_TEXT,
            VECTOR_TITLE,
            VECTOR_TEXT,
        ]


def test_similarity_is_the_best_cosine(known: Workspace) -> None:
    """The similarity of a match is its strongest vector leg."""
    for match in find(known, Question("disk full", "no space left on device")):
        cosines = [
            c.strength
            for c in match.contributions
            if c.leg in (VECTOR_TITLE, VECTOR_TEXT) and c.strength is not None
        ]
        assert match.similarity == max(cosines)
        assert -1.0 <= match.similarity <= 1.001


def test_an_issue_in_its_own_words_is_similar_to_the_full(known: Workspace) -> None:
    """Title and body of an issue have the cosine 1 with it."""
    (best, *_) = find(known, Question(*ISSUES[0][:2]))
    assert best.issue == DISK
    assert best.similarity == pytest.approx(1.0, abs=1e-3)


def test_free_text_of_one_line_has_no_body(known: Workspace) -> None:
    """The first line is the title; more lines are the body."""
    assert Question.from_text("  disk full  ") == Question("disk full")
    assert Question.from_text("\ndisk\n\nfull\n") == Question("disk", "full")
    assert Question("disk", "full").text == "disk\nfull"
    assert numbers(find(known, Question("disk full")))[0] in (DISK, AGAIN)


def test_words_alone_need_no_model(known: Workspace) -> None:
    """With lexical weights only nothing is embedded and no similarity told."""
    matches = find(known, Question("disk full"), lexical_text=1.0, lexical_title=1.0)
    assert set(numbers(matches)) == {DISK, AGAIN}
    assert {match.similarity for match in matches} == {None}


def test_meaning_alone_finds_without_shared_words(known: Workspace) -> None:
    """With vector weights only a paraphrase is found."""
    asked = Question("lift does not move")
    matches = find(known, asked, vector_title=1.0, vector_text=1.0)
    assert matches[0].issue == BARE
    assert {c.leg for m in matches for c in m.contributions} == {
        VECTOR_TITLE,
        VECTOR_TEXT,
    }


def test_words_that_nobody_used_leave_it_to_the_meaning(known: Workspace) -> None:
    """A question without any known word has vector contributions only."""
    matches = find(known, Question("zzyzx qwxv"))
    assert {c.leg for m in matches for c in m.contributions} == {
        VECTOR_TITLE,
        VECTOR_TEXT,
    }


@pytest.mark.parametrize(
    "text",
    [
        "x" * 6000,
        "disk " * 5000,
        '"disk" AND (full OR *) NEAR:',
        "\0 \ud800 disk",
        "磁盘已满",
        "\n\n```\ncode\n```",
    ],
    ids=["one word", "long", "operators", "no text", "chinese", "code"],
)
def test_any_question_is_answered(known: Workspace, text: str) -> None:
    """Odd questions get an answer like others."""
    assert len(find(known, Question.from_text(text))) == len(ISSUES)


def test_a_body_that_begins_with_much_blank_space_is_answered(known: Workspace) -> None:
    """A body whose text comes late is a question like others."""
    question = Question("disk full", "\n" * 50_000 + "no space left on device")
    assert numbers(find(known, question))[0] in (DISK, AGAIN)


@pytest.mark.parametrize("text", ["", " ", "\n\t\n"])
def test_an_empty_question_is_refused(known: Workspace, text: str) -> None:
    """Nothing cannot be looked for."""
    with pytest.raises(UsageError, match="nothing to look for"):
        known.finding.similar(known.actor, Question.from_text(text))


def test_similar_issues_come_with_their_summaries(known: Workspace) -> None:
    """Each match is listed with the issue's own title and status."""
    listed = known.finding.similar(known.actor, Question("certificate expired"), 3)
    assert [summary.number for summary, _ in listed] == [m.issue for _, m in listed]
    assert listed[0][0].title == "Portal certificate expired"
    assert len(listed) == 3


def test_an_empty_workspace_finds_nothing(workspace: Workspace) -> None:
    """Without issues there are no matches, and no error."""
    assert find(workspace, Question("disk full")) == []


def test_a_question_whose_text_is_known_is_not_embedded(
    known: Workspace, embedder: LlamaEmbedder
) -> None:
    """An indexed issue asks with the vectors it has already."""
    model = CountingModel(embedder)
    question = known.finding.question_of(known.actor, f"#{CLIENTS}")
    with known._database.read() as uow:
        Search(model).find(uow, question)
        assert model.embedded == []
        Search(model).find(uow, Question("a new question", "with a new body"))
    assert model.embedded == ["a new question", "a new question\nwith a new body"]


def test_a_question_without_a_body_is_embedded_once(
    known: Workspace, embedder: LlamaEmbedder
) -> None:
    """Title and text are one text then."""
    model = CountingModel(embedder)
    with known._database.read() as uow:
        Search(model).find(uow, Question("something new"))
    assert model.embedded == ["something new"]


def test_another_model_is_refused(known: Workspace, embedder: LlamaEmbedder) -> None:
    """Vectors of two models are never compared."""
    model = CountingModel(embedder)
    model.fingerprint = "other:model"
    with (
        known._database.read() as uow,
        pytest.raises(ModelError, match="another embedding model") as caught,
    ):
        Search(model).find(uow, Question("disk full"))
    assert caught.value.hint == "run: issuetrack index rebuild"
