"""The application: `gunicorn -k uvicorn_worker.UvicornWorker blog.main:app`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

from blog import admin, feed, site as public_pages
from blog.db import Database, DatabaseUnavailableError
from blog.settings import database_settings, session_secret
from blog.web import PRIVATE, STATIC, BadFormError, NotFoundError, Site, plain_page, redirect, site

#: Seconds for the health check's statement.
HEALTH_TIMEOUT_S = 2.0


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Read the settings and hold the pool; the database may come up later than the blog."""
    db = Database(database_settings())
    app.state.site = Site(db, session_secret())
    yield
    db.close()


app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
app.include_router(public_pages.router)
app.include_router(feed.router)
app.include_router(admin.router)
app.mount("/static", StaticFiles(directory=STATIC), name="static")


@app.api_route("/healthz", methods=["GET", "HEAD"])
async def healthz(request: Request) -> Response:
    """Say whether the database answers, and which release this is."""
    headers = {"X-Release": os.environ.get("RELEASE", "unknown"), "Cache-Control": PRIVATE}
    try:
        await site(request).db.ping(HEALTH_TIMEOUT_S)
    except DatabaseUnavailableError:
        return PlainTextResponse("database unavailable\n", 503, headers)
    return PlainTextResponse("ok\n", 200, headers)


@app.exception_handler(DatabaseUnavailableError)
async def unavailable(_request: Request, _error: Exception) -> Response:
    """Ask to come again: the database restarts, or all its connections are taken."""
    return plain_page("unavailable.html", 503, {"Retry-After": "5"})


@app.exception_handler(NotFoundError)
@app.exception_handler(404)
async def not_found(_request: Request, _error: Exception) -> Response:
    """Say that there is nothing here."""
    return plain_page("not_found.html", 404)


@app.exception_handler(BadFormError)
async def bad_form(_request: Request, error: Exception) -> Response:
    """Refuse a form."""
    return PlainTextResponse(f"{error}\n", 400, {"Cache-Control": PRIVATE})


@app.exception_handler(admin.LoginNeededError)
async def login_needed(_request: Request, _error: Exception) -> Response:
    """Show the way to the login."""
    return redirect("/admin/login")
