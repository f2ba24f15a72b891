"""systemd's own judgement of units, without systemd running: what it ignores in them, and how exposed they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from deployer.sandbox import Inside, SandboxError

FOLDER: Final = "/etc/systemd/system/"
_STUB: Final = b"#!/bin/sh\n"
#: Units of packages that every host has and no tree: ours only add to them.
_ON_EVERY_HOST: Final = {
    "/usr/lib/systemd/system/logrotate.timer": b"[Timer]\nOnCalendar=daily\n",
    "/usr/lib/systemd/system/logrotate.service": b"[Service]\nExecStart=/bin/true\n",
}


def prepare(place: Inside, files: Mapping[str, bytes]) -> None:
    """Lay files over the tree, and an empty program wherever a unit of them starts one that the tree does not have."""
    place.lay({**_ON_EVERY_HOST, **files})
    text = b"\n".join(content for path, content in files.items() if path.startswith(FOLDER)).decode()
    programs = sorted(set(re.findall(r"^Exec\w+=[-@:+!]*(/\S+)", text, re.MULTILINE)))
    place.lay({path: _STUB for path in programs if place.run(["test", "-x", path]).code}, mode=0o755)


def units_of(files: Mapping[str, bytes]) -> list[str]:
    """Name the units that files define or add to."""
    found = {path.removeprefix(FOLDER).split("/")[0].removesuffix(".d") for path in files if path.startswith(FOLDER)}
    return sorted(unit for unit in found if not unit.endswith(".wants"))


def verify(place: Inside, units: Sequence[str]) -> list[str]:
    """Give every line that `systemd-analyze verify` says of units; it ends with 0 even when it ignores a key."""
    done = place.run(["systemd-analyze", "verify", "--man=no", *(_instance(unit) for unit in units)])
    said = [line for line in done.text.splitlines() if line.strip()]
    return said or ([f"systemd-analyze verify ended with {done.code}"] if done.code else [])


def exposure(place: Inside, unit: str) -> float:
    """Give the exposure of a service by `systemd-analyze security`: 0 is none, 10 is all.

    Raises:
        SandboxError: It says none.
    """
    text = place.check(["systemd-analyze", "security", "--offline=true", "--no-pager", _instance(unit)])
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", text)
    if not found:
        raise SandboxError(f"systemd-analyze gives no exposure of {unit}")
    return float(found[1])


def _instance(unit: str) -> str:
    return unit.replace("@.", "@1.")
