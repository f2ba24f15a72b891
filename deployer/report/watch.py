"""The units of a host against their limits, as they are now and a moment ago: for a terminal that somebody watches."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from deployer.report.condition import NEARLY_FULL, bar

#: So many samples make the line of what was.
REMEMBERED: Final = 24
_NUMBERS: Final = frozenset({"memory", "restarts", "OOM"})
_HEIGHTS: Final = "▁▂▃▄▅▆▇█"


class View:
    """What is shown; ``take`` each sample of the agent, and show ``now``."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._past: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._sample: Mapping[str, Any] = {}

    def take(self, sample: Mapping[str, Any]) -> None:
        """Take a sample, as the agent's protocol describes it."""
        self._sample = sample
        for name, unit in sample.get("units", {}).items():
            used, limit = unit.get("anonymous_mib"), unit.get("limit_mib")
            self._past[name].append(used / limit if used is not None and limit else 0.0)
        self._past[""].append(float(sample.get("memory_share") or 0.0))

    def now(self) -> Group:
        """Give what is to be seen now."""
        sample = self._sample
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("unit", "memory", "", "before", "restarts", "OOM"):
            table.add_column(title, justify="right" if title in _NUMBERS else "left", no_wrap=True)
        for name, unit in sample.get("units", {}).items():
            runs = unit.get("active") in ("active", "reloading")
            table.add_row(
                Text(name, style="bold" if runs else "bold red"),
                _memory(unit.get("anonymous_mib"), unit.get("limit_mib")),
                bar(unit.get("anonymous_mib"), unit.get("limit_mib")),
                Text(_line(self._past[name]), style="dim"),
                Text(str(unit.get("restarts", 0)), style="yellow" if unit.get("restarts") else "dim"),
                Text(str(unit.get("oom_kills") or 0), style="bold red" if unit.get("oom_kills") else "dim"),
            )
        return Group(self._whole(), table)

    def _whole(self) -> Text:
        sample = self._sample
        total, free = sample.get("memory_total_mib") or 0, sample.get("memory_available_mib") or 0
        share = float(sample.get("memory_share") or 0.0)
        busy, steal = float(sample.get("cpu_busy_share") or 0.0), float(sample.get("cpu_steal_share") or 0.0)
        stolen = f", {steal:.0%} stolen" if steal >= 0.01 else ""
        return Text.assemble(
            (self._host, "bold"),
            "   memory ",
            (f"{total - free:.0f} of {total:.0f} MiB", "red" if share >= NEARLY_FULL else ""),
            f" {_line(self._past[''])}   processors {busy:.0%}{stolen}   connections {sample.get('tcp_in_use') or 0}",
        )


def plain(sample: Mapping[str, Any]) -> str:
    """Say a sample in one line, for a file or a pipe."""
    units = (
        f"{name.removesuffix('.service')} {_memory(unit.get('anonymous_mib'), unit.get('limit_mib')).plain}"
        for name, unit in sample.get("units", {}).items()
    )
    memory, busy = (float(sample.get(name) or 0) for name in ("memory_share", "cpu_busy_share"))
    whole = f"memory {memory:.0%}, processors {busy:.0%}"
    return f"{float(sample.get('t_s') or 0):.0f} s  {whole}, {', '.join(units)}"


def _memory(used: float | None, limit: float | None) -> Text:
    if used is None:
        return Text("-")
    return Text(f"{used:.0f} MiB" if limit is None else f"{used:.0f} of {limit:.0f} MiB")


def _line(shares: Sequence[float] | deque[float]) -> str:
    """Draw what was, the newest last."""
    return "".join(_HEIGHTS[min(len(_HEIGHTS) - 1, max(0, int(share * len(_HEIGHTS))))] for share in shares)
