"""Notes with attached files: FastAPI and PostgreSQL."""
