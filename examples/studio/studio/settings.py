"""What the app is told by its environment; read once, when a process starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(Exception):
    """The environment lacks something or holds something unusable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Who draws, where drawings are kept, and how much one process may hold.

    Attributes:
        artist_url: The service outside that draws: it is sent the words, and answers with the drawing.
        artist_timeout_s: Longest wait for a drawing, s; then the visitor gets 504.
        at_once: Drawings that are waited for at the same time; more are refused with 503.
        redis_socket: Redis' unix socket.
        redis_pool_size: Connections to Redis at most.
    """

    artist_url: str
    artist_timeout_s: int
    at_once: int
    redis_socket: str
    redis_pool_size: int


def settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: There is no artist; or a number is none, or too small.
    """
    url = environ.get("STUDIO_ARTIST_URL", "")
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"STUDIO_ARTIST_URL={url!r} must be the address of the service that draws")
    return Settings(
        artist_url=url,
        artist_timeout_s=_whole(environ, "STUDIO_ARTIST_TIMEOUT_S", 55),
        at_once=_whole(environ, "STUDIO_AT_ONCE", 200),
        redis_socket=environ.get("REDIS_SOCKET", "/run/redis/redis-server.sock"),
        redis_pool_size=_whole(environ, "REDIS_POOL_SIZE", 4),
    )


def _whole(environ: Mapping[str, str], name: str, usual: int) -> int:
    text = environ.get(name) or str(usual)
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and int(text) >= 1):
        raise SettingsError(f"{name}={text!r} must be a whole number from 1 to 9999999")
    return int(text)
