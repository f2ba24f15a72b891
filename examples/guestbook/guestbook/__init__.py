"""A guest book: Flask and SQLite, every page made on the server."""
