"""readback: what the running servers say that they run with. Changes nothing.

Only settings that are asked for by name are told, so that no secret of a config is ever read into an answer.
nginx cannot be asked for what its workers hold: its live config is told, and a reload that is due does not show.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

from . import bootsysctls, commandlines, facts, manifest, readbackstores, sysctls, unitstate

Document = Dict[str, Any]
Names = List[str]

TIMEOUT_S = 10.0
#: Longest value that is told, characters; no number and no switch is longer.
LONGEST = 200
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,79}")
_FILE = re.compile(r"# configuration file (\S+):$")
_DIRECTIVE = re.compile(r"\s*([a-z_0-9]+)\s+([^;{}'\"$]+);\s*$")


def run(request: Document) -> Document:
    """Answer a ``readback`` request: per server its version and values; null for one that does not answer."""
    told: Dict[str, Optional[Document]] = {}
    for server, asked in request.get("servers", {}).items():
        read = READERS.get(server)
        told[server] = None if read is None else read(asked, _plain(asked.get("names", ())))
    return {"servers": told}


def _plain(names: Iterable[str]) -> Names:
    return [name for name in names if _PLAIN.fullmatch(name)]


def nginx(_asked: Mapping[str, Any], names: Names) -> Optional[Document]:
    """Read the live config: per file and directive its values, in the order in which they stand."""
    version = re.search(r"nginx/([0-9.]+)", unitstate.output(["sh", "-c", "exec nginx -v 2>&1"], TIMEOUT_S) or "")
    dump = unitstate.output(["nginx", "-T", "-q"], TIMEOUT_S)
    if version is None or not dump:
        return None
    return {"version": version[1], "values": directives(dump, names)}


def directives(dump: str, names: Iterable[str]) -> Document:
    """Pick directives out of what ``nginx -T`` prints."""
    wanted = set(names)
    found: Dict[str, Dict[str, List[str]]] = {}
    file = ""
    for line in dump.splitlines():
        head, directive = _FILE.match(line), _DIRECTIVE.match(line)
        if head:
            file = head[1]
        elif directive and directive[1] in wanted:
            found.setdefault(file, {}).setdefault(directive[1], []).append(" ".join(directive[2].split())[:LONGEST])
    return found


def systemd(asked: Mapping[str, Any], names: Names) -> Optional[Document]:
    """Read properties of units: per unit and property what systemd holds now."""
    values = {}
    for unit in asked.get("units", ()):
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,120}", unit) or not names:
            continue
        argv = ["systemctl", "show", "--no-pager", "--property", ",".join([*names, "ActiveState"]), "--", unit]
        pairs = [line.partition("=") for line in (unitstate.output(argv, TIMEOUT_S) or "").splitlines()]
        properties = {key: value[:LONGEST] for key, _, value in pairs}
        # a slice without a process in it holds its limits all the same; a candidate runs only while a deploy does
        if properties.pop("ActiveState", "") == "active" or unit.endswith(".slice") or "@candidate." in unit:
            values[unit] = properties
    return {"version": str(facts.gather().get("systemd") or ""), "values": values}


def kernel(_asked: Mapping[str, Any], names: Names) -> Optional[Document]:
    """Read settings of the kernel, which of them it refused when a deploy asked, and what the next boot would make."""
    seen = sysctls.observe(names, manifest.load().get("refused_sysctls") or {})
    values = {name: state["value"] for name, state in seen.items()}
    refused = {name: one["refused"] for name, one in seen.items()}
    return {"version": "", "values": values, "refused": refused, "at_boot": bootsysctls.observe(seen)}


#: Who can be asked, and how: the request's part for it and the plain names give version and values.
READERS: Dict[str, Callable[[Mapping[str, Any], Names], Optional[Document]]] = {
    "mariadb": readbackstores.mariadb,
    "mysql": readbackstores.mysql,
    "postgresql": readbackstores.postgresql,
    "redis": readbackstores.redis,
    "valkey": readbackstores.redis,
    "nginx": nginx,
    "systemd": systemd,
    "kernel": kernel,
    "commandlines": commandlines.read,
}
