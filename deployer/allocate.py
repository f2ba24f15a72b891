"""Allocation: every service's claims against one host, fixed first, the remainder by weight, and a refusal that helps.

``allocate(declaration)`` is the whole of it; it is pure, and it either returns a budget that fits or raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.budget import Claim, Grant, HostBudget, Reserve, reserves, share, usable_mib
from deployer.catalog import running
from deployer.chain import connection_chain
from deployer.contradictions import is_contradictory
from deployer.declaration import Declaration
from deployer.disk import ROOM, disk_of
from deployer.errors import BudgetError
from deployer.knobs import with_connections, without_server
from deployer.limits import binding_resource, limits_of
from deployer.links import Chain
from deployer.numbers import Numbers
from deployer.service import Remedy
from deployer.unfit import Search, disk_refusal, refusal


def allocate(declaration: Declaration) -> HostBudget:
    """Derive the budget of a whole host.

    Args:
        declaration: The host as its inventory entry declares it.

    Returns:
        The ledger and every number that follows; the sum of all that is granted and reserved is within the memory.

    Raises:
        BudgetError: It does not fit into the memory or onto the disk. The text is the ledger, and what would make it
            fit with its gain in MiB.
    """
    chain = chain_of(declaration)
    claims = _claims(declaration, chain)
    kept = _reserves(declaration)
    usable = usable_mib(declaration)
    available = usable - sum(reserve.mib for reserve in kept)
    if sum(claim.fixed_mib for claim in claims) > available:
        raise refusal(declaration, usable, kept, claims, Search(_remedies, shortage_mib, is_contradictory))
    grants = share(claims, available)
    numbers, disk = _numbers(declaration, chain, grants)
    if int(disk[ROOM].value) < 0:
        raise disk_refusal(declaration, disk, Search(_remedies, disk_shortage_mib, is_contradictory))
    processes = {taker: int(found["processes"].value) for taker, found in numbers.items() if "processes" in found}

    def missing_mib(visitors: int) -> float:
        return shortage_mib(with_connections(declaration, visitors))

    limits = limits_of(
        declaration,
        {claim.taker: claim for claim in claims},
        numbers,
        disk,
        remainder_mib=available - sum(claim.fixed_mib for claim in claims),
        missing_mib=missing_mib,
    )
    budget = HostBudget(
        host=declaration.host,
        usable_mib=usable,
        reserves=kept,
        claims={claim.taker: claim for claim in claims},
        grants=grants,
        chain=chain.granted(processes),
        numbers=numbers,
        limits=limits,
        disk=disk,
        binds_first=binding_resource(declaration, limits, missing_mib),
    )
    if budget.spare_mib < 0:
        raise BudgetError(f"a fault of ours: {-budget.spare_mib} MiB were given away twice", where=declaration.host)
    return budget


def chain_of(declaration: Declaration) -> Chain:
    """Work out the chain of connections, from what the services say of their apps and of themselves."""
    services = running(declaration)
    links = {taker: link for service in services for taker, link in service.links(declaration).items()}
    by_name = {service.name: service for service in services}
    access = {
        app: {
            server: by_name[server].access(declaration, app)
            for server in declaration.servers_of(app)
            if server in by_name
        }
        for app in declaration.apps
    }
    return connection_chain(declaration, links, access)


def _numbers(
    declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]
) -> tuple[Mapping[str, Numbers], Numbers]:
    """Derive every setting by taker, and what fills the disk with them."""
    numbers = {
        taker: found
        for service in running(declaration)
        for taker, found in service.numbers(declaration, chain, grants).items()
    }
    return numbers, disk_of(declaration, [service.disk(declaration, numbers) for service in running(declaration)])


def _claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    return [claim for service in running(declaration) for claim in service.claims(declaration, chain)]


def _reserves(declaration: Declaration) -> tuple[Reserve, ...]:
    of_services = [reserve for service in running(declaration) for reserve in service.reserves(declaration)]
    return (*reserves(declaration), *of_services)


def _remedies(declaration: Declaration) -> Iterator[Remedy]:
    used = {server for app in declaration.apps for server in declaration.servers_of(app)}
    for service in running(declaration):
        yield from service.remedies(declaration)
        if service.is_used_by_apps and service.name not in used:
            words = f"leave out services.{service.name}: no app uses it"
            yield Remedy(words, without_server(declaration, service.name))


def shortage_mib(declaration: Declaration) -> int:
    """Say how much memory is missing, MiB; 0 or less if it fits.

    Raises:
        BudgetError: What is pinned contradicts itself, whatever the memory is.
    """
    kept = sum(reserve.mib for reserve in _reserves(declaration))
    claims = _claims(declaration, chain_of(declaration))
    return sum(claim.fixed_mib for claim in claims) + kept - usable_mib(declaration)


def disk_shortage_mib(declaration: Declaration) -> int:
    """Say how much of the disk is missing, MiB; 0 or less if it fits.

    Raises:
        BudgetError: The memory is too small, or what is pinned contradicts itself.
    """
    chain = chain_of(declaration)
    kept = sum(reserve.mib for reserve in _reserves(declaration))
    grants = share(_claims(declaration, chain), usable_mib(declaration) - kept)
    return -int(_numbers(declaration, chain, grants)[1][ROOM].value)
