"""The application: `gunicorn -k gthread --threads 4 guestbook.app:app`."""

import logging
import os
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, redirect, render_template, request
from werkzeug.exceptions import BadRequest

from guestbook.entries import ENTRIES_PER_PAGE, Entries

NAME_CHARACTERS = 80
MESSAGE_CHARACTERS = 2_000
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
#: What a connection and the log may keep, and what they keep where nobody says it.
LIMITS = {"SQLITE_CACHE_KIB": "2048", "SQLITE_WAL_MIB": "8"}
log = logging.getLogger("guestbook")


def make_app(database: Path, cache_kib: int, wal_mib: int) -> Flask:
    """Make the application on a database's file; each connection keeps so many KiB of it, its log so many MiB."""
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=16 * 1024, MAX_FORM_PARTS=10)
    entries = Entries(database, cache_kib, wal_mib)

    @app.get("/healthz")
    def healthz() -> Response:
        """Say whether the database can be read, and which release this is."""
        more = {"X-Release": os.environ.get("RELEASE", "unknown"), "Cache-Control": "no-store"}
        try:
            entries.check()
        except sqlite3.Error as error:
            log.warning("%s: %s", database, error)
            return Response("database unavailable\n", 503, more, mimetype="text/plain")
        return Response("ok\n", 200, more, mimetype="text/plain")

    @app.get("/")
    def book() -> str:
        """Show a page of entries."""
        before = request.args.get("before", type=int)
        found = entries.newest(before if before is not None and 0 <= before < 2**63 else None)
        return render_template("book.html", entries=found, has_older=len(found) == ENTRIES_PER_PAGE, problem="")

    @app.post("/")
    def write() -> Response | tuple[str, int]:
        """Take an entry."""
        _refuse_other_sites()
        name = " ".join(request.form.get("name", "").split())
        message = request.form.get("message", "").replace("\r\n", "\n").strip()
        if not 1 <= len(name) <= NAME_CHARACTERS or not 1 <= len(message) <= MESSAGE_CHARACTERS:
            problem = f"A name of at most {NAME_CHARACTERS} and a message of at most {MESSAGE_CHARACTERS} characters."
            return render_template("book.html", entries=entries.newest(), has_older=False, problem=problem), 422
        entries.add(name, message)
        return redirect("/", 303)

    @app.errorhandler(sqlite3.OperationalError)
    def unavailable(error: sqlite3.OperationalError) -> tuple[str, int, dict[str, str]]:
        """Ask to come again: another writer took too long, or the disk is full."""
        log.error("%s: %s", database, error)
        return render_template("unavailable.html"), 503, {"Retry-After": "5", "Cache-Control": "no-store"}

    @app.after_request
    def headers(answer: Response) -> Response:
        answer.headers.update(HEADERS)
        answer.headers.setdefault("Cache-Control", "no-cache")
        return answer

    return app


def _refuse_other_sites() -> None:
    """Refuse a form that another site's page sends in a guest's name."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise BadRequest("this form belongs to another site")


def __getattr__(name: str) -> Flask:
    """Make ``app`` when gunicorn asks for it, so that importing this module needs no environment."""
    if name != "app":
        raise AttributeError(name)
    cache_kib, wal_mib = (int(os.environ.get(name, usual)) for name, usual in LIMITS.items())
    return make_app(Path(os.environ["DATABASE_PATH"]), cache_kib, wal_mib)
