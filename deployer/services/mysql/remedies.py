"""Changes that make the database smaller, for a host that does not fit; each is really tried."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.declaration import Declaration
from deployer.service import Remedy
from deployer.services.mysql.settings import TAKER, MysqlSettings, Series, settings_of

#: The next smaller release of each, with what it comes with.
SMALLER: dict[Series, tuple[Series, str]] = {
    "11.8": ("10.11", "Debian 12"),
    "11.4": ("10.11", "Debian 12"),
    "9.7": ("8.0", "Ubuntu 24.04"),
    "8.4": ("8.0", "Ubuntu 24.04"),
}


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer another server, no pins, smaller pools."""
    yield from _of_the_server(declaration)
    yield from _of_the_pools(declaration)


def _of_the_server(declaration: Declaration) -> Iterator[Remedy]:
    settings = settings_of(declaration)
    if settings.innodb_buffer_pool_size_mib is not None:
        changed = declaration.with_settings(TAKER, settings, innodb_buffer_pool_size_mib=None)
        yield Remedy("leave out services.mysql.innodb_buffer_pool_size_mib", changed)
    if settings.max_connections is not None:
        changed = declaration.with_settings(TAKER, settings, max_connections=None)
        yield Remedy("leave out services.mysql.max_connections", changed)
    if settings.max_allowed_packet_mib > MysqlSettings.model_fields["max_allowed_packet_mib"].default:
        changed = declaration.with_settings(TAKER, settings, max_allowed_packet_mib=1)
        yield Remedy("services.mysql.max_allowed_packet_mib: 1, if no statement is larger", changed)
    if settings.performance_schema == "on":
        changed = declaration.with_settings(TAKER, settings, performance_schema="off")
        yield Remedy("services.mysql.performance_schema: off", changed)
    if settings.binlog == "on":
        yield Remedy("services.mysql.binlog: off", declaration.with_settings(TAKER, settings, binlog="off"))
    if settings.flavour == "mysql":
        changed = declaration.with_settings(TAKER, settings, flavour="mariadb", version="10.11")
        yield Remedy(f"MariaDB 10.11 (services.mysql.flavour: mariadb) instead of MySQL {settings.series}", changed)
    if settings.series in SMALLER:
        series, comes_with = SMALLER[settings.series]
        changed = declaration.with_settings(TAKER, settings, version=series)
        yield Remedy(f'services.mysql.version: "{series}" ({comes_with}) instead of {settings.series}', changed)


def _of_the_pools(declaration: Declaration) -> Iterator[Remedy]:
    """Halve the pools that somebody pinned."""
    for name in declaration.databases_in(TAKER):
        app = declaration.apps[name]
        for key in app.runners:
            runner = app.run_by(key)
            pool_size = getattr(runner, "pool_size", None)
            if runner is None or pool_size is None or pool_size < 2:
                continue
            fewer = runner.model_copy(update={"pool_size": pool_size // 2})
            yield Remedy(f"apps.{name}.{key}.pool_size: {pool_size // 2}", declaration.with_app(name, **{key: fewer}))
