"""What servers of each version need of memory, measured on this machine: the priors of the budget come from here.

Every figure is anonymous and shared memory together, which MemoryMax counts and nothing can take back; the pages of
programs and libraries are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from deployer.binaries.needs import databases, runtimes, stores, webservers
from deployer.binaries.needs.figure import Figure
from deployer.binaries.python import PACKAGES
from deployer.sandbox import Inside, debian_tree, inside
from deployer.sandbox.progress import Say, silent

__all__ = ["Figure", "measured"]

Measure = Callable[[Inside], Iterator[Figure]]
#: What is measured in each tree, each in an inside of its own.
MEASURES: Mapping[str, tuple[Measure, ...]] = {
    "bookworm": (
        databases.mariadb,
        databases.postgresql_15,
        stores.redis,
        webservers.nginx,
        webservers.gunicorn,
        runtimes.node,
        runtimes.java,
    ),
    "trixie": (
        databases.mariadb,
        databases.postgresql_17,
        stores.redis,
        stores.valkey,
        webservers.nginx,
        runtimes.node,
        runtimes.java,
    ),
    "sid": (databases.mysql, stores.redis, stores.valkey, webservers.nginx),
}


def measured(say: Say = silent) -> Iterator[Figure]:
    """Measure every server of every tree once; it takes some two minutes.

    Args:
        say: Gets one line per server.

    Raises:
        SandboxError: A tree cannot be made, or a server does not start.
    """
    for name, measures in MEASURES.items():
        with debian_tree(name, say) as tree:
            for measure in measures:
                say(f"{name}: {measure.__name__}")
                folders = {PACKAGES: webservers.packages(say)} if measure is webservers.gunicorn else {}
                with inside(tree, folders=folders) as place:
                    yield from measure(place)
