"""Reaching a host of the inventory for a calibration: its app, its units, a running agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from deployer import transport
from deployer.access import login_of
from deployer.calibration.bursts import Bursts, Say
from deployer.deploy import desired
from deployer.proof import check_load, target_of

if TYPE_CHECKING:
    from deployer.inventory import Entry


def unmeasured(entry: Entry) -> Entry:
    """Give the entry as the inventory alone has it."""
    return replace(entry, measured=None)


def app_units(entry: Entry) -> tuple[str, tuple[str, ...]]:
    """Name the app that is asked for pages, and its units."""
    app, _ = target_of(entry)
    wanted = desired(entry).rendered.wanted.units
    return app, tuple(unit.unit for unit in wanted if unit.taker == app and unit.unit.endswith(".service"))


@contextmanager
def bursts_on(entry: Entry, say: Say, generator_cpus: Sequence[int] = ()) -> Iterator[Bursts]:
    """Connect to a host whose inventory allows load.

    Args:
        entry: The host.
        say: Gets what is done.
        generator_cpus: Cores of this machine for the generator.

    Raises:
        UsageError: The inventory does not allow it.
    """
    check_load(entry)
    _, target = target_of(entry)
    rendered = desired(entry).rendered
    units = tuple(unit.unit for unit in rendered.wanted.units if unit.unit.endswith(".service"))
    with transport.connect(login_of(entry)) as remote, remote.agent() as agent:
        yield Bursts(agent, target, units, entry.host.hardware.cpu_cores, tuple(generator_cpus), say)
