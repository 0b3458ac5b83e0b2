"""Word search: how texts become words, which words are asked for, what is found."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.retrieval import lexical_index
from issuetrack.engine.retrieval.lexical_index import (
    MOST_TERMS,
    LexicalDocument,
    match_all,
    normalise,
    quoted,
    rarest_terms,
    signature,
    words,
)
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.unit_of_work import UnitOfWork
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

KEY = "00112233445566778899aabbccddeeff"
LOOK = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SYNTAX = (
    '"',
    '""',
    "*",
    "^",
    ":",
    "-",
    "+",
    "(",
    ")",
    "{",
    "}",
    "NEAR",
    "NEAR(a b, 2)",
    "AND",
    "OR",
    "NOT",
    "title:",
    "{title body}:",
    "- title :",
    "'",
    ";",
    "--",
    "%",
    "?",
    "\\",
    "\0",
)


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder
) -> Iterator[Workspace]:
    """Return one workspace for all tests; each puts its own documents."""
    path = tmp_path_factory.mktemp("lexical") / "lexical.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    opened = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    yield opened
    opened.close()


@contextmanager
def indexed(workspace: Workspace, *documents: LexicalDocument) -> Iterator[UnitOfWork]:
    """Index only these, under 1, 2, ..., and give a unit of work to search in."""
    with workspace._database.write() as uow:
        lexical_index.clear(uow)
        for number, document in enumerate(documents, start=1):
            lexical_index.put(uow, number, document)
    with workspace._database.read() as uow:
        yield uow


def document(title: str, body: str = "", fix: str = "") -> LexicalDocument:
    """Return a document."""
    return LexicalDocument(title, body, fix)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("disk full", ["disk", "full"]),
        ("FooBar", ["foobar", "foo", "bar"]),
        ("camelCaseWord", ["camelcaseword", "camel", "case", "word"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("parseURL2Path", ["parseurl2path", "parse", "url", "2", "path"]),
        ("max_connections", ["maxconnections", "max", "connections"]),
        ("__init__", ["init", "init"]),
        ("java.lang.Error", ["javalangerror", "java", "lang", "error"]),
        (
            "org.apache.FooBar_baz",
            ["orgapachefoobarbaz", "org", "apache", "foobar", "foo", "bar", "baz"],
        ),
        (
            "/var/lib/kubelet/pods",
            ["varlibkubeletpods", "var", "lib", "kubelet", "pods"],
        ),
        (r"C:\Windows\spool", ["c", "windowsspool", "windows", "spool"]),
        ("10.20.0.53:53", ["102005353", "1020053", "10", "20", "0", "53", "53"]),
        ("worker-04", ["worker04", "worker", "04"]),
        ("ops@example.com", ["opsexamplecom", "examplecom", "ops", "example", "com"]),
        ("ORA-00942", ["ora00942", "ora", "00942"]),
        ("0x80140000", ["0x80140000", "0", "x", "80140000"]),
        (
            "ERR_CERT_DATE_INVALID",
            ["errcertdateinvalid", "err", "cert", "date", "invalid"],
        ),
        ("Überlauf", ["überlauf"]),
        ("gelöst", ["gelöst"]),
        ("磁盘已满", ["磁盘已满"]),
        ("a, (b) [c] <d> 'e' \"f\" !?", ["a", "b", "c", "d", "e", "f"]),
        ("... --- ///", []),
        ("", []),
    ],
)
def test_words_are_whole_and_in_parts(text: str, expected: list[str]) -> None:
    """Compound names come whole without joints, then by joint, then by hump."""
    assert list(words(text)) == expected


@LOOK
@given(text=st.text(max_size=300))
def test_words_of_any_text_are_lower_case_and_without_spaces(text: str) -> None:
    """Whatever the text, its words can be joined by spaces and told apart again."""
    found = [word for word in words(text) if word]
    assert normalise(text).split() == found
    assert [word.lower() for word in found] == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("caused by java.io.IOException: x", "java.io.IOException"),
        ("ValueError then ValueError and KeyError", "ValueError KeyError"),
        ("status 0x80140000 came", "0x80140000"),
        ("ORA-00942: table", "ORA-00942"),
        ("SQLSTATE 08001", "SQLSTATE 08001"),
        ("errno ENOSPC", "ENOSPC"),
        ("NET::ERR_CERT_DATE_INVALID", "ERR_CERT_DATE_INVALID"),
        ("HTTP 502 and HTTP503", "HTTP 502 HTTP503"),
        ("exit code 137", "exit code 137"),
        ("pods in CrashLoopBackOff", "CrashLoopBackOff"),
        ("CVE-2024-3094", "CVE-2024-3094"),
        ("the printer is on fire", ""),
        ("Everything is FINE", ""),
    ],
)
def test_a_signature_is_the_codes_and_exceptions(text: str, expected: str) -> None:
    """Error codes and exception names are taken out, each once, in order."""
    assert signature(text) == expected


def test_rarest_terms_come_first(workspace: Workspace) -> None:
    """Words are ordered by how many documents hold them."""
    documents = [document("disk alpha"), document("disk alpha"), document("disk beta")]
    with indexed(workspace, *documents) as uow:
        assert rarest_terms(uow, "disk alpha beta") == ["beta", "alpha", "disk"]


def test_words_that_no_document_holds_are_dropped(workspace: Workspace) -> None:
    """A word nobody wrote cannot find anything and is not asked for."""
    with indexed(workspace, document("disk full")) as uow:
        assert rarest_terms(uow, "the zebra disk") == ["disk"]
        assert rarest_terms(uow, "zebra") == []
        assert rarest_terms(uow, "") == []


def test_of_words_with_one_stem_the_first_is_kept(workspace: Workspace) -> None:
    """`restarted restarting restarts` ask for one thing."""
    with indexed(workspace, document("restart it", "connection")) as uow:
        asked = "restarting restarts restarted connections connected restart"
        assert sorted(rarest_terms(uow, asked)) == ["connections", "restarting"]


def test_at_most_32_terms_are_asked_for(workspace: Workspace) -> None:
    """Of a long text only the rarest words are searched."""
    text = " ".join(f"term{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(60))
    common = [document(text.split()[n]) for n in range(30)]
    with indexed(workspace, document(text), *common) as uow:
        terms = rarest_terms(uow, text)
    assert len(terms) == MOST_TERMS == 32
    assert set(text.split()[30:]) < set(terms)


def test_one_letter_words_are_not_asked_for(workspace: Workspace) -> None:
    """Single letters find everything and say nothing."""
    with indexed(workspace, document("a b disk")) as uow:
        assert rarest_terms(uow, "a b disk") == ["disk"]


def test_terms_of_one_question_do_not_leak_into_the_next(workspace: Workspace) -> None:
    """Asking twice in one transaction gives each question its own words."""
    with indexed(workspace, document("alpha beta")) as uow:
        assert rarest_terms(uow, "alpha") == ["alpha"]
        assert rarest_terms(uow, "beta") == ["beta"]


def test_the_best_document_has_the_greatest_strength(workspace: Workspace) -> None:
    """A document with more of the rare words is stronger."""
    documents = [
        document("disk full on node"),
        document("certificate expired"),
        document("disk slow"),
        document("printer jam"),
        document("vpn down"),
    ]
    with indexed(workspace, *documents) as uow:
        found = lexical_index.search(uow, "node disk full", 10)
    assert sorted(found, key=lambda number: -found[number]) == [1, 3]


def test_a_title_counts_more_than_a_body(workspace: Workspace) -> None:
    """The same word weighs more in the title."""
    filler = [document(f"filler {n}", f"other text {n}") for n in range(6)]
    documents = [document("alpha", "walrus"), document("walrus", "alpha"), *filler]
    with indexed(workspace, *documents) as uow:
        found = lexical_index.search(uow, "walrus", 10)
    assert found[2] > found[1]


def test_an_error_signature_counts_more_than_a_word_of_the_body(
    workspace: Workspace,
) -> None:
    """An exception named in the problem lifts the document above one that fixes it."""
    documents = [
        document("first", "java.io.IOException at startup"),
        document("second", "startup", "java.io.IOException was the reason"),
        *[document(f"filler {n}", "at startup") for n in range(6)],
    ]
    with indexed(workspace, *documents) as uow:
        found = lexical_index.search(uow, "java.io.IOException", 10)
    assert found[1] > found[2]


@pytest.mark.parametrize(
    "asked",
    [
        "connections",
        "CONNECTED",
        "dbConnection",
        "max_connections",
        "the.connection.io",
        "connection!",
    ],
)
def test_a_word_is_found_in_other_shapes(workspace: Workspace, asked: str) -> None:
    """Stem, case and compounds do not hide a word."""
    with indexed(workspace, document("connection"), document("penguin")) as uow:
        assert list(lexical_index.search(uow, asked, 10)) == [1]


def test_a_fix_is_searched_too(workspace: Workspace) -> None:
    """A word that only the fix holds finds the document."""
    with indexed(workspace, document("a", "b", "walrus")) as uow:
        assert list(lexical_index.search(uow, "walrus", 10)) == [1]


def test_no_more_documents_than_the_limit(workspace: Workspace) -> None:
    """The limit holds, and the best are kept."""
    documents = [document("walrus " * (n + 1) + "x " * 3) for n in range(6)]
    with indexed(workspace, *documents) as uow:
        best = lexical_index.search(uow, "walrus", 6)
        two = lexical_index.search(uow, "walrus", 2)
    assert list(two) == list(best)[:2]


def test_putting_a_document_again_replaces_it(workspace: Workspace) -> None:
    """The old words no longer find it, the new ones do, and it is there once."""
    with indexed(workspace, document("alpha")) as uow:
        assert list(lexical_index.search(uow, "alpha", 10)) == [1]
    with workspace._database.write() as uow:
        lexical_index.put(uow, 1, document("beta"))
    with workspace._database.read() as uow:
        assert lexical_index.search(uow, "alpha", 10) == {}
        assert list(lexical_index.search(uow, "beta", 10)) == [1]
        assert uow.sql("SELECT count(*) FROM chunk_lexical")[0][0] == 1


def test_a_removed_document_is_not_found(workspace: Workspace) -> None:
    """After its removal neither the document nor its words are there."""
    with indexed(workspace, document("alpha"), document("alpha beta")) as uow:
        assert len(lexical_index.search(uow, "alpha beta", 10)) == 2
    with workspace._database.write() as uow:
        lexical_index.remove(uow, [2])
    with workspace._database.read() as uow:
        assert list(lexical_index.search(uow, "alpha beta", 10)) == [1]
        assert rarest_terms(uow, "beta") == []


def test_clearing_empties_the_index(workspace: Workspace) -> None:
    """After `clear` no word finds anything, and documents can be put anew."""
    with indexed(workspace, document("alpha"), document("beta")):
        pass
    with workspace._database.write() as uow:
        lexical_index.clear(uow)
        assert lexical_index.search(uow, "alpha beta", 10) == {}
    with indexed(workspace, document("alpha")) as uow:
        assert list(lexical_index.search(uow, "alpha", 10)) == [1]


@pytest.mark.parametrize("syntax", SYNTAX)
def test_the_syntax_of_fts5_is_only_text(workspace: Workspace, syntax: str) -> None:
    """Operators of the index's own language mean nothing in a question."""
    with indexed(workspace, document("walrus"), document("near and not or")) as uow:
        for text in (
            syntax,
            f"{syntax} walrus",
            f"walrus {syntax}",
            f"walrus{syntax}walrus",
        ):
            found = lexical_index.search(uow, text, 10)
            assert 1 in found or "walrus" not in text


@LOOK
@given(
    text=st.lists(
        st.one_of(st.sampled_from(SYNTAX), st.just("walrus"), st.text(max_size=8)),
        max_size=20,
    ).map(" ".join)
)
def test_any_text_can_be_searched(workspace: Workspace, text: str) -> None:
    """No text breaks the search, and a word in it is found all the same."""
    with indexed(workspace, document("walrus")) as uow:
        assert list(lexical_index.search(uow, f"{text} walrus", 10)) == [1]


@LOOK
@given(text=st.text(max_size=200))
def test_any_text_can_be_indexed(workspace: Workspace, text: str) -> None:
    """Titles, bodies and fixes of any letters can be put and taken out."""
    with workspace._database.write() as uow:
        lexical_index.clear(uow)
        lexical_index.put(uow, 7, document(text, text, text))
        assert uow.sql("SELECT count(*) FROM chunk_lexical")[0][0] == 1
        lexical_index.remove(uow, [7])
        assert uow.sql("SELECT count(*) FROM chunk_lexical")[0][0] == 0


@pytest.mark.parametrize(
    ("word", "expected"), [("plain", '"plain"'), ('a"b', '"a""b"'), ("", '""')]
)
def test_a_quoted_word_is_an_fts5_string(word: str, expected: str) -> None:
    """Quotation marks inside are doubled."""
    assert quoted(word) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("disk full", '"disk" AND "full"'),
        ("max_connections", '"max" AND "connections"'),
        ("db01.example.com", '"db01" AND "example" AND "com"'),
        ("!!!", None),
        ("", None),
    ],
)
def test_an_expression_asks_for_every_word(text: str, expected: str | None) -> None:
    """Compound words are asked for by parts; text without words asks for nothing."""
    assert match_all(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "disk",
        "max_connections",
        "worker-04",
        "java.lang.NullPointerException",
        "BadCertificateTimeInvalid",
        "/var/lib/kubelet",
        "10.20.0.53",
        "ORA-00942",
        "Überlauf",
        "ns1.example.com",
        "FooBar_baz",
        "NullPointerException.java",
        "pg14-main",
    ],
)
def test_every_name_finds_the_document_that_holds_it(
    workspace: Workspace, text: str
) -> None:
    """A name typed as it stands in the text matches that text."""
    expression = match_all(text)
    with indexed(workspace, document(f"before {text} after")) as uow:
        rows = uow.sql(
            "SELECT rowid FROM chunk_lexical WHERE chunk_lexical MATCH ?", expression
        )
    assert [row[0] for row in rows] == [1]
