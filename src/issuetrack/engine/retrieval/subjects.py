"""What an index entry is about: an issue or an imported document."""

from collections.abc import Iterable
from typing import NamedTuple


class Subject(NamedTuple):
    """An issue or a document; issues sort before documents."""

    is_document: bool
    number: int

    @classmethod
    def of(cls, issue: int | None, document: int | None) -> "Subject":
        """Return the subject of a row that has a column for either."""
        if document is not None:
            return cls(True, document)
        assert issue is not None
        return cls(False, issue)

    @property
    def column(self) -> str:
        """Return the column that names it in the tables of the index."""
        return "document_id" if self.is_document else "issue_number"


def issues_of(subjects: Iterable[Subject]) -> list[int]:
    """Return the numbers of those that are issues."""
    return [subject.number for subject in subjects if not subject.is_document]


def documents_of(subjects: Iterable[Subject]) -> list[int]:
    """Return the numbers of those that are documents."""
    return [subject.number for subject in subjects if subject.is_document]
