"""What an app says to be run by gunicorn."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from deployer.app import ModuleName, SourceFile
from deployer.hardware import Declared


class GunicornSettings(Declared):
    """Runs a Python app (WSGI or ASGI); what is left out is derived from the budget."""

    own_environment: ClassVar[dict[str, str]] = {
        "WEB_CONCURRENCY": "gunicorn.workers",
        "GUNICORN_CMD_ARGS": "gunicorn",
    }
    """Variables that would undo what the budget gave, and the key that pins it instead."""

    module: ModuleName
    """What gunicorn imports: package.module:object."""
    requirements: SourceFile = "requirements.lock"
    """Requirements file with hashes, relative to the source; gunicorn itself is in it."""
    workers: Annotated[int, Field(ge=1, le=64)] | None = None
    """Worker processes."""
    threads: Annotated[int, Field(ge=1, le=128)] | None = None
    """Threads of each worker, for worker_class gthread."""
    worker_memory_mib: Annotated[int, Field(ge=24, le=8192)] | None = None
    """Memory of one worker of this app, MiB, if you measured it: without the requests in progress if it is async."""
    request_memory_kib: Annotated[float, Field(ge=1, le=1_048_576, strict=False)] | None = None
    """What one request in progress adds to an async worker, KiB.

    The longest row and page that it holds while it waits, and 16 of its own. Left out: 32, which rows of 16 KiB need.
    """
    pool_size: Annotated[int, Field(ge=1, le=200)] | None = None
    """Connections of one worker to each server that the app uses."""
    worker_class: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")] = (
        "uvicorn_worker.UvicornWorker"
    )
    """gunicorn's worker class: sync or gthread run WSGI apps such as Flask; asgi and the default run FastAPI."""
    wait_ms: Annotated[float, Field(ge=0, le=600_000, strict=False)] | None = None
    """How long a request waits for others (database, network) on the average, ms, if you measured it: sync, gthread."""
    compute_ms: Annotated[float, Field(ge=0.001, le=600_000, strict=False)] | None = None
    """How long a request computes on the average, ms, if you measured it."""
    max_requests: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """A worker is replaced after so many requests, against leaks; 0 never does."""
    timeout_s: Annotated[int, Field(ge=1, le=600)] = 30
    """A worker that is silent for so long is replaced, seconds."""

    @property
    def is_async(self) -> bool:
        """Whether one worker serves many visitors at once, in one event loop."""
        name = self.worker_class.lower()
        return "uvicorn" in name or "aiohttp" in name or name == "asgi"

    @property
    def is_threaded(self) -> bool:
        """Whether one worker serves as many visitors at once as it has threads."""
        return "gthread" in self.worker_class.lower()
