"""The application: `gunicorn -k aiohttp.GunicornWebWorker feed.main:make_runner`."""

import asyncio
import html
import os
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from feed.hub import FullError, Hub, is_message_id, is_newer
from feed.settings import settings
from feed.stream import Stream, UnavailableError

TEXT_CHARACTERS = 2_000
BODY_BYTES = 16 * 1024
ON_PAGE = 20
#: A sign of life, so that no proxy thinks the connection dead, and we notice who is gone; s.
BEAT_S = 20.0
#: A visitor whose line takes nothing for so long is let go, s.
SEND_TIMEOUT_S = 10.0
HERE = Path(__file__).parent
PAGE = (HERE / "page.html").read_text(encoding="utf-8")
SCRIPT = (HERE / "feed.js").read_bytes()
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
HUB = web.AppKey("HUB", Hub)
STREAM = web.AppKey("STREAM", Stream)
routes = web.RouteTableDef()


async def make_runner() -> web.AppRunner:
    """Make what gunicorn's worker runs."""
    # a visitor who goes ends what is done for them: otherwise they would count as a listener until the next beat
    return web.AppRunner(await make_app(), handler_cancellation=True, access_log=None, shutdown_timeout=5)


async def make_app() -> web.Application:
    """Make the application of one worker process."""
    told = settings()
    app = web.Application(client_max_size=BODY_BYTES)
    app[HUB] = Hub(told.listeners)
    app[STREAM] = Stream(told)
    app.add_routes(routes)
    app.cleanup_ctx.append(_reading)
    app.on_shutdown.append(_say_good_bye)
    return app


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    """Say whether Redis answers, and which release this is."""
    more = HEADERS | {"X-Release": os.environ.get("RELEASE", "unknown")}
    try:
        await request.app[STREAM].ping()
    except UnavailableError:
        return web.Response(text="redis unavailable\n", status=503, headers=more)
    return web.Response(text="ok\n", headers=more)


@routes.get("/")
async def page(request: web.Request) -> web.Response:
    """Show the newest messages; the script adds those that come."""
    try:
        newest = await request.app[STREAM].newest(ON_PAGE)
    except UnavailableError:
        return _unavailable()
    items = "".join(f"<li>{html.escape(message.text)}</li>\n" for message in newest)
    return web.Response(text=PAGE.replace("{messages}", items), content_type="text/html", headers=HEADERS)


@routes.get("/feed.js")
async def script(_request: web.Request) -> web.Response:
    """Send the page's script."""
    return web.Response(body=SCRIPT, content_type="text/javascript", charset="utf-8", headers=HEADERS)


@routes.post("/messages")
async def add(request: web.Request) -> web.Response:
    """Add a message: the body, as text."""
    try:
        text = (await request.content.read(BODY_BYTES + 1)).decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not 1 <= len(text) <= TEXT_CHARACTERS:
        return web.Response(text=f"1 to {TEXT_CHARACTERS} characters are needed\n", status=400, headers=HEADERS)
    try:
        return web.json_response({"id": await request.app[STREAM].add(text)}, status=201, headers=HEADERS)
    except UnavailableError:
        return _unavailable()


@routes.get("/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Send every message as it comes; one who was here before gets what they missed."""
    seen = request.headers.get("Last-Event-ID", "")
    try:
        listener = request.app[HUB].join()
    except FullError:
        return _unavailable()
    try:
        missed = await request.app[STREAM].after(seen) if is_message_id(seen) else []
        answer = web.StreamResponse(headers=HEADERS | {"X-Accel-Buffering": "no"})
        answer.content_type = "text/event-stream"
        await answer.prepare(request)
        last = "0-0"
        await _send(answer, b"retry: 3000\n\n" + b"".join(message.event() for message in missed))
        if missed:
            last = missed[-1].id
        while True:
            try:
                message = await asyncio.wait_for(listener.next(), BEAT_S)
            except TimeoutError:
                await _send(answer, b":\n\n")
                continue
            if message is None:
                return answer
            if is_newer(message.id, last):  # it may have come while the missed ones were read
                await _send(answer, message.event())
    except UnavailableError:
        return _unavailable()
    except (ConnectionResetError, TimeoutError):  # gone, or does not read
        if request.transport is not None:
            request.transport.abort()
        return answer
    finally:
        request.app[HUB].leave(listener)


async def _send(answer: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await answer.write(data)


async def _reading(app: web.Application) -> AsyncIterator[None]:
    reading = asyncio.create_task(app[STREAM].read_into(app[HUB]))
    yield
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await app[STREAM].close()


async def _say_good_bye(app: web.Application) -> None:
    app[HUB].end()


def _unavailable() -> web.Response:
    return web.Response(text="one moment, please\n", status=503, headers=HEADERS | {"Retry-After": "5"})
