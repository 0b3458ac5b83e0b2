"""Whether the search indexes hold what is there to be found, and nothing else."""

from issuetrack.engine.store.unit_of_work import UnitOfWork

_CHECKS = (
    (
        "issues neither indexed nor queued",
        "SELECT count(*) FROM issue WHERE number NOT IN "
        "(SELECT issue_number FROM chunk WHERE kind = 'title') AND number NOT IN "
        "(SELECT issue_number FROM index_queue WHERE issue_number IS NOT NULL)",
    ),
    (
        "documents neither indexed nor queued",
        "SELECT count(*) FROM document WHERE id NOT IN "
        "(SELECT document_id FROM chunk WHERE kind = 'document_title') AND id NOT IN "
        "(SELECT document_id FROM index_queue WHERE document_id IS NOT NULL)",
    ),
    (
        "procedures neither indexed nor queued",
        "SELECT count(*) FROM sop WHERE current IS NOT NULL AND id NOT IN "
        "(SELECT sop_id FROM chunk WHERE kind = 'sop_title') AND id NOT IN "
        "(SELECT sop_id FROM index_queue WHERE sop_id IS NOT NULL)",
    ),
    (
        "chunks of issues that are gone",
        "SELECT count(*) FROM chunk WHERE issue_number IS NOT NULL "
        "AND issue_number NOT IN (SELECT number FROM issue)",
    ),
    (
        "chunks of documents that are gone",
        "SELECT count(*) FROM chunk WHERE document_id IS NOT NULL "
        "AND document_id NOT IN (SELECT id FROM document)",
    ),
    (
        "chunks without an entry in the vector index",
        "SELECT count(*) FROM chunk WHERE id NOT IN (SELECT chunk_id FROM chunk_bits)",
    ),
    (
        "entries of the vector index without a chunk",
        "SELECT count(*) FROM chunk_bits WHERE chunk_id NOT IN (SELECT id FROM chunk)",
    ),
    (
        "chunks without a stored vector",
        "SELECT count(*) FROM chunk WHERE content_hash NOT IN "
        "(SELECT content_hash FROM chunk_vector)",
    ),
    (
        "issues without an entry in the word index",
        "SELECT count(*) FROM chunk WHERE kind = 'title' AND id NOT IN "
        "(SELECT rowid FROM chunk_lexical)",
    ),
    (
        "documents without an entry in the word index",
        "SELECT count(*) FROM chunk WHERE kind = 'document_title' AND id NOT IN "
        "(SELECT rowid FROM chunk_lexical)",
    ),
    (
        "procedures without an entry in the word index",
        "SELECT count(*) FROM chunk WHERE kind = 'sop_title' AND id NOT IN "
        "(SELECT rowid FROM chunk_lexical)",
    ),
    (
        "entries of the word index without what they are of",
        "SELECT count(*) FROM chunk_lexical WHERE rowid NOT IN "
        "(SELECT id FROM chunk "
        "WHERE kind IN ('title', 'document_title', 'sop_title'))",
    ),
)


def index_problems(uow: UnitOfWork) -> list[str]:
    """Return what index and rows disagree on; empty if nothing."""
    found = ((uow.sql(statement)[0][0], words) for words, statement in _CHECKS)
    return [f"{count} {words}" for count, words in found if count]
