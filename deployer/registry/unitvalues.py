"""Whether systemd reads a value as it is meant; what it does with one that it cannot read."""

from __future__ import annotations

from typing import Final

from deployer.registry import unitforms, unitwords
from deployer.registry.finding import Kind

READERS: Final[dict[str, unitforms.Read]] = {**unitforms.READERS, **unitwords.READERS}
#: With a path of these that is none, systemd does not load the unit.
_FATAL: Final = frozenset({"RootDirectory", "RootImage"})


def misread(name: str, value: str) -> tuple[Kind, str] | None:
    """Say what systemd does with a value that it cannot read, and why; None if it can, or nobody knows."""
    read = READERS.get(name)
    if read is None:
        return None
    try:
        read(value)
    except ValueError as error:
        is_path_of_output = name.startswith("Standard") and ":" in value and "absolute" in str(error)
        return Kind.FATAL if name in _FATAL or is_path_of_output else Kind.IGNORED, str(error)
    return None
