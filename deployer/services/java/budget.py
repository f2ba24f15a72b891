"""What a Java app needs: each machine whole, by libjvm's formula; what is left over goes to the heap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.app import App
from deployer.apps import beside_parts, jobs_without_room, unit_numbers
from deployer.apps.ports import port_contradictions
from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.service import Contradictions, Remedy
from deployer.services.java.links import apps_of, runner_of
from deployer.services.java.machine import MOST_HEAP_MIB, Machine, classes_of, collector, machine_of
from deployer.services.java.settings import JavaSettings

#: Share of the elastic remainder.
WEIGHT = 3
#: How long a process may finish what it has begun, s.
STOP_S = 20
#: What a web server of the JDK alone loads.
FEW_CLASSES = 3000
#: Options that would undo what the budget gave, and the key that pins it instead.
OWN_OPTIONS = {
    "-Xmx": "heap_mib",
    "-Xms": "heap_mib",
    "-Xss": "stack_kib",
    "-XX:MaxHeapSize": "heap_mib",
    "-XX:MaxRAM": "heap_mib",
    "-XX:MaxMetaspaceSize": "metaspace_mib",
    "-XX:ReservedCodeCacheSize": "code_cache_mib",
    "-XX:MaxDirectMemorySize": "direct_mib",
    "-XX:ThreadStackSize": "stack_kib",
}


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price each app: all its machines with the least heap; larger heaps are its share."""
    found = []
    for name, (app, settings) in apps_of(declaration).items():
        machine, count = machine_of(settings), settings.processes
        heap_mib = settings.heap_mib or PRIORS.java_heap_floor_mib
        times = f"{count} x " if count > 1 else ""
        parts: dict[str, float] = {f"{times}heap": count * heap_mib}
        parts |= {f"{times}{part}": count * mib for part, mib in machine.parts.items()}
        rest_mib = machine.process_mib(heap_mib) - machine.beside_mib - heap_mib
        parts["headroom"] = count * rest_mib
        parts |= {f"{times}{part}": count * mib for part, mib in chain.connection_parts(name).items()}
        parts |= beside_parts(app)
        most_mib = machine.process_mib(MOST_HEAP_MIB) - machine.process_mib(heap_mib)
        cap = 0 if settings.heap_mib else int(count * most_mib)
        found.append(Claim(name, parts, weight=WEIGHT if cap else 0, cap_mib=cap, because="a larger heap"))
    return found


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive each app's heap and limits from its grant."""
    return {
        name: _of_app(name, settings, declaration, chain, grants[name])
        for name, (_, settings) in apps_of(declaration).items()
    }


def _of_app(name: str, settings: JavaSettings, declaration: Declaration, chain: Chain, grant: Grant) -> Numbers:
    machine, count = machine_of(settings), settings.processes
    beside_mib = sum(beside_parts(declaration.apps[name]).values()) / count
    each_mib = grant.memory_mib / count - beside_mib - sum(chain.connection_parts(name).values())
    found: dict[str, Derived] = {
        "processes": chain.of_taker(name)["processes"],
        "heap": _heap(name, settings, machine, each_mib),
        **_parts(name, settings, machine),
        "collector": derived(
            collector(each_mib),
            "",
            f"{each_mib:.0f} MiB for a process: "
            + (
                "G1's pauses are shorter"
                if collector(each_mib) == "G1"
                else "SerialGC needs the least memory and threads"
            ),
            f"ledger.{name}",
        ),
        **unit_numbers(
            declaration,
            grant,
            tasks=2 * machine.threads,
            tasks_because=f"twice its {machine.threads} threads",
            tasks_from=(f"{name}.threads", "priors.java_own_threads"),
            stop_s=STOP_S,
            processes=count,
        ),
    }
    if "pool_size" in chain.of_taker(name):
        found["pool_size"] = chain.of_taker(name)["pool_size"]
    return found


def _heap(name: str, settings: JavaSettings, machine: Machine, each_mib: float) -> Derived:
    if settings.heap_mib is not None:
        return pinned(settings.heap_mib, "MiB", f"apps.{name}.java.heap_mib")
    heap_mib = machine.heap_mib(each_mib)
    g1 = f", a {PRIORS.java_g1_share:.0%} of it beside it for G1" if collector(each_mib) == "G1" else ""
    return derived(
        heap_mib,
        "MiB",
        f"{each_mib:.0f} MiB less {PRIORS.java_headroom_share:.0%} headroom and {machine.beside_mib:.0f} besides{g1}"
        if heap_mib < MOST_HEAP_MIB
        else "more is only given if it is pinned",
        f"ledger.{name}",
        *(f"{name}.{part}" for part in ("metaspace", "code_cache", "direct", "stack", "threads")),
        "priors.java_native_mib",
        "priors.java_headroom_share",
    )


def _parts(name: str, settings: JavaSettings, machine: Machine) -> Mapping[str, Derived]:
    where = f"apps.{name}.java"
    classes = classes_of(settings)
    metaspace = derived(
        machine.metaspace_mib,
        "MiB",
        f"{PRIORS.java_metaspace_mib:g} + {classes} classes of {PRIORS.java_class_kib:g} KiB",
        "priors.java_metaspace_mib",
        f"{where}.classes" if settings.classes else "priors.java_classes",
        "priors.java_class_kib",
    )
    if settings.metaspace_mib is not None:
        metaspace = pinned(settings.metaspace_mib, "MiB", f"{where}.metaspace_mib")
    usual: dict[str, tuple[str, int, str, str]] = {
        "code_cache": ("code_cache_mib", machine.code_cache_mib, "MiB", "enough for a small app"),
        "direct": ("direct_mib", machine.direct_mib, "MiB", "buffers of sockets"),
        "stack": ("stack_kib", machine.stack_kib, "KiB", "half of what the JVM would reserve"),
        "threads": ("threads", machine.app_threads, "threads", "most wait for others"),
    }
    pins = settings.model_fields_set
    return {"metaspace": metaspace} | {
        name: pinned(value, unit, f"{where}.{key}") if key in pins else default(value, unit, because)
        for name, (key, value, unit, because) in usual.items()
    }


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer fewer classes and threads where nobody counted them, and one process where there are more."""
    for name, (app, settings) in apps_of(declaration).items():
        where = f"apps.{name}.java"
        if settings.classes is None and settings.metaspace_mib is None:
            yield Remedy(
                f"{where}.classes: {FEW_CLASSES}, if you counted that it loads no more",
                _with(declaration, name, app, settings, classes=FEW_CLASSES),
            )
        if settings.heap_mib and settings.heap_mib > PRIORS.java_heap_floor_mib:
            yield Remedy(f"leave out {where}.heap_mib", _with(declaration, name, app, settings, heap_mib=None))
        if settings.threads > JavaSettings.model_fields["threads"].default:
            yield Remedy(f"{where}.threads: 32", _with(declaration, name, app, settings, threads=32))
        if settings.processes > 1:
            yield Remedy(f"{where}.processes: 1", _with(declaration, name, app, settings, processes=1))


def _with(declaration: Declaration, name: str, app: App, settings: JavaSettings, **changes: int | None) -> Declaration:
    changed = app.model_copy(update={"java": settings.model_copy(update=changes)})
    return declaration.model_copy(update={"apps": {**declaration.apps, name: changed}})


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse ports and versions that cannot be had, options that undo the budget, jobs without room for a machine."""
    yield from port_contradictions(declaration, "java")
    first = next((settings.version for _, settings in apps_of(declaration).values()), "")
    for name, (app, settings) in apps_of(declaration).items():
        place = ("apps", name, "java")
        if settings.version != first:
            yield (*place, "version"), f"/usr/bin/java is of one version; another app of this host has {first}"
        for number, option in enumerate(settings.options):
            for own, key in OWN_OPTIONS.items():
                if option.startswith(own):
                    yield (*place, "options", number), f"{own} comes from the budget; write {key} to pin it"
            if option.startswith("-XX:+Use") and option.endswith("GC"):
                yield (*place, "options", number), "the collector follows from the size of the process"
        yield from jobs_without_room(name, app, runner_of(name, settings), "a Java machine")
