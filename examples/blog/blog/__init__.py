"""A small real blog: FastAPI, Jinja2 and MariaDB, built to be quick on one core."""
