"""The fill test as a task: what every service needs at its worst, beside what the ledger predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from invoke.context import Context
from rich.text import Text

from deployer.errors import UsageError, VerificationFailed
from deployer.fill import Filled, Taken, fill
from deployer.inventory import Entry
from deployer.report.benchmark import put_into
from deployer.report.terminal import Steps, result_console
from deployer.tasks.shell import entry_of, task
from deployer.tasks.verification import local_vps

FIGURES = Path("docs/benchmarks.md")
#: A prediction may be so many times what is measured; never less than once.
MOST_RATIO = 1.4


@task
def fill_host(
    _context: Context,
    *,
    host: str = "blog1",
    inventory: str = "",
    seconds: int = 120,
    write: bool = False,
) -> int:
    """Drive every service of a deployed local VPS to its worst case, first without limits, then with them."""
    entry, _ = entry_of(host, inventory)
    if seconds < 10:
        raise UsageError("--seconds must be 10 or more")
    local = local_vps(entry)
    if local is None or entry.host.load != "allowed":
        raise UsageError(
            f"{host} is no running local VPS that may be loaded; the fill test overwrites caches and lifts limits",
            where=f"hosts.{host}",
            next_step=f"sandbox.up --host {host}, deploy --host {host}, and `load: allowed` in its entry",
        )
    with Steps() as steps:
        steps.step("lifted", "every MemoryMax lifted")
        lifted = fill(entry, local, limits=False, seconds=seconds, say=lambda line: steps.step("lifted", line))
        steps.step("limited", "every MemoryMax as the budget says")
        limited = fill(entry, local, limits=True, seconds=seconds, say=lambda line: steps.step("limited", line))
    text, missed = _text(entry, lifted, limited, seconds)
    result_console().print(Text(text), soft_wrap=True)
    if write:
        put_into(FIGURES, f"bench.fill {host}", text)
    return VerificationFailed.exit_code if missed else 0


def _text(entry: Entry, lifted: Filled, limited: Filled, seconds: int) -> tuple[str, bool]:
    hardware = entry.host.hardware
    rows = [("", "predicted", "measured, no limits", "measured, limits", "predicted / measured", "outcome")]
    missed = False
    peaks = {one.taker: one.peak_mib for one in limited.taken}
    for one in lifted.taken:
        ratio = one.ratio_to(max(one.peak_mib, peaks[one.taker]))
        outcome = _outcome(one, ratio)
        missed |= outcome.startswith("MISSED")
        predicted = f"{one.predicted_mib}" + (f" ({one.sockets_mib:.0f} of it sockets)" if one.sockets_mib else "")
        rows.append((one.taker, predicted, f"{one.peak_mib:.0f}", f"{peaks[one.taker]:.0f}", f"{ratio:.2f}", outcome))
    # visitors who are cut or sent away are told of, not judged: databases at their worst leave an app no processor
    missed |= bool(limited.oom_kills + limited.restarts)
    lines = [
        (
            f"host {entry.name}: {hardware.cpu_cores} core(s), {hardware.memory_mib} MiB; {seconds} s of all at once; "
            "MiB of anonymous and shared memory, the most of samples taken "
            "five times a second; the ratio is to the larger of the two."
        ),
        "",
        *_table(rows),
        "",
        f"Together at most {lifted.together_mib:.0f} MiB without limits, {limited.together_mib:.0f} with them.",
        f"With limits: {limited.oom_kills} OOM kills, {limited.restarts} restarts.",
        _of_visitors(limited),
        *(f"{service}: {said}." for service, said in limited.said.items()),
        "",
    ]
    return "\n".join(lines), missed


def _of_visitors(filled: Filled) -> str:
    seen = filled.visitors
    return f"{seen.held} visitors at once; answers {_counts(seen.statuses)}; failures {_counts(seen.failures)}."


def _outcome(one: Taken, ratio: float) -> str:
    if ratio < 1:
        return "MISSED: it needs more"
    if not one.driven:
        return "not driven to its worst: its heap is the app's own"
    return "kept" if ratio <= MOST_RATIO else f"MISSED: more than {MOST_RATIO:g}"


def _counts(counted: object) -> str:
    found = dict(counted) if isinstance(counted, dict) else {}
    return ", ".join(f"{name} x {count}" for name, count in sorted(found.items(), key=str)) or "none"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
