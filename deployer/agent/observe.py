"""observe: everything that a plan needs to know about the host, in one answer. Changes nothing.

It says how each wanted file stands (its content too where that is needed for a diff), the units, packages,
users, databases and ports that were asked about, what the last committed transaction recorded, and who holds
the lock.
"""

from __future__ import annotations

import base64
import grp
import hashlib
import os
import pwd
import re
import stat
from typing import Any, Dict, Iterable, List, Optional, Tuple

from . import database, facts, journal, lock, manifest, secretfiles, sysctls, textfiles, unitstate

Document = Dict[str, Any]

#: Content of a differing file is sent up to here; bytes. Nobody reads a longer diff.
CONTENT_LIMIT_BYTES = 256 << 10
#: All contents together, bytes: the answer has to stay one frame.
CONTENTS_LIMIT_BYTES = 8 << 20

_CHUNK_BYTES = 1 << 20
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_LISTEN = "0A"


def run(request: Document) -> Document:
    """Answer an ``observe`` request; every part that is not asked for is empty."""
    recorded = manifest.load()
    ours = recorded.get("sysctls") or {}
    budget = [CONTENTS_LIMIT_BYTES]
    return {
        "facts": facts.gather(),
        "files": {
            wanted["path"]: _secret(wanted["path"], request.get("nonce"), recorded.get("owned") or {})
            if secretfiles.is_secret(wanted["path"])
            else _compared(wanted, budget)
            for wanted in request.get("files", ())
        },
        "units": _units(request.get("units", ()), recorded.get("units") or {}),
        "packages": packages(request.get("packages", ())),
        "users": {name: _user_exists(name) for name in request.get("users", ())},
        "databases": database.observe(request.get("databases", ())),
        "sysctls": sysctls.observe({*request.get("sysctls", ()), *ours}, recorded.get("refused_sysctls") or {}),
        "set_sysctls": ours,
        "paths": {path: os.path.lexists(path) for path in request.get("paths", ())},
        "ports": listeners(request.get("ports", ())),
        "owned": recorded.get("owned") or {},
        "done": recorded.get("done") or [],
        "last_transaction": recorded.get("last_transaction"),
        "lock": lock.holder(),
        "open_transaction": journal.open_transaction(),
    }


def _compared(wanted: Document, budget: List[int]) -> Document:
    state, size_bytes = _state(wanted["path"])
    same = state.get("sha256") == wanted.get("sha256")
    if state["kind"] != "file" or same or wanted.get("secret") or size_bytes > min(CONTENT_LIMIT_BYTES, budget[0]):
        return state
    try:
        with open(wanted["path"], "rb") as file:
            content = file.read(size_bytes)
    except OSError:
        return state
    if hashlib.sha256(content).hexdigest() == state["sha256"]:  # else it changed meanwhile; the hash alone is true
        budget[0] -= size_bytes
        state["content"] = base64.b64encode(content).decode("ascii")
    return state


def _secret(path: str, nonce: object, owned: Document) -> Document:
    """Tell of a secret no hash, but whether it is what this host recorded and what the control machine has."""
    state, _ = _state(path)
    if state["kind"] != "file":
        return state
    del state["sha256"]
    try:
        with open(path, "rb") as file:
            data = file.read(secretfiles.LIMIT_BYTES + 1)
    except OSError:
        data = b""
    state["mark"] = secretfiles.mark(path, data)
    state["proof"] = secretfiles.proof(nonce, path, data)
    state["settled"] = state["mark"] is not None and state["mark"] == owned.get(path)
    return state


def _state(path: str) -> Tuple[Document, int]:
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return {"kind": "link", "target": os.readlink(path)}, 0
        if not stat.S_ISREG(found.st_mode):
            return {"kind": "other"}, 0
        # between lstat and open it may have become a pipe, which must not block us
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "absent"}, 0
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        found = os.fstat(file.fileno())
        digest, size_bytes = hashlib.sha256(), 0
        for piece in iter(lambda: file.read(_CHUNK_BYTES), b""):
            digest.update(piece)
            size_bytes += len(piece)
    return {
        "kind": "file",
        "sha256": digest.hexdigest(),
        "mode": "%04o" % stat.S_IMODE(found.st_mode),
        "owner": _user_name(found.st_uid),
        "group": _group_name(found.st_gid),
    }, size_bytes


def _units(units: Iterable[str], recorded: Document) -> Dict[str, Document]:
    states = unitstate.show(units)
    for unit, state in states.items():
        record = recorded.get(unit) or {}
        state["restart_hash"] = record.get("restart_hash")
        state["reload_hash"] = record.get("reload_hash")
    return states


def packages(names: Iterable[str]) -> Dict[str, Optional[str]]:
    """Give each package's installed version by one ``dpkg-query``; None if it is not installed."""
    versions: Dict[str, Optional[str]] = dict.fromkeys(names)
    askable = [name for name in versions if _PACKAGE.fullmatch(name)]
    if askable:
        form = "${Package}\\t${Version}\\t${db:Status-Status}\\n"
        for line in (unitstate.output(["dpkg-query", "-W", "-f", form, "--", *askable]) or "").splitlines():
            name, _, rest = line.partition("\t")
            version, _, status = rest.partition("\t")
            if status == "installed" and name in versions:
                versions[name] = version
    return versions


def listeners(ports: Iterable[int]) -> Dict[str, Optional[str]]:
    """Name the process that listens on each TCP port; None if nobody does, ``?`` if its name is hidden."""
    wanted = set(ports)
    inodes: Dict[str, int] = {}
    for path in ("/proc/net/tcp", "/proc/net/tcp6") if wanted else ():
        for line in textfiles.read(path, limit_bytes=16 << 20).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTEN:
                port = int(fields[1].rpartition(":")[2], 16)
                if port in wanted:
                    inodes[fields[9]] = port
    names: Dict[str, Optional[str]] = {str(port): None for port in wanted}
    names.update({str(port): "?" for port in inodes.values()})
    if inodes:
        for inode, process in _socket_owners(set(inodes)):
            names[str(inodes[inode])] = process
    return names


def _socket_owners(inodes: Iterable[str]) -> Iterable[Tuple[str, str]]:
    left = {"socket:[%s]" % inode: inode for inode in inodes}
    # in rising order of pid, so that a server is named and not its worker
    for pid in sorted((entry for entry in os.listdir("/proc") if entry.isdigit()), key=int):
        directory = "/proc/%s/fd" % pid
        try:
            for descriptor in os.listdir(directory):
                target = os.readlink("%s/%s" % (directory, descriptor))
                if target in left:
                    yield left.pop(target), textfiles.read("/proc/%s/comm" % pid).strip() or "?"
        except OSError:
            continue  # it ended meanwhile, or is not ours to look at
        if not left:
            return


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
