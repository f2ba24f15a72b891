"""The figures of docs/benchmarks.md, for anybody to measure again: every run, the median, misses as misses."""

from __future__ import annotations

import compileall
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from invoke.context import Context

import deployer
from deployer import sandbox, transport
from deployer.access import login_of
from deployer.allocate import allocate
from deployer.budget import DEPLOY
from deployer.deploy import session
from deployer.errors import VerificationFailed
from deployer.inventory import Entry
from deployer.proof import check_load
from deployer.report.benchmark import Row, markdown, put_into, rows_of
from deployer.report.terminal import Steps, result_console
from deployer.services.systemd.files import DEPLOY_SLICE
from deployer.tasks.shell import entry_of, task
from deployer.tasks.verification import loaded, local_vps
from deployer.verify import AgentSampler

FIGURES = Path("docs/benchmarks.md")
#: Steps of a deploy that run commands; which; and whether they do so beside services that run at full size.
WORK_STEPS = (
    ("packages", "apt, before any service runs", False),
    ("releases", "venv, pip, byte-compiling", True),
    ("activate", "migration and seeding", True),
)


@task
def blog(
    _context: Context,
    *,
    host: str = "blog1",
    inventory: str = "",
    runs: int = 3,
    hold_s: int = 60,
    write: bool = False,
) -> int:
    """Load-test a deployed host several times and hold every run against its SLO."""
    entry, _ = entry_of(host, inventory)
    check_load(entry)
    phases = entry.host.slo.phases.model_copy(update={"hold_s": float(hold_s)})
    budget = allocate(entry.declaration)
    verdicts = [loaded(entry, phases) for _ in range(runs)]
    granted = Row(
        name="sum of MemoryMax",
        wanted=f"<= {budget.usable_mib} MiB usable",
        unit="MiB",
        runs=(float(budget.granted_mib),) * runs,
        missed=runs * (budget.granted_mib + budget.reserved_mib > budget.usable_mib),
    )
    rows = [*rows_of(verdicts), granted]
    return publish("bench.blog", f"{machine_of(entry)}; held for {hold_s} s.", rows, write=write)


@task
def work(_context: Context, *, host: str = "blog1", inventory: str = "", runs: int = 1, write: bool = False) -> int:
    """Reset a local VPS, deploy to it, and measure the memory that apt, pip and the migrations needed."""
    entry, found = entry_of(host, inventory)
    granted_mib = allocate(entry.declaration).grants[DEPLOY].memory_mib
    peaks = [_work_peaks_mib(entry, found.template_folders) for _ in range(runs)]
    rows = [
        Row(
            name=name,
            wanted=f"<= {granted_mib} MiB" if beside_services else "",
            unit="MiB",
            runs=tuple(each[step] for each in peaks),
            missed=sum(each[step] > granted_mib for each in peaks) if beside_services else 0,
        )
        for step, name, beside_services in WORK_STEPS
    ]
    about = f"{machine_of(entry)}; anonymous memory of all units in {DEPLOY_SLICE}, looked at ten times a second."
    return publish("bench.work", about, rows, write=write)


def _work_peaks_mib(entry: Entry, template_folders: Sequence[Path]) -> dict[str, float]:
    """Deploy to a clean local VPS and give the most that the commands of each step needed, MiB."""
    began: list[tuple[float, str]] = []
    with Steps() as steps:
        # the slice would come and go with each command, and the account of its memory with it
        sandbox.reset(entry.name, say=steps.say).sh(f"systemd-run --quiet --slice={DEPLOY_SLICE} sleep 900")

        def on_step(step: str, message: str) -> None:
            began.append((time.monotonic(), step))
            steps.step(step, message)

        with (
            transport.connect(login_of(entry)) as remote,
            remote.agent() as agent,
            AgentSampler(agent, [DEPLOY_SLICE], interval_s=0.1) as sampler,
        ):
            with session(entry, template_folders=template_folders, say=steps.say) as connected:
                connected.apply(connected.plan(), on_step)
            samples = sampler.finish().samples
    peaks = {step: 0.0 for step, _, _ in WORK_STEPS}
    for sample in samples:
        step = next((name for at_s, name in reversed(began) if at_s <= sample.at_s), "")
        if step in peaks:
            used_mib = float(sample.values["units"][DEPLOY_SLICE].get("anonymous_mib") or 0.0)
            peaks[step] = max(peaks[step], used_mib)
    return peaks


def compile_ahead() -> None:
    """Have our own modules byte-compiled, as those of an installed package are: else each start compiles them."""
    compileall.compile_dir(str(Path(deployer.__file__).parent), quiet=1)


def publish(name: str, about: str, rows: list[Row], *, write: bool) -> int:
    """Print a benchmark's table, and put it into the document if wanted; the exit code says if a bound was missed."""
    table = markdown(rows)
    result_console().print(f"{about}\n\n{table}", soft_wrap=True, markup=False)
    if write:
        put_into(FIGURES, name, f"{about}\n\n{table}")
    return VerificationFailed.exit_code if any(row.missed for row in rows) else 0


def machine_of(entry: Entry) -> str:
    """Say what it was measured on."""
    hardware, local = entry.host.hardware, local_vps(entry)
    cpus = sandbox.generator_cpus(local) if local else ()
    own = f"generator on {len(cpus)} core of its own" if cpus else "generator and host share the cores"
    return f"host {entry.name}: {hardware.cpu_cores} core(s), {hardware.memory_mib} MiB; {machine()}; {own}"


def machine() -> str:
    """Say what this machine is."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor() or platform.machine(),
    )
    return f"machine: {os.cpu_count()} x {model}, Linux {platform.release().partition('-')[0]}"
