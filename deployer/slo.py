"""What a host is held to, and how long it is asked: service level objectives and the phases of the load test.

How many connections it is to hold stands in the host's ``target``, which its budget is made for.

The defaults are the mission: a thousand visitors at once on one core and one GiB. A line that is not measured
is never counted as kept.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from deployer.app import Name
from deployer.hardware import Declared
from deployer.objectives import checked

Seconds = Annotated[float, Field(ge=0.5, le=3600, strict=False)]
Milliseconds = Annotated[float, Field(ge=0.01, le=600_000, strict=False)]
Share = Annotated[float, Field(ge=0.01, le=1, strict=False)]
Path = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=2000)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[ -~]{0,2000}$")]
Comparison = Annotated[str, StringConstraints(max_length=200), AfterValidator(checked)]
AbortLine = Annotated[str, StringConstraints(max_length=200), AfterValidator(partial(checked, use="abort"))]
ValidLine = Annotated[str, StringConstraints(max_length=200), AfterValidator(partial(checked, use="valid"))]
RatePerS = Annotated[int, Field(ge=1, le=1_000_000)]
BodyText = Annotated[str, StringConstraints(pattern=r"^[ -~]{0,200}$")]


class Phases(Declared):
    """How long each part of the load test lasts; without set-up the quick test adds up to some 40 s."""

    warmup_s: Seconds = 2
    """Requests before anything is counted, for each path, s; the whole test goes on by as much until it is steady."""
    warmup_most_s: Seconds = 16
    """After so much warming up of a path it is not waited for any longer, s."""
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
    rate_s: Seconds = 10
    """Each of `rates_per_s` lasts so long at the least, s; a slow one longer, until P95 rests on enough answers."""
    trial_s: Seconds = 6
    """Each trial of the search for the knee, s."""
    trials: Annotated[int, Field(ge=3, le=40)] = 14
    """The search for the knee ends after so many trials, even if it is not exact by then."""
    cooldown_s: Seconds = 8
    """After the load, before it is looked at which units gave their memory back, s."""
    most_s: Seconds = 600
    """The whole test begins nothing new after this time, s."""


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
    rates_per_s: Annotated[tuple[RatePerS, ...], Field(max_length=10)] = (100, 1000, 5000)
    """Rates at which the cached page is asked for, whatever the host does, requests/s; held to `cached_p95_ms`."""
    knee_precision_share: Annotated[float, Field(ge=0.005, le=0.5, strict=False)] = 0.03
    """How exactly the largest rate with `cached_p95_ms` kept is looked for, as a share of it."""
    leak_share: Share = 0.2
    """After the load a unit may hold so much more than before it, as a share of its memory limit."""
    must: Annotated[tuple[Comparison, ...], Field(max_length=40)] = ()
    """More that has to hold, as `r1000.p99 < 300ms` or `service.*.mem < 90%`."""
    should: Annotated[tuple[Comparison, ...], Field(max_length=40)] = ()
    """What is told, but no reason to call the test missed; written as in `must`."""
    abort: Annotated[tuple[AbortLine, ...], Field(max_length=40)] = ()
    """What ends the load at once, as `host.mem > 90% for 3s`; beside the safety stops, which always hold."""
    valid: Annotated[tuple[ValidLine, ...], Field(max_length=40)] = ()
    """What has to hold for the test to prove anything, as `gen.cpu < 80%`; else it is inconclusive as a whole."""
    repeat: Annotated[int, Field(ge=1, le=9)] = 1
    """How many runs make a verdict, which is that of the median; where runs disagree, up to twice as many."""
    cached_path: Path = "/"
    """A page that every anonymous visitor gets from the cache."""
    uncached_paths: Annotated[tuple[Path, ...], Field(max_length=10)] = ("/",)
    """Pages that the app makes anew for each request; asked for with `uncached_headers`."""
    uncached_headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Request headers that go past the cache, as Cookie: a session; no secret belongs here."""
    body: BodyText = ""
    """A text that every page holds in its first MiB, as `</html>`; one without it is an error, whatever its status."""
    phases: Phases = Phases()
    """How long each part lasts."""
