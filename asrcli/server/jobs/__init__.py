"""Long recordings: accepted at once, kept in SQLite until they are done, whatever happens to the server."""
