"""What brings the tables back to how earlier versions had them."""

OLD_CHUNK = (
    "id, uuid, issue_number, kind, source_row, ordinal, heading, text, content_hash"
)
TO_0003 = (
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
