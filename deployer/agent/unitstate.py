"""What systemd says about units: one ``systemctl show`` for all of them.

It answers for units that do not exist too (``load`` is then ``not-found``), which is why it is asked instead
of ``is-active`` and ``is-enabled`` per unit.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any, Dict, Iterable, List, Optional

from .refusal import Refusal

#: A systemctl that does not answer is broken; nothing of ours waits longer for it; s.
TOOL_TIMEOUT_S = 30.0

_PROPERTIES = ("Id", "Type", "LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID", "NRestarts")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.\\-]*(@[A-Za-z0-9:_.\\-]+)?\.[a-z]+")

Document = Dict[str, Any]


def show(units: Iterable[str]) -> Dict[str, Document]:
    """Give the state of each unit.

    Args:
        units: Full names, as ``nginx.service``; an alias answers with the state of what it points to.

    Returns:
        Per unit ``type`` (of a service), ``load``, ``active``, ``sub``, ``enabled`` (in systemd's words, empty when
        it has none), ``main_pid`` (0: none runs) and ``restarts`` (automatic ones since it was started).

    Raises:
        Refusal: systemd does not answer.
    """
    return {unit: _state(told) for unit, told in properties(units, _PROPERTIES).items()}


def properties(units: Iterable[str], names: Iterable[str]) -> Dict[str, Dict[str, str]]:
    """Give properties of units as systemd writes them; none of a unit whose name cannot be asked about.

    Args:
        units: Full names.
        names: Properties, in systemd's spelling; `Id` should be among them, for every unit has one.

    Raises:
        Refusal: systemd does not answer.
    """
    wanted = list(dict.fromkeys(units))
    askable = [unit for unit in wanted if is_name(unit)]
    told: Dict[str, Dict[str, str]] = {unit: {} for unit in wanted}
    if askable:
        argv = ["systemctl", "show", "--no-pager", "--property", ",".join(names), "--", *askable]
        blocks = _blocks(output(argv) or "")
        if len(blocks) != len(askable):
            message = "systemd told the state of %d units out of %d" % (len(blocks), len(askable))
            raise Refusal("unsupported", message, step="observe", next="systemctl is-system-running")
        told.update(zip(askable, blocks))
    return told


def is_name(unit: str) -> bool:
    """Say whether this can be asked about: no option, no glob, no template without an instance."""
    return bool(_NAME.fullmatch(unit))


def output(argv: List[str], timeout_s: float = TOOL_TIMEOUT_S) -> Optional[str]:
    """Run a tool and give what it prints, whatever its exit status; None when it is missing or hangs.

    The tool speaks English, reads nothing, and its stderr is dropped.
    """
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace")


def environment() -> Dict[str, str]:
    """Give the environment for tools: a login's may lack sbin, speak another language or carry a pager."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": os.environ.get("HOME", "/root"),
    }


def _blocks(text: str) -> List[Dict[str, str]]:
    blocks: List[Dict[str, str]] = []
    for block in text.strip("\n").split("\n\n"):
        pairs = (line.partition("=") for line in block.splitlines())
        properties = {key: value for key, _, value in pairs if key}
        if properties:
            blocks.append(properties)
    return blocks


def _state(properties: Dict[str, str]) -> Document:
    return {
        "type": properties.get("Type", ""),
        "load": properties.get("LoadState", "not-found"),
        "active": properties.get("ActiveState", "inactive"),
        "sub": properties.get("SubState", "dead"),
        "enabled": properties.get("UnitFileState", ""),
        "main_pid": _number(properties.get("MainPID")),
        "restarts": _number(properties.get("NRestarts")),
    }


def _number(text: Optional[str]) -> int:
    return int(text) if text and text.isdigit() else 0
