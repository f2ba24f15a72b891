"""What servers of each version need of memory, measured on this machine: the priors of the budget come from here.

Every figure is anonymous and shared memory together, which MemoryMax counts and nothing can take back; the pages of
programs and libraries are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from deployer.binaries.needs import databases, runtimes, sockets, statements, stores, tables, webservers
from deployer.binaries.needs.figure import Figure
from deployer.binaries.python import PACKAGES
from deployer.sandbox import Inside, debian_tree, inside
from deployer.sandbox.progress import Say, silent

__all__ = ["Figure", "measured", "parts"]

Measure = Callable[[Inside], Iterator[Figure]]
#: What is measured in each tree, each in an inside of its own.
MEASURES: Mapping[str, tuple[Measure, ...]] = {
    "bookworm": (
        databases.mariadb,
        tables.mariadb,
        statements.mariadb,
        databases.postgresql_15,
        statements.postgresql_15,
        stores.redis,
        webservers.nginx,
        sockets.nginx,
        webservers.gunicorn,
        runtimes.node,
        runtimes.java,
    ),
    "trixie": (
        databases.mariadb,
        tables.mariadb,
        statements.mariadb,
        databases.postgresql_17,
        statements.postgresql_17,
        stores.redis,
        stores.valkey,
        webservers.nginx,
        runtimes.node,
        runtimes.java,
    ),
    "sid": (databases.mysql, tables.mysql, statements.mysql, stores.redis, stores.valkey, webservers.nginx),
}


def parts() -> tuple[str, ...]:
    """Name what can be measured by itself: servers, and subjects of several servers."""
    return tuple(sorted({word for measures in MEASURES.values() for measure in measures for word in _words(measure)}))


def measured(say: Say = silent, *, only: str = "") -> Iterator[Figure]:
    """Measure every server of every tree once; it takes some five minutes.

    Args:
        say: Gets one line per server.
        only: One of ``parts()``; everything if empty.

    Raises:
        SandboxError: A tree cannot be made, or a server does not start.
    """
    for name, measures in MEASURES.items():
        chosen = [measure for measure in measures if not only or only in _words(measure)]
        if not chosen:
            continue
        with debian_tree(name, say) as tree:
            for measure in chosen:
                say(f"{name}: {', '.join(_words(measure))}")
                folders = {PACKAGES: webservers.packages(say)} if measure is webservers.gunicorn else {}
                with inside(tree, folders=folders) as place:
                    yield from measure(place)


def _words(measure: Measure) -> tuple[str, str]:
    """Give the server that is measured, and the subject."""
    return measure.__name__.partition("_")[0], measure.__module__.rpartition(".")[2]
