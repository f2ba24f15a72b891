"""A host as npm's packages name it, and whether a package's ``os``, ``cpu`` and ``libc`` admit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: What Node calls the machines that uname names.
CPUS = {
    "x86_64": "x64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "ia32",
    "ppc64le": "ppc64",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


@dataclass(frozen=True, slots=True)
class Platform:
    """A host in npm's words.

    Attributes:
        os: As ``process.platform``; hosts are ``linux``.
        cpu: As ``process.arch``, such as ``x64``.
        libc: ``glibc`` or ``musl``.
    """

    os: str
    cpu: str
    libc: str

    def admits(self, entry: Mapping[str, Any]) -> bool:
        """Tell whether a package of the lock may be installed here."""
        fields = (("os", self.os), ("cpu", self.cpu), ("libc", self.libc))
        return all(_is_listed(value, entry.get(field)) for field, value in fields)

    def __str__(self) -> str:
        return f"{self.os} {self.cpu} {self.libc}"


def platform_of(facts: Mapping[str, Any]) -> Platform:
    """Give a host's platform.

    Args:
        facts: The host's: arch as uname says it, glibc its version or None for another C library.
    """
    machine = str(facts.get("arch") or "x86_64")
    return Platform("linux", CPUS.get(machine, machine), "glibc" if facts.get("glibc") else "musl")


def _is_listed(value: str, listed: object) -> bool:
    """Read npm's lists: names that are admitted, or names with ``!`` that are not; nothing said admits all."""
    names = [listed] if isinstance(listed, str) else listed
    if not isinstance(names, Sequence) or not names or names in (["any"], ["*"]):
        return True
    if f"!{value}" in names:
        return False
    return value in names or all(str(name).startswith("!") for name in names)
