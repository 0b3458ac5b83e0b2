"""Whether a procedure on the same thing is there already, and what it lacks.

One is near if it cites the issue at hand, its original or a duplicate of it, or if the
cosine between both texts (title, problem, symptoms) is at least `NEAR`. Measured on 305
public runbooks, 115 of which have a twin of the same name in another collection: at 0.90
87 find something near, 82 of them their twin, the other 5 an alert of the same family
(such as errors "high" and "burst"); at 0.85 it is 84 of 109, at 0.95 78 of 78. Cosines
are those of the raw space, so that an adapted one changes nothing here.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import col, select

from issuetrack.engine.assistant.sops import records as sop_records
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.assistant.sops.quotes import joined, numbered
from issuetrack.engine.assistant.sops.records import TEXTS, stands_in
from issuetrack.engine.issues import procedures
from issuetrack.engine.issues.procedures import SopSummary
from issuetrack.engine.retrieval import vector_index
from issuetrack.engine.retrieval.lexical_index import words
from issuetrack.engine.retrieval.scope import Scope, SopScope
from issuetrack.engine.retrieval.search import Question, Search
from issuetrack.engine.store.learning_tables import Sop, SopVersion
from issuetrack.engine.store.unit_of_work import UnitOfWork

NEAR = 0.90
LOOKED_AT = 5
SAID = 0.8
SOPS = Scope(issues=False, documents=False, sops=SopScope.ALL)
_MARK = re.compile(r"^\s*(?:-|\d+\.) ")
_CODE_BLOCK = re.compile(
    r"^\s*`{3,}\n(?P<code>.*?)\n\s*`{3,}$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Near:
    """A procedure on the same thing.

    Attributes:
        similarity: the cosine between both texts; None if a citation told.
        because: why it is taken to be on the same thing.
    """

    summary: SopSummary
    similarity: float | None
    because: str


def question_of(procedure: Procedure) -> Question:
    """Return what a procedure is about, as a question."""
    told = procedure.problem, procedure.symptoms
    parts = told if any(told) else (procedure.cause, procedure.steps, procedure.notes)
    return Question(procedure.title, "\n\n".join(filter(None, parts)))


def nearest(
    uow: UnitOfWork, search: Search, procedure: Procedure, issues: Collection[int]
) -> Near | None:
    """Return the procedure in force that is on the same thing.

    Args:
        uow: what to read through.
        search: finds the ones that may be.
        procedure: the new one.
        issues: the issues that it is made from.

    Raises:
        ModelError: the embedding model cannot be used.
    """
    return _citing(uow, issues) or _alike(uow, search, question_of(procedure))


def _citing(uow: UnitOfWork, issues: Collection[int]) -> Near | None:
    family = _family(uow, issues)
    rows = uow.session.exec(
        select(SopVersion)
        .join(Sop, col(Sop.id) == col(SopVersion.sop_id))
        .where(
            col(Sop.current).is_not(None),
            col(SopVersion.citations).is_not(None),
            col(SopVersion.version) >= col(Sop.current),
        )
        .order_by(col(SopVersion.id).desc())
    )
    for row in rows:
        cited = {c.issue for c in sop_records.citations_of(uow, row)} & family
        if cited:
            summary = procedures.by_number(uow, [row.sop_id])[row.sop_id]
            return Near(summary, None, f"it cites #{min(cited)}")
    return None


def _family(uow: UnitOfWork, issues: Collection[int]) -> set[int]:
    """Return issues with their originals and with the duplicates of all these."""
    marks = ",".join("?" * len(issues))
    originals = uow.sql(
        f"SELECT coalesce(duplicate_of, number) FROM issue WHERE number IN ({marks})",
        *issues,
    )
    roots = {int(row[0]) for row in originals}
    marks = ",".join("?" * len(roots))
    copies = uow.sql(
        f"SELECT number FROM issue WHERE duplicate_of IN ({marks})", *roots
    )
    return {*issues, *roots, *(int(row[0]) for row in copies)}


def _alike(uow: UnitOfWork, search: Search, question: Question) -> Near | None:
    cosines = {}
    for match in search.find(uow, question, LOOKED_AT, SOPS):
        sop = uow.session.get_one(Sop, match.sop)
        other = sop_records.procedure_of(uow, procedures.version_of(uow, sop))
        cosines[match.sop] = _cosine(uow, search, question, question_of(other))
    best = max(cosines, key=lambda number: cosines[number], default=None)
    if best is None or cosines[best] < NEAR:
        return None
    summary = procedures.by_number(uow, [best])[best]
    return Near(summary, round(cosines[best], 4), "it is about nearly the same")


def _cosine(uow: UnitOfWork, search: Search, one: Question, other: Question) -> float:
    """Return the cosine between the texts of two questions, -1..1."""
    texts = [search.question_vectors(uow, asked)[1] for asked in (one, other)]
    ours, theirs = vector_index.unit_rows(texts)
    return float(ours @ theirs)


def completed(
    known: Procedure, found: Mapping[str, tuple[str, ...]], lead: str
) -> Procedure:
    """Return a procedure with what it does not say yet, each under a line that leads.

    Args:
        known: the procedure that is there; nothing of it is taken away.
        found: by field, the blocks of Markdown that were found.
        lead: says where they are from.
    """
    texts: dict[str, Any] = {}
    for name in TEXTS:
        said = known.field(name)
        fresh = [block for block in found.get(name, ()) if not is_said(block, said)]
        if fresh:
            told = joined(numbered(fresh) if name == "steps" else fresh)
            texts[name] = "\n\n".join(filter(None, (said, said and lead, told)))
    return replace(known, **texts)


def is_said(block: str, text: str) -> bool:
    """Tell whether a text says what a block says; its code must be there whole."""
    codes = [match["code"] for match in _CODE_BLOCK.finditer(block)]
    if not all(stands_in(code, text) for code in codes):
        return False
    wanted = set(words(_MARK.sub("", _CODE_BLOCK.sub("", block))))
    return len(wanted & set(words(text))) >= SAID * len(wanted)
