"""What a deploy itself needs while the site goes on serving, and how much the journal may keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.app import App
from deployer.budget import DEPLOY, Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Numbers, derived
from deployer.priors import PRIORS
from deployer.service import Remedy

#: Journal of a host of 20 GiB and more, MiB; a quarter of a percent of a smaller disk.
JOURNAL_MIB = 50


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price the work of a deploy: apt, pip and migrations run in a slice of their own, one after the other."""
    parts = {"apt, pip or a migration at work": float(PRIORS.deploy_work_mib)}
    usual = Claim(DEPLOY, parts, inputs=("priors.deploy_work_mib",))
    return [max((usual, *_migrations(declaration, chain)), key=lambda claim: claim.fixed_mib)]


def _migrations(declaration: Declaration, chain: Chain) -> Iterator[Claim]:
    """Price the migration of each app; its seed runs within the same."""
    for name, app in declaration.apps.items():
        if app.database is None or not app.database.commands:
            continue
        pinned_mib, where = app.database.migrate_memory_mib, f"apps.{name}.database"
        runner = chain.runner_of(name)
        each_mib = pinned_mib or max(runner.usual_migration_mib(words) for words in app.database.commands)
        inputs = [f"{where}.migrate_memory_mib"] if pinned_mib else ["priors.deploy_work_mib", f"{where}.migrate"]
        inputs += [path for access in chain.access.get(name, {}).values() for path in access.connection_inputs]
        parts = {f"a migration of {name} at work": float(each_mib), **chain.migration_parts(name)}
        yield Claim(DEPLOY, parts, inputs=tuple(inputs))


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer the work's usual memory to migrations that were given more."""
    for name, app in declaration.apps.items():
        if app.database is not None and (app.database.migrate_memory_mib or 0) > PRIORS.deploy_work_mib:
            where = f"apps.{name}.database.migrate_memory_mib"
            words = f"leave out {where}, if you measured that it needs no more than usual"
            yield Remedy(words, _unpinned(declaration, name, app))


def _unpinned(declaration: Declaration, name: str, app: App) -> Declaration:
    database = app.database and app.database.model_copy(update={"migrate_memory_mib": None})
    return declaration.with_app(name, database=database)


def numbers(declaration: Declaration, _chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive the slices' limits and the journal's size."""
    together = sum(grant.memory_mib for grant in grants.values())
    disk_mib = declaration.hardware.disk_gib * 1024
    journal = max(16, min(JOURNAL_MIB, disk_mib // 400))
    return {
        "systemd": {
            "MemoryMax": derived(
                together,
                "MiB",
                "sum of every MemoryMax below deployer.slice",
                *(f"ledger.{taker}" for taker in grants),
            ),
            "SystemMaxUse": derived(
                journal,
                "MiB",
                f"1/400 of {declaration.hardware.disk_gib} GiB, at most {JOURNAL_MIB}",
                "hardware.disk_gib",
            ),
        },
        DEPLOY: {
            "MemoryMax": derived(
                grants[DEPLOY].memory_mib,
                "MiB",
                "apt, pip and migrations at work, one after the other: docs/benchmarks.md",
                f"ledger.{DEPLOY}",
            )
        },
    }


def disk(_declaration: Declaration, numbers: Mapping[str, Numbers]) -> Numbers:
    """Say what the journal fills at the most, MiB."""
    most = int(numbers["systemd"]["SystemMaxUse"].value)
    return {"journal": derived(most, "MiB", "SystemMaxUse", "systemd.SystemMaxUse")}
