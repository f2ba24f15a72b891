"""The drawings that are kept, in Redis: an hour each, so they are few and may be lost."""

from redis.asyncio import BlockingConnectionPool, Redis, UnixDomainSocketConnection
from redis.exceptions import RedisError

from studio.settings import Settings

KEPT_S = 3600
TIMEOUT_S = 2.0


class UnavailableError(Exception):
    """Redis is away, or all connections to it are taken."""


class Drawings:
    """Keeps drawings by their words; every method raises ``UnavailableError`` when Redis is away."""

    def __init__(self, told: Settings) -> None:
        pool = BlockingConnectionPool(
            connection_class=UnixDomainSocketConnection,
            path=told.redis_socket,
            max_connections=told.redis_pool_size,
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
        )
        self._redis = Redis(connection_pool=pool)

    async def ping(self) -> None:
        """Ask Redis for an answer."""
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise UnavailableError(str(error)) from error

    async def find(self, words: str) -> bytes | None:
        """Return the drawing of these words, if there is one."""
        try:
            found: bytes | None = await self._redis.get(f"drawing:{words}")
        except (RedisError, OSError) as error:
            raise UnavailableError(str(error)) from error
        return found

    async def keep(self, words: str, drawing: bytes) -> None:
        """Keep a drawing."""
        try:
            await self._redis.set(f"drawing:{words}", drawing, ex=KEPT_S)
        except (RedisError, OSError) as error:
            raise UnavailableError(str(error)) from error

    async def close(self) -> None:
        """Leave Redis."""
        await self._redis.aclose()
