"""What an index entry is about: an issue, an imported document or a procedure."""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class SubjectKind(IntEnum):
    """The kinds of things that are indexed, in the order ties are broken in."""

    ISSUE = 0
    DOCUMENT = 1
    SOP = 2


COLUMNS = {
    SubjectKind.ISSUE: "issue_number",
    SubjectKind.DOCUMENT: "document_id",
    SubjectKind.SOP: "sop_id",
}
MARKS = {SubjectKind.ISSUE: "#", SubjectKind.DOCUMENT: "D", SubjectKind.SOP: "S"}


class Subject(NamedTuple):
    """An issue, a document or a procedure."""

    kind: SubjectKind
    number: int

    @classmethod
    def of(
        cls, issue: int | None, document: int | None, sop: int | None = None
    ) -> "Subject":
        """Return the subject of a row that has a column for each kind."""
        if sop is not None:
            return cls(SubjectKind.SOP, sop)
        if document is not None:
            return cls(SubjectKind.DOCUMENT, document)
        assert issue is not None
        return cls(SubjectKind.ISSUE, issue)

    @property
    def column(self) -> str:
        """Return the column that names it in the tables of the index."""
        return COLUMNS[self.kind]

    @property
    def name(self) -> str:
        """Return what people call it: `#17`, `D5` or `S3`."""
        return f"{MARKS[self.kind]}{self.number}"


def numbers_of(subjects: Iterable[Subject], kind: SubjectKind) -> list[int]:
    """Return the numbers of the subjects of one kind."""
    return [subject.number for subject in subjects if subject.kind is kind]


def issues_of(subjects: Iterable[Subject]) -> list[int]:
    """Return the numbers of those that are issues."""
    return numbers_of(subjects, SubjectKind.ISSUE)


def documents_of(subjects: Iterable[Subject]) -> list[int]:
    """Return the numbers of those that are documents."""
    return numbers_of(subjects, SubjectKind.DOCUMENT)


def sops_of(subjects: Iterable[Subject]) -> list[int]:
    """Return the numbers of those that are procedures."""
    return numbers_of(subjects, SubjectKind.SOP)
