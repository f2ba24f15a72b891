"""The application: `gunicorn -k aiohttp.GunicornWebWorker studio.main:make_runner`."""

import asyncio
import os
from collections.abc import AsyncIterator

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

from studio.drawings import Drawings, UnavailableError
from studio.settings import Settings, settings

WORDS_CHARACTERS = 200
DRAWING_BYTES = 64 * 1024
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Studio</title>
<h1>Studio</h1>
<form action="/drawing"><input name="words" maxlength="200" required> <button>Draw</button></form>
"""
TOLD = web.AppKey("TOLD", Settings)
ARTIST = web.AppKey("ARTIST", ClientSession)
DRAWINGS = web.AppKey("DRAWINGS", Drawings)
AT_ONCE = web.AppKey("AT_ONCE", asyncio.Semaphore)
routes = web.RouteTableDef()


async def make_runner() -> web.AppRunner:
    """Make what gunicorn's worker runs."""
    # a visitor who goes ends the wait for their drawing
    return web.AppRunner(await make_app(), handler_cancellation=True, access_log=None, shutdown_timeout=5)


async def make_app() -> web.Application:
    """Make the application of one worker process."""
    app = web.Application()
    app[TOLD] = settings()
    app.add_routes(routes)
    app.cleanup_ctx.append(_connected)
    return app


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    """Say whether Redis answers, and which release this is; the artist's health is not ours."""
    more = HEADERS | {"X-Release": os.environ.get("RELEASE", "unknown")}
    try:
        await request.app[DRAWINGS].ping()
    except UnavailableError:
        return web.Response(text="redis unavailable\n", status=503, headers=more)
    return web.Response(text="ok\n", headers=more)


@routes.get("/")
async def page(_request: web.Request) -> web.Response:
    """Ask for words."""
    return web.Response(text=PAGE, content_type="text/html", headers=HEADERS)


@routes.get("/drawing")
async def drawing(request: web.Request) -> web.Response:
    """Give the drawing of some words: made for who asks first, and anew with `Cache-Control: no-cache`."""
    words = request.query.get("words", "").strip()
    if not 1 <= len(words) <= WORDS_CHARACTERS:
        return web.Response(text=f"1 to {WORDS_CHARACTERS} characters are needed\n", status=400, headers=HEADERS)
    is_anew = "no-cache" in request.headers.get("Cache-Control", "")
    try:
        found = None if is_anew else await request.app[DRAWINGS].find(words)
        if found is None:
            found = await _drawn(request.app, words)
            await request.app[DRAWINGS].keep(words, found)
    except UnavailableError:
        return web.Response(text="redis unavailable\n", status=503, headers=HEADERS)
    return web.Response(body=found, content_type="text/plain", charset="utf-8", headers=HEADERS)


async def _drawn(app: web.Application, words: str) -> bytes:
    """Have it drawn; nothing of ours is held meanwhile but a place in the line.

    Raises:
        web.HTTPException: Too many wait already, or the artist does not answer.
    """
    if app[AT_ONCE].locked():
        raise web.HTTPServiceUnavailable(text="too many wait already\n", headers=HEADERS | {"Retry-After": "30"})
    async with app[AT_ONCE]:
        try:
            async with app[ARTIST].post(app[TOLD].artist_url, data=words.encode()) as answer:
                answer.raise_for_status()
                return await answer.content.read(DRAWING_BYTES)
        except TimeoutError:
            raise web.HTTPGatewayTimeout(text="the artist takes too long\n", headers=HEADERS) from None
        except ClientError:
            raise web.HTTPBadGateway(text="the artist cannot be reached\n", headers=HEADERS) from None


async def _connected(app: web.Application) -> AsyncIterator[None]:
    told = app[TOLD]
    timeout = ClientTimeout(total=told.artist_timeout_s)
    app[AT_ONCE] = asyncio.Semaphore(told.at_once)
    app[DRAWINGS] = Drawings(told)
    async with ClientSession(connector=TCPConnector(limit=told.at_once), timeout=timeout) as app[ARTIST]:
        yield
    await app[DRAWINGS].close()
