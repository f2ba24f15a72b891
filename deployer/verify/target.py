"""What is put under load, and what it was measured against: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deployer.slo import Slo

#: What the micro-cache of our nginx calls its verdict on a request.
CACHE_HEADER: Final = "X-Cache"
#: Every browser asks for it; a server that has to compress is part of what is measured.
BROWSER_HEADERS: Final[Mapping[str, str]] = {"Accept-Encoding": "gzip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLimits:
    """What the budget lets the app under test do at the same time: whoever wants more waits.

    Attributes:
        app: The app.
        at_once: Requests in progress, over all its processes; None where nothing ends them before memory does.
        database: The server that holds its database, as the samples name it; empty without one.
        user: Who the app is to that server.
        pool_connections: Its connections to it, over all processes.
    """

    app: str = ""
    at_once: int | None = None
    database: str = ""
    user: str = ""
    pool_connections: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a page is expected to carry, known before the test.

    Attributes:
        path: The page.
        cached: It comes from the cache.
        req_per_s: Answers a second.
        because: How that was worked out.
    """

    path: str
    cached: bool
    req_per_s: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyTarget:
    """A host's web server as the generator sees it.

    Attributes:
        address: Where to connect to: an IP address or a name.
        port: TCP port.
        tls: Speak TLS.
        server_name: Goes into ``Host`` and SNI.
        verify_certificate: Check the certificate; off for a self-made one, which the report then says.
        ca_file: Certificates to trust; empty for the system's.
        connections: How many visitors at once.
        cached_path: A page that anonymous visitors get from the cache.
        uncached_paths: Pages that the app makes anew.
        uncached_headers: Request headers that go past the cache.
        body: A text that every page holds; empty: any body will do.
        bandwidth_mbit_per_s: What the host's link carries outwards, Mbit/s; None where it is not known.
        limits: What the app can do at the same time.
        predictions: What its pages are expected to carry.
    """

    address: str
    server_name: str
    port: int = 443
    tls: bool = True
    verify_certificate: bool = False
    ca_file: str = ""
    connections: int = 1000
    cached_path: str = "/"
    uncached_paths: tuple[str, ...] = ("/",)
    uncached_headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    bandwidth_mbit_per_s: float | None = None
    limits: AppLimits = AppLimits()
    predictions: tuple[Prediction, ...] = ()

    @classmethod
    def of(cls, slo: Slo, *, address: str, server_name: str, **more: Any) -> VerifyTarget:
        """Take paths and headers from the SLO; ``more`` is any other attribute."""
        return cls(
            address=address,
            server_name=server_name,
            cached_path=slo.cached_path,
            uncached_paths=slo.uncached_paths,
            uncached_headers=slo.uncached_headers,
            body=slo.body,
            **more,
        )

    def predicted(self, path: str, *, cached: bool) -> Prediction | None:
        """Find what was predicted for a page."""
        return next((each for each in self.predictions if (each.path, each.cached) == (path, cached)), None)

    def job(self, **parts: Any) -> dict[str, Any]:
        """Give a job for the generator; ``headers`` among the parts come on top of a browser's."""
        headers = {**BROWSER_HEADERS, **parts.pop("headers", {})}
        tls = {"server_name": self.server_name, "verify": self.verify_certificate, "ca_file": self.ca_file or None}
        return {
            "address": self.address,
            "port": self.port,
            "host": self.server_name if self.port in (80, 443) else f"{self.server_name}:{self.port}",
            "tls": tls if self.tls else None,
            "count_header": CACHE_HEADER,
            "headers": headers,
            "expect": {"body": self.body},
            **parts,
        }
