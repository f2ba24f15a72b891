"""What Redis needs at its worst: itself, its clients' buffers, and a full cache.

Where it is kept on the disk, a copying process shares its memory until it writes: with every key written meanwhile, the
whole cache is there twice. The factors were measured: docs/budget.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.service import Remedy, SysctlWanted
from deployer.services.redis.settings import RedisSettings, settings_of
from deployer.units import round_up

TAKER = "redis"
#: Share of the elastic remainder; a database has 2, an app's workers 3.
WEIGHT = 1
#: Clients beyond the apps' pools: a person, a monitor, connections that are closing.
SPARE_CLIENTS = 16
#: Longest value or reply; a longer one ends the connection, instead of growing beyond all that was priced. MiB.
REPLY_MIB = 8
#: Descriptors that Redis keeps for itself (CONFIG_MIN_RESERVED_FDS).
OWN_DESCRIPTORS = 32
#: MALLOC_CONF of its unit: pages that are free go back at once. By itself the allocator keeps them for ten seconds,
#: and what is gone by then counts meanwhile: up to 2.5 x maxmemory while values change in size.
MALLOC_CONF = "dirty_decay_ms:0,muzzy_decay_ms:0"
#: Its main thread, four for slow work, one of the allocator, a copying process; and room.
TASKS = 32


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price the server, its clients and the cache, which takes what is left of its share."""
    settings, clients = settings_of(declaration), _clients(chain)
    cache_mib = settings.maxmemory_mib or PRIORS.redis_cache_floor_mib
    parts = {
        f"{settings.flavour} {settings.series}, empty": PRIORS.redis_fixed_mib,
        f"buffers of {clients} clients": float(_buffers_mib(clients)),
        f"cache of {cache_mib} MiB x {PRIORS.redis_memory_share:g}": cache_mib * PRIORS.redis_memory_share,
    }
    inputs = [f"{TAKER}.maxclients", *(f"priors.redis_{name}" for name in ("fixed_mib", "client_kib", "memory_share"))]
    if settings.is_kept:
        parts["its copy while it is written to the disk"] = cache_mib * PRIORS.redis_copy_share
        inputs += ["services.redis.persistence", "priors.redis_copy_share"]
    if settings.maxmemory_mib:
        return [Claim(TAKER, parts, inputs=(*inputs, "services.redis.maxmemory_mib"))]
    inputs.append("priors.redis_cache_floor_mib")
    because = "cache: more of it is found there"
    return [Claim(TAKER, parts, weight=WEIGHT, because=because, inputs=tuple(inputs))]


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive the server's settings from its grant."""
    settings, grant, clients = settings_of(declaration), grants[TAKER], _clients(chain)
    buffers_mib = _buffers_mib(clients)
    policy = "noeviction" if settings.is_kept else "allkeys-lru"
    found: dict[str, Derived] = {
        "MemoryMax": derived(
            grant.memory_mib, "MiB", f"fixed {grant.fixed_mib} + share {grant.elastic_mib}", f"ledger.{TAKER}"
        ),
        "maxmemory": _maxmemory(settings, grant),
        "maxmemory-policy": pinned(settings.policy, "", "services.redis.policy")
        if settings.policy
        else default(policy, "", "what is kept is never thrown away" if settings.is_kept else "the least used goes"),
        "maxclients": derived(
            clients,
            "clients",
            f"pools of all that use it {clients - SPARE_CLIENTS} + {SPARE_CLIENTS}",
            *(f"{taker}.pool_size" for taker in chain.users_of(TAKER)),
        ),
        "maxmemory-clients": derived(
            buffers_mib,
            "MiB",
            f"one reply of {REPLY_MIB} + {PRIORS.redis_client_kib:g} KiB for each client; then the largest is cut",
            f"{TAKER}.maxclients",
            "priors.redis_client_kib",
        ),
        "proto-max-bulk-len": default(REPLY_MIB, "MiB", "the longest value"),
        "client-query-buffer-limit": default(
            REPLY_MIB + 1, "MiB", "the longest query: one such value, and its command"
        ),
        "client-output-buffer-limit": default(REPLY_MIB, "MiB", "the longest reply; a longer one ends its connection"),
        "LimitNOFILE": derived(
            max(1024, round_up(clients + OWN_DESCRIPTORS, 64)),
            "descriptors",
            f"clients + {OWN_DESCRIPTORS} of its own, at least 1024",
            f"{TAKER}.maxclients",
        ),
        "TasksMax": default(TASKS, "tasks", "a few threads, and a process that copies"),
    }
    return {TAKER: found}


def sysctls(declaration: Declaration) -> tuple[SysctlWanted, ...]:
    """Let the copying process share the memory of the server; a cache alone makes no copy."""
    if not settings_of(declaration).is_kept:
        return ()
    because = "Redis writes its copy by a process that shares its memory; else the kernel would ask for twice as much"
    return (SysctlWanted(name="vm.overcommit_memory", value="1", because=because),)


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer what makes it smaller: no pin, no copy on the disk."""
    settings = settings_of(declaration)
    if settings.maxmemory_mib is not None:
        yield Remedy(
            "leave out services.redis.maxmemory_mib", declaration.with_settings(TAKER, settings, maxmemory_mib=None)
        )
    if settings.is_kept:
        yield Remedy(
            "services.redis.persistence: none, if what it holds can be made anew",
            declaration.with_settings(TAKER, settings, persistence="none"),
        )


def _clients(chain: Chain) -> int:
    return chain.connections_to(TAKER) + SPARE_CLIENTS


def _buffers_mib(clients: int) -> int:
    return REPLY_MIB + round_up(clients * PRIORS.redis_client_kib / 1024, 1)


def _maxmemory(settings: RedisSettings, grant: Grant) -> Derived:
    if settings.maxmemory_mib:
        return pinned(settings.maxmemory_mib, "MiB", "services.redis.maxmemory_mib")
    floor, each = PRIORS.redis_cache_floor_mib, PRIORS.redis_memory_share
    because = f"floor {floor} + share of the remainder {grant.elastic_mib} / {each:g} for the allocator"
    inputs = [f"ledger.{TAKER}", "priors.redis_cache_floor_mib", "priors.redis_memory_share"]
    if settings.is_kept:
        each += PRIORS.redis_copy_share
        because = f"floor {floor} + share of the remainder {grant.elastic_mib} / {each:g} for the allocator and a copy"
        inputs.append("priors.redis_copy_share")
    return derived(floor + int(grant.elastic_mib / each), "MiB", because, *inputs)
