"""What the inventory may say about Redis or Valkey."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from deployer.declaration import Declaration, ServiceSettings
from deployer.service import Contradictions

Policy = Literal[
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "noeviction",
]


class RedisSettings(ServiceSettings):
    """Redis or Valkey on a unix socket, as a cache or with what it holds kept on the disk."""

    flavour: Literal["redis", "valkey"] = "redis"
    """Which server."""
    version: Literal["7", "8", "9"] | None = None
    """Release series: Redis 7 comes with Debian 12 and is meant if left out; Redis 8 and Valkey 8 with Debian 13;
    Valkey 9 from elsewhere."""
    maxmemory_mib: Annotated[int, Field(ge=4, le=256 * 1024)] | None = None
    """Pin of what it may hold, MiB."""
    persistence: Literal["none", "rdb", "aof"] = "none"
    """none: a restart empties it; rdb: a copy every few minutes; aof: every write. A copy may double its memory."""
    policy: Policy | None = None
    """What goes when it is full (maxmemory-policy); left out: the least used, or nothing where it is kept."""

    @property
    def series(self) -> str:
        """Release series, also where the inventory leaves it out."""
        return self.version or ("8" if self.flavour == "valkey" else "7")

    @property
    def is_kept(self) -> bool:
        """Whether what it holds is kept on the disk, by a process that copies it."""
        return self.persistence != "none"


def is_declared(declaration: Declaration) -> bool:
    """Say whether the host has it."""
    return "redis" in declaration.settings


def settings_of(declaration: Declaration) -> RedisSettings:
    """Give the host's settings; the defaults if it has none."""
    return declaration.said_of("redis", RedisSettings)


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse a release that there is none of, and a store that forgets what it was told to keep."""
    settings = settings_of(declaration)
    if settings.flavour == "valkey" and settings.version == "7":
        yield ("services", "redis", "version"), "Valkey is served from 8 on; leave it out"
    if settings.flavour == "redis" and settings.version == "9":
        yield ("services", "redis", "version"), "there is no Redis 9 here; write 7, 8, or flavour: valkey"
    if settings.is_kept and settings.policy is not None and settings.policy.startswith("allkeys"):
        kept = f"what persistence: {settings.persistence} shall keep"
        advice = "write noeviction or a volatile one, or persistence: none"
        yield ("services", "redis", "policy"), f"{settings.policy} throws away {kept}; {advice}"
