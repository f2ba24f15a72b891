"""How many connections the server takes, and the tables, threads and files that so many need."""

from __future__ import annotations

from deployer.chain import ADMIN_CONNECTIONS, FEWEST_DATABASE_CONNECTIONS
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.links import Chain, pools_of
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.services.mysql.settings import TAKER, settings_of
from deployer.units import round_up

#: A query that joins three tables, and one more; every connection opens its own.
TABLES_PER_CONNECTION = 4
FEWEST_OPEN_TABLES = 200
#: What the server wants besides connections and tables, and what it is given at the least.
SPARE_FILES, FEWEST_FILES = 32, 4096
#: The server's own threads: purging, reading ahead, writing, timers.
OWN_THREADS = 128
#: What both servers take by default: performance_schema prepares for so many, or for far more.
DEFAULT_CONNECTIONS = 151


def max_connections(declaration: Declaration, chain: Chain) -> Derived:
    """Count what all apps may open at once, and a few for people.

    Raises:
        BudgetError: The pinned number is less than that.
    """
    settings, together = settings_of(declaration), chain.connections_to(TAKER)
    wanted = derived(
        max(FEWEST_DATABASE_CONNECTIONS, together + ADMIN_CONNECTIONS),
        "connections",
        f"pools of all that use it {together} + {ADMIN_CONNECTIONS} for people, backups and migrations; "
        f"at least {FEWEST_DATABASE_CONNECTIONS}",
        *(f"{taker}.pool_size" for taker in chain.users_of(TAKER)),
    )
    if settings.max_connections is None:
        return wanted
    if settings.max_connections < int(wanted.value):
        raise BudgetError(
            f"services.mysql.max_connections is pinned to {settings.max_connections}, "
            f"but the apps and their keepers can open {wanted.value}: {wanted.because}",
            where=f"hosts.{declaration.host}.services.mysql.max_connections",
            next_step=f"leave it out, or pin smaller pools: {pools_of(declaration, chain, TAKER)}",
        )
    return pinned(settings.max_connections, wanted.unit, "services.mysql.max_connections")


def open_tables(connections: int) -> int:
    """Size the cache of open tables, each of which one connection uses at a time."""
    return max(FEWEST_OPEN_TABLES, TABLES_PER_CONNECTION * connections)


def connection_numbers(connections: Derived) -> Numbers:
    """Derive what follows from the number of connections."""
    count = int(connections.value)
    tables = open_tables(count)
    files = max(FEWEST_FILES, round_up(max(count + 2 * tables + SPARE_FILES, 5 * count), 64))
    return {
        "max_connections": connections,
        "thread_cache_size": derived(
            min(count, 32), "threads", "every pooled connection keeps its own", "mysql.max_connections"
        ),
        "table_open_cache": derived(
            tables,
            "tables",
            f"{TABLES_PER_CONNECTION} for each connection, at least {FEWEST_OPEN_TABLES}",
            "mysql.max_connections",
        ),
        "table_definition_cache": default(400, "tables", "the lowest that the server takes"),
        "table_open_cache_instances": default(1, "", "more of them only part a lock that a small host never waits for"),
        "open_files_limit": derived(
            files,
            "descriptors",
            f"connections + 2 x {tables} tables + {SPARE_FILES}, or 5 for each connection; at least {FEWEST_FILES}",
            "mysql.max_connections",
            "mysql.table_open_cache",
        ),
        "LimitNOFILE": derived(files, "descriptors", "open_files_limit", "mysql.open_files_limit"),
        "TasksMax": derived(
            count + OWN_THREADS,
            "tasks",
            f"a thread for each connection, and {OWN_THREADS} for the server's own",
            "mysql.max_connections",
        ),
    }
