"""Word search: FTS5 over a normalisation that understands code.

A document is one row; its number is that of the document's title chunk. Text for
roles above viewer is never given to this index, because whoever opens the file can
read the index.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from issuetrack.engine.retrieval.scope import EVERYTHING, Scope
from issuetrack.engine.store.unit_of_work import UnitOfWork

MOST_TERMS = 32
COLUMN_WEIGHTS = (3.0, 2.0, 1.0, 1.0)


_WORD = re.compile(r"\w+(?:[.\-/:\\@]\w+)*")
_JOINT = re.compile(r"[_.\-/:\\@]+")
_STEP = re.compile(r"[/\\:@]+")
_LOWER, _UPPER = "a-zß-öø-ÿ", "A-ZÀ-ÖØ-Þ"
_HUMP = re.compile(
    rf"[{_UPPER}]+(?=[{_UPPER}][{_LOWER}])|[{_UPPER}]?[{_LOWER}]+|[{_UPPER}]+"
    r"|\d+|[^\W\d_]+"
)
_SIGNATURE = re.compile(
    r"\b(?:[A-Za-z_][\w.]*(?:Exception|Error|Failure|Fault|Timeout|Backoff|BackOff)"
    r"|0x[0-9A-Fa-f]{4,8}"
    r"|(?:ORA|SQLSTATE|SQL|MSG|AADSTS|KB|EventID|CVE|TNS|PLS)[-\s:]?\d{3,}[\d-]*"
    r"|E[A-Z]{4,}"
    r"|[A-Z]{2,}(?:_[A-Z0-9]+)+"
    r"|HTTP\s?[1-5]\d\d"
    r"|(?:exit|status|error) code:? -?\d+)\b"
)


def words(text: str) -> Iterator[str]:
    """Yield the lower-case words of a text, compound ones whole and in parts.

    `lib/org.apache.FooBar_baz` gives the whole without its joints, each step of the
    path likewise, each part between joints, and the humps of each part.
    """
    for match in _WORD.finditer(text):
        whole = match.group()
        parts = _JOINT.split(whole)
        if len(parts) > 1:
            yield "".join(parts).lower()
        steps = _STEP.split(whole)
        if 1 < len(steps) < len(parts):
            yield from (_JOINT.sub("", s).lower() for s in steps if _JOINT.search(s))
        for part in parts:
            if not part:
                continue
            yield part.lower()
            humps = _HUMP.findall(part)
            if len(humps) > 1:
                yield from (hump.lower() for hump in humps)


def normalise(text: str) -> str:
    """Return the words of a text in order, for indexing."""
    return " ".join(words(text))


def signatures(text: str) -> list[str]:
    """Return the error codes and exception names in a text, each once."""
    return list(dict.fromkeys(_SIGNATURE.findall(text)))


def signature(text: str) -> str:
    """Return the error codes and exception names in a text, joined."""
    return " ".join(signatures(text))


@dataclass(frozen=True)
class LexicalDocument:
    """The viewer-readable text of one document, column by column."""

    title: str
    body: str
    fix: str


def put(uow: UnitOfWork, number: int, document: LexicalDocument) -> None:
    """Index a document, in place of what was there under its number."""
    remove(uow, [number])
    errors = signature(f"{document.title}\n{document.body}")
    uow.sql(
        "INSERT INTO chunk_lexical(rowid, title, signature, body, fix) "
        "VALUES (?, ?, ?, ?, ?)",
        number,
        normalise(document.title),
        normalise(errors),
        normalise(document.body),
        normalise(document.fix),
    )


def remove(uow: UnitOfWork, numbers: Iterable[int]) -> None:
    """Take documents out of the index."""
    uow.sql_many("DELETE FROM chunk_lexical WHERE rowid = ?", [(n,) for n in numbers])


def clear(uow: UnitOfWork) -> None:
    """Take everything out of the index."""
    uow.sql("INSERT INTO chunk_lexical(chunk_lexical) VALUES ('delete-all')")


def rarest_terms(uow: UnitOfWork, text: str, most: int = MOST_TERMS) -> list[str]:
    """Return the words of a text that fewest documents hold, rarest first.

    Words that no document holds are left out, and of words with one stem only the
    first is kept. The stemmer is FTS5's own, asked through a temporary table.
    """
    candidates = list(dict.fromkeys(word for word in words(text) if len(word) > 1))
    uow.sql(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.query_word USING "
        "fts5(word, content='', tokenize='porter unicode61')"
    )
    uow.sql(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.query_stem USING "
        "fts5vocab(temp, query_word, 'instance')"
    )
    uow.sql("INSERT INTO temp.query_word(query_word) VALUES ('delete-all')")
    uow.sql_many(
        "INSERT INTO temp.query_word(rowid, word) VALUES (?, ?)",
        list(enumerate(candidates)),
    )
    rows = uow.sql(
        "SELECT first.place, term.doc FROM "
        "(SELECT term AS stem, min(doc) AS place FROM temp.query_stem GROUP BY term) "
        "AS first JOIN chunk_lexical_term AS term ON term.term = first.stem "
        "ORDER BY term.doc, first.place LIMIT ?",
        most,
    )
    return [candidates[place] for place, _ in rows]


def quoted(word: str) -> str:
    """Return a word as an FTS5 string."""
    return '"' + word.replace('"', '""') + '"'


def search(
    uow: UnitOfWork, text: str, limit: int, scope: Scope = EVERYTHING
) -> dict[int, float]:
    """Return the BM25 strength of the best documents for a text, by number.

    The plus before `rowid` keeps SQLite from asking the index once for each row of the
    scope.

    Args:
        uow: what to read through.
        text: its rarest words are looked for.
        limit: how many at most.
        scope: what may be found.
    """
    terms = rarest_terms(uow, text)
    if not terms:
        return {}
    within, parameters = scope.clause("+rowid")
    rows = uow.sql(
        "SELECT rowid, -bm25(chunk_lexical, ?, ?, ?, ?) AS strength "
        f"FROM chunk_lexical WHERE chunk_lexical MATCH ? AND {within} "
        "ORDER BY strength DESC LIMIT ?",
        *COLUMN_WEIGHTS,
        " OR ".join(quoted(term) for term in terms),
        *parameters,
        limit,
    )
    return {int(number): float(strength) for number, strength in rows}


def search_titles(
    uow: UnitOfWork, text: str, titles: Mapping[int, str]
) -> dict[int, float]:
    """Return the BM25 strength of titles for a text, by number; 0 for a miss.

    How rare a word is and how long a title is are taken from these titles alone.
    """
    terms = rarest_terms(uow, text)
    if not terms or not titles:
        return dict.fromkeys(titles, 0.0)
    uow.sql(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.candidate_title USING "
        "fts5(title, content='', tokenize='porter unicode61')"
    )
    uow.sql("INSERT INTO temp.candidate_title(candidate_title) VALUES ('delete-all')")
    uow.sql_many(
        "INSERT INTO temp.candidate_title(rowid, title) VALUES (?, ?)",
        [(number, normalise(title)) for number, title in titles.items()],
    )
    rows = uow.sql(
        "SELECT rowid, -bm25(candidate_title) FROM temp.candidate_title "
        "WHERE candidate_title MATCH ?",
        " OR ".join(quoted(term) for term in terms),
    )
    return dict.fromkeys(titles, 0.0) | {int(n): float(s) for n, s in rows}


def match_all(text: str) -> str | None:
    """Return the FTS5 expression for documents that hold every word of a text."""
    parts = (part for word in _WORD.findall(text) for part in _JOINT.split(word))
    return " AND ".join(quoted(part.lower()) for part in parts if part) or None
