"""Who listens where: TCP ports and the sockets in the file system, each with its process and that one's unit."""

from __future__ import annotations

import os
import re
import socket
from typing import Any, Dict, Iterable, List

from . import textfiles

Document = Dict[str, Any]

_LISTEN = "0A"
_TABLE_BYTES = 16 << 20
_UNIT = re.compile(r"/([^/\n]+\.(?:service|scope))(?=/|$)", re.MULTILINE)
#: Flags of a listening socket in /proc/net/unix.
_ACCEPTS = 0x10000


def sockets() -> List[Document]:
    """Give each listening socket: ``port`` and ``address``, or ``path``; ``process`` and ``unit``, empty if hidden."""
    found = {**_tcp("/proc/net/tcp"), **_tcp("/proc/net/tcp6"), **_unix()}
    owners = _owners(found)
    for inode, one in found.items():
        pid = owners.get(inode)
        one["process"] = textfiles.read(f"/proc/{pid}/comm").strip()[:40] if pid else ""
        one["unit"] = unit_of(pid) if pid else ""
    return list({repr(sorted(one.items())): one for one in found.values()}.values())


def unit_of(pid: int) -> str:
    """Name the unit that a process belongs to; empty if it is in none."""
    lines = textfiles.read(f"/proc/{pid}/cgroup").splitlines()
    # on cgroup v1 systemd's own tree counts, not those of the controllers
    tree = next((line for line in lines if line.startswith("0::") or ":name=systemd:" in line), "")
    units = _UNIT.findall(tree)
    return str(units[-1][:200]) if units else ""


def _tcp(path: str) -> Dict[str, Document]:
    found = {}
    for line in textfiles.read(path, limit_bytes=_TABLE_BYTES).splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN:
            address, _, port = fields[1].rpartition(":")
            found[fields[9]] = {"port": int(port, 16), "address": _address(address), "path": ""}
    return found


def _address(text: str) -> str:
    """Read an address as the kernel writes it: words of four bytes, each in the order of the machine."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    data = b"".join(words)
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def _unix() -> Dict[str, Document]:
    found = {}
    for line in textfiles.read("/proc/net/unix", limit_bytes=_TABLE_BYTES).splitlines()[1:]:
        fields = line.split(None, 7)
        if len(fields) == 8 and int(fields[3], 16) & _ACCEPTS and fields[7].startswith("/"):
            found[fields[6]] = {"port": 0, "address": "", "path": fields[7][:200]}
    return found


def _owners(inodes: Iterable[str]) -> Dict[str, int]:
    """Find the oldest process that holds each socket: a server, and not its worker."""
    left = {f"socket:[{inode}]": inode for inode in inodes}
    found: Dict[str, int] = {}
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        if pid == 1:
            continue  # it holds sockets for services; who serves is what is asked
        try:
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                inode = left.get(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
                if inode is not None:
                    found.setdefault(inode, pid)
        except OSError:
            continue  # it ended meanwhile
    return found
