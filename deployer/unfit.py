"""What to say when it does not fit: the ledger, and changes that would make it fit, the largest gain first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from deployer.budget import Claim, Reserve
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.service import Remedy

#: Sizes that providers sell, MiB.
SOLD_MIB = (512, 1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 65536, 131072, 262144)
FEWEST_CONNECTIONS = 10


def refusal(
    declaration: Declaration,
    usable_mib: int,
    reserves: Sequence[Reserve],
    claims: Sequence[Claim],
    *,
    remedies: Sequence[Remedy],
    shortage_mib: Callable[[Declaration], int],
) -> BudgetError:
    """Build the error for a host whose fixed claims are more than it has.

    Args:
        declaration: The host.
        usable_mib: What there is, MiB.
        reserves: What is kept back.
        claims: What is asked.
        remedies: What the services offer to make themselves smaller.
        shortage_mib: Says of a changed declaration how much is missing, MiB; each fix is really tried with it.
    """
    missing = shortage_mib(declaration)
    lines = [
        f"{declaration.host} does not fit into {declaration.hardware.memory_mib} MiB: {missing} MiB are missing",
        "",
    ]
    lines += [f"  {usable_mib:>6} MiB  usable (0.95 of what is declared)"]
    lines += [f"  {-reserve.mib:>6} MiB  kept for {reserve.name}" for reserve in reserves]
    for claim in claims:
        lines.append(f"  {-claim.fixed_mib:>6} MiB  {claim.taker}")
        lines += [f"              {mib:7.1f}  {name}" for name, mib in claim.parts.items()]
    lines += [f"  {-missing:>6} MiB  left", ""]
    gains = sorted(
        ((missing - shortage_mib(one.declaration), one.words) for one in (*_of_the_host(declaration), *remedies)),
        key=lambda gain: -gain[0],
    )
    lines.append("  what would help:")
    lines += [
        f"    {gain:>+6} MiB  {words}{' (then it fits)' if gain >= missing else ''}"
        for gain, words in gains
        if gain > 0
    ]
    enough = next((sold for sold in SOLD_MIB if shortage_mib(_with_memory(declaration, sold)) <= 0), None)
    if enough:
        lines.append(f"    or a host with {enough} MiB")
    return BudgetError(
        "\n".join(lines), where=f"hosts.{declaration.host}", next_step="change the inventory entry and run it again"
    )


def _of_the_host(declaration: Declaration) -> Iterator[Remedy]:
    target = declaration.target
    for share in (2, 4, 10):
        fewer = max(FEWEST_CONNECTIONS, target.connections // share)
        if fewer < target.connections:
            changed = target.model_copy(update={"connections": fewer})
            yield Remedy(f"target.connections: {fewer}", declaration.model_copy(update={"target": changed}))
    if declaration.unmanaged_mib:
        yield Remedy(
            f"move what is not ours elsewhere (unmanaged_mib: 0, now {declaration.unmanaged_mib})",
            declaration.model_copy(update={"unmanaged_mib": 0}),
        )


def _with_memory(declaration: Declaration, memory_mib: int) -> Declaration:
    hardware = declaration.hardware.model_copy(update={"memory_mib": memory_mib})
    return declaration.model_copy(update={"hardware": hardware})
