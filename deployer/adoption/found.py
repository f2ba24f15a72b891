"""The host's answer to a survey. Others wrote what stands in it: it is bounded, and printable once it is here."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Of any text of the host so much is shown, characters.
LONGEST = 200
#: Software of every Debian; its memory is in the budget's reserve for the system.
SYSTEM = ("systemd-", "user@", "user-runtime-dir@", "getty@", "serial-getty@", "console-getty.", "ifup", "networking.")
SYSTEM_UNITS = frozenset(
    ("ssh.service", "sshd.service", "cron.service", "dbus.service", "rsyslog.service", "polkit.service")
)
#: What a site may call its own host.
HERE = ("localhost", "::1")
_PARTS = ("units", "ports", "sites", "web_files", "cron", "databases", "settings", "sqlite")


def plain(value: Any) -> Any:
    """Make a document's texts short and printable, whatever was in them."""
    if isinstance(value, str):
        return "".join(sign if sign.isprintable() else "?" for sign in value[:LONGEST])
    if isinstance(value, Mapping):
        return {str(plain(str(key))): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


@dataclass(frozen=True, slots=True)
class Found:
    """The answer, with ways to look into it.

    Attributes:
        told: The agent's ``survey``, printable.
    """

    told: Mapping[str, Any]

    @classmethod
    def of(cls, answer: Mapping[str, Any], owned: Container[str] = ()) -> Found:
        """Take an answer in, without what stands in files of ``owned``: those are from earlier deploys."""
        told = plain(answer)
        parts = {part: [one for one in told.get(part) or () if one] for part in _PARTS}
        for part in ("sites", "settings"):
            parts[part] = [one for one in parts[part] if one["file"] not in owned]
        parts["web_files"] = [path for path in parts["web_files"] if path not in owned]
        return cls({**told, **parts})

    def listens(self, unit: str) -> tuple[str, ...]:
        """Say where a unit listens: ``127.0.0.1:8000`` or a socket's path."""
        return tuple(dict.fromkeys(_place(one) for one in self.told["ports"] if one["unit"] == unit))

    def listener(self, place: str) -> tuple[str, str] | None:
        """Name unit and process that listen where a site passes requests to; None: nobody does."""
        address, _, port = place.rpartition(":")
        address = address.strip("[]")
        is_here = address.startswith("127.") or address in HERE
        for one in self.told["ports"]:
            is_it = one["port"] and str(one["port"]) == port and (is_here or one["address"] == address)
            if is_it or (one["path"] and one["path"] == place):
                return str(one["unit"]), str(one["process"])
        return None

    def foreign_units(self, ours: frozenset[str]) -> Iterator[Mapping[str, Any]]:
        """Give services that run and are neither the system's nor what the inventory asks for."""
        for one in self.told["units"]:
            unit = str(one["unit"])
            if one["runs"] and not one["is_ours"] and unit not in ours and not is_of_the_system(unit):
                yield one


def is_of_the_system(unit: str) -> bool:
    """Say whether a unit belongs to any Debian, and a host is lost without it."""
    return unit in SYSTEM_UNITS or unit.startswith(SYSTEM)


def _place(one: Mapping[str, Any]) -> str:
    if one["path"]:
        return str(one["path"])
    address = str(one["address"])
    return f"[{address}]:{one['port']}" if ":" in address else f"{address}:{one['port']}"
