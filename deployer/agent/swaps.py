"""Swap units on their way out: systemd knows no more how, once a unit's own file has gone.

It then calls ``swapoff`` with nothing after it, which fails, and the swap would be used on without being in any file.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Iterator

from . import command, places, systemctl, textfiles
from .refusal import Refusal

#: Swap files of ours; others are left where they are.
FOLDER = "/var/lib/deployer-swap"
_LINE = re.compile(r"(/\S+)\s")


def stop(unit: str, *, timeout_s: float = systemctl.ORDER_TIMEOUT_S) -> None:
    """Stop a unit whose file may have gone. With a swap unit, a swap file of ours goes too: nobody wants what is in it.

    Raises:
        Refusal: Kind `activation`: it does not stop, or memory has no room for what was swapped out.
    """
    for path in _in_use() if unit.endswith(".swap") else ():
        if unit_of(path) == unit:
            _turn_off(path, timeout_s)
    systemctl.order("stop", unit, timeout_s=timeout_s)


def unit_of(path: str) -> str:
    """Name the unit that systemd has for a swap at this path."""
    escaped = re.sub(r"[^A-Za-z0-9:_./]", lambda found: "\\x%02x" % ord(found[0]), path.strip("/"))
    return escaped.replace("/", "-") + ".swap"


def _in_use() -> Iterator[str]:
    for line in textfiles.read(places.at("/proc/swaps")).splitlines():
        found = _LINE.match(line)
        if found:
            yield found[1]


def _turn_off(path: str, timeout_s: float) -> None:
    result = command.run(["swapoff", path], timeout_s=timeout_s)
    if not result.ok:
        raise Refusal("activation", f"swapoff {path} failed", detail=result.output)
    if os.path.dirname(path) == FOLDER:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(places.at(path))
