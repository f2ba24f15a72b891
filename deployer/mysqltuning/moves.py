"""Memory that would serve better in the database's slice: moved there from one that was measured not to need it. Pure.

Memory is never added: each move is a pin of the inventory, tried with the whole budget, which shares out anew what the
pin leaves over. A move that does not fit, takes from a taker below what it was seen to hold, or changes the number of
an app's processes is no move.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from deployer.allocate import allocate
from deployer.budget import STEP_MIB, HostBudget
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.mysqltuning.evidence import of_the_pool
from deployer.mysqltuning.observed import Observed
from deployer.render import Rendered
from deployer.services.gunicorn import GunicornSettings
from deployer.services.mysql.settings import TAKER, settings_of

#: A pool that misses less often, or reads less from the disk, is large enough.
LEAST_MISS_SHARE, LEAST_READS_PER_S = 0.01, 20.0
#: A smaller move is not worth a restart, MiB.
LEAST_GAIN_MIB = 8
#: A gunicorn worker is never priced lower, MiB.
LEAST_WORKER_MIB = 24
#: A unit keeps this much beyond the most that it was seen to hold.
HEADROOM = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change of the inventory that moves memory to the buffer pool.

    Attributes:
        pins: What to write, by dotted path below the host.
        because: Why, in the server's counters.
        pays: Why whoever pays can, in what was measured.
        pool_mib: The buffer pool before and after, MiB.
        slices_mib: Slices before and after, MiB, by taker, of those that change.
    """

    pins: Mapping[str, int]
    because: str
    pays: str
    pool_mib: tuple[int, int]
    slices_mib: Mapping[str, tuple[int, int]]


def moves(rendered: Rendered, seen: Observed) -> tuple[Move, ...]:
    """Say what would give a pool that reads from the disk more memory; nothing if it does not, or has all its data.

    A server that does not run with its budget's pool yet is to do so first.
    """
    pool_mib = rendered.budget.count(TAKER, "innodb_buffer_pool_size")
    has_its_own = abs(seen.number("innodb_buffer_pool_size") / (1 << 20) - pool_mib) < 1
    suffers = seen.miss_share >= LEAST_MISS_SHARE and seen.per_s("Innodb_buffer_pool_reads") >= LEAST_READS_PER_S
    if not has_its_own or not suffers or seen.data_mib <= pool_mib:
        return ()
    found = [*_from_workers(rendered, seen), *_from_spare_slices(rendered, seen)]
    return tuple(sorted(found, key=lambda move: move.pool_mib[0] - move.pool_mib[1]))


def _from_workers(rendered: Rendered, seen: Observed) -> Iterator[Move]:
    """Price an app's workers as they were measured, where that is less than was counted on."""
    declaration, budget = rendered.declaration, rendered.budget
    for name, app in declaration.apps.items():
        settings, peak_mib = app.run_by("gunicorn"), seen.peaks_mib.get(f"app-{name}.service")
        if not isinstance(settings, GunicornSettings) or settings.worker_memory_mib is not None or peak_mib is None:
            continue
        workers = budget.count(name, "workers")
        pays = f"{name} has held {peak_mib:.0f} MiB at the most, of its {budget.grants[name].memory_mib}"
        for each_mib in range(LEAST_WORKER_MIB, budget.grants[name].memory_mib // workers, STEP_MIB):
            pinned = settings.model_copy(update={"worker_memory_mib": each_mib, "workers": workers})
            pins = {f"apps.{name}.gunicorn.worker_memory_mib": each_mib, f"apps.{name}.gunicorn.workers": workers}
            found = list(_tried(rendered, seen, declaration.with_app(name, gunicorn=pinned), pins, pays))
            if found:  # the smallest that is enough for what was measured: a larger one gives less
                yield found[0]
                break


def _from_spare_slices(rendered: Rendered, seen: Observed) -> Iterator[Move]:
    """Pin a larger pool, which takes from what others got of the remainder."""
    declaration, settings = rendered.declaration, settings_of(rendered.declaration)
    pool_mib = rendered.budget.count(TAKER, "innodb_buffer_pool_size")
    largest_mib = min(2 * pool_mib, ceil(seen.data_mib * 1.05))
    for wanted_mib in range(largest_mib - largest_mib % 8, pool_mib, -8):
        changed = declaration.with_settings(TAKER, settings, innodb_buffer_pool_size_mib=wanted_mib)
        pins = {"services.mysql.innodb_buffer_pool_size_mib": wanted_mib}
        found = list(
            _tried(rendered, seen, changed, pins, "others keep a quarter more than they have held at the most")
        )
        if found:
            yield found[0]
            return


def _tried(
    rendered: Rendered, seen: Observed, changed: Declaration, pins: Mapping[str, int], pays: str
) -> Iterator[Move]:
    before = rendered.budget
    try:
        after = allocate(changed)
    except BudgetError:
        return
    pools = before.count(TAKER, "innodb_buffer_pool_size"), after.count(TAKER, "innodb_buffer_pool_size")
    slices = {
        taker: (grant.memory_mib, after.grants[taker].memory_mib)
        for taker, grant in before.grants.items()
        if grant.memory_mib != after.grants[taker].memory_mib
    }
    if pools[1] - pools[0] >= LEAST_GAIN_MIB and _same_processes(before, after) and _is_enough(rendered, seen, slices):
        yield Move(pins=pins, because=of_the_pool(seen), pays=pays, pool_mib=pools, slices_mib=slices)


def _same_processes(before: HostBudget, after: HostBudget) -> bool:
    return all(
        numbers[name].value == after.numbers[taker][name].value
        for taker, numbers in before.numbers.items()
        for name in ("workers", "processes", "instances", "threads", "pool_size")
        if name in numbers and name in after.numbers[taker]
    )


def _is_enough(rendered: Rendered, seen: Observed, slices: Mapping[str, tuple[int, int]]) -> bool:
    """Say whether everybody who pays was seen, and keeps a quarter more than the most that was seen."""
    units = {one.taker: one.unit for one in rendered.wanted.units if one.unit.endswith(".service")}
    for taker, (had_mib, has_mib) in slices.items():
        peak_mib = seen.peaks_mib.get(units.get(taker, ""))
        if has_mib < had_mib and (peak_mib is None or has_mib < peak_mib * HEADROOM - STEP_MIB):
            return False
    return True
