"""Which changes could lock everybody out of the host: they are committed only once somebody has logged in anew. Pure.

deployer itself writes no config of sshd, of a firewall or of the network; a service of another package may. The
kernel's own settings of the network it does write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: How long the host waits for the new login before it returns, s: three that are never answered, and a slow sudo.
CONFIRM_S: Final = 40.0
#: What decides whether a login gets through: names, addresses and routes, filters, sshd, accounts, sudo.
#: A path that ends with a slash stands for all below it, any other one for itself and the folders of its drop-ins.
LEADS_HERE: Final = (
    "/etc/ssh/",
    "/etc/pam.d/",
    "/etc/security/",
    "/etc/sudoers",
    "/etc/hosts.allow",
    "/etc/hosts.deny",
    "/etc/nftables.conf",
    "/etc/nftables/",
    "/etc/ufw/",
    "/etc/default/ufw",
    "/etc/iptables/",
    "/etc/firewalld/",
    "/etc/fail2ban/",
    "/etc/network/",
    "/etc/netplan/",
    "/etc/NetworkManager/",
    "/etc/systemd/network/",
    "/etc/systemd/networkd.conf",
    "/etc/systemd/resolved.conf",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
)
UNITS: Final = (
    "ssh",
    "sshd",
    "nftables",
    "netfilter-persistent",
    "ufw",
    "iptables",
    "firewalld",
    "fail2ban",
    "networking",
    "systemd-networkd",
    "systemd-resolved",
    "NetworkManager",
)
_UNIT_FOLDER = "/etc/systemd/system/"


def to_be_confirmed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Mark the protocol's PLAN with what it changes of the way to the host.

    Returns:
        The document with ``confirm_over_new_connection``, the paths, units and settings, and ``confirm_s``.
    """
    files = [entry["path"] for entry in document["files"]]
    touched = [entry["unit"] for entry in document["activations"] if entry["kind"] in ("unit", "stop")]
    found = [
        *(path for path in files if _is_path_here(path)),
        *(unit for unit in touched if unit.rpartition(".")[0] in UNITS),
        *(entry["name"] for entry in document["sysctls"] if entry["name"].startswith("net.")),
    ]
    return {**document, "confirm_over_new_connection": list(dict.fromkeys(found)), "confirm_s": CONFIRM_S}


def _is_path_here(path: str) -> bool:
    if path.startswith(_UNIT_FOLDER):
        name = path[len(_UNIT_FOLDER) :].partition("/")[0].removesuffix(".d")
        return name.rpartition(".")[0] in UNITS
    return any(
        path.startswith(one) if one.endswith("/") else path == one or path.startswith(f"{one}.d/") for one in LEADS_HERE
    )
