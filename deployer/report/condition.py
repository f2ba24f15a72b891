"""How a host is, and what was changed on it, as text and as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployer.doctor import Reading
from deployer.record import Drifted

STATUS_SCHEMA = "deployer/status/1"
DRIFT_SCHEMA = "deployer/drift/1"
#: From this share of its limit on, a unit's memory stands out.
NEARLY_FULL = 0.9
_BAR = 12
#: A narrower terminal has no room for bars and times, characters.
_WIDE = 100


def print_status(console: Console, host: str, found: Mapping[str, Any]) -> None:
    """Print the units, each with its memory against its limit, and the host's own figures."""
    used = (found["memory_mib"] or 0) - (found["memory_available_mib"] or 0)
    load = found["load"][0]
    line = f"   memory {used} of {found['memory_mib']} MiB, load {load:.2f}, disk {found['disk_free_mib']} MiB free"
    console.print(Text.assemble((host, "bold"), line))
    if found["units"]:
        console.print(_units(found["units"], wide=console.width >= _WIDE))
    last = found["last_transaction"]
    console.print(Text(f"last deploy: {last}" if last else "nothing was deployed here yet", style="dim"))
    if found["dumps"]:
        size_mib = sum(int(one["bytes"]) for one in found["dumps"]) / (1 << 20)
        newest = found["dumps"][-1]["file"]
        line = f"dumps: {len(found['dumps'])} of {size_mib:.1f} MiB together, the newest {newest}"
        console.print(Text(line, style="dim"), soft_wrap=True)
    if found["lock"]:
        console.print(Text.assemble(("! ", "yellow"), f"{found['lock']['who']} deploys now"))
    elif found["open"]:
        line = f"{', '.join(found['open'])} was left open; `deployer recover --host {host}` settles it"
        console.print(Text.assemble(("! ", "yellow"), line))


def _units(units: Mapping[str, Mapping[str, Any]], *, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("unit", "state", *(["since"] if wide else [])):
        table.add_column(title, no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    if wide:
        table.add_column("")
    for title in ("restarts", "OOM"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, unit in units.items():
        runs = unit["active"] in ("active", "reloading")
        state = unit["active"] if unit["result"] in ("", "success") else f"{unit['active']} ({unit['result']})"
        kills = unit["oom_kills"]
        cells = [
            Text(name, style="bold"),
            Text(state, style="green" if runs else "bold red"),
            Text(unit["since"].partition(" ")[2][5:16], style="dim"),
            Text(_memory(unit["anonymous_mib"], unit["limit_mib"])),
            bar(unit["anonymous_mib"], unit["limit_mib"]),
            Text(str(unit["restarts"]), style="yellow" if unit["restarts"] else "dim"),
            Text("-" if kills is None else str(kills), style="bold red" if kills else "dim"),
        ]
        table.add_row(*(cells if wide else [*cells[:2], cells[3], *cells[5:]]))
    return table


def _memory(used: float | None, limit: float | None) -> str:
    if used is None:
        return "-"
    return f"{used:.0f} MiB" if limit is None else f"{used:.0f} of {limit:.0f} MiB"


def bar(used: float | None, limit: float | None) -> Text:
    """Draw how full a limit is; nothing where there is none."""
    if not used or not limit:
        return Text("")
    share = min(1.0, used / limit)
    filled = max(1, round(share * _BAR))
    return Text("█" * filled + "·" * (_BAR - filled), style="red" if share >= NEARLY_FULL else "green")


def status_document(host: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Give the state as data; the form is described in docs/json.md."""
    return {"schema": STATUS_SCHEMA, "host": host, **found}


def print_drift(console: Console, host: str, found: Sequence[Drifted], readings: Sequence[Reading]) -> None:
    """Print what is other than the last deploy left it."""
    if not found and not readings:
        console.print(Text.assemble((host, "bold"), ": no drift, all is as the last deploy left it"))
        return
    console.print(Text.assemble((host, "bold"), f": {len(found) + len(readings)} found"))
    for one in found:
        line = Text.assemble(("  ~ ", "yellow"), f"{one.kind:<9}", (one.name, "bold"), f"   {one.what}")
        console.print(line, soft_wrap=True)
    for reading in readings:
        where = f" ({reading.where})" if reading.where else ""
        console.print(
            Text.assemble(
                ("  ~ ", "yellow"),
                f"{'running':<9}",
                (f"{reading.server} {reading.setting}", "bold"),
                f"{where}   runs with {reading.found}, its config says {reading.wanted}",
            ),
            soft_wrap=True,
        )


def drift_document(host: str, found: Sequence[Drifted], readings: Sequence[Reading]) -> dict[str, Any]:
    """Give the drift as data; the form is described in docs/json.md."""
    return {
        "schema": DRIFT_SCHEMA,
        "host": host,
        "findings": [{"kind": one.kind, "name": one.name, "what": one.what} for one in found],
        "running": [
            {
                "server": one.server,
                "where": one.where,
                "setting": one.setting,
                "wanted": one.wanted,
                "found": one.found,
            }
            for one in readings
        ],
    }
