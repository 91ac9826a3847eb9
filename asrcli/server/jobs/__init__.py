"""Jobs: long recordings, accepted at once and kept in SQLite until they are finished."""
