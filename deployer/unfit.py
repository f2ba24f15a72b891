"""What to say when it does not fit, into the memory or onto the disk: the ledger, and changes that would make it fit.

Every gain is measured: the change is made to the declaration, and the ledger is added up anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deployer.budget import Claim, Reserve
from deployer.declaration import Declaration
from deployer.disk import ROOM
from deployer.errors import BudgetError
from deployer.knobs import of_the_host
from deployer.numbers import Numbers
from deployer.service import Remedy

#: Sizes that providers sell: memory in MiB, disks in GiB.
SOLD_MIB = (512, 1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 65536, 131072, 262144)
SOLD_GIB = (4, 8, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 160, 200, 320, 400, 500, 1000, 2000, 4000, 8000, 16_000)
#: A ledger of many takers shows their sums alone: it shall fit on a screen.
MOST_LINES, MOST_SHOWN = 36, 12
#: Of so many changes with the largest gains it is tried what would have to come with them; so many pairs are shown.
MOST_FIRST, MOST_PAIRS = 6, 4
#: More changes than this at once are no advice but another host.
MOST_TOGETHER = 6
#: What several changes may gain beyond the sum of what each gains alone, as claims are rounded, MiB.
ROUNDED_MIB = 64

Shortage = Callable[[Declaration], int]
Contradictory = Callable[[Declaration], bool]
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


@dataclass(frozen=True, slots=True)
class Search:
    """The search for changes that help.

    Attributes:
        remedies: What the services of a declaration offer to make themselves smaller.
        shortage_mib: Says of a changed declaration how much is missing, MiB; each change is really tried with it.
        is_contradictory: Says whether an inventory that says so would be refused; such a change is no advice.
    """

    remedies: Remedies
    shortage_mib: Shortage
    is_contradictory: Contradictory

    def missing(self, declaration: Declaration) -> float:
        """Say how much is missing; a declaration that contradicts itself never fits."""
        try:
            missing_mib = self.shortage_mib(declaration)
        except BudgetError:
            return float("inf")
        return float("inf") if missing_mib <= 0 and self.is_contradictory(declaration) else missing_mib

    def gains(self, declaration: Declaration) -> tuple[Gain, ...]:
        """Try every single change: those that make it fit first, each group by what it gains."""
        missing = self.missing(declaration)
        tried = []
        for one in (*of_the_host(declaration, self.missing), *self.remedies(declaration)):
            left = self.missing(one.declaration)
            if left < missing < float("inf") and not self.is_contradictory(one.declaration):
                tried.append(Gain(int(missing - left), one, left <= 0))
        return tuple(sorted(tried, key=lambda gain: (not gain.fits, -gain.mib)))

    def pairs(self, singles: Sequence[Gain], missing_mib: float) -> tuple[tuple[Gain, Gain], ...]:
        """Find for each change what is the mildest that has to come with it; the largest gain first.

        Args:
            singles: The changes that are not enough by themselves.
            missing_mib: What is missing without any of them, MiB.
        """
        found: dict[frozenset[str], tuple[Gain, Gain]] = {}
        for first in singles[:MOST_FIRST]:
            if first.mib + singles[0].mib + ROUNDED_MIB < missing_mib:
                break
            enough = [gain for gain in self.gains(first.remedy.declaration) if gain.fits]
            if enough:
                second = min(enough, key=lambda gain: gain.mib)
                # the number in a change follows from what was changed before: it is the same change
                both = frozenset(one.remedy.words.partition(":")[0] for one in (first, second))
                found.setdefault(both, (first, second))
        return tuple(sorted(found.values(), key=lambda pair: -sum(gain.mib for gain in pair)))

    def together(self, declaration: Declaration) -> tuple[Gain, ...]:
        """Find few changes that make it fit together: the largest gain each time, the mildest that is enough at last.

        Returns:
            The changes in the order in which they are made, each tried upon those before; empty if none are enough.
        """
        made: list[Gain] = []
        while len(made) < MOST_TOGETHER:
            found = self.gains(declaration)
            most_mib = sum(gain.mib for gain in found[: MOST_TOGETHER - len(made)])
            if most_mib + ROUNDED_MIB < self.missing(declaration):
                return ()
            enough = [gain for gain in found if gain.fits]
            if enough:
                return (*made, min(enough, key=lambda gain: gain.mib))
            if not found:
                return ()
            made.append(found[0])
            declaration = found[0].remedy.declaration
        return ()

    def advice(self, declaration: Declaration) -> list[str]:
        """Write down what would help, single changes first; where none is enough, two or more of them."""
        single = self.gains(declaration)
        lines = ["  what would help:"] if single else []
        lines += [
            f"    {one.mib:>+6} MiB  {one.remedy.words}{' (then it fits)' if one.fits else ''}"
            for one in single[:MOST_SHOWN]
        ]
        if not single or single[0].fits:
            return lines
        several = self.pairs(single, self.missing(declaration))[:MOST_PAIRS] or [
            one for one in [self.together(declaration)] if one
        ]
        if several:
            lines.append("  none of them is enough alone; together:")
        for changes in several:
            words = " + ".join(one.remedy.words for one in changes)
            lines.append(f"    {sum(one.mib for one in changes):>+6} MiB  {words} (then it fits)")
        return lines


def refusal(
    declaration: Declaration, usable_mib: int, reserves: Sequence[Reserve], claims: Sequence[Claim], search: Search
) -> BudgetError:
    """Build the error for a host whose fixed claims are more than it has.

    Args:
        declaration: The host.
        usable_mib: What there is, MiB.
        reserves: What is kept back.
        claims: What is asked.
        search: Finds what would help.
    """
    missing = search.shortage_mib(declaration)
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
    lines += [f"  {-missing:>6} MiB  left", "", *search.advice(declaration)]
    enough = next((mib for mib in SOLD_MIB if search.missing(_with(declaration, memory_mib=mib)) <= 0), None)
    if enough:
        lines.append(f"    or a host with {enough} MiB")
    return BudgetError(
        "\n".join(lines), where=f"hosts.{declaration.host}", next_step="change the inventory entry and run it again"
    )


def disk_refusal(declaration: Declaration, disk: Numbers, search: Search) -> BudgetError:
    """Build the error for a host whose budget alone fills more than its disk.

    Args:
        declaration: The host.
        disk: What fills it.
        search: Finds what would help.
    """
    disk_gib, uses = declaration.hardware.disk_gib, {name: use for name, use in disk.items() if name != ROOM}
    largest = sorted(uses.items(), key=lambda use: -int(use[1].value))
    width = max(len(str(use.value)) for use in uses.values())
    lines = [
        f"{declaration.host} fills more than its disk of {disk_gib} GiB: {-int(disk[ROOM].value)} MiB are missing",
        "",
        *(f"  {use.value:>{width}} MiB  {name} ({use.because})" for name, use in largest),
        "",
        *search.advice(declaration),
    ]
    enough = next((gib for gib in SOLD_GIB if search.missing(_with(declaration, disk_gib=gib)) <= 0), None)
    if enough is not None:
        lines.append(f"    or a disk of {enough} GiB")
    return BudgetError(
        "\n".join(lines),
        where=f"hosts.{declaration.host}.hardware.disk_gib",
        next_step="change the inventory entry, or declare the disk that is really there",
    )


def _with(declaration: Declaration, **hardware: int) -> Declaration:
    return declaration.model_copy(update={"hardware": declaration.hardware.model_copy(update=hardware)})
