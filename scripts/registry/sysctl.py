"""The kernel's settings that matter to a small host, as /proc/sys of this machine has them."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from scripts.registry.asked import Asked, flavour

_FOLDERS = ("net/core", "net/ipv4", "vm", "fs", "kernel")
_REMOVED = {"net.ipv4.tcp_tw_recycle": "4.12", "net.ipv4.tcp_fack": "4.15", "net.ipv4.tcp_low_latency": "4.14"}


def registry() -> dict[str, Any]:
    """List what this kernel has, without what it has for each interface."""
    root = Path("/proc/sys")
    names = [path for folder in _FOLDERS for path in sorted((root / folder).iterdir()) if path.is_file()]
    settings: dict[str, dict[str, Any]] = {".".join(path.relative_to(root).parts): {} for path in names}
    series = ".".join(platform.release().split(".")[:2])
    asked = Asked("linux", series, f"/proc/sys of Linux {series}", proven=True, settings=settings)
    part = flavour([asked], unknown="ignored")
    gone = [{"name": name, "removed": version, "then": "ignored"} for name, version in sorted(_REMOVED.items())]
    part["settings"] = sorted([*part["settings"], *gone], key=lambda one: one["name"])
    return {"linux": part}
