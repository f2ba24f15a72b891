"""The application: `gunicorn -k uvicorn_worker.UvicornWorker notes.main:app`."""

import asyncio
import html
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, HTTPException, Path, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field

from notes.files import Files, TooLargeError, file_name
from notes.settings import settings
from notes.store import DatabaseUnavailableError, Note, Store

HEALTH_TIMEOUT_S = 2.0
TEXT_CHARACTERS = 10_000
#: Files that one process takes in at the same time; more wait. Each needs a block of memory.
UPLOADS = 4
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Notes</title></head><body><h1>Notes</h1><ol reversed>
{}</ol></body></html>
"""
#: A note's number: PostgreSQL's bigint.
NoteId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class NewNote(BaseModel):
    """What a visitor writes; NUL is the one character that PostgreSQL's text cannot hold."""

    text: str = Field(min_length=1, max_length=TEXT_CHARACTERS, pattern=r"^[^\x00]*$")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool and the folder of files."""
    told = settings()
    app.state.files = Files(told.files, told.upload_mib << 20, told.files_mib << 20)
    app.state.files.prepare()
    app.state.uploads = asyncio.Semaphore(UPLOADS)
    app.state.store = await Store.open(told)
    yield
    await app.state.store.close()


app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/healthz")
async def healthz(request: Request) -> Response:
    """Say whether the database answers, and which release this is."""
    more = HEADERS | {"X-Release": os.environ.get("RELEASE", "unknown")}
    try:
        await _store(request).ping(HEALTH_TIMEOUT_S)
    except DatabaseUnavailableError:
        return PlainTextResponse("database unavailable\n", 503, more)
    return PlainTextResponse("ok\n", 200, more)


@app.get("/")
async def page(request: Request) -> Response:
    """Show the newest notes to people."""
    lines = [
        f'<li value="{note.id}">{html.escape(note.text)}'
        + (f' <a href="/notes/{note.id}/file">{html.escape(note.file_name)}</a>' if note.file_name else "")
        + "</li>\n"
        for note in await _store(request).newest()
    ]
    return HTMLResponse(PAGE.format("".join(lines)), headers=HEADERS)


@app.get("/notes")
async def newest(request: Request) -> Response:
    """Give the newest notes."""
    return JSONResponse([_document(note) for note in await _store(request).newest()], headers=HEADERS)


@app.post("/notes")
async def add(request: Request, new: NewNote) -> Response:
    """Store a note."""
    return JSONResponse({"id": await _store(request).add(new.text)}, 201, HEADERS)


@app.delete("/notes/{note_id}")
async def remove(request: Request, note_id: NoteId) -> Response:
    """Remove a note and its file."""
    key = await _store(request).remove(note_id)
    if key is not None:
        request.app.state.files.remove(key)
    return Response(status_code=204, headers=HEADERS)


@app.put("/notes/{note_id}/file")
async def attach(request: Request, note_id: NoteId, name: Annotated[str, Query(max_length=300)] = "file") -> Response:
    """Take the request's body as the file of a note, block by block."""
    note = await _store(request).note(note_id)
    if note is None:
        raise HTTPException(404, "there is no such note")
    if note.file_key is not None:
        raise HTTPException(409, "the note has a file already")
    files: Files = request.app.state.files
    async with request.app.state.uploads:
        key, size_bytes = await files.store(request.stream())
    if not await _attach(request, note_id, key, file_name(name), size_bytes):
        raise HTTPException(409, "the note is gone, or has a file already")
    return JSONResponse({"bytes": size_bytes}, 201, HEADERS)


@app.get("/notes/{note_id}/file")
async def download(request: Request, note_id: NoteId) -> Response:
    """Send the file of a note, to be saved and not to be shown."""
    note = await _store(request).note(note_id)
    if note is None or note.file_key is None:
        raise HTTPException(404, "there is no such file")
    path = request.app.state.files.path(note.file_key)
    return FileResponse(path, headers=HEADERS, media_type="application/octet-stream", filename=note.file_name)


@app.exception_handler(DatabaseUnavailableError)
async def unavailable(_request: Request, _error: Exception) -> Response:
    """Ask to come again: the database restarts, or all its connections are taken."""
    return PlainTextResponse("one moment, please\n", 503, HEADERS | {"Retry-After": "5"})


@app.exception_handler(TooLargeError)
async def too_large(_request: Request, _error: Exception) -> Response:
    """Refuse a file; the rest of it is not read."""
    return PlainTextResponse("the file is too large\n", 413, HEADERS | {"Connection": "close"})


async def _attach(request: Request, note_id: int, key: str, name: str, size_bytes: int) -> bool:
    """Tie a stored file to its note; a file that no note knows of does not stay."""
    is_attached = False
    try:
        is_attached = await _store(request).attach(note_id, key, name, size_bytes)
    finally:
        if not is_attached:
            request.app.state.files.remove(key)
    return is_attached


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _document(note: Note) -> dict[str, object]:
    file = {"name": note.file_name, "bytes": note.file_bytes} if note.file_key else None
    return {"id": note.id, "text": note.text, "file": file}
