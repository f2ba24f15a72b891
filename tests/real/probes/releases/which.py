"""An app whose body says which release answers, with what was sent; as ASGI and as WSGI."""

import asyncio
import time
from pathlib import Path

RELEASE = (Path(__file__).parent / "which.txt").read_text().strip()
#: An answer takes so long, s: a request is always in progress when a process is told to end.
WORK_S = 0.03

if RELEASE.startswith("dead"):
    raise SystemExit("this release does not start")


def answer(path: str, sent: bytes) -> tuple[int, bytes]:
    """Give the status and the body; a broken release answers everybody but the health check."""
    if path == "/healthz":
        return (500 if RELEASE.startswith("broken") else 200), RELEASE.encode()
    return 200, RELEASE.encode() + b" " + sent


async def app(scope, receive, send):
    """As ASGI."""
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/healthz" and RELEASE.startswith("silent"):
        await asyncio.sleep(60)
    await asyncio.sleep(WORK_S)
    status, text = answer(scope["path"], body)
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def wsgi(environ, start_response):
    """As WSGI."""
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    time.sleep(WORK_S)
    status, text = answer(environ["PATH_INFO"], sent)
    start_response(f"{status} said", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]
