"""The pool: bounded, fair, and whole again after anything that a request or the server does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from blog.pool import Pool, PoolTimeoutError


class Wire:
    """A connection that only remembers that it was closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Server:
    """Opens wires, or refuses."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.refuses = False
        self.hangs = False

    async def connect(self) -> Wire:
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.sleep(60)
        if self.refuses:
            raise ConnectionRefusedError
        self.wires.append(Wire())
        return self.wires[-1]

    def pool(self, size: int = 2, timeout_s: float = 0.05, recycle_s: float = 100.0) -> Pool[Wire]:
        return Pool(self.connect, size=size, acquire_timeout_s=timeout_s, recycle_s=recycle_s)


def run(scenario: Callable[[Server], Awaitable[None]]) -> Server:
    server = Server()
    asyncio.run(scenario(server))  # type: ignore[arg-type] # each scenario is a coroutine function
    return server


async def all_permits_are_back(pool: Pool[Wire], size: int) -> None:
    async with asyncio.timeout(1):
        stack = [pool.connection() for _ in range(size)]
        for lease in stack:
            await lease.__aenter__()
        with pytest.raises(PoolTimeoutError):
            async with pool.connection():
                pass
        for lease in stack:
            await lease.__aexit__(None, None, None)


def test_never_more_than_size_connections_for_many_visitors() -> None:
    async def scenario(server: Server) -> None:
        pool = server.pool(size=3, timeout_s=5)
        held = most = 0

        async def visit() -> None:
            nonlocal held, most
            async with pool.connection():
                held += 1
                most = max(most, held)
                await asyncio.sleep(0.001)
                held -= 1

        await asyncio.gather(*(visit() for _ in range(60)))
        assert most == 3

    assert len(run(scenario).wires) == 3


def test_waits_no_longer_than_the_timeout_and_loses_no_permit() -> None:
    async def scenario(server: Server) -> None:
        pool = server.pool(size=1)
        async with pool.connection():
            with pytest.raises(PoolTimeoutError):
                async with pool.connection():
                    pass
        await all_permits_are_back(pool, 1)

    run(scenario)


def test_opening_a_connection_counts_into_the_timeout() -> None:
    async def scenario(server: Server) -> None:
        pool = server.pool()
        server.hangs = True
        with pytest.raises(PoolTimeoutError):
            async with pool.connection():
                pass
        server.hangs = False
        await all_permits_are_back(pool, 2)

    run(scenario)


def test_refused_connections_cost_no_permit() -> None:
    async def scenario(server: Server) -> None:
        pool = server.pool()
        server.refuses = True
        for _ in range(5):
            with pytest.raises(ConnectionRefusedError):
                async with pool.connection():
                    pass
        server.refuses = False
        await all_permits_are_back(pool, 2)

    run(scenario)


def test_connection_is_closed_when_its_use_raises_or_is_cancelled() -> None:
    async def scenario(server: Server) -> None:
        pool = server.pool(timeout_s=5)
        with pytest.raises(ValueError, match="in use"):
            async with pool.connection():
                raise ValueError("in use")

        async def long_use() -> None:
            async with pool.connection():
                await asyncio.sleep(60)

        task = asyncio.create_task(long_use())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert [wire.is_closed for wire in run(scenario).wires] == [True, True]


def test_cancelled_while_waiting_gives_its_turn_to_the_next() -> None:
    async def scenario(server: Server) -> None:
        pool = server.pool(size=1, timeout_s=5)
        got: list[str] = []

        async def visit(name: str) -> None:
            async with pool.connection():
                got.append(name)

        async with pool.connection():
            tasks = [asyncio.create_task(visit(name)) for name in ("a", "b", "c")]
            await asyncio.sleep(0.01)
            tasks[0].cancel()
            await asyncio.sleep(0)
        tasks[1].cancel()  # its turn has just been granted and it has not run yet
        await asyncio.gather(*tasks, return_exceptions=True)
        assert got == ["c"]

    run(scenario)


def test_urgent_goes_first_and_the_others_keep_their_order() -> None:
    async def scenario(server: Server) -> None:
        pool = server.pool(size=1, timeout_s=5)
        got: list[str] = []

        async def visit(name: str) -> None:
            async with pool.connection(urgent=name.startswith("urgent")):
                got.append(name)

        async with pool.connection():
            tasks = []
            for name in ("first", "second", "urgent 1", "urgent 2"):
                tasks.append(asyncio.create_task(visit(name)))
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert got == ["urgent 1", "urgent 2", "first", "second"]

    run(scenario)


def test_old_idle_connection_is_replaced() -> None:
    async def scenario(server: Server) -> None:
        pool = server.pool(recycle_s=0.01)
        async with pool.connection():
            pass
        await asyncio.sleep(0.02)
        async with pool.connection() as wire:
            assert not wire.is_closed

    assert [wire.is_closed for wire in run(scenario).wires] == [True, False]


def test_idle_connection_is_used_again_until_it_is_forgotten() -> None:
    async def scenario(server: Server) -> None:
        pool = server.pool()
        for _ in range(3):
            async with pool.connection():
                pass
        assert len(server.wires) == 1
        pool.forget_idle()
        async with pool.connection():
            pass

    assert [wire.is_closed for wire in run(scenario).wires] == [True, False]
