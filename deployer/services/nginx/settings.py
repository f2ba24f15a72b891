"""What the inventory may say about nginx."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from deployer.declaration import Declaration, ServiceSettings

IncludeGlob = Annotated[str, StringConstraints(pattern=r"^/etc/nginx/[A-Za-z0-9_.*/-]+$")]


class NginxSettings(ServiceSettings):
    """nginx of a host; what is left out is derived from the budget."""

    version: Literal["1.22", "1.24", "1.26", "1.28", "1.30"] = "1.22"
    """Release series: 1.22 comes with Debian 12, 1.24 with Ubuntu 24.04, 1.26 with Debian 13; others from elsewhere."""
    keepalive_timeout_s: Annotated[int, Field(ge=5, le=600)] = 65
    """How long an idle visitor's connection is kept, seconds."""
    requests_per_s: Annotated[int, Field(ge=1, le=10_000)] = 30
    """Requests to the apps that one address may make each second, beyond a burst of four times as many."""
    connections_per_address: Annotated[int, Field(ge=4, le=10_000)] = 64
    """Connections that one address may hold."""
    cache_disk_mib: Annotated[int, Field(ge=8, le=10_240)] = 128
    """Disk of each app's cache, MiB."""
    include: tuple[IncludeGlob, ...] = ()
    """Files of your own to include in http{}: [/etc/nginx/sites-enabled/*]; nginx.conf itself is owned whole."""


def settings_of(declaration: Declaration) -> NginxSettings:
    """Give the host's settings; the defaults if it has none."""
    return declaration.said_of("nginx", NginxSettings)


def cached_apps(declaration: Declaration) -> tuple[str, ...]:
    """Name the apps whose pages are cached: those that say for how long, and how they know who is logged in."""
    return tuple(name for name, app in declaration.apps.items() if app.session_cookie and app.cache_s)
