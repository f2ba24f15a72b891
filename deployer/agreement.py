"""What the host says of itself, held against what the inventory declares. Facts change no number; they can refuse it.

Pure. A contradiction that makes the budget untrue stops before anything is changed; the rest is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployer.catalog import running
from deployer.errors import FactsMismatch
from deployer.priors import PRIORS
from deployer.render import Rendered

#: What has been proven, and what should behave alike; docs/architecture.md says which is which.
SUPPORTED = {("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")}
SUPPORTED_WORDS = "supported are Debian 12 and 13, Ubuntu 22.04 and 24.04"
#: Room that a first deploy needs for packages, environment and releases, MiB.
LEAST_FREE_MIB = 600


def check(rendered: Rendered, seen: Mapping[str, Any], *, place: str, any_os: bool = False) -> tuple[str, ...]:
    """Hold the facts against the declaration.

    Args:
        rendered: What the host shall have.
        seen: The host's answer to ``questions``.
        place: The host, for people.
        any_os: Go on with an operating system that is not supported.

    Returns:
        Warnings.

    Raises:
        FactsMismatch: The budget would not be true on this host, or something that it needs is not there.
    """
    refused = list(_refusals(rendered, seen, any_os=any_os))
    if refused:
        message, next_step = refused[0]
        rest = "".join(f"\n  and {text} ({step})" for text, step in refused[1:])
        raise FactsMismatch(message + rest, where=place, next_step=next_step)
    return tuple(_warnings(rendered, seen))


def _refusals(rendered: Rendered, seen: Mapping[str, Any], *, any_os: bool) -> Iterator[tuple[str, str]]:
    facts, hardware = seen["facts"], rendered.declaration.hardware
    system = (facts.get("os_id"), facts.get("os_version"))
    if system not in SUPPORTED and not any_os:
        yield (
            f"the host runs {facts.get('os_name') or 'an unknown system'}; {SUPPORTED_WORDS}",
            "use one of them, or --any-os to try all the same",
        )
    least = int(PRIORS.usable_share * hardware.memory_mib)
    memory = facts.get("memory_mib")
    if memory is not None and memory < least:
        yield (
            f"the host has {memory} MiB of memory; {hardware.memory_mib} are declared, so at least {least} expected",
            f"write memory_mib: {_declarable(memory)} under hardware",
        )
    cores = facts.get("cpu_cores")
    if cores is not None and cores < hardware.cpu_cores:
        yield (
            f"the host has {_count(cores, 'core')}, but {hardware.cpu_cores} are declared",
            f"write cpu_cores: {cores} under hardware",
        )
    for path, what in rendered.wanted.must_exist.items():
        if not seen["paths"].get(path):
            yield (f"the {what} is not on the host: {path}", "put it there (certbot, your provider), or leave out tls")
    for wanted in rendered.wanted.ports:
        holder = seen["ports"].get(str(wanted.port))
        if holder not in (None, "systemd", *wanted.programs):  # systemd holds sockets for services
            yield (
                f"port {wanted.port}, which {wanted.service} needs, is held by {holder}",
                f"stop {holder}, or let it listen elsewhere; deployer does not stop what is not its own",
            )
    limit = facts.get("nofile_hard")
    needed = max(_descriptors(rendered), default=0)
    if limit is not None and needed > limit:
        yield (
            f"the host allows {limit} open files for a process, but {needed} are needed",
            "declare fewer target.connections, or ask the provider for a higher limit",
        )
    free = facts.get("disk_free_mib")
    if (
        free is not None
        and free < LEAST_FREE_MIB
        and any(seen["packages"].get(p) is None for p in rendered.wanted.packages)
    ):
        yield (f"the host has only {free} MiB of disk free, a first deploy needs {LEAST_FREE_MIB}", "make room on it")


def _warnings(rendered: Rendered, seen: Mapping[str, Any]) -> Iterator[str]:
    facts, hardware = seen["facts"], rendered.declaration.hardware
    memory = facts.get("memory_mib")
    if memory is not None and memory > 1.1 * hardware.memory_mib:
        yield f"the host has {memory} MiB, only {hardware.memory_mib} are declared: the rest is not used"
    cores = facts.get("cpu_cores")
    if cores is not None and cores > hardware.cpu_cores:
        yield f"the host has {_count(cores, 'core')}, only {hardware.cpu_cores} declared: the rest is not used"
    if facts.get("cgroup") == "v1":
        unheeded = "limits of swap, MemoryHigh and the weights of IO are not"
        yield f"the host has cgroup v1: MemoryMax is enforced; {unheeded}"
    somaxconn, backlog = facts.get("somaxconn"), _number(rendered, "backlog")
    if somaxconn is not None and backlog and somaxconn < backlog:
        yield f"the kernel takes {somaxconn} waiting connections, nginx asks for {backlog}: net.core.somaxconn"
    for service in running(rendered.declaration):
        yield from (f"experimental: {note}" for note in service.experimental(rendered.declaration))
        for package, series in service.versions(rendered.declaration).items():
            version = seen["packages"].get(package)
            if version is not None and not _matches(version, series):
                where = f"services.{service.name}.version"
                yield f"{package} {version} is installed, but the budget was made for {series}: correct {where}"


def _descriptors(rendered: Rendered) -> Sequence[int]:
    numbers = rendered.budget.numbers.get("nginx", {})
    return [int(numbers["worker_rlimit_nofile"].value)] if "worker_rlimit_nofile" in numbers else []


def _number(rendered: Rendered, name: str) -> int:
    number = rendered.budget.numbers.get("nginx", {}).get(name)
    return int(number.value) if number is not None else 0


def _matches(version: str, series: str) -> bool:
    upstream = version.rpartition(":")[2]
    return upstream == series or upstream.startswith((series + ".", series + "-", series + "+"))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _declarable(memory_mib: int) -> int:
    """Name the largest declaration that this memory keeps, at whole steps of 64 MiB."""
    return int(memory_mib / PRIORS.usable_share) // 64 * 64
