"""What was killed for want of memory, in words and as a document."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from deployer.budget import Claim
from deployer.oomkills import Found, Kill

SCHEMA = "deployer/oom/1"


def print_oom(console: Console, host: str, found: Found, claims: Mapping[str, Claim]) -> None:
    """Say each kill in a sentence, and what the budget gave to the units that it hit.

    Args:
        console: Where to.
        host: The host's name.
        found: What is known.
        claims: What the budget priced for each unit.
    """
    if not found.kills and not found.uncounted:
        console.print(Text.assemble((host, "bold"), ": nothing was killed for want of memory"))
    else:
        count = len(found.kills) + sum(found.uncounted.values())
        console.print(Text.assemble((host, "bold"), f": {count} killed"))
    for kill in found.kills:
        console.print(Text.assemble(("  ✗ ", "red" if kill.certain else "yellow"), said(kill)), soft_wrap=True)
    for unit, missing in found.uncounted.items():
        line = f"{unit}: {missing} more since it was started, of which no log tells when"
        console.print(Text.assemble(("  ✗ ", "red"), line), soft_wrap=True)
    for unit in dict.fromkeys((*(kill.unit for kill in found.kills if kill.cause != "host"), *found.uncounted)):
        if unit in claims:
            console.print(Text(f"    {unit}: {_priced(claims[unit])}", style="dim"), soft_wrap=True)
    if any(kill.cause == "host" for kill in found.kills):
        console.print(
            Text(
                "    The whole host had nothing left: something that the budget does not know of took it; `status` and"
                " `unmanaged_mib` in the inventory are where to begin",
                style="dim",
            ),
            soft_wrap=True,
        )
    if not found.has_kernel_log:
        console.print(Text("The kernel's log cannot be read here; systemd's and the counters were.", style="dim"))


def said(kill: Kill) -> str:
    """Say a kill in a sentence."""
    who = kill.process or "a process"
    own = f", which held {kill.anonymous_mib:.0f} MiB itself," if kill.anonymous_mib is not None else ""
    whose = f"{who} of {kill.unit}" if kill.unit else who
    if not kill.certain:
        return f"{_when(kill)}  {whose} was killed by SIGKILL; nobody says why{_limit(kill)}"
    return f"{_when(kill)}  {whose}{own} was killed: {_cause(kill)}"


def _cause(kill: Kill) -> str:
    held = "all" if kill.held_mib is None else f"{kill.held_mib:.0f}"
    limit = "its memory" if kill.limit_mib is None else f"its {kill.limit_mib:.0f} MiB"
    if kill.cause == "unit":
        return f"the unit held {held} of {limit}"
    if kill.cause == "group":
        return f"{kill.group or 'a group above it'} held {held} of {limit}"
    if kill.cause == "host":
        return "the whole host had no memory left"
    return f"there was none left for the unit{_limit(kill)}"


def _limit(kill: Kill) -> str:
    return "" if kill.limit_mib is None else f" (its limit is {kill.limit_mib:.0f} MiB)"


def _when(kill: Kill) -> str:
    return datetime.fromtimestamp(kill.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S") if kill.at_s else "some time"


def _priced(claim: Claim) -> str:
    parts = " + ".join(f"{name} {mib:.0f}" for name, mib in claim.parts.items())
    return f"the budget counts on {parts} MiB; where these come from: `explain --setting ledger.{claim.taker}`"


def oom_document(host: str, found: Found) -> dict[str, Any]:
    """Give it as data; the form is described in docs/json.md."""
    return {
        "schema": SCHEMA,
        "host": host,
        "kernel_log": found.has_kernel_log,
        "kills": [
            {
                "at": datetime.fromtimestamp(kill.at_s, UTC).isoformat(timespec="seconds") if kill.at_s else None,
                "unit": kill.unit or None,
                "process": kill.process or None,
                "anonymous_mib": kill.anonymous_mib,
                "held_mib": kill.held_mib,
                "limit_mib": kill.limit_mib,
                "cause": kill.cause,
                "certain": kill.certain,
            }
            for kill in found.kills
        ],
        "uncounted": dict(found.uncounted),
    }
