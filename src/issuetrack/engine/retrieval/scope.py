"""What a search may find."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from issuetrack.engine.store.types import ChunkKind

SOP_PARTS = (ChunkKind.SOP_TITLE, ChunkKind.SOP)
APPROVED_SOPS = (
    "SELECT sop.id FROM sop JOIN sop_version AS version "
    "ON version.sop_id = sop.id AND version.version = sop.current "
    "WHERE version.status = 'approved'"
)
UNRESOLVED = "SELECT number FROM issue WHERE coalesce(resolved_at, closed_at, '9') >= ?"
LATER_DOCUMENTS = "SELECT id FROM document WHERE created_at >= ?"
LATER_SOPS = (
    "SELECT sop_id FROM sop JOIN sop_version AS version "
    "ON version.sop_id = sop.id AND version.version = sop.current "
    "WHERE version.created_at >= ?"
)


class SopScope(Enum):
    """Which procedures may be found."""

    NONE = "none"
    APPROVED = "approved"
    ALL = "all"


@dataclass(frozen=True)
class Scope:
    """What a search may find.

    Attributes:
        issues: find issues.
        documents: find imported documents.
        sops: which procedures to find.
        before: only what was known at a moment: issues that were finished, and
            documents and procedures that were there.
        listed: the chunks are those of a table that `chunk_rows.listed` made.
    """

    issues: bool = True
    documents: bool = True
    sops: SopScope = SopScope.APPROVED
    before: datetime | None = None
    listed: bool = False

    def titles(self) -> tuple[ChunkKind, ...]:
        """Return the kinds of chunks that are titles of what may be found."""
        return tuple(self._kinds(ChunkKind.TITLE))

    def texts(self) -> tuple[ChunkKind, ...]:
        """Return the kinds of chunks that are texts of what may be found."""
        return tuple(self._kinds(ChunkKind.PROBLEM))

    def _kinds(self, of: ChunkKind) -> Iterator[ChunkKind]:
        title = of is ChunkKind.TITLE
        if self.issues:
            yield of
            if not title:
                yield from (ChunkKind.RESOLUTION, ChunkKind.COMMENT)
        if self.documents:
            yield ChunkKind.DOCUMENT_TITLE if title else ChunkKind.DOCUMENT
        if self.sops is not SopScope.NONE:
            yield ChunkKind.SOP_TITLE if title else ChunkKind.SOP

    def splits(self, part: str) -> bool:
        """Tell whether of a kind of chunks some may be found and some not."""
        approved = part in SOP_PARTS and self.sops is SopScope.APPROVED
        return approved or self.before is not None

    def clause(self, column: str) -> tuple[str, list[str]]:
        """Return the SQL that a column of chunk ids must fulfil, with parameters."""
        if self.listed:
            return f"+{column} IN (SELECT id FROM temp.in_scope)", []
        parts, parameters = [], []
        if not self.issues:
            parts.append(
                f"{column} IN (SELECT id FROM chunk WHERE document_id > 0 "
                "UNION ALL SELECT id FROM chunk WHERE sop_id > 0)"
            )
        for condition, given in self._left_out():
            parts.append(f"{column} NOT IN (SELECT id FROM chunk WHERE {condition})")
            parameters += given
        return " AND ".join(parts) or "1", parameters

    def _left_out(self) -> Iterator[tuple[str, list[str]]]:
        """Yield conditions on chunks that are out of scope, with parameters."""
        if not self.documents:
            yield "document_id > 0", []
        if self.sops is SopScope.NONE:
            yield "sop_id > 0", []
        elif self.sops is SopScope.APPROVED:
            yield f"sop_id > 0 AND sop_id NOT IN ({APPROVED_SOPS})", []
        if self.before is not None:
            moment = self.before.astimezone(UTC).replace(tzinfo=None)
            given = [moment.isoformat(sep=" ", timespec="microseconds")]
            yield f"issue_number IN ({UNRESOLVED})", given
            yield f"document_id IN ({LATER_DOCUMENTS})", given
            yield f"sop_id IN ({LATER_SOPS})", given


EVERYTHING = Scope()
