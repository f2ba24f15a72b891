"""The memory of a Java virtual machine: all that it holds besides the heap, and the heap that a size leaves.

The formula is that of libjvm (Paketo buildpacks): metaspace from the number of classes, compiled code, direct buffers,
a stack for each thread, headroom; the heap gets the rest. Its sizes here are those of a small host. Beyond libjvm the
machine's own memory is counted, and what G1 keeps beside the heap. Source: docs/budget.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from deployer.priors import PRIORS
from deployer.services.java.settings import JavaSettings
from deployer.units import round_down

#: From this size on G1 collects: below it SerialGC needs less, and its pauses are short enough, MiB.
G1_FROM_MIB = 2048
#: A heap beyond this needs thought of its own: pin it, MiB.
MOST_HEAP_MIB = 4096


@dataclass(frozen=True, slots=True)
class Machine:
    """The parts of one process, MiB, as its options set them."""

    metaspace_mib: int
    code_cache_mib: int
    direct_mib: int
    stack_kib: int
    app_threads: int

    @property
    def threads(self) -> int:
        """The app's and its own."""
        return self.app_threads + PRIORS.java_own_threads

    @property
    def parts(self) -> Mapping[str, float]:
        """All that it holds besides the heap, MiB, by name."""
        return {
            "metaspace": self.metaspace_mib,
            "code cache": self.code_cache_mib,
            "direct memory": self.direct_mib,
            f"{self.threads} stacks of {self.stack_kib} KiB": self.threads * self.stack_kib / 1024,
            "the machine itself": PRIORS.java_native_mib,
        }

    @property
    def beside_mib(self) -> float:
        """Their sum."""
        return sum(self.parts.values())

    def headroom_mib(self, heap_mib: float) -> float:
        """Say what is left for what no option limits."""
        inside_mib = self.beside_mib + heap_mib
        return inside_mib / (1 - PRIORS.java_headroom_share) - inside_mib

    def process_mib(self, heap_mib: float) -> float:
        """Say how much a process needs at its worst."""
        serial_mib = self.beside_mib + heap_mib + self.headroom_mib(heap_mib)
        if serial_mib < G1_FROM_MIB:
            return serial_mib
        return serial_mib + PRIORS.java_g1_share * heap_mib / (1 - PRIORS.java_headroom_share)

    def heap_mib(self, process_mib: float, least_mib: float = 0.0) -> int:
        """Say which heap a process of that size may have, with the collector that it has."""
        is_g1 = self.collector(process_mib, least_mib) == "G1"
        return round_down((self._of_g1_mib if is_g1 else self._of_serial_mib)(process_mib) + 1e-9, 1)

    def collector(self, process_mib: float, least_mib: float = 0.0) -> str:
        """Choose the collector for a process of that size; what G1 needs itself is not taken from the least heap."""
        is_g1 = process_mib >= G1_FROM_MIB and self._of_g1_mib(process_mib) + 1e-9 >= least_mib
        return "G1" if is_g1 else "Serial"

    def _of_serial_mib(self, process_mib: float) -> float:
        return process_mib * (1 - PRIORS.java_headroom_share) - self.beside_mib

    def _of_g1_mib(self, process_mib: float) -> float:
        return self._of_serial_mib(process_mib) / (1 + PRIORS.java_g1_share)


def machine_of(settings: JavaSettings, *, app_threads: int | None = None) -> Machine:
    """Put together what an app says and what a small host takes otherwise."""
    metaspace_mib = PRIORS.java_metaspace_mib + PRIORS.java_class_kib * classes_of(settings) / 1024
    return Machine(
        metaspace_mib=settings.metaspace_mib or ceil(metaspace_mib),
        code_cache_mib=settings.code_cache_mib or int(PRIORS.java_code_cache_mib),
        direct_mib=settings.direct_mib or int(PRIORS.java_direct_mib),
        stack_kib=settings.stack_kib or int(PRIORS.java_stack_kib),
        app_threads=app_threads or settings.threads,
    )


def classes_of(settings: JavaSettings) -> int:
    """Say how many classes are loaded at its worst."""
    return settings.classes or PRIORS.java_classes
