"""The fault sweep as a benchmark: how many cases, and how the host was after each of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from invoke.context import Context

from deployer.errors import UsageError, VerificationFailed
from deployer.report.benchmark import put_into
from deployer.report.faultcounts import NOT_RUN, WRONG, counted, sentence, table
from deployer.report.terminal import result_console
from deployer.tasks.bench import FIGURES
from deployer.tasks.shell import task

SWEEP = ("tests/real/test_fault_sweep.py", "tests/real/test_fault_sweep_own_kernel.py")


@task
def faults(_context: Context, *, bounded: bool = False, results: str = "", write: bool = False) -> int:
    """Break a deploy at each of its steps in every way, on local VPSes, and count how the hosts were afterwards.

    The whole sweep takes an hour; `--bounded` is what `make test` runs of it. With `--results FILE` a sweep that was
    ended goes on where it was, and cases that went wrong run again.
    """
    if not all(Path(file).is_file() for file in SWEEP):
        raise UsageError("the fault sweep is a part of the project's tests", next_step="run it in a checkout")
    if bounded and results:
        raise UsageError("--results keeps the whole sweep", next_step="leave out --bounded or --results")
    with TemporaryDirectory() as folder:
        report = Path(results or f"{folder}/cases.json").absolute()
        argv = [sys.executable, "-m", "pytest", "-m", "not slow" if bounded else "", *SWEEP, f"--fault-cases={report}"]
        subprocess.run(argv, stdin=subprocess.DEVNULL, check=False)
        if not report.is_file():
            raise UsageError("the fault sweep did not run", next_step=" ".join(argv[1:-1]))
        cases: list[dict[str, str]] = list(json.loads(report.read_text(encoding="utf-8")).values())
    counts = counted((case["fault"], case["host_is"]) for case in cases)
    commits = Counter(case["commit"] for case in cases if case["commit"])
    at = ", ".join(f"{commit} ({count})" if len(commits) > 1 else commit for commit, count in commits.items())
    how = "what `make test` runs" if bounded else "the whole sweep"
    text = f"{how}, {sentence(counts.values())}; commit {at}\n\n{table(counts)}"
    result_console().print(text, soft_wrap=True, markup=False)
    not_run = sum(each[NOT_RUN] for each in counts.values())
    if not_run:
        raise UsageError(f"{not_run} of {len(cases)} cases did not run", next_step="run the same with --results FILE")
    if write:
        put_into(FIGURES, "bench.faults", text)
    return VerificationFailed.exit_code if any(each[WRONG] for each in counts.values()) else 0
