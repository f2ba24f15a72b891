"""gunicorn with rendered files: the settings that it really takes from them, and its processes."""

from __future__ import annotations

import ast
import http.client
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from deployer.binaries.python import PACKAGES
from deployer.binaries.server import Server, findings_in, started
from deployer.binaries.unixhttp import UnixConnection
from deployer.sandbox import Inside

BAD: Final = r"\[(WARNING|ERROR|CRITICAL)\]|Warning:"
SOCKET: Final = "/run/app.sock"
_APP: Final = """
import asyncio


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    if scope["path"] == "/wait":
        await asyncio.sleep(60)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"hi"]
"""
#: The same for aiohttp's workers, which take an app of aiohttp alone.
_AIOHTTP_APP: Final = """
from aiohttp import web


async def hi(request):
    return web.Response(text="hi")


app = web.Application()
app.router.add_get("/", hi)
"""
_PATIENCE_S: Final = 10
#: What nginx passes on of a browser's request.
_BROWSER: Final = {
    "Host": "measured.example",
    "X-Real-IP": "192.0.2.1",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Proto": "https",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Cookie": "session=" + 64 * "a",
}
_ENVIRONMENT: Final = {"PYTHONPATH": f"{PACKAGES}:/srv/app", "PYTHONUNBUFFERED": "1"}


def assigned(text: str) -> dict[str, Any]:
    """Read what a config file assigns; our templates write constants only."""
    found: dict[str, Any] = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = ast.literal_eval(statement.value)
    return found


def effective(place: Inside, config: str) -> tuple[dict[str, str], list[str]]:
    """Ask gunicorn what it has with a config file, and what it complains of; a name that it does not know is ignored.

    Args:
        place: The inside of the tree `bookworm`, with the packages.
        config: The file's path inside.

    Returns:
        Every setting by its name, as text; and every line that is none, or how it ended if that was badly.
    """
    done = place.run(_argv(place, config, ["--check-config", "--print-config"]), environment=_ENVIRONMENT)
    rows = [re.fullmatch(r"(\w+)\s+= (.*)", line) for line in done.stdout.splitlines()]
    complaints = [line for line in done.stderr.splitlines() if line.strip()]
    if done.code:
        complaints.append(f"gunicorn --check-config ended with {done.code}")
    return {row[1]: row[2] for row in rows if row}, complaints


@contextmanager
def gunicorn(place: Inside, config: str, options: Sequence[str] = ()) -> Iterator[Server]:
    """Start gunicorn with a config file and an app that says hi, and wait until it answers."""
    words = _argv(place, config, [f"--bind=unix:{SOCKET}", *options])
    with started(place, "gunicorn", words, environment=_ENVIRONMENT) as server:
        server.wait(lambda: _answers(place))
        yield server


def log_findings(server: Server) -> list[str]:
    """Give the warnings and errors of its log."""
    return findings_in(server.said().splitlines(), BAD)


def ask(place: Inside) -> int:
    """Ask for a page; give the status."""
    connection = UnixConnection(Path(f"/proc/{place.holder}/root{SOCKET}"))
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def waiting(place: Inside, requests: int) -> Iterator[None]:
    """Keep so many requests in progress that get no answer meanwhile."""
    held: list[UnixConnection] = []
    try:
        held.extend(_asked(place) for _ in range(requests))
        yield
    finally:
        for one in held:
            one.close()


def _asked(place: Inside) -> UnixConnection:
    end = time.monotonic() + _PATIENCE_S
    while True:
        one = UnixConnection(Path(f"/proc/{place.holder}/root{SOCKET}"))
        try:
            one.request("GET", "/wait", headers=_BROWSER)
        except BlockingIOError:  # the native worker listens with room for 100, whatever its config says
            one.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return one


def _answers(place: Inside) -> bool:
    try:
        return ask(place) == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def _argv(place: Inside, config: str, options: Sequence[str]) -> list[str]:
    place.lay({"/srv/app/app.py": _APP.encode(), "/srv/app/aiohttp_app.py": _AIOHTTP_APP.encode()})
    settings: Mapping[str, Any] = assigned(place.read(config)) if config else {}
    words = " ".join([str(settings.get("worker_class", "")), *options]).lower()
    if "aiohttp" in words:
        app = "aiohttp_app:app"
    else:
        app = "app:asgi" if "uvicorn" in words or "asgi" in words else "app:wsgi"
    return ["python3", "-m", "gunicorn", *(["--config", config] if config else []), *options, app]
