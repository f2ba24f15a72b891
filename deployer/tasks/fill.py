"""The fill test as a task: what every service needs at its worst, beside what the ledger predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from invoke.context import Context
from rich.text import Text

from deployer.errors import UsageError, VerificationFailed
from deployer.fill import Filled, Seen, Taken, fill as fill_services
from deployer.inventory import Entry
from deployer.report.benchmark import put_into
from deployer.report.terminal import Steps, result_console
from deployer.tasks.shell import entry_of, task
from deployer.tasks.verification import local_vps

FIGURES = Path("docs/benchmarks.md")
#: A prediction may be so many times what is measured; never less than once.
MOST_RATIO = 1.4


@task
def fill(
    _context: Context,
    *,
    host: str = "blog1",
    inventory: str = "",
    seconds: int = 120,
    write: bool = False,
) -> int:
    """Drive every service of a deployed local VPS to its worst case, first without limits, then with them."""
    entry, _ = entry_of(host, inventory)
    local = local_vps(entry)
    if local is None or entry.host.load != "allowed":
        raise UsageError(
            f"{host} is no running local VPS that may be loaded; the fill test overwrites caches and lifts limits",
            where=f"hosts.{host}",
            next_step=f"sandbox.up --host {host}, deploy --host {host}, and `load: allowed` in its entry",
        )
    with Steps() as steps:
        steps.step("lifted", "every MemoryMax lifted")
        lifted = fill_services(entry, local, limits=False, seconds=seconds, say=lambda line: steps.step("lifted", line))
        steps.step("limited", "every MemoryMax as the budget says")
        limited = fill_services(
            entry, local, limits=True, seconds=seconds, say=lambda line: steps.step("limited", line)
        )
    text, missed = _text(entry, lifted, limited, seconds)
    result_console().print(Text(text), soft_wrap=True)
    if write:
        put_into(FIGURES, f"bench.fill {host}", text)
    return VerificationFailed.exit_code if missed else 0


def _text(entry: Entry, lifted: Filled, limited: Filled, seconds: int) -> tuple[str, bool]:
    hardware = entry.host.hardware
    rows = [
        (
            "",
            "predicted",
            "measured, no limits",
            "measured, limits",
            "predicted / measured",
            "failures",
            "restarts",
            "outcome",
        )
    ]
    missed = False
    for free, held in zip(lifted.taken, limited.taken, strict=True):
        ratio = free.ratio_to(max(free.peak_mib, held.peak_mib))
        outcome = _outcome(held, ratio)
        missed |= outcome.startswith("MISSED")
        predicted = f"{free.predicted_mib}" + (f" ({free.sockets_mib:.0f} of it sockets)" if free.sockets_mib else "")
        measured = (f"{free.peak_mib:.0f}", f"{held.peak_mib:.0f}", f"{ratio:.2f}")
        rows.append((free.taker, predicted, *measured, f"{held.failures}", f"{held.restarts}", outcome))
    # visitors who are cut or sent away are told of, not judged: databases at their worst leave an app no processor
    missed |= bool(limited.oom_kills)
    lines = [
        (
            f"host {entry.name}: {hardware.cpu_cores} core(s), {hardware.memory_mib} MiB; {seconds} s of all at once; "
            "MiB of anonymous and shared memory, the most of samples taken "
            "five times a second; the ratio is to the larger of the two. Failures and restarts are those with limits."
        ),
        "",
        *_table(rows),
        "",
        f"Together at most {lifted.together_mib:.0f} MiB without limits, {limited.together_mib:.0f} with them.",
        f"With limits: {limited.oom_kills} OOM kills on the whole host.",
        f"{limited.visitors.held} visitors at once; {_counts(limited.visitors)}.",
        f"{limited.eager.held} eager visitors; {_counts(limited.eager)}.",
        f"{limited.long_lived.held} WebSockets at once; {_counts(limited.long_lived)}.",
        f"{limited.uploads.held} uploads at once; {_counts(limited.uploads)}.",
        *(f"{service}: {said}." for service, said in limited.said.items()),
        "",
    ]
    return "\n".join(lines), missed


def _outcome(one: Taken, ratio: float) -> str:
    if one.failures or one.restarts:
        return "MISSED: it failed"
    if ratio < 1:
        return "MISSED: it needs more"
    return "kept" if ratio <= MOST_RATIO else f"MISSED: more than {MOST_RATIO:g}"


def _counts(seen: Seen) -> str:
    answers, failures = (
        ", ".join(f"{name} x {count}" for name, count in sorted(found.items(), key=str)) or "none"
        for found in (seen.statuses, seen.failures)
    )
    received = "".join(f"; {count} {kind}" for kind, count in sorted(seen.received.items()))
    return f"answers {answers}{received}; failures {failures}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
