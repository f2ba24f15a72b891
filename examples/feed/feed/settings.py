"""What the app is told by its environment; read once, when a process starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(Exception):
    """The environment holds something unusable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where Redis is, and how much one process may hold.

    Attributes:
        redis_socket: Redis' unix socket.
        redis_pool_size: Connections to Redis at most, >= 2: one of them waits for news.
        listeners: Visitors who listen at the same time; more are refused with 503.
    """

    redis_socket: str
    redis_pool_size: int
    listeners: int


def settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: A number is none, or too small.
    """
    return Settings(
        redis_socket=environ.get("REDIS_SOCKET", "/run/redis/redis-server.sock"),
        redis_pool_size=_whole(environ, "REDIS_POOL_SIZE", 4, at_least=2),
        listeners=_whole(environ, "FEED_LISTENERS", 500, at_least=1),
    )


def _whole(environ: Mapping[str, str], name: str, usual: int, *, at_least: int) -> int:
    text = environ.get(name) or str(usual)
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and int(text) >= at_least):
        raise SettingsError(f"{name}={text!r} must be a whole number from {at_least} to 9999999")
    return int(text)
