"""What tells one kind of server from the other, as data: prices, names of settings, places on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deployer.hardware import Hardware
from deployer.numbers import Derived, Numbers
from deployer.service import Validator
from deployer.services.mysql.settings import FlavourName, MysqlSettings


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a flavour's own numbers are worked out from."""

    hardware: Hardware
    settings: MysqlSettings
    pool: Derived
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """One kind of server.

    Attributes:
        name: As the inventory names it; the constants of the budget begin with it.
        title: Its name for people.
        package: Debian's or Ubuntu's package.
        unit: Its unit.
        socket_unit: Socket of its package that would start it, and hand it addresses that our config does not name;
            empty if there is none.
        config: Where its config goes: the last file that it reads.
        template: What the config is made from.
        written: Paths that its unit must be able to write to, besides its data; ``-`` before one that may be missing.
        validator: How its own binary judges the config.
        fixed_mib: RSS of an empty server with the caches set as the template sets them, MiB, by release series.
        performance_schema_mib: What the server's watching itself adds, MiB, by release series.
        performance_schema_large_mib: The same where it prepares for more connections than its default, MiB.
        connection_mib: One connection with all its buffers in use, MiB.
        open_table_kib: One open table of one connection, KiB.
        packet_copies: What a statement of one large value takes, of its size: it is read, parsed and made a row.
        large_packet_copies: The same where ``max_allowed_packet`` is more than 1 MiB.
        connection_buffers_kib: What one connection may hold, KiB, by the server's own names.
        temporary_kib: What a connection's temporary tables hold besides, KiB.
        log_size: The server's name of the size of its redo log.
        log_buffer_mib: Its log's buffer, MiB, as it was when ``fixed_mib`` was measured.
        pool_mib: The largest size of the buffer pool, MiB, within so much that the server takes as it is.
        shared_mib: What all connections share besides, MiB by name, for so many of them.
        numbers: Settings that the other flavour does not have.
    """

    name: FlavourName
    title: str
    package: str
    unit: str
    socket_unit: str
    config: str
    template: str
    written: tuple[str, ...]
    validator: Validator
    fixed_mib: Mapping[str, float]
    performance_schema_mib: Mapping[str, float]
    performance_schema_large_mib: float
    connection_mib: float
    open_table_kib: float
    packet_copies: float
    large_packet_copies: float
    connection_buffers_kib: Mapping[str, int]
    temporary_kib: int
    log_size: str
    log_buffer_mib: int
    pool_mib: Callable[[float], int]
    shared_mib: Callable[[int], Mapping[str, float]]
    numbers: Callable[[Sizes], Numbers]

    def prior(self, name: str) -> str:
        """Give the path of one of its constants, for ``explain``."""
        return f"priors.{self.name}_{name}"

    def statement_mib(self, packet_mib: int) -> float:
        """Price a statement of one value that is as large as ``max_allowed_packet``, MiB."""
        return packet_mib * (self.packet_copies if packet_mib <= 1 else self.large_packet_copies)
