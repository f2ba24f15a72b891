"""Where the load of a test comes from: this machine, other hosts of the inventory, the tested host's own loopback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from deployer import transport
from deployer.access import login_of
from deployer.errors import UsageError
from deployer.inventory import Entry, Inventory
from deployer.verify.vantage import LOOPBACK_ADDRESS, Here, There, Vantage

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployer.transport.ssh import Remote

#: Words of ``--from`` that are no hosts.
HERE: Final = "here"
LOOPBACK: Final = "loopback"


@dataclass(frozen=True, slots=True)
class Origins:
    """Where load comes from, in equal parts by processes.

    Attributes:
        here: This machine.
        loopback: The tested host itself: what the link would hide is seen, and the generator takes from its processor.
        hosts: Other hosts of the inventory, a process for each of their cores.
    """

    here: bool = True
    loopback: bool = False
    hosts: tuple[Entry, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Name them as ``--from`` does."""
        words = ((HERE, self.here), (LOOPBACK, self.loopback))
        return (*(word for word, is_one in words if is_one), *(entry.name for entry in self.hosts))

    @property
    def passes_no_link(self) -> bool:
        """Whether none of it comes over the host's link."""
        return self.loopback and not (self.here or self.hosts)

    @contextmanager
    def vantages(
        self, remote: Remote, *, cpus: Sequence[int], say: Callable[[str], None]
    ) -> Iterator[tuple[Vantage, ...]]:
        """Log in to the hosts for as long as the load lasts.

        Args:
            remote: The tested host.
            cpus: Processors of this machine for its part of the load; none: wherever the kernel puts it.
            say: As for ``transport.connect``.

        Raises:
            HostUntouched: One of them cannot be reached.
        """
        with ExitStack() as stack:
            found: list[Vantage] = [Here(cpus)] if self.here else []
            if self.loopback:
                found.append(There(remote=remote, name=LOOPBACK, address=LOOPBACK_ADDRESS))
            for entry in self.hosts:
                other = stack.enter_context(transport.connect(login_of(entry), say=say))
                found.append(There(remote=other, name=entry.name, processes=entry.host.hardware.cpu_cores))
            if self != FROM_HERE:
                say("generators: " + ", ".join(f"{len(each.jobs)} on {each.name or 'this machine'}" for each in found))
            yield tuple(found)


#: What is meant where nothing is said.
FROM_HERE: Final = Origins()


def origins_of(words: str, target: Entry, inventory: Inventory) -> Origins:
    """Read ``--from``: names and groups of hosts, ``here`` and ``loopback``, with commas between.

    Args:
        words: What was written; nothing is ``here``.
        target: The host that is tested.
        inventory: All hosts.

    Raises:
        UsageError: A name is of no host, of one that may not generate load, or of the target; or the target's
            limits for each visitor would hold for it.
    """
    names = [word for word in (part.strip() for part in words.split(",")) if word]
    if not names:
        return FROM_HERE
    others = [name for name in names if name not in {HERE, LOOPBACK}]
    try:
        hosts = inventory.chosen(",".join(others)) if others else ()
    except UsageError as error:
        raise UsageError(error.message, where=f"--from {words}", next_step=error.next_step) from error
    for entry in hosts:
        _check(entry, target)
    if LOOPBACK in names:
        _check_limits(LOOPBACK, LOOPBACK_ADDRESS, target)
    return Origins(here=HERE in names, loopback=LOOPBACK in names, hosts=hosts)


def _check(entry: Entry, target: Entry) -> None:
    if entry.name == target.name:
        raise UsageError(
            f"{entry.name} is the host that is tested", where=f"--from {entry.name}", next_step=f"--from {LOOPBACK}"
        )
    if not entry.host.generates_load:
        raise UsageError(
            f"the inventory does not say that load may come from {entry.name}",
            where=f"hosts.{entry.name}.generates_load",
            next_step="write `generates_load: true` there, if nothing runs on it that would suffer",
        )
    _check_limits(entry.name, login_of(entry).address, target)


def _check_limits(name: str, address: str, target: Entry) -> None:
    """An address that is none of ``load_from`` would meet the limits for each visitor; of a name nothing is known."""
    try:
        found = ip_address(address)
    except ValueError:
        return
    if not any(found in ip_network(network) for network in target.host.load_from):
        raise UsageError(
            f"the limits for each visitor of {target.name} hold for {name} ({address})",
            where=f"hosts.{target.name}.load_from",
            next_step=f"add {address} to load_from, deploy, and run it again",
        )
