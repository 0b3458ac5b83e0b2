"""The outbox: what is queued, drained, kept and never indexed."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import EmbeddingModel, Vectors
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.documents import problem_pieces
from issuetrack.engine.retrieval.indexing import IndexStatus
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import CommentKind, IssueStatus, Role
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.ports import RemoteComment, RemoteIssue
from issuetrack.engine.workspace import Workspace

KEY = "00112233445566778899aabbccddeeff"
NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
SECRET_FIX = (
    "Root cause: the walrus-vault password had expired. Fixed by rotating the "
    "penguinkey with `vaultctl rotate penguinkey`."
)


class WatchedModel:
    """The shipped model, telling what it embeds and letting others act meanwhile."""

    def __init__(self, inner: LlamaEmbedder) -> None:
        self._inner = inner
        self.embedded: list[str] = []
        self.meanwhile: Callable[[], Any] | None = None
        self.fingerprint = inner.fingerprint
        self.dimensions = inner.dimensions
        self.window = inner.window

    def count(self, text: str) -> int:
        return self._inner.count(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        vectors = self._inner.embed(texts)
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return vectors


@pytest.fixture
def model(embedder: LlamaEmbedder) -> WatchedModel:
    """Return the shipped model under watch."""
    return WatchedModel(embedder)


Open = Callable[[EmbeddingModel], Workspace]


@pytest.fixture
def open_with(tmp_path: Path, clock: Callable[[], datetime]) -> Iterator[Open]:
    """Return what opens one new workspace, as often as wanted, with some model."""
    path, opened = tmp_path / "indexing.db", list[Workspace]()
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret], clock)

    def open_it(model: EmbeddingModel) -> Workspace:
        opened.append(Workspace.open(path, Unlock(environment_key=KEY), model, clock))
        return opened[-1]

    yield open_it
    for workspace in opened:
        workspace.close()


@pytest.fixture
def watched(open_with: Open, model: WatchedModel) -> Workspace:
    """Return an empty workspace that uses the watched model."""
    return open_with(model)


def create(workspace: Workspace, title: str, body: str = "") -> int:
    """Open an issue and return its number."""
    return workspace.issues.create(workspace.actor, IssueDraft(title, body)).number


def found_by(workspace: Workspace, word: str) -> list[int]:
    """Return the issues that hold a word."""
    listed, _ = workspace.issues.matching(workspace.actor, word, "number")
    return [summary.number for summary in listed]


def rows(workspace: Workspace, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Read rows of the raw tables."""
    with workspace._database.read() as uow:
        return [tuple(row) for row in uow.sql(statement, *values)]


def chunk_texts(workspace: Workspace, issue: int) -> list[tuple[str, str]]:
    """Return kind and text of an issue's chunks."""
    with workspace._database.read() as uow:
        found = uow.sql(
            "SELECT kind, uuid, text FROM chunk WHERE issue_number = ? ORDER BY id",
            issue,
        )
        return [(r[0], uow.open("chunk", "text", r[1], r[2])) for r in found]


def test_a_new_issue_is_queued_and_a_drain_empties_the_queue(
    watched: Workspace,
) -> None:
    """Status counts issues, queue, chunks and embeddings before and after."""
    create(watched, "disk full", "no space left on device")
    create(watched, "printer jam")
    before = watched.index_status()
    assert before == IndexStatus(2, 0, 2, 0, 0, None, True)
    report = watched.drain_index()
    assert (report.issues, report.chunks, report.embedded) == (2, 4, 3)
    after = watched.index_status()
    made = watched.model.fingerprint
    assert after == IndexStatus(2, 2, 0, 4, 3, made, True, pairs=1)


def test_every_change_of_an_issue_queues_it(watched: Workspace) -> None:
    """Edits, comments, moves and resolutions each queue the issue once more."""
    number = str(create(watched, "disk full"))
    actor, issues = watched.actor, watched.issues
    changes: list[Callable[[], Any]] = [
        lambda: issues.edit(actor, number, {"title": "disk is full"}),
        lambda: issues.assign(actor, number, "ops"),
        lambda: issues.comment(actor, number, "looking at it"),
        lambda: issues.set_status(actor, number, IssueStatus.IN_PROGRESS),
        lambda: issues.resolve(actor, number, "removed the old log files"),
    ]
    for change in changes:
        watched.drain_index()
        assert watched.index_status().queued == 0
        change()
        assert watched.index_status().queued == 1


def test_an_edit_that_changes_nothing_queues_nothing(watched: Workspace) -> None:
    """Writing the same values again is no work for the index."""
    number = str(create(watched, "disk full", "body"))
    watched.drain_index()
    watched.issues.edit(watched.actor, number, {"title": "disk full", "body": "body"})
    assert watched.index_status().queued == 0


def test_queue_and_change_are_one_transaction(watched: Workspace) -> None:
    """A change that fails leaves neither the change nor work for the index."""
    number = str(create(watched, "disk full"))
    watched.drain_index()
    with pytest.raises(AttributeError):
        watched.issues.edit(watched.actor, number, {"assignee": "ops", "title": None})
    assert watched.index_status().queued == 0
    assert watched.issues.get(watched.actor, number).summary.assignee is None


def test_draining_an_empty_queue_does_nothing(watched: Workspace) -> None:
    """Without work nothing is read, embedded or written."""
    report = watched.drain_index()
    assert (report.issues, report.chunks, report.embedded) == (0, 0, 0)
    assert watched.index_status().model is None


def test_a_drain_of_one_issue_leaves_the_others_queued(watched: Workspace) -> None:
    """`only` indexes that issue and no other."""
    first, second = create(watched, "alpha"), create(watched, "beta")
    assert watched.drain_index(only=second).issues == 1
    assert (found_by(watched, "alpha"), found_by(watched, "beta")) == ([], [second])
    assert rows(watched, "SELECT DISTINCT issue_number FROM index_queue") == [(first,)]


def test_several_changes_of_an_issue_are_indexed_once(watched: Workspace) -> None:
    """However often it was queued, an issue is cut and embedded once."""
    number = create(watched, "alpha")
    for title in ("beta", "gamma"):
        watched.issues.edit(watched.actor, str(number), {"title": title})
    assert watched.index_status().queued == 1
    report = watched.drain_index()
    assert (report.issues, report.embedded) == (1, 1)


def test_progress_tells_how_many_are_done(watched: Workspace) -> None:
    """Forty issues take two batches."""
    for number in range(40):
        create(watched, f"same title {number % 2}")
    told: list[tuple[int, int]] = []
    watched.drain_index(lambda done, total: told.append((done, total)))
    assert told == [(32, 40), (40, 40)]


def test_an_edited_issue_is_replaced_in_the_index(watched: Workspace) -> None:
    """The old words and chunks are gone, the new ones are there once."""
    number = create(watched, "alpha walrus", "old body text")
    watched.drain_index()
    changes = {"title": "beta penguin", "body": "new body text"}
    watched.issues.edit(watched.actor, str(number), changes)
    watched.drain_index()
    assert found_by(watched, "walrus") == found_by(watched, "old") == []
    assert found_by(watched, "penguin") == found_by(watched, "new") == [number]
    assert chunk_texts(watched, number) == [
        ("title", "beta penguin"),
        ("problem", "new body text"),
    ]
    assert rows(watched, "SELECT count(*) FROM chunk_lexical") == [(1,)]
    assert rows(watched, "SELECT count(*) FROM chunk_bits") == [(2,)]


def test_every_part_of_an_issue_has_its_chunks(watched: Workspace) -> None:
    """Title, problem, resolution and a comment with a fix are cut apart."""
    number = create(watched, "disk full", "no space left on device")
    fix = "The fix was to remove old logs with `find -delete`, verified with df."
    watched.issues.comment(watched.actor, str(number), fix)
    watched.issues.comment(watched.actor, str(number), "Thanks, have a nice day!")
    watched.issues.resolve(watched.actor, str(number), "Old log files were removed")
    watched.drain_index()
    assert chunk_texts(watched, number) == [
        ("title", "disk full"),
        ("problem", "no space left on device"),
        ("resolution", "Old log files were removed"),
        ("comment", fix),
    ]
    comment = rows(watched, "SELECT id FROM comment ORDER BY id")[0]
    assert rows(watched, "SELECT source_row FROM chunk WHERE kind = 'comment'") == [
        comment
    ]


def test_a_comment_taken_as_resolution_is_indexed_once(watched: Workspace) -> None:
    """The mined text is not embedded a second time as a comment."""
    number = create(watched, "disk full")
    fix = "Root cause: old logs. Fixed by removing them with `find -delete`."
    watched.issues.comment(watched.actor, str(number), fix)
    watched.issues.set_status(watched.actor, str(number), IssueStatus.CLOSED)
    watched.drain_index()
    kinds = [kind for kind, text in chunk_texts(watched, number) if text == fix]
    assert kinds == ["resolution"]


def test_a_long_body_is_cut_and_every_piece_begins_with_the_title(
    watched: Workspace, embedder: LlamaEmbedder
) -> None:
    """The model sees the title before each span, all within its window."""
    body = "\n\n".join(f"Paragraph {n}: " + "disk " * 60 for n in range(12))
    pieces = list(problem_pieces(embedder, "disk full", body))
    assert len(pieces) > 2
    for piece in pieces:
        assert piece.embedded == f"disk full\n{piece.text}"
        assert embedder.count(piece.embedded) <= embedder.window


def test_a_very_long_body_has_a_bounded_number_of_pieces(
    embedder: LlamaEmbedder,
) -> None:
    """A pasted log of megabytes costs no more than eight embeddings."""
    body = "2026-01-01 ERROR something failed again\n" * 40_000
    assert len(list(problem_pieces(embedder, "disk full", body))) == 8


def test_a_body_that_grows_keeps_the_embeddings_it_has(
    watched: Workspace, model: WatchedModel
) -> None:
    """Only the changed piece is embedded again."""
    first = "\n".join(["The disk is full. " * 12] * 5)
    number = create(watched, "disk full", f"# One\n{first}\n\n# Two\nsecond part")
    watched.drain_index()
    model.embedded.clear()
    body = f"# One\n{first}\n\n# Two\nsecond part, longer"
    watched.issues.edit(watched.actor, str(number), {"body": body})
    watched.drain_index()
    assert model.embedded == ["disk full\n# Two\nsecond part, longer"]


def test_unchanged_text_is_not_embedded_again(
    watched: Workspace, model: WatchedModel
) -> None:
    """Re-indexing an issue whose text is the same embeds nothing."""
    number = create(watched, "disk full", "no space left")
    watched.drain_index()
    assert len(model.embedded) == 2
    watched.issues.assign(watched.actor, str(number), "ops")
    report = watched.drain_index()
    assert (report.issues, report.embedded, len(model.embedded)) == (1, 0, 2)


def test_the_same_text_in_two_issues_is_embedded_once(
    watched: Workspace, model: WatchedModel
) -> None:
    """Equal titles share one vector."""
    create(watched, "disk full")
    create(watched, "disk full")
    watched.drain_index()
    assert model.embedded == ["disk full"]
    assert watched.index_status().embeddings == 1


def test_a_rebuild_embeds_nothing_and_changes_nothing(
    watched: Workspace, model: WatchedModel
) -> None:
    """With the same model the vectors are kept and the answers stay the same."""
    for title in ("disk full", "printer jam", "certificate expired"):
        create(watched, title, f"{title} since the night")
    watched.drain_index()
    before = (watched.index_status(), found_by(watched, "night"))
    model.embedded.clear()
    report = watched.rebuild_index()
    assert (report.issues, report.embedded, model.embedded) == (3, 0, [])
    assert (watched.index_status(), found_by(watched, "night")) == before


def test_vectors_that_no_text_has_are_forgotten(watched: Workspace) -> None:
    """Vectors of text that was edited away do not stay for ever."""
    number = create(watched, "alpha")
    create(watched, "alpha")
    watched.drain_index()
    watched.issues.edit(watched.actor, str(number), {"title": "beta"})
    watched.drain_index()
    assert watched.index_status().embeddings == 2
    watched.issues.edit(watched.actor, str(number), {"title": "gamma"})
    watched.drain_index()
    assert watched.index_status().embeddings == 2


def test_another_model_is_refused_until_a_rebuild(
    watched: Workspace, model: WatchedModel
) -> None:
    """Draining, searching and asking fail; a rebuild embeds all text anew."""
    create(watched, "disk full", "no space left")
    watched.drain_index()
    create(watched, "printer jam")
    model.fingerprint = "other:model"
    assert watched.index_status().model_matches is False
    for use in (
        watched.drain_index,
        lambda: watched.finding.similar(watched.actor, Question("disk")),
        lambda: watched.suggestions.suggest(watched.actor, Question("disk")),
    ):
        with pytest.raises(ModelError, match="another embedding model"):
            use()
    assert watched.index_status().queued == 1
    model.embedded.clear()
    assert watched.rebuild_index().embedded == len(model.embedded) == 3
    status = watched.index_status()
    assert (status.model, status.model_matches) == ("other:model", True)
    assert watched.finding.similar(watched.actor, Question("disk"))


def test_a_change_during_a_drain_stays_queued(
    watched: Workspace, model: WatchedModel
) -> None:
    """What is edited while its old text is embedded is indexed next time."""
    number = create(watched, "alpha walrus")
    model.meanwhile = lambda: watched.issues.edit(
        watched.actor, str(number), {"title": "beta penguin"}
    )
    queued: list[int] = []
    found: list[list[int]] = []

    def look(done: int, total: int) -> None:
        queued.append(watched.index_status().queued)
        found.append(found_by(watched, "walrus"))

    watched.drain_index(look)
    assert (queued, found) == ([1, 0], [[number], []])
    assert found_by(watched, "penguin") == [number]


def test_an_issue_created_during_a_drain_is_indexed_by_it(
    watched: Workspace, model: WatchedModel
) -> None:
    """A drain goes on until the queue is empty."""
    create(watched, "alpha")
    model.meanwhile = lambda: create(watched, "beta")
    assert watched.drain_index().issues == 2
    assert watched.index_status().queued == 0


def test_a_model_that_fails_leaves_everything_queued(
    watched: Workspace, model: WatchedModel
) -> None:
    """Nothing of a batch is written when its embedding fails."""
    create(watched, "alpha")

    def fail() -> None:
        raise ModelError("out of memory")

    model.meanwhile = fail
    with pytest.raises(ModelError, match="out of memory"):
        watched.drain_index()
    status = watched.index_status()
    assert (status.queued, status.chunks, status.embeddings) == (1, 0, 0)
    assert watched.drain_index().issues == 1


def test_a_slow_drain_does_not_undo_a_later_one(
    open_with: Open, watched: Workspace, model: WatchedModel, embedder: LlamaEmbedder
) -> None:
    """Of two drains at once the one that read the newer text wins."""
    number = create(watched, "alpha walrus")
    other = open_with(embedder)

    def edit_and_drain() -> None:
        other.issues.edit(other.actor, str(number), {"title": "beta penguin"})
        other.drain_index()

    model.meanwhile = edit_and_drain
    watched.drain_index()
    assert (found_by(watched, "walrus"), found_by(watched, "penguin")) == ([], [number])


def test_a_change_after_another_drain_stays_queued(
    open_with: Open, watched: Workspace, model: WatchedModel, embedder: LlamaEmbedder
) -> None:
    """A drain only takes out what it has seen itself."""
    numbers = [create(watched, f"alpha walrus {n}") for n in range(3)]
    other = open_with(embedder)

    def drain_and_edit() -> None:
        other.drain_index()
        other.issues.edit(other.actor, str(numbers[2]), {"title": "beta penguin"})

    model.meanwhile = drain_and_edit
    watched.drain_index()
    watched.drain_index()
    assert found_by(watched, "penguin") == [numbers[2]]


def test_every_chunk_has_its_vector_after_two_drains(
    open_with: Open, watched: Workspace, model: WatchedModel, embedder: LlamaEmbedder
) -> None:
    """A text shared by two issues keeps its vector while one of them changes."""
    first = create(watched, "alpha")
    watched.drain_index()
    create(watched, "alpha", "and a body")
    other = open_with(embedder)

    def edit_and_drain() -> None:
        other.issues.edit(other.actor, str(first), {"title": "beta"})
        other.drain_index(only=first)

    model.meanwhile = edit_and_drain
    watched.drain_index()
    without = rows(
        watched,
        "SELECT kind FROM chunk WHERE content_hash NOT IN "
        "(SELECT content_hash FROM chunk_vector)",
    )
    assert without == []


def test_work_notes_never_reach_the_index(
    watched: Workspace, model: WatchedModel
) -> None:
    """A fix mined from a work note is in no word, chunk or vector of the index.

    Whoever opens the file can read the index; work notes are for engineers.
    """
    note = RemoteComment(SECRET_FIX, NOW, "ops", CommentKind.WORK_NOTE)
    issue = RemoteIssue(
        "OPS-1",
        "Login fails",
        NOW,
        NOW,
        body="Nobody can log in since the morning.",
        status=IssueStatus.CLOSED,
        assignee="ops",
        comments=(note, RemoteComment("Works again.", NOW, "ops")),
    )
    watched.imports.run(watched.actor, "tracker", "jsonl", [issue])
    local = create(watched, "Local one")
    watched.issues.comment(watched.actor, str(local), SECRET_FIX, CommentKind.WORK_NOTE)
    watched.issues.set_status(watched.actor, str(local), IssueStatus.RESOLVED)
    for name in ("OPS-1", str(local)):
        resolution = watched.issues.get(watched.actor, name).resolution
        assert resolution is not None
        assert (resolution.text, resolution.reader) == (SECRET_FIX, Role.ENGINEER)

    watched.drain_index()
    watched.rebuild_index()
    terms = {
        str(row[0]) for row in rows(watched, "SELECT term FROM chunk_lexical_term")
    }
    secret = {"walru", "vault", "password", "penguinkei", "vaultctl", "rotat"}
    assert terms & secret == set()
    assert "login" in terms
    kinds = rows(watched, "SELECT DISTINCT kind FROM chunk ORDER BY kind")
    assert kinds == [("problem",), ("title",)]
    for issue_number in (1, local):
        held = " ".join(text for _, text in chunk_texts(watched, issue_number))
        assert not re.search(r"walrus|penguinkey|vaultctl", held)
    assert found_by(watched, "penguinkey") == found_by(watched, "walrus") == []
    assert not [text for text in model.embedded if "penguinkey" in text]


def test_a_fix_that_a_person_states_publicly_is_indexed(watched: Workspace) -> None:
    """Once an engineer says it for all, the fix can be found."""
    number = create(watched, "Login fails")
    watched.issues.comment(
        watched.actor, str(number), SECRET_FIX, CommentKind.WORK_NOTE
    )
    watched.issues.set_status(watched.actor, str(number), IssueStatus.RESOLVED)
    watched.drain_index()
    assert found_by(watched, "penguinkey") == []
    watched.issues.resolve(watched.actor, str(number), "Rotated the penguinkey again")
    watched.drain_index()
    assert found_by(watched, "penguinkey") == [number]
