"""What people judge: a recommendation (`R12`) or a procedure (`S3`)."""

from dataclasses import dataclass

from issuetrack.engine.errors import NotFoundError, UsageError
from issuetrack.engine.issues.records import find, is_number
from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.learning_tables import Recommendation, Sop
from issuetrack.engine.store.unit_of_work import UnitOfWork

NAMING = "name it like R12 or S3"


@dataclass(frozen=True)
class Target:
    """A recommendation or a procedure; the number of the other one is None."""

    recommendation: int | None = None
    sop: int | None = None

    @classmethod
    def named(cls, name: str) -> "Target":
        """Return what `R12`, `12` or `S3` names.

        Raises:
            UsageError: it is no such name.
        """
        wanted = clean_line(name).upper()
        digits = wanted.removeprefix("R").removeprefix("S")
        if not is_number(digits) or wanted.removesuffix(digits) not in ("", "R", "S"):
            raise UsageError(f"{name!r} is neither a recommendation nor an SOP", NAMING)
        number = int(digits)
        return cls(sop=number) if wanted.startswith("S") else cls(number)

    @property
    def name(self) -> str:
        """Return what people call it."""
        if self.sop is not None:
            return f"S{self.sop}"
        return f"R{self.recommendation}"

    @property
    def entity(self) -> tuple[str, str]:
        """Return what the audit trail calls it: a type and a name."""
        if self.sop is not None:
            return "sop", str(self.sop)
        return "recommendation", str(self.recommendation)

    def check(self, uow: UnitOfWork) -> None:
        """Refuse what does not exist.

        Raises:
            NotFoundError: it does not.
        """
        if self.sop is not None:
            if uow.session.get(Sop, self.sop) is None:
                raise NotFoundError(
                    f"there is no SOP {self.name}", "list them: issuetrack sop list"
                )
        elif uow.session.get(Recommendation, self.recommendation) is None:
            raise NotFoundError(
                f"there is no recommendation {self.name}",
                "the number is in the first line of: issuetrack suggest",
            )


def cited(uow: UnitOfWork, recommendation: int) -> list[Subject]:
    """Return what a recommendation was made from, the greatest share first."""
    rows = uow.sql(
        "SELECT issue_number, document_id, sop_id FROM recommendation_source "
        "WHERE recommendation_id = ? ORDER BY share DESC, id",
        recommendation,
    )
    return [Subject.of(*row) for row in rows]


def credited(uow: UnitOfWork, target: Target, source: str) -> Subject:
    """Return the source of a recommendation that is meant by a name.

    Raises:
        UsageError: the recommendation does not cite it.
        NotFoundError: nothing has that name.
    """
    if target.recommendation is None:
        raise UsageError(
            f"{target.name} is no recommendation", "leave --source away for an SOP"
        )
    sources = cited(uow, target.recommendation)
    wanted = _subject(uow, clean_line(source))
    if wanted not in sources:
        names = ", ".join(subject.name for subject in sources) or "nothing"
        raise UsageError(
            f"{target.name} does not cite {wanted.name}", f"it cites {names}"
        )
    return wanted


def _subject(uow: UnitOfWork, name: str) -> Subject:
    kinds = {"D": SubjectKind.DOCUMENT, "S": SubjectKind.SOP}
    kind = kinds.get(name[:1].upper())
    if kind is not None and is_number(name[1:]):
        return Subject(kind, int(name[1:]))
    number = find(uow, name).number
    assert number is not None
    return Subject(SubjectKind.ISSUE, number)
