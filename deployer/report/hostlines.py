"""Progress of many hosts: a moving line for each on a terminal; elsewhere a line for each change, the host in front."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Self, TypeVar

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from deployer.report.terminal import talk_console
from deployer.rollout import Colour
from deployer.turns import Ended, Told

T = TypeVar("T")
_MARKS = {Colour.GREEN: ("✓", "green"), Colour.DOWN: ("-", "red"), Colour.RED: ("✗", "bold red")}
#: Longer messages of steps are cut on a terminal, where a host has one line.
_MESSAGE_WIDTH = 70


class HostLines:
    """The watch of ``take_turns`` that shows what it is told; a context manager around the work."""

    def __init__(self, hosts: Sequence[str], console: Console | None = None) -> None:
        self._console = console or talk_console()
        self._width = max(map(len, hosts), default=0)
        self._first_s = time.monotonic()
        self._lines = {host: _Line(host, self._width) for host in hosts}
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(console=self._console, get_renderable=self._table, transient=True, refresh_per_second=8)

    def began(self, host: str) -> None:
        """Show that a host's turn began."""
        self._lines[host].begin()
        self._print(host, "begins", "")

    def told(self, told: Told) -> None:
        """Show what a host is at; a remark stays above the moving lines."""
        if told.step:
            self._lines[told.host].step(told.step, told.message)
            if told.message:
                self._print(told.host, told.step, told.message)
        elif self._live is not None:
            self._console.print(Text.assemble((told.host, "bold"), f": {told.message}"), soft_wrap=True)
        else:
            self._print(told.host, "", told.message)

    def ended(self, ended: Ended[T]) -> None:
        """Show how a host's turn ended."""
        why = ended.error.message.partition("\n")[0] if ended.error else ""
        self._lines[ended.host].end(ended.colour, ended.took_s, why)
        self._print(ended.host, ended.colour.value, why or f"in {ended.took_s:.1f} s")

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _print(self, host: str, step: str, message: str) -> None:
        if self._live is None:
            passed_s = time.monotonic() - self._first_s
            line = f"  {passed_s:6.1f} s  {host:<{self._width}}  {step:<14} {message}".rstrip()
            self._console.print(Text(line), soft_wrap=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for line in self._lines.values():
            line.add_to(table)
        return table


class _Line:
    """What is shown of one host on a terminal."""

    def __init__(self, host: str, width: int) -> None:
        self._host = host.ljust(width)
        self._step = self._message = ""
        self._began_s: float | None = None
        self._took_s: float | None = None
        self._mark: Text | Spinner = Text("·", style="dim")

    def begin(self) -> None:
        self._began_s, self._took_s = time.monotonic(), None
        self._step = self._message = ""
        self._mark = Spinner("dots")

    def step(self, step: str, message: str) -> None:
        self._step, self._message = step, message

    def end(self, colour: Colour, took_s: float, why: str) -> None:
        sign, style = _MARKS[colour]
        self._mark, self._took_s = Text(sign, style=style), took_s
        self._step, self._message = colour.value, why

    def add_to(self, table: Table) -> None:
        passed_s = self._took_s
        if passed_s is None and self._began_s is not None:
            passed_s = time.monotonic() - self._began_s
        table.add_row(
            self._mark,
            Text(self._host, style="bold"),
            Text("" if passed_s is None else f"{passed_s:6.1f} s"),
            Text(self._step.ljust(14) if self._began_s is not None or self._step else "waits".ljust(14)),
            Text(self._message[:_MESSAGE_WIDTH], style="dim", no_wrap=True, overflow="ellipsis"),
        )
