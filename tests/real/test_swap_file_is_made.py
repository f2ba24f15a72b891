"""The unit that makes the swap file, shut in as it is, on a host that need not swap to it."""

from __future__ import annotations

import base64
import shlex
from typing import Any

import pytest

from deployer.allocate import allocate
from deployer.declaration import Declaration
from deployer.hardware import Hardware
from deployer.inventory.models import AppForm
from deployer.render import render
from deployer.services.kernel import KernelSettings
from deployer.services.kernel.files import MAKE_SWAP_UNIT, SWAP_FILE, UNIT_FOLDER

pytestmark = pytest.mark.real


def unit_for(swap_mib: int) -> bytes:
    """The unit as it is rendered for so much swap."""
    kernel = KernelSettings(swap="file", swap_mib=swap_mib)
    hardware = Hardware(cpu_cores=1, memory_mib=1024, disk_gib=20)
    app: Any = {"source": "src", "server_names": ("small.example",), "go": {"program": "small"}}
    declaration = Declaration(
        host="small1", hardware=hardware, apps={"small": AppForm(**app)}, settings={"kernel": kernel}
    )
    path = f"{UNIT_FOLDER}/{MAKE_SWAP_UNIT}"
    return next(file.content for file in render(declaration, allocate(declaration)).files if file.path == path)


def make(host: Any, swap_mib: int) -> tuple[str, str]:
    """Start the unit; give the file's inode, and what its size, owner and mode are."""
    content = base64.b64encode(unit_for(swap_mib)).decode()
    host.sh(f"echo {content} | base64 -d > {UNIT_FOLDER}/{MAKE_SWAP_UNIT} && systemctl daemon-reload")
    host.sh(f"systemctl restart {MAKE_SWAP_UNIT}")
    inode, rest = host.sh(f"stat -c '%i %s %U %a' {SWAP_FILE}").strip().split(" ", 1)
    return inode, rest


def test_the_file_is_made_kept_and_made_anew_for_another_size(vps: Any) -> None:
    host = vps("swaps")
    first, said = make(host, 64)
    assert said == f"{64 << 20} root 600"
    assert "swap" in host.sh(f"blkid -o value -s TYPE {SWAP_FILE}")
    assert make(host, 64) == (first, said)
    _, said = make(host, 80)
    assert said == f"{80 << 20} root 600"
    assert "swap" in host.sh(f"blkid -o value -s TYPE {SWAP_FILE}")
    said = host.sh(f"systemd-analyze security {MAKE_SWAP_UNIT} --no-pager | tail -1")
    assert float(said.split(": ")[1].split()[0]) <= 2.5
    denied = host.sh(f"journalctl -u {shlex.quote(MAKE_SWAP_UNIT)} --no-pager")
    assert not any(word in denied for word in ("denied", "not permitted", "Read-only", "Failed"))
