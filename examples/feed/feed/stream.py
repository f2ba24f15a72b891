"""The messages in Redis: a stream that is cut at 1000, so it is small and may be lost."""

import asyncio
import logging

from redis.asyncio import BlockingConnectionPool, Redis, UnixDomainSocketConnection
from redis.exceptions import RedisError

from feed.hub import Hub, Message
from feed.settings import Settings

KEY = "feed:messages"
KEPT = 1000
#: Messages that one who comes back is sent at most.
CAUGHT_UP = 100
TIMEOUT_S = 2.0
#: Longest wait for news in one command, ms; the connection's own timeout lies above it.
BLOCK_MS = 5_000
PAUSE_S = 1.0
log = logging.getLogger("feed")


class UnavailableError(Exception):
    """Redis is away, or all connections to it are taken."""


class Stream:
    """Writes and reads messages; every method raises ``UnavailableError`` when Redis is away."""

    def __init__(self, settings: Settings) -> None:
        self._redis = _redis(settings, settings.redis_pool_size - 1, TIMEOUT_S)
        self._waiting = _redis(settings, 1, BLOCK_MS / 1000 + TIMEOUT_S)

    async def ping(self) -> None:
        """Ask Redis for an answer."""
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise UnavailableError(str(error)) from error

    async def add(self, text: str) -> str:
        """Add a message, and return its id."""
        try:
            return str(await self._redis.xadd(KEY, {"text": text}, maxlen=KEPT, approximate=True))
        except (RedisError, OSError) as error:
            raise UnavailableError(str(error)) from error

    async def after(self, message_id: str) -> list[Message]:
        """Return up to 100 messages after one, the oldest first."""
        try:
            entries = await self._redis.xrange(KEY, min=f"({message_id}", count=CAUGHT_UP)
        except (RedisError, OSError) as error:
            raise UnavailableError(str(error)) from error
        return [_message(*entry) for entry in entries]

    async def newest(self, count: int) -> list[Message]:
        """Return the newest messages, the newest first."""
        try:
            entries = await self._redis.xrevrange(KEY, count=count)
        except (RedisError, OSError) as error:
            raise UnavailableError(str(error)) from error
        return [_message(*entry) for entry in entries]

    async def read_into(self, hub: Hub) -> None:
        """Hand out every message from now on, for ever; what is lost with Redis is lost."""
        last = "$"
        while True:
            try:
                answer = await self._waiting.xread({KEY: last}, count=CAUGHT_UP, block=BLOCK_MS)
            except (RedisError, OSError) as error:
                log.warning("redis: %s", error)
                await asyncio.sleep(PAUSE_S)
                continue
            for _key, entries in answer or ():
                for entry in entries:
                    last = entry[0]
                    hub.hand_out(_message(*entry))

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()
        await self._waiting.aclose()


def _redis(settings: Settings, connections: int, timeout_s: float) -> Redis:
    pool = BlockingConnectionPool(
        connection_class=UnixDomainSocketConnection,
        path=settings.redis_socket,
        max_connections=connections,
        timeout=TIMEOUT_S,
        socket_timeout=timeout_s,
        decode_responses=True,
        protocol=2,
    )
    return Redis.from_pool(pool)


def _message(message_id: str, fields: dict[str, str]) -> Message:
    return Message(message_id, fields.get("text", ""))
