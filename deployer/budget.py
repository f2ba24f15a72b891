"""The budget: one ledger of memory for the whole host.

Fixed claims first, then ONE elastic remainder shared by weight up to each taker's cap. The sum of what is granted and
reserved never exceeds what the machine has: that is checked here, at every stage, and is an error, not a warning.
Pure: the same declaration gives the same budget, byte for byte. Sources of the formulas: docs/budget.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.links import Chain
from deployer.numbers import Numbers
from deployer.priors import PRIORS
from deployer.units import round_down, round_up

#: MiB; every MemoryMax is a whole multiple of it, so that people can add the ledger up in their heads.
STEP_MIB = 4
#: Taker of what a deploy's own work may have: packages, migrations, a new release that nobody visits yet.
DEPLOY = "deploy"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one taker asks of the host's memory.

    Attributes:
        taker: Service or app that takes it.
        parts: Named parts of the fixed claim, MiB; their sum is its floor.
        weight: Share of the elastic remainder, relative to the other takers; 0 takes none of it.
        cap_mib: The most that it can use of the remainder, MiB; None means no bound.
        because: What the elastic part is good for.
        inputs: What the parts are worked out from, by path as in ``Derived.inputs``; ``explain`` follows them.
    """

    taker: str
    parts: Mapping[str, float]
    weight: int = 0
    cap_mib: int | None = None
    because: str = ""
    inputs: tuple[str, ...] = ()

    @property
    def fixed_mib(self) -> int:
        """The floor, MiB, rounded up to whole steps."""
        return round_up(sum(self.parts.values()), STEP_MIB)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a taker gets: its floor and its share of the remainder, MiB. ``memory_mib`` is its MemoryMax."""

    taker: str
    fixed_mib: int
    elastic_mib: int

    @property
    def memory_mib(self) -> int:
        """Floor and share together, MiB."""
        return self.fixed_mib + self.elastic_mib


@dataclass(frozen=True, slots=True)
class Reserve:
    """Memory that no service is given: its name, MiB, why, and what that is worked out from."""

    name: str
    mib: int
    because: str
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostBudget:
    """The whole host: what is usable, what is kept back, who gets what, and every number that follows.

    Attributes:
        host: Name of the inventory entry.
        usable_mib: 0.95 of the declared memory: what the kernel really leaves of it.
        reserves: What no service gets.
        claims: What was asked, by taker.
        grants: What was given, by taker.
        chain: The chain of connections that it was made for.
        numbers: Settings by taker ("nginx", "mysql", an app's name), each with its provenance.
        limits: What the resources carry (memory, processor, link, descriptors), by name.
        disk: What the disk is filled with, MiB, and the room that is left for data, by name.
        binds_first: The resource that ends first as visitors grow, why, and what more of it would take.
    """

    host: str
    usable_mib: int
    reserves: tuple[Reserve, ...]
    claims: Mapping[str, Claim]
    grants: Mapping[str, Grant]
    chain: Chain = field(default_factory=lambda: Chain({}))
    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    limits: Numbers = field(default_factory=dict)
    disk: Numbers = field(default_factory=dict)
    binds_first: str = ""

    @property
    def reserved_mib(self) -> int:
        """Sum of the reserves, MiB."""
        return sum(reserve.mib for reserve in self.reserves)

    @property
    def granted_mib(self) -> int:
        """Sum of every MemoryMax, MiB."""
        return sum(grant.memory_mib for grant in self.grants.values())

    @property
    def remainder_mib(self) -> int:
        """What reserves and floors leave, MiB: it is shared by weight."""
        return self.usable_mib - self.reserved_mib - sum(grant.fixed_mib for grant in self.grants.values())

    @property
    def spare_mib(self) -> int:
        """What nobody could use, MiB; it stays page cache."""
        return self.usable_mib - self.reserved_mib - self.granted_mib

    def value(self, taker: str, name: str) -> int | float | str | bool:
        """Return one setting's value; KeyError is a fault of ours, not of the user."""
        return self.numbers[taker][name].value

    def count(self, taker: str, name: str) -> int:
        """Return one setting's value as the whole number that it is."""
        return int(self.numbers[taker][name].value)


def usable_mib(declaration: Declaration) -> int:
    """Return what the kernel leaves of the declared memory, MiB: 0.95 of it (prior; real 1 GiB hosts show 955-981)."""
    return int(PRIORS.usable_share * declaration.hardware.memory_mib)


def reserves(declaration: Declaration) -> tuple[Reserve, ...]:
    """Return what is kept back before any service gets memory: system, page cache, safety, and what is not ours."""
    usable = usable_mib(declaration)
    prior = PRIORS
    # Rounded up together, not each by itself: one MiB more of memory must not raise three reserves by one each.
    system = ceil(prior.system_fixed_mib + prior.system_share * usable)
    and_cache = ceil(prior.system_fixed_mib + (prior.system_share + prior.page_cache_share) * usable)
    together = ceil(
        prior.system_fixed_mib + (prior.system_share + prior.page_cache_share + prior.safety_share) * usable
    )
    kept = [
        Reserve(
            "system",
            system,
            f"kernel, systemd, journald, sshd, cron: {prior.system_fixed_mib} + {prior.system_share:.0%} of usable",
            ("usable_mib", "priors.system_fixed_mib", "priors.system_share"),
        ),
        Reserve(
            "page cache",
            and_cache - system,
            f"{prior.page_cache_share:.0%} of usable",
            ("usable_mib", "priors.page_cache_share"),
        ),
        Reserve(
            "safety",
            together - and_cache,
            f"{prior.safety_share:.0%} of usable",
            ("usable_mib", "priors.safety_share"),
        ),
    ]
    if declaration.unmanaged_mib:
        because = "declared: what else lives on this host"
        kept.append(Reserve("unmanaged", declaration.unmanaged_mib, because, ("unmanaged_mib",)))
    return tuple(kept)


def share(claims: Sequence[Claim], available_mib: int) -> Mapping[str, Grant]:
    """Give every claim its floor and share the remainder by weight, up to each cap; the others get what a cap leaves.

    More available memory never gives a taker less: each round's share grows with the remainder, and caps are fixed.

    Args:
        claims: All claims of the host.
        available_mib: Usable memory less reserves, MiB.

    Returns:
        A grant for each claim.

    Raises:
        BudgetError: The floors alone are more than there is. The caller turns it into the whole ledger.
    """
    floors = sum(claim.fixed_mib for claim in claims)
    if floors > available_mib:
        raise BudgetError(f"fixed claims need {floors} MiB, but only {available_mib} MiB are left for services")
    elastic = dict.fromkeys((claim.taker for claim in claims), 0.0)
    open_claims = [claim for claim in claims if claim.weight]
    remainder = float(available_mib - floors)
    while open_claims and remainder > 0:
        unit = remainder / sum(claim.weight for claim in open_claims)
        full = [c for c in open_claims if c.cap_mib is not None and elastic[c.taker] + unit * c.weight >= c.cap_mib]
        if not full:
            for claim in open_claims:
                elastic[claim.taker] += unit * claim.weight
            break
        for claim in full:
            remainder -= float(claim.cap_mib or 0) - elastic[claim.taker]
            elastic[claim.taker] = float(claim.cap_mib or 0)
            open_claims.remove(claim)
    return {
        claim.taker: Grant(claim.taker, claim.fixed_mib, round_down(elastic[claim.taker], STEP_MIB)) for claim in claims
    }
