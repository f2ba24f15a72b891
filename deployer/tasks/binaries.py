"""The task that measures what servers of each version need; its figures stand in docs/benchmarks.md."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path

from invoke.context import Context

from deployer.binaries import needs
from deployer.errors import UsageError
from deployer.report.benchmark import Row, markdown, put_into
from deployer.report.terminal import Steps, result_console
from deployer.tasks.shell import task

FIGURES = Path("docs/benchmarks.md")


@task
def servers(_context: Context, *, runs: int = 3, only: str = "", write: bool = False) -> None:
    """Measure what servers of each version need of memory, from Debian trees on this machine."""
    if only and only not in needs.parts():
        raise UsageError(f"there is no part {only!r} to measure", next_step=f"--only {', '.join(needs.parts())}")
    if only and write:
        raise UsageError("--write puts down all of it: it goes with no --only")
    found: dict[tuple[str, str], list[float]] = {}
    with Steps() as steps:
        for number in range(1, runs + 1):
            steps.say(f"run {number} of {runs}")
            for figure in needs.measured(steps.say, only=only):
                found.setdefault((figure.name, figure.unit), []).append(figure.value)
    rows = [
        Row(name=name, unit=unit, runs=tuple(values), decimals=2 if max(values) < 10 else 0)
        for (name, unit), values in found.items()
    ]
    system = f"Linux {platform.release().partition('-')[0]}, {platform.machine()}"
    text = (
        f"{datetime.now(UTC).date().isoformat()}, {system}; anonymous and shared memory together.\n\n{markdown(rows)}"
    )
    result_console().print(text, soft_wrap=True, markup=False)
    if write:
        put_into(FIGURES, "bench.servers", text)
