"""Whether a unit starts at boot.

That is systemd's to say, but for a cluster of PostgreSQL on Debian: at each boot, and whenever units are read anew, a
generator makes the meta unit postgresql.service want every cluster whose start.conf says ``auto``, disabled or not.
"""

from __future__ import annotations

import glob
import os
import re

from . import durable, places, systemctl, unitstate

UNIT_FOLDER = "/etc/systemd/system"
_CLUSTER = re.compile(r"postgresql@([0-9]+(?:\.[0-9]+)?)-([A-Za-z0-9_]+)\.service")
#: The whole file, as we leave it: no other one is made to say ``auto`` again.
MANUAL = b"# deployer: the inventory has no use for this cluster; its data is kept\nmanual\n"
AUTO = b"auto\n"


def on(unit: str) -> None:
    """Let a unit start at boot.

    Raises:
        Refusal: systemd refuses.
    """
    systemctl.order("enable", "--quiet", unit)
    path = _start_conf(unit)
    if path and _read(path) == MANUAL:
        _say(path, AUTO)


def off(unit: str) -> None:
    """Keep a unit from starting at boot. Its file may be gone or masked, and somebody may have done so before.

    Raises:
        Refusal: systemd refuses.
    """
    if unitstate.show([unit])[unit]["load"] not in ("not-found", "masked"):
        systemctl.order("disable", "--quiet", unit)
    else:
        links = glob.glob(f"{places.at(UNIT_FOLDER)}/*.wants/{unit}")
        for link in links:  # by hand, for `disable` refuses to without the file
            durable.unlink_quietly(link)
        if links:
            systemctl.order("daemon-reload")
    path = _start_conf(unit)
    if path and _word(_read(path)) == b"auto":
        _say(path, MANUAL)


def _start_conf(unit: str) -> str:
    """Say where a cluster's start.conf is; empty for any other unit, and for a cluster that is gone."""
    cluster = _CLUSTER.fullmatch(unit)
    folder = places.at(f"/etc/postgresql/{cluster[1]}/{cluster[2]}") if cluster else ""
    return f"{folder}/start.conf" if folder and os.path.isdir(folder) else ""


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(4096)
    except FileNotFoundError:
        return AUTO  # as the generator takes it


def _word(text: bytes) -> bytes:
    return b" ".join(line.partition(b"#")[0].strip() for line in text.splitlines()).strip()


def _say(path: str, text: bytes) -> None:
    durable.write_over(path, text, 0o644)
    systemctl.order("daemon-reload")  # the generator runs, so that the meta unit knows at once
