"""The return, armed outside of our own process: systemd runs it if nobody commits in time, or at the next boot.

The timer is transient and does not outlive a power cut; the unit for the boot is a file, there only while a transaction
is open.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from . import activate, command, durable, packed, places
from .refusal import Refusal

if TYPE_CHECKING:
    from .journal import Journal

PATIENCE_S = 15.0
"""The timer fires at most so long after the agent's own deadline: a living agent returns the host itself."""


BOOT_UNIT = "/etc/systemd/system/deployer-return.service"
BOOT_LINK = "/etc/systemd/system/multi-user.target.wants/deployer-return.service"
_BOOT_TEXT = """\
# Written by deployer while it changes this host; gone when that is done.
[Unit]
Description=deployer: take back what a power cut left unfinished ({identifier})
ConditionPathExists={copy}
After=network.target {units}

[Service]
Type=oneshot
ExecStart={python} -I -S {copy} recover {identifier}
TimeoutStartSec=900

[Install]
WantedBy=multi-user.target
"""


def arm(journal: Journal, return_after_s: float) -> None:
    """Leave a copy of this program in the transaction's directory and let systemd start it in time.

    Args:
        journal: The transaction's record.
        return_after_s: The agent's own deadline; s. Counted by a clock that jumps do not move.

    Raises:
        Refusal: The timer cannot be started: then nothing goes live.
    """
    program = packed.text()
    if program is None:
        raise Refusal("fault", "this agent is not a packed program, so it cannot leave a copy for the return")
    copy = f"{journal.directory}/agent.py"
    durable.write_new(copy, program, 0o600)
    _arm_boot(journal, copy)
    name = _name(journal)
    fires_s = return_after_s + min(PATIENCE_S, return_after_s / 4)
    call = [
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={name}",
        f"--on-active={fires_s:.1f}s",
    ]
    call += ["--timer-property=AccuracySec=100ms", f"--description=deployer: return of {journal.identifier}"]
    call += ["--", _python(), "-I", "-S", copy, "recover", journal.identifier]
    result = command.run(call, timeout_s=30)
    if not result.ok:
        raise Refusal("fault", "the return timer cannot be armed", detail=result.output)


def disarm(journal: Journal) -> None:
    """Stop the timer (not a return that it has started: that may be us) and remove the copy."""
    if os.path.exists(f"{journal.directory}/agent.py"):
        command.run(["systemctl", "stop", f"{_name(journal)}.timer"], timeout_s=30)
        for path in (places.at(BOOT_LINK), places.at(BOOT_UNIT), f"{journal.directory}/agent.py"):
            durable.unlink_quietly(path)


def _arm_boot(journal: Journal, copy: str) -> None:
    """Leave a unit that systemd finds at the next boot, should there be one before the commit."""
    unit, link = places.at(BOOT_UNIT), places.at(BOOT_LINK)
    # what is on its way up cannot be stopped for good, and a database is put back by its server
    activations = journal.doc.get("activations", [])
    units = " ".join(dict.fromkeys([*activate.units_of(activations), *activate.servers_of(activations)]))
    text = _BOOT_TEXT.format(identifier=journal.identifier, copy=copy, python=_python(), units=units)
    durable.make_directories(os.path.dirname(link))
    durable.write_over(unit, text.encode(), 0o644)
    durable.unlink_quietly(link)
    os.symlink(BOOT_UNIT, link)
    durable.sync_directory(os.path.dirname(link))


def _python() -> str:
    return sys.executable or "/usr/bin/python3"


def _name(journal: Journal) -> str:
    return f"deployer-return-{journal.identifier}"
