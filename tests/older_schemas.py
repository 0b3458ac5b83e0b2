"""What brings the tables back to how earlier versions had them."""

OLD_CHUNK = (
    "id, uuid, issue_number, kind, source_row, ordinal, heading, text, content_hash"
)
TO_0005 = (
    "DROP TABLE seen",
    "DROP TABLE seen_baseline",
    "DROP INDEX issue_listing",
    "CREATE INDEX ix_issue_status ON issue (status)",
    "CREATE INDEX ix_issue_updated_at ON issue (updated_at)",
    "UPDATE alembic_version SET version_num = '0005'",
)
TO_0004 = (
    *TO_0005,
    "CREATE TABLE old_chunk (id INTEGER NOT NULL PRIMARY KEY, uuid VARCHAR NOT NULL "
    "UNIQUE, issue_number INTEGER REFERENCES issue(number) ON DELETE CASCADE, "
    "document_id INTEGER REFERENCES document(id) ON DELETE CASCADE, "
    "kind VARCHAR(24) NOT NULL, source_row INTEGER, ordinal INTEGER NOT NULL, "
    "heading VARCHAR, text BLOB NOT NULL, content_hash BLOB NOT NULL)",
    "INSERT INTO old_chunk SELECT id, uuid, issue_number, document_id, kind, "
    "source_row, ordinal, heading, text, content_hash FROM chunk",
    "DROP TABLE chunk",
    "ALTER TABLE old_chunk RENAME TO chunk",
    *(
        f"CREATE INDEX ix_chunk_{column} ON chunk ({column})"
        for column in ("content_hash", "issue_number", "document_id")
    ),
    "CREATE TABLE old_queue (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "
    "issue_number INTEGER, document_id INTEGER, queued_at DATETIME NOT NULL)",
    "INSERT INTO old_queue "
    "SELECT id, issue_number, document_id, queued_at FROM index_queue",
    "DROP TABLE index_queue",
    "ALTER TABLE old_queue RENAME TO index_queue",
    "CREATE INDEX ix_index_queue_issue_number ON index_queue (issue_number)",
    "CREATE INDEX ix_index_queue_document_id ON index_queue (document_id)",
    "CREATE TABLE old_rating (id INTEGER NOT NULL PRIMARY KEY, uuid VARCHAR NOT NULL "
    "UNIQUE, recommendation_id INTEGER NOT NULL REFERENCES recommendation(id) "
    "ON DELETE CASCADE, rater VARCHAR NOT NULL, stars INTEGER NOT NULL, "
    "feedback BLOB, created_at DATETIME NOT NULL)",
    "INSERT INTO old_rating SELECT id, uuid, recommendation_id, rater, stars, "
    "feedback, created_at FROM rating WHERE recommendation_id IS NOT NULL",
    "DROP TABLE rating",
    "ALTER TABLE old_rating RENAME TO rating",
    "CREATE INDEX ix_rating_recommendation_id ON rating (recommendation_id)",
    "ALTER TABLE resolution DROP COLUMN score",
    *(
        f"ALTER TABLE recommendation DROP COLUMN {column}"
        for column in ("trace", "title_vector", "text_vector")
    ),
    *(
        f"DROP TABLE {table}"
        for table in (
            "resolution_rejection",
            "recommendation_source",
            "outcome",
            "sop_use",
            "sop_event",
            "sop_version",
            "sop",
            "calibration",
            "adaptation",
        )
    ),
    "UPDATE alembic_version SET version_num = '0004'",
)
TO_0003 = (
    *TO_0004,
    "CREATE TABLE old_chunk (id INTEGER NOT NULL PRIMARY KEY, uuid VARCHAR NOT NULL "
    "UNIQUE, issue_number INTEGER NOT NULL REFERENCES issue(number) ON DELETE CASCADE, "
    "kind VARCHAR(24) NOT NULL, source_row INTEGER, ordinal INTEGER NOT NULL, "
    "heading VARCHAR, text BLOB NOT NULL, content_hash BLOB NOT NULL)",
    f"INSERT INTO old_chunk SELECT {OLD_CHUNK} FROM chunk",
    "DROP TABLE chunk",
    "ALTER TABLE old_chunk RENAME TO chunk",
    "CREATE INDEX ix_chunk_content_hash ON chunk (content_hash)",
    "CREATE INDEX ix_chunk_issue_number ON chunk (issue_number)",
    "CREATE TABLE old_queue (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "
    "issue_number INTEGER NOT NULL, queued_at DATETIME NOT NULL)",
    "INSERT INTO old_queue SELECT id, issue_number, queued_at FROM index_queue",
    "DROP TABLE index_queue",
    "ALTER TABLE old_queue RENAME TO index_queue",
    "CREATE INDEX ix_index_queue_issue_number ON index_queue (issue_number)",
    "DROP TABLE document",
    "UPDATE alembic_version SET version_num = '0003'",
)
_COLUMNS_OF_0003 = {
    "source": ("username", "options", "mapping", "write_back", "paused"),
    "issue": ("external_id", "mapped", "attachments", "seen_at", "gone", "moved_to"),
    "issue_event": ("external_key",),
    "link": ("upstream",),
}
TO_0002 = (
    *TO_0003,
    "DROP TABLE sync_run",
    "DROP TABLE issue_override",
    "DROP TABLE outgoing_change",
    "DROP INDEX issue_external_id",
    "DROP INDEX issue_event_key",
    *(
        f"ALTER TABLE {table} DROP COLUMN {column}"
        for table, columns in _COLUMNS_OF_0003.items()
        for column in columns
    ),
    "UPDATE alembic_version SET version_num = '0002'",
)
