"""What a running server has otherwise than its budget: what it costs, and whether it can be set now. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployer.dialects.values import mysql_size
from deployer.doctor import Reading, diagnose
from deployer.mysqltuning.evidence import evidence_of
from deployer.mysqltuning.observed import Observed
from deployer.mysqltuning.worst import COPIED, worst_mib
from deployer.registry import registry
from deployer.render import Rendered
from deployer.services.mysql.flavours import flavour_of
from deployer.services.mysql.settings import TAKER, settings_of

POOL = "innodb_buffer_pool_size"
_SWITCHES = {"0": "OFF", "1": "ON"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One setting that a running server has otherwise than the budget.

    Attributes:
        setting: Its name.
        now: What the server has, as it says it.
        wanted: What the budget gives, as the server would say it.
        because: Why the budget gives that.
        evidence: What the server's counters say of it; empty where none speaks of it.
        delta_mib: What the server could take more (or less) at its worst with this one changed, MiB.
        restart_because: Why it cannot be set now; empty: it can.
        is_copied: Connections that are open keep the former value.
        outranked_by: File that is read after ours and says otherwise, so that the next start would undo it.
    """

    setting: str
    now: str
    wanted: str
    because: str
    evidence: str
    delta_mib: float
    restart_because: str
    is_copied: bool
    outranked_by: str

    @property
    def is_dynamic(self) -> bool:
        """Whether it can be set while the server runs."""
        return not self.restart_because


def proposals(rendered: Rendered, seen: Observed) -> tuple[Proposal, ...]:
    """Hold what the server has against its budget: what is given back first, what is taken last.

    In this order they can be set one after the other without ever taking more than either state does.
    """
    found = list(_proposals(rendered, seen))
    return tuple(sorted(found, key=lambda one: (one.setting == POOL and one.delta_mib > 0, one.delta_mib)))


def outranked(rendered: Rendered, seen: Observed) -> Mapping[str, str]:
    """Name the settings that the next start makes otherwise than the budget, and the file of somebody else that does.

    Whatever we write or set: that file is read after ours.
    """
    ours = flavour_of(rendered.declaration).config
    found = {one.setting: seen.outranks(one.setting, ours) for one in _differing(rendered, seen, seen.at_next_start)}
    return {setting: path for setting, path in found.items() if path}


def worst_of(rendered: Rendered, variables: Mapping[str, int | str]) -> float:
    """Say what the server could take at its worst with these settings, MiB."""
    declaration = rendered.declaration
    return worst_mib(flavour_of(declaration), settings_of(declaration).series, variables)


def _proposals(rendered: Rendered, seen: Observed) -> Iterator[Proposal]:
    flavour, others = flavour_of(rendered.declaration), outranked(rendered, seen)
    numbers = rendered.budget.numbers[TAKER]
    running: dict[str, int | str] = dict(seen.variables)
    before_mib = worst_of(rendered, running)
    for one in _differing(rendered, seen, seen.variables):
        wanted = _as_told(flavour.name, one)
        number = numbers.get(one.setting)
        yield Proposal(
            setting=one.setting,
            now=one.found or "",
            wanted=wanted,
            because=number.because if number is not None else "as the template has it",
            evidence=evidence_of(one.setting, seen),
            delta_mib=worst_of(rendered, {**running, one.setting: wanted}) - before_mib,
            restart_because=_restart_because(flavour.name, one.setting, wanted, seen),
            is_copied=one.setting in COPIED,
            outranked_by=others.get(one.setting, ""),
        )


def _differing(rendered: Rendered, seen: Observed, values: Mapping[str, str]) -> Iterator[Reading]:
    server = flavour_of(rendered.declaration).name
    told = {"servers": {server: {"version": seen.version, "values": dict(values)}}}
    readings = diagnose(rendered, told).readings
    return (one for one in readings if one.server == server and not one.where and one.state == "differs")


def _as_told(server: str, one: Reading) -> str:
    """Give a rendered value as the server itself would say it: sizes in bytes, switches as words."""
    setting = registry("mycnf", server).settings.get(one.setting)
    kind = setting.kind if setting is not None else ""
    is_switch = (one.found or "").upper() in {"ON", "OFF"}
    if is_switch or kind in {"bool", "enum"}:
        return _SWITCHES.get(one.wanted, one.wanted.upper() if is_switch else one.wanted)
    try:
        return str(mysql_size(one.wanted))
    except ValueError:
        return one.wanted


def _restart_because(server: str, name: str, wanted: str, seen: Observed) -> str:
    setting = registry("mycnf", server).settings.get(name)
    if setting is None or not setting.dynamic:
        return "it is read at the start alone"
    if name == POOL and wanted.isdigit():
        return _pool_restart_because(int(wanted), seen)
    log_buffer = seen.number("innodb_log_buffer_size")
    if name == "innodb_log_file_size" and wanted.isdigit() and int(wanted) < log_buffer:
        return f"it is less than the log's buffer of {log_buffer >> 20} MiB, which is read at the start alone"
    return ""


def _pool_restart_because(wanted_bytes: int, seen: Observed) -> str:
    """Know beforehand where a server would refuse another pool, or make another size of it."""
    most = seen.number("innodb_buffer_pool_size_max")
    if most and wanted_bytes > most:
        return f"this release makes the pool no larger than innodb_buffer_pool_size_max while it runs: {most >> 20} MiB"
    chunk = seen.number("innodb_buffer_pool_chunk_size") * max(1, seen.number("innodb_buffer_pool_instances"))
    if seen.number("innodb_buffer_pool_instances") and chunk and wanted_bytes % chunk:
        return f"this server makes the pool of whole chunks of {chunk >> 20} MiB, which are set at the start alone"
    return ""
