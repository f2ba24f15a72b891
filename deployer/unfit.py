"""What to say when it does not fit: the ledger, and changes that would make it fit, the largest gain first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from deployer.budget import Claim, Reserve
from deployer.declaration import Declaration
from deployer.errors import BudgetError

#: Sizes that providers sell, MiB.
SOLD_MIB = (512, 1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 65536, 131072, 262144)
FEWEST_CONNECTIONS = 10
#: What a small app's worker needs; the prior is made for larger ones.
SMALL_WORKER_MIB = 64


def refusal(
    declaration: Declaration,
    usable_mib: int,
    reserves: Sequence[Reserve],
    claims: Sequence[Claim],
    shortage_mib: Callable[[Declaration], int],
) -> BudgetError:
    """Build the error for a host whose fixed claims are more than it has.

    Args:
        declaration: The host.
        usable_mib: What there is, MiB.
        reserves: What is kept back.
        claims: What is asked.
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
    found = [
        (missing - shortage_mib(changed), words, shortage_mib(changed) <= 0) for words, changed in _fixes(declaration)
    ]
    gains = sorted((fix for fix in found if fix[0] > 0), key=lambda fix: -fix[0])
    lines.append("  what would help:")
    lines += [f"    {gain:>+6} MiB  {words}{' (then it fits)' if fits else ''}" for gain, words, fits in gains]
    enough = next((sold for sold in SOLD_MIB if shortage_mib(_with_memory(declaration, sold)) <= 0), None)
    if enough:
        lines.append(f"    or a host with {enough} MiB")
    return BudgetError(
        "\n".join(lines), where=f"hosts.{declaration.host}", next_step="change the inventory entry and run it again"
    )


def _fixes(declaration: Declaration) -> Iterator[tuple[str, Declaration]]:
    target = declaration.target
    for share in (2, 4, 10):
        fewer = max(FEWEST_CONNECTIONS, target.connections // share)
        if fewer < target.connections:
            changed = target.model_copy(update={"connections": fewer})
            yield f"target.connections: {fewer}", declaration.model_copy(update={"target": changed})
    if declaration.unmanaged_mib:
        yield (
            f"move what is not ours elsewhere (unmanaged_mib: 0, now {declaration.unmanaged_mib})",
            declaration.model_copy(update={"unmanaged_mib": 0}),
        )
    for name, app in declaration.apps.items():
        if app.gunicorn.worker_memory_mib is None:
            measured = app.gunicorn.model_copy(update={"worker_memory_mib": SMALL_WORKER_MIB})
            apps = {**declaration.apps, name: app.model_copy(update={"gunicorn": measured})}
            yield (
                f"apps.{name}.gunicorn.worker_memory_mib: {SMALL_WORKER_MIB}, if you measured that it needs no more",
                declaration.model_copy(update={"apps": apps}),
            )
        if (app.gunicorn.workers or 1) > 1:
            fewer_workers = app.gunicorn.model_copy(update={"workers": 1})
            changed_app = app.model_copy(update={"gunicorn": fewer_workers})
            apps = {**declaration.apps, name: changed_app}
            yield f"apps.{name}.gunicorn.workers: 1", declaration.model_copy(update={"apps": apps})
    database = declaration.settings.get("mysql")
    if database is not None:
        if getattr(database, "innodb_buffer_pool_size_mib", None):
            free = database.model_copy(update={"innodb_buffer_pool_size_mib": None})
            settings = {**declaration.settings, "mysql": free}
            yield "leave out innodb_buffer_pool_size_mib", declaration.model_copy(update={"settings": settings})
        if getattr(database, "max_connections", None):
            free = database.model_copy(update={"max_connections": None})
            settings = {**declaration.settings, "mysql": free}
            yield "leave out services.mysql.max_connections", declaration.model_copy(update={"settings": settings})
        if getattr(database, "version", "") == "11.8":
            older = database.model_copy(update={"version": "10.11"})
            settings = {**declaration.settings, "mysql": older}
            yield "MariaDB 10.11 (Debian 12) instead of 11.8", declaration.model_copy(update={"settings": settings})


def _with_memory(declaration: Declaration, memory_mib: int) -> Declaration:
    hardware = declaration.hardware.model_copy(update={"memory_mib": memory_mib})
    return declaration.model_copy(update={"hardware": hardware})
