"""What a host is held to, and how long it is asked: service level objectives and the phases of the load test.

How many connections it is to hold stands in the host's ``target``, which its budget is made for.

The defaults are the mission: a thousand visitors at once on one core and one GiB. A line that is not measured
is never counted as kept.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from deployer.app import Name
from deployer.hardware import Declared

Seconds = Annotated[float, Field(ge=0.5, le=3600, strict=False)]
Milliseconds = Annotated[float, Field(ge=0.01, le=600_000, strict=False)]
Share = Annotated[float, Field(ge=0.01, le=1, strict=False)]
Path = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=2000)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[ -~]{0,2000}$")]


class Phases(Declared):
    """How long each part of the load test lasts; without set-up the defaults add up to some 40 s."""

    warmup_s: Seconds = 2
    """Requests before anything is counted, for each path, s."""
    hold_s: Seconds = 10
    """How long the connections are held, s; a benchmark takes 60."""
    request_every_s: Seconds = 5
    """How often each held connection asks for a page, s."""
    closed_s: Seconds = 6
    """Cached page: every connection asks again as soon as it has its answer, s."""
    capacity_s: Seconds = 4
    """Uncached pages: measurement of each path's own capacity, s."""
    open_s: Seconds = 6
    """Arrivals at a constant rate, for each uncached path, s."""
    open_share: Share = 0.7
    """Rate of those arrivals, as a share of the path's own measured capacity."""
    capacity_connections: Annotated[int, Field(ge=1, le=1000)] = 32
    """How many connections measure the capacity of an uncached path."""
    opened_per_s: Annotated[int, Field(ge=1, le=10_000)] = 250
    """How many connections are opened a second; browsers do not come all at once."""
    timeout_s: Seconds = 10
    """A request that takes longer is an error, s."""


class Slo(Declared):
    """What the load test holds the host to."""

    app: Name | None = None
    """The app whose pages are asked for; the first one if left out."""
    held_errors: Annotated[int, Field(ge=0)] = 0
    """Errors and lost connections that are allowed while the connections of `target` are held."""
    cached_p95_ms: Milliseconds = 200
    """95 of 100 cached pages are there within this time at full load, ms."""
    cached_req_per_s: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Cached pages a second at the least, over all those connections; left out: measured, not judged."""
    uncached_p95_ms: Milliseconds = 200
    """95 of 100 uncached pages are there within this time, at 70 % of their own capacity, ms."""
    uncached_req_per_s: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Uncached pages a second at the least, of each path; left out: measured, not judged."""
    max_memory_share: Share = 0.85
    """Memory in use on the host at its peak, page cache not counted, as a share of all."""
    oom_kills: Literal[0] = 0
    """Processes that the kernel may kill for want of memory: none."""
    cached_path: Path = "/"
    """A page that every anonymous visitor gets from the cache."""
    uncached_paths: Annotated[tuple[Path, ...], Field(max_length=10)] = ("/",)
    """Pages that the app makes anew for each request; asked for with `uncached_headers`."""
    uncached_headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Request headers that go past the cache, as Cookie: a session; no secret belongs here."""
    phases: Phases = Phases()
    """How long each part lasts."""
