"""Allocation: every service's claims against one host, fixed first, the remainder by weight, and a refusal that helps.

``allocate(declaration)`` is the whole of it; it is pure, and it either returns a budget that fits or raises.
"""

from __future__ import annotations

from dataclasses import replace

from deployer.budget import Claim, HostBudget, reserves, share, usable_mib
from deployer.chain import connection_chain
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.limits import binding_resource, limits_of
from deployer.service import Service
from deployer.services import gunicorn, mysql, nginx, systemd
from deployer.unfit import refusal

#: All services, in the order in which they start: what others need comes first.
SERVICES: tuple[Service, ...] = (systemd.SERVICE, mysql.SERVICE, gunicorn.SERVICE, nginx.SERVICE)


def running(declaration: Declaration) -> tuple[Service, ...]:
    """Give the services that this host has, in the order in which they start."""
    return tuple(service for service in SERVICES if service.runs(declaration))


def allocate(declaration: Declaration) -> HostBudget:
    """Derive the budget of a whole host.

    Args:
        declaration: The host as its inventory entry declares it.

    Returns:
        The ledger and every number that follows; the sum of all that is granted and reserved is within the memory.

    Raises:
        BudgetError: It does not fit. The text is the ledger, and what would make it fit with its gain in MiB.
    """
    chain = connection_chain(declaration)
    claims = _claims(declaration)
    kept = reserves(declaration)
    usable = usable_mib(declaration)
    available = usable - sum(reserve.mib for reserve in kept)
    if sum(claim.fixed_mib for claim in claims) > available:
        raise refusal(declaration, usable, kept, claims, _shortage_mib)
    grants = share(claims, available)
    numbers = {
        taker: found
        for service in running(declaration)
        for taker, found in service.numbers(declaration, chain, grants).items()
    }
    limits = limits_of(declaration, {claim.taker: claim for claim in claims}, grants)
    budget = HostBudget(
        host=declaration.host,
        usable_mib=usable,
        reserves=kept,
        claims={claim.taker: claim for claim in claims},
        grants=grants,
        numbers=numbers,
        limits=limits,
    )
    if budget.spare_mib < 0:
        raise BudgetError(f"a fault of ours: {-budget.spare_mib} MiB were given away twice", where=declaration.host)
    return replace(budget, binds_first=binding_resource(limits, declaration.target.connections))


def _claims(declaration: Declaration) -> list[Claim]:
    chain = connection_chain(declaration)
    return [claim for service in running(declaration) for claim in service.claims(declaration, chain)]


def _shortage_mib(declaration: Declaration) -> int:
    """Say how much is missing; 0 or less if it fits."""
    kept = sum(reserve.mib for reserve in reserves(declaration))
    return sum(claim.fixed_mib for claim in _claims(declaration)) + kept - usable_mib(declaration)
