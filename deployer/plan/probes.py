"""What has to hold before a deploy is committed, and before the next process of an app is touched."""

from __future__ import annotations

from typing import Any

from deployer.render import Rendered
from deployer.wanted import HttpProbe


def probes_of(rendered: Rendered) -> list[dict[str, Any]]:
    """Give the protocol's ``probes``: every unit runs, every request is answered."""
    wanted = rendered.wanted
    return [*(_unit(unit.unit) for unit in wanted.units), *map(_http, wanted.probes)]


def ready_of(unit: str, rendered: Rendered) -> list[dict[str, Any]]:
    """Give what has to hold of one unit before the next activation: nothing, but for an app's process."""
    asked = [_http(probe) for probe in rendered.wanted.probes if probe.unit == unit]
    return [_unit(unit), *asked] if asked or "@" in unit else []


def candidate_of(unit: str, rendered: Rendered) -> dict[str, Any] | None:
    """Give the activation that has to succeed before a unit is restarted; None if it serves no app's visitors."""
    for wanted in rendered.wanted.candidates:
        if unit in wanted.before:
            return {
                "kind": "candidate",
                "name": wanted.app,
                "unit": wanted.unit,
                "socket_unit": wanted.socket_unit or None,
                "holds": wanted.holds or None,
                "probe": _http(wanted.probe),
            }
    return None


def _unit(unit: str) -> dict[str, Any]:
    return {"kind": "unit", "unit": unit}


def _http(probe: HttpProbe) -> dict[str, Any]:
    return {
        "kind": "http",
        "address": "127.0.0.1",
        "port": probe.port,
        "socket": probe.socket or None,
        "tls": probe.tls,
        "host": probe.host,
        "path": probe.path,
        "status": list(probe.status),
        "contains": probe.contains,
    }
