"""What a Java app needs: each machine whole, by libjvm's formula; what is left over goes to the heap.

Long-lived connections and uploads are objects of the heap, so it is never smaller than what they hold and the floor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

from deployer.app import App
from deployer.apps import (
    JAVA_TEMPORARY,
    beside_inputs,
    candidate_numbers,
    jobs_without_room,
    long_lived_parts,
    spools_into_memory,
    unit_numbers,
    upload_parts,
)
from deployer.apps.ports import port_contradictions
from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.service import Contradictions, Remedy
from deployer.services.java.links import LEAST_JOB_HEAP_MIB, apps_of, runner_of
from deployer.services.java.machine import MOST_HEAP_MIB, Machine, classes_of, machine_of
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
    "-mx": "heap_mib",
    "-ms": "heap_mib",
    "-Xss": "stack_kib",
    "-ss": "stack_kib",
    "-jar": "jar",
    "-XX:MaxHeapSize": "heap_mib",
    "-XX:MaxRAM": "heap_mib",
    "-XX:InitialHeapSize": "heap_mib",
    "-XX:InitialRAM": "heap_mib",
    "-XX:MinRAM": "heap_mib",
    "-XX:MinHeapSize": "heap_mib",
    "-XX:+AggressiveHeap": "heap_mib",
    "-XX:MaxMetaspaceSize": "metaspace_mib",
    "-XX:ReservedCodeCacheSize": "code_cache_mib",
    "-XX:MaxDirectMemorySize": "direct_mib",
    "-XX:ThreadStackSize": "stack_kib",
    "-XX:VMThreadStackSize": "stack_kib",
    "-XX:CompilerThreadStackSize": "stack_kib",
}
#: Options that read others from a file of the app's, where nobody looks for those above.
FILES_OF_OPTIONS = ("-XX:VMOptionsFile", "-XX:Flags")


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price each app: all its machines with the least heap; larger heaps are its share."""
    found = []
    for name, (app, settings) in apps_of(declaration).items():
        machine, count = machine_of(settings), settings.processes
        held = {} if settings.heap_mib else _held_parts(app, settings)
        own_mib = settings.heap_mib or PRIORS.java_heap_floor_mib
        heap_mib = own_mib + sum(held.values())
        times = f"{count} x " if count > 1 else ""
        parts: dict[str, float] = {f"{times}heap": count * own_mib}
        parts |= {f"{times}{part}": count * mib for part, mib in held.items()}
        parts |= {f"{times}{part}": count * mib for part, mib in machine.parts.items()}
        rest_mib = machine.process_mib(heap_mib) - machine.beside_mib - heap_mib
        parts["headroom"] = count * rest_mib
        parts |= {f"{times}{part}": count * mib for part, mib in chain.connection_parts(name).items()}
        most_mib = machine.process_mib(max(MOST_HEAP_MIB, heap_mib)) - machine.process_mib(heap_mib)
        cap = 0 if settings.heap_mib else int(count * most_mib)
        found.append(
            Claim(
                name,
                parts,
                weight=WEIGHT if cap else 0,
                cap_mib=cap,
                because="a larger heap",
                inputs=(*_inputs(name, app, settings), *chain.connection_inputs(name)),
            )
        )
    return found


def _inputs(name: str, app: App, settings: JavaSettings) -> Iterator[str]:
    yield f"apps.{name}.java.heap_mib" if settings.heap_mib else "priors.java_heap_floor_mib"
    if not settings.heap_mib:
        yield from beside_inputs(name, app)
    yield from (f"{name}.{part}" for part in ("processes", "metaspace", "code_cache", "direct", "stack", "threads"))
    yield from (f"priors.java_{part}" for part in ("own_threads", "native_mib", "headroom_share", "g1_share"))


def _held_parts(app: App, settings: JavaSettings) -> Mapping[str, float]:
    """Price what visitors hold in the heap of each process, MiB by name."""
    return {**long_lived_parts(app, settings.processes), **upload_parts(app, settings.processes)}


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive each app's heap and limits from its grant."""
    return {
        name: _of_app(name, settings, declaration, chain, grants)
        for name, (_, settings) in apps_of(declaration).items()
    }


def _of_app(
    name: str, settings: JavaSettings, declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]
) -> Numbers:
    app, machine, count = declaration.apps[name], machine_of(settings), settings.processes
    grant = grants[name]
    each_mib = grant.memory_mib / count - sum(chain.connection_parts(name).values())
    held = _held_parts(app, settings)
    least_mib = PRIORS.java_heap_floor_mib + sum(held.values())
    collector = machine.collector(each_mib, settings.heap_mib or least_mib)
    found: dict[str, Derived] = {
        "processes": chain.of_taker(name)["processes"],
        "heap": derived(
            min(machine.heap_mib(each_mib, least_mib), int(max(MOST_HEAP_MIB, least_mib))),
            "MiB",
            _because(machine, each_mib, collector, held),
            f"ledger.{name}",
            *(f"{name}.{part}" for part in ("metaspace", "code_cache", "direct", "stack", "threads")),
            "priors.java_native_mib",
            "priors.java_headroom_share",
            f"apps.{name}.uploads_at_once",
            *(f"apps.{name}.websockets.{key}" for key in ("connections", "memory_kib") if app.websockets),
        ),
        **_parts(name, settings, machine),
        "collector": derived(
            collector,
            "",
            f"{each_mib:.0f} MiB for a process: "
            + ("G1's pauses are shorter" if collector == "G1" else "SerialGC needs the least memory and threads"),
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
    if settings.heap_mib is not None:
        found["heap"] = pinned(settings.heap_mib, "MiB", f"apps.{name}.java.heap_mib")
    found |= candidate_numbers(
        name,
        machine.process_mib(settings.heap_mib or PRIORS.java_heap_floor_mib),
        grants,
        each_mib=int(found["MemoryMax"].value),
        inputs=(f"{name}.heap", "priors.java_native_mib"),
    )
    if "pool_size" in chain.of_taker(name):
        found["pool_size"] = chain.of_taker(name)["pool_size"]
    return found


def _because(machine: Machine, each_mib: float, collector: str, held: Mapping[str, float]) -> str:
    room = f"with room for {', '.join(held)}"
    if machine.heap_mib(each_mib) >= MOST_HEAP_MIB:
        return f"more is only given if it is pinned; {room}"
    g1 = f", a {PRIORS.java_g1_share:.0%} of it beside it for G1" if collector == "G1" else ""
    headroom = f"{PRIORS.java_headroom_share:.0%} headroom"
    return f"{each_mib:.0f} MiB less {headroom} and {machine.beside_mib:.0f} besides{g1}; {room}"


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
    for name, (_, settings) in apps_of(declaration).items():
        where = f"apps.{name}.java"
        if settings.classes is None and settings.metaspace_mib is None:
            yield Remedy(
                f"{where}.classes: {FEW_CLASSES}, if you counted that it loads no more",
                _with(declaration, name, settings, classes=FEW_CLASSES),
            )
        if settings.heap_mib and settings.heap_mib > PRIORS.java_heap_floor_mib:
            yield Remedy(f"leave out {where}.heap_mib", _with(declaration, name, settings, heap_mib=None))
        if settings.threads > JavaSettings.model_fields["threads"].default:
            yield Remedy(f"{where}.threads: 32", _with(declaration, name, settings, threads=32))
        if settings.processes > 1:
            yield Remedy(f"{where}.processes: 1", _with(declaration, name, settings, processes=1))


def _with(declaration: Declaration, name: str, settings: JavaSettings, **changes: int | None) -> Declaration:
    return declaration.with_app(name, java=settings.model_copy(update=changes))


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
            if option.startswith(FILES_OF_OPTIONS):
                yield (*place, "options", number), "it reads options that may undo the budget; write them here"
            if option.startswith("-XX:-ExitOnOutOfMemoryError"):
                yield (*place, "options", number), "a machine whose heap is full would stay, and answer nobody"
            if option.startswith("-XX:+Use") and option.endswith("GC"):
                yield (*place, "options", number), "the collector follows from the size of the process"
            is_temporary = option.startswith(JAVA_TEMPORARY)
            key, value = (JAVA_TEMPORARY, option.removeprefix(JAVA_TEMPORARY)) if is_temporary else (option, option)
            if why := spools_into_memory(name, key, value):
                yield (*place, "options", number), why
        held = _held_parts(app, settings)
        least_mib = ceil(sum(held.values())) + LEAST_JOB_HEAP_MIB
        if app.websockets is not None and settings.heap_mib is not None and settings.heap_mib < least_mib:
            why = f"{', '.join(held)} are in it, and the app's own objects; write at least {least_mib}"
            yield (*place, "heap_mib"), why
        yield from jobs_without_room(name, app, runner_of(name, settings), "a Java machine")
