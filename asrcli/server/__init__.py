"""`asrcli serve`: one server, a thin module for each protocol over shared objects (extra `serve`)."""
