"""The fault sweep as a benchmark: how many cases, and how the host was after each of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from invoke.context import Context

from deployer.errors import UsageError, VerificationFailed
from deployer.report.benchmark import put_into
from deployer.report.faultcounts import WRONG, counted, sentence, table
from deployer.report.terminal import result_console
from deployer.tasks.bench import FIGURES
from deployer.tasks.shell import task

SWEEP = ("tests/real/test_fault_sweep.py", "tests/real/test_fault_sweep_own_kernel.py")


@task
def faults(_context: Context, *, bounded: bool = False, write: bool = False) -> int:
    """Break a deploy at each of its steps in every way, on local VPSes, and count how the hosts were afterwards.

    The whole sweep takes half an hour; `--bounded` is what `make test` runs of it.
    """
    if not all(Path(file).is_file() for file in SWEEP):
        raise UsageError("the fault sweep is a part of the project's tests", next_step="run it in a checkout")
    with TemporaryDirectory() as folder:
        report = Path(folder) / "cases.json"
        which = ["-m", "not slow" if bounded else ""]
        argv = [sys.executable, "-m", "pytest", *which, *SWEEP, f"--fault-cases={report}"]
        subprocess.run(argv, stdin=subprocess.DEVNULL, check=False)
        if not report.is_file():
            raise UsageError("the fault sweep did not run", next_step=" ".join(argv[1:-1]))
        counts = counted(map(tuple, json.loads(report.read_text(encoding="utf-8"))))
    how = "what `make test` runs" if bounded else "the whole sweep"
    text = f"{how}, {sentence(counts.values())}\n\n{table(counts)}"
    result_console().print(text, soft_wrap=True, markup=False)
    if write:
        put_into(FIGURES, "bench.faults", text)
    return VerificationFailed.exit_code if any(each[WRONG] for each in counts.values()) else 0
