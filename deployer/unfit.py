"""What to say when it does not fit: the ledger, and changes that would make it fit, the largest gain first.

Every gain is measured: the change is made to the declaration, and the ledger is added up anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from deployer.budget import Claim, Reserve
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.service import Remedy

#: Sizes that providers sell, MiB.
SOLD_MIB = (512, 1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 65536, 131072, 262144)
FEWEST_CONNECTIONS = 10
#: Nobody is told to serve less than a tenth of the visitors.
FEWEST_SHARE = 10
#: A ledger of many takers shows their sums alone: it shall fit on a screen.
MOST_LINES, MOST_SHOWN = 36, 12
#: More changes than this at once are no advice but another host.
MOST_TOGETHER = 6

Shortage = Callable[[Declaration], int]
Remedies = Callable[[Declaration], Iterable[Remedy]]


@dataclass(frozen=True, slots=True)
class Gain:
    """A change of the declaration that was tried.

    Attributes:
        mib: How much less is missing with it, MiB.
        remedy: What it is, and the declaration with it.
        fits: The host fits with it.
    """

    mib: int
    remedy: Remedy
    fits: bool


def refusal(
    declaration: Declaration,
    usable_mib: int,
    reserves: Sequence[Reserve],
    claims: Sequence[Claim],
    *,
    remedies: Remedies,
    shortage_mib: Shortage,
) -> BudgetError:
    """Build the error for a host whose fixed claims are more than it has.

    Args:
        declaration: The host.
        usable_mib: What there is, MiB.
        reserves: What is kept back.
        claims: What is asked.
        remedies: What the services of a declaration offer to make themselves smaller.
        shortage_mib: Says of a changed declaration how much is missing, MiB; each change is really tried with it.
    """
    missing = shortage_mib(declaration)
    lines = [
        f"{declaration.host} does not fit into {declaration.hardware.memory_mib} MiB: {missing} MiB are missing",
        "",
    ]
    lines += [f"  {usable_mib:>6} MiB  usable (0.95 of what is declared)"]
    lines += [f"  {-reserve.mib:>6} MiB  kept for {reserve.name}" for reserve in reserves]
    in_parts = sum(1 + len(claim.parts) for claim in claims) <= MOST_LINES
    for claim in claims:
        lines.append(f"  {-claim.fixed_mib:>6} MiB  {claim.taker}")
        if in_parts:
            lines += [f"              {mib:7.1f}  {name}" for name, mib in claim.parts.items()]
    lines += [f"  {-missing:>6} MiB  left", ""]
    single = gains(declaration, remedies, shortage_mib)
    if single:
        lines.append("  what would help:")
        lines += [
            f"    {one.mib:>+6} MiB  {one.remedy.words}{' (then it fits)' if one.fits else ''}"
            for one in single[:MOST_SHOWN]
        ]
    if not any(one.fits for one in single) and (several := together(declaration, remedies, shortage_mib)):
        lines.append(f"    together: {' + '.join(one.remedy.words for one in several)} (then it fits)")
    enough = next((sold for sold in SOLD_MIB if _missing(_with_memory(declaration, sold), shortage_mib) <= 0), None)
    if enough:
        lines.append(f"    or a host with {enough} MiB")
    return BudgetError(
        "\n".join(lines), where=f"hosts.{declaration.host}", next_step="change the inventory entry and run it again"
    )


def gains(declaration: Declaration, remedies: Remedies, shortage_mib: Shortage) -> tuple[Gain, ...]:
    """Try every single change: those that make it fit first, each group by what it gains."""
    missing = _missing(declaration, shortage_mib)
    tried = []
    for one in (*_of_the_host(declaration, shortage_mib), *remedies(declaration)):
        left = _missing(one.declaration, shortage_mib)
        if left < missing:
            tried.append(Gain(int(missing - left), one, left <= 0))
    return tuple(sorted(tried, key=lambda gain: (not gain.fits, -gain.mib)))


def together(declaration: Declaration, remedies: Remedies, shortage_mib: Shortage) -> tuple[Gain, ...]:
    """Find few changes that make it fit together: the largest gain each time, the mildest that is enough in the end.

    Returns:
        The changes in the order in which they are made, each tried upon those before; empty if none are enough.
    """
    made: list[Gain] = []
    while len(made) < MOST_TOGETHER:
        found = gains(declaration, remedies, shortage_mib)
        enough = [gain for gain in found if gain.fits]
        if enough:
            return (*made, min(enough, key=lambda gain: gain.mib))
        if not found:
            return ()
        made.append(found[0])
        declaration = found[0].remedy.declaration
    return ()


def _missing(declaration: Declaration, shortage_mib: Shortage) -> float:
    """Say how much is missing; a declaration that contradicts itself never fits."""
    try:
        return shortage_mib(declaration)
    except BudgetError:
        return float("inf")


def _of_the_host(declaration: Declaration, shortage_mib: Shortage) -> Iterator[Remedy]:
    yield from _fewer_connections(declaration, shortage_mib)
    if declaration.unmanaged_mib:
        yield Remedy(
            f"move what is not ours elsewhere (unmanaged_mib: 0, now {declaration.unmanaged_mib})",
            declaration.model_copy(update={"unmanaged_mib": 0}),
        )
    used = {server for app in declaration.apps for server in declaration.servers_of(app)}
    for server in sorted(used.intersection(declaration.servers)):
        yield Remedy(f"{server} on another host (no services.{server} here)", _without_server(declaration, server))


def _fewer_connections(declaration: Declaration, shortage_mib: Shortage) -> Iterator[Remedy]:
    """Offer the most visitors that fit, or if a tenth of them are still too many, that tenth."""
    wanted = declaration.target.connections
    held = [app.websockets.connections for app in declaration.apps.values() if app.websockets is not None]
    fewest = max(FEWEST_CONNECTIONS, wanted // FEWEST_SHARE, *held, 0)
    if fewest >= wanted:
        return
    fits, too_many = fewest, wanted
    if _missing(_with_connections(declaration, fewest), shortage_mib) <= 0:
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if _missing(_with_connections(declaration, middle), shortage_mib) <= 0:
                fits = middle
            else:
                too_many = middle
    yield Remedy(f"target.connections: {fits}", _with_connections(declaration, fits))


def _with_connections(declaration: Declaration, connections: int) -> Declaration:
    changed = declaration.target.model_copy(update={"connections": connections})
    return declaration.model_copy(update={"target": changed})


def _without_server(declaration: Declaration, server: str) -> Declaration:
    """Take a server away, and from the apps what used it: they are told of the other host by themselves."""
    apps = {}
    for name, app in declaration.apps.items():
        database = None if declaration.database_of(name) == server else app.database
        uses = tuple(used for used in app.uses if used != server)
        apps[name] = app.model_copy(update={"database": database, "uses": uses})
    settings = {name: one for name, one in declaration.settings.items() if name != server}
    return declaration.model_copy(update={"apps": apps, "settings": settings})


def _with_memory(declaration: Declaration, memory_mib: int) -> Declaration:
    hardware = declaration.hardware.model_copy(update={"memory_mib": memory_mib})
    return declaration.model_copy(update={"hardware": hardware})
