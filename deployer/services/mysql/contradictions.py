"""What of a declared database cannot be meant."""

from __future__ import annotations

from math import ceil

from deployer.apps import databases_taken
from deployer.declaration import Declaration
from deployer.service import Contradictions
from deployer.services.mysql.flavours import flavour_of
from deployer.services.mysql.settings import SERIES, is_declared, settings_of

#: What the server keeps for itself.
RESERVED_DATABASES = frozenset({"mysql", "sys", "root", "test", "mariadb", "information_schema", "performance_schema"})


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse a release that its flavour does not have, pins beyond the host, and databases that are taken."""
    if is_declared(declaration):
        yield from _of_the_server(declaration)
    yield from databases_taken(declaration, "mysql", RESERVED_DATABASES)


def _of_the_server(declaration: Declaration) -> Contradictions:
    settings, place = settings_of(declaration), ("services", "mysql")
    series = SERIES[settings.flavour]
    if settings.series not in series:
        other = next(name for name, found in SERIES.items() if settings.series in found)
        title, known = flavour_of(declaration).title, ", ".join(sorted(series))
        yield (
            (*place, "version"),
            f"{title} has no release {settings.series}; write one of {known}, or flavour: {other}",
        )
    if settings.max_session_mem_used_mib is not None:
        name = "max_session_mem_used"
        if settings.flavour != "mariadb":
            yield (*place, f"{name}_mib"), f"{flavour_of(declaration).title} has no {name}; leave it out"
        elif settings.max_session_mem_used_mib < (
            least := ceil(flavour_of(declaration).statement_mib(settings.max_allowed_packet_mib))
        ):
            packet_mib = settings.max_allowed_packet_mib
            message = f"a statement of max_allowed_packet_mib: {packet_mib} takes {least} MiB; write {least} or more"
            yield (*place, f"{name}_mib"), message
    pool_mib, memory_mib = settings.innodb_buffer_pool_size_mib, declaration.hardware.memory_mib
    if pool_mib is not None and pool_mib >= memory_mib:
        yield (
            (*place, "innodb_buffer_pool_size_mib"),
            f"the buffer pool of {pool_mib} MiB is not smaller than the host's memory of {memory_mib} MiB",
        )
