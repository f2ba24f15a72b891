"""What holds for every host: any hardware, any mix of the services that there are, any version, any pin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hosts import TLS
from hypothesis import HealthCheck, assume, given, reject, settings, strategies as st
from mixes import contradicts, hosts

from deployer.allocate import allocate
from deployer.app import AppDatabase
from deployer.budget import STEP_MIB, HostBudget
from deployer.catalog import SERVICES
from deployer.declaration import Declaration
from deployer.dialects import read
from deployer.dialects.unit import effective
from deployer.errors import BudgetError
from deployer.explain import Step, explain
from deployer.hardware import Declared, Hardware
from deployer.inventory.models import AppForm
from deployer.numbers import Provenance
from deployer.render import Rendered, render

CHECKS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much]}


def budget_of(declaration: Declaration) -> HostBudget:
    """Budget a host; one that is refused or contradicts itself shows nothing."""
    assume(not contradicts(declaration))
    try:
        return allocate(declaration)
    except BudgetError:
        reject()


@given(hosts())
@settings(max_examples=120, **CHECKS)
def test_the_worst_case_fits_or_the_host_is_refused(declaration):
    assume(not contradicts(declaration))
    try:
        budget = allocate(declaration)
    except BudgetError:
        return
    assert budget.granted_mib + budget.reserved_mib + budget.spare_mib == budget.usable_mib
    assert budget.spare_mib >= 0
    for taker, grant in budget.grants.items():
        assert grant.fixed_mib >= sum(budget.claims[taker].parts.values())
    assert sum(int(use.value) for use in budget.disk.values()) == declaration.hardware.disk_gib * 1024


@given(hosts(), st.integers(1, 8192))
@settings(max_examples=120, **CHECKS)
def test_more_memory_never_gives_a_service_less(declaration, more_mib):
    small = budget_of(declaration)
    hardware = declaration.hardware
    # what is kept in memory is written to the disk as well: Redis' copies and the redo log grow with it
    disk_gib = hardware.disk_gib + 4 * more_mib // 1024 + 4
    larger = hardware.model_copy(update={"memory_mib": hardware.memory_mib + more_mib, "disk_gib": disk_gib})
    large = allocate(declaration.model_copy(update={"hardware": larger}))
    for taker, grant in small.grants.items():
        assert large.grants[taker].memory_mib >= grant.memory_mib, taker


@given(hosts())
@settings(max_examples=40, **CHECKS)
def test_the_same_host_gives_the_same_bytes(declaration):
    first, second = budget_of(declaration), allocate(declaration)
    assert first == second
    assert render(declaration, first).files == render(declaration, second).files


@given(hosts())
@settings(max_examples=100, **CHECKS)
def test_what_is_pinned_stays(declaration):
    budget = budget_of(declaration)
    for taker, numbers in budget.numbers.items():
        for name, number in numbers.items():
            if number.provenance == Provenance.PINNED:
                written = explain(budget, declaration, number.inputs[0])
                assert written.provenance == "declared", (taker, name)
                if isinstance(written.value, int | float) and not isinstance(written.value, bool):
                    assert written.value == number.value, (taker, name)  # other values have the server's own spelling


def steps(step: Step, above: tuple[str, ...] = ()) -> Iterator[Step]:
    assert step.path not in above, "a circle"
    yield step
    for one in step.inputs:
        yield from steps(one, (*above, step.path))


ENDS = ("hardware.", "target.", "apps.", "services.", "priors.", "unmanaged_mib")


@given(hosts(idle_servers=False))
@settings(max_examples=40, **CHECKS)
def test_every_number_leads_back_to_hardware_declaration_or_constants(declaration):
    budget = budget_of(declaration)
    paths = [f"{taker}.{name}" for taker, numbers in budget.numbers.items() for name in numbers]
    paths += [f"ledger.{taker}" for taker in budget.grants]
    paths += [f"limits.{name}" for name in budget.limits] + [f"disk.{name}" for name in budget.disk]
    for path in paths:
        for step in steps(explain(budget, declaration, path)):
            if step.inputs or step.provenance == "part":
                continue
            assert step.path.startswith(ENDS) or (step.provenance == "default" and step.because), step


def instances(rendered: Rendered, unit: str) -> int:
    """Count the units that run from one file: a template has as many as it has instances."""
    if "@." not in unit:
        return 1
    prefix, suffix = unit.split("@")
    wanted = [one.unit for one in rendered.wanted.units]
    return sum(one.startswith(f"{prefix}@") and one.endswith(suffix) for one in wanted)


#: Units that run for some seconds of a release, in memory that nobody else has then.
PASSING = ("@candidate.service", "@hold.service")


def memory_max_mib(rendered: Rendered) -> dict[str, int]:
    """Add up what the units' texts say, by taker."""
    found: dict[str, int] = {}
    for file in rendered.files:
        folder, _, name = file.path.rpartition("/")
        unit = folder.rpartition("/")[2].removesuffix(".d") if folder.endswith(".d") else name
        if not unit.endswith((".service", ".slice")) or unit.endswith(PASSING):
            continue
        section = "Slice" if unit.endswith(".slice") else "Service"
        said = effective(read("unit", file.content.decode()), section, "MemoryMax")
        if said and said[-1].value is not None:
            assert said[-1].value.endswith("M"), file.path
            mib = int(said[-1].value[:-1]) * instances(rendered, unit)
            taker = "deployer.slice" if unit == "deployer.slice" else file.wanted.taker
            found[taker] = found.get(taker, 0) + mib
    return found


@given(hosts())
@settings(max_examples=40, **CHECKS)
def test_the_units_texts_add_up_to_the_ledger(declaration):
    budget = budget_of(declaration)
    said = memory_max_mib(render(declaration, budget))
    assert said.pop("deployer.slice") == budget.granted_mib
    # each command of a deploy gets its MemoryMax from the agent that runs it
    assert said.keys() == budget.grants.keys() - {"deploy"}
    for taker, mib in said.items():
        # processes that share a grant get a whole number of MiB each
        assert budget.grants[taker].memory_mib - 64 < mib <= budget.grants[taker].memory_mib, taker


@given(hosts())
@settings(max_examples=40, **CHECKS)
def test_a_release_on_its_way_has_no_memory_but_what_is_free_by_then(declaration):
    budget = budget_of(declaration)
    for file in render(declaration, budget).files:
        folder, _, name = file.path.rpartition("/")
        unit = name if name.endswith(PASSING) else folder.rpartition("/")[2].removesuffix(".d")
        if not unit.endswith(PASSING):
            continue
        document = read("unit", file.content.decode())
        limits, slices = (effective(document, "Service", key) for key in ("MemoryMax", "Slice"))
        if limits and limits[-1].value is not None and (slices or name.endswith(".conf")):
            in_deploy = slices and slices[-1].value == "deployer-deploy.slice"
            grant = budget.grants["deploy" if in_deploy else file.wanted.taker]
            assert int(limits[-1].value.removesuffix("M")) <= grant.memory_mib, file.path


@given(hosts())
@settings(max_examples=80, **CHECKS)
def test_memory_is_left_over_only_where_nobody_could_use_it(declaration):
    budget = budget_of(declaration)
    if budget.spare_mib < STEP_MIB * (len(budget.claims) + 1):
        return  # what rounding to whole steps leaves
    for taker, claim in budget.claims.items():
        if claim.weight:
            assert claim.cap_mib is not None, taker
            assert budget.grants[taker].elastic_mib > claim.cap_mib - STEP_MIB, taker


def mix(
    runner: str, servers: tuple[str, ...], said: dict[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Declared]]:
    """Make one app and the servers that it uses, everything else left to the budget."""
    models = {service.name: service for service in SERVICES}
    databases = [name for name in servers if name != "redis"]
    one = AppForm(
        source="src",
        server_names=("a.example",),
        tls=TLS,
        session_cookie="session",
        database=AppDatabase(server=databases[0]) if databases else None,
        uses=tuple(name for name in servers if name == "redis"),
        **{runner: models[runner].app_settings(**said)},
    )
    return {"a": one}, {name: models[name].settings() for name in (*servers, "nginx", "kernel")}


SMALL = ((1, 1024), (1, 2048), (2, 2048), (2, 4096), (4, 4096), (4, 8192))
PYTHON = {"module": "a.main:app"}
#: Mixes as people run them, and the sizes that they are run on: the shop's three servers want 2 GiB.
TYPICAL = {
    "FastAPI on MariaDB": (mix("gunicorn", ("mysql",), PYTHON), SMALL),
    "FastAPI on MariaDB with Redis": (mix("gunicorn", ("mysql", "redis"), PYTHON), SMALL),
    "FastAPI on PostgreSQL": (mix("gunicorn", ("postgresql",), PYTHON), SMALL),
    "Django on MariaDB": (mix("gunicorn", ("mysql",), PYTHON | {"worker_class": "sync"}), SMALL),
    "Node.js on MariaDB with Redis": (mix("node", ("mysql", "redis"), {"script": "server.js"}), SMALL[1:]),
    "Java on MariaDB": (mix("java", ("mysql",), {"jar": "app.jar"}), SMALL),
    "Go on PostgreSQL": (mix("go", ("postgresql",), {"program": "app"}), SMALL),
}


@pytest.mark.parametrize(
    ("apps", "servers", "size"),
    [(apps, servers, size) for (apps, servers), sizes in TYPICAL.values() for size in sizes],
    ids=[f"{name}, {cores}C{mib // 1024}G" for name, (_, sizes) in TYPICAL.items() for cores, mib in sizes],
)
def test_typical_mixes_are_accepted_and_use_what_there_is(apps, servers, size):
    """Nothing hides in refusal or in idle memory: of what is not kept back by rule, 90 % and more is granted."""
    cores, memory_mib = size
    declaration = Declaration(
        host="typical", hardware=Hardware(cpu_cores=cores, memory_mib=memory_mib), apps=apps, settings=servers
    )
    budget = allocate(declaration)
    assert budget.granted_mib >= 0.9 * (budget.usable_mib - budget.reserved_mib)
    assert budget.granted_mib + budget.reserved_mib >= 0.9 * budget.usable_mib
