"""The task that tunes a host by trial, within its budget, and leaves it as it was."""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invoke.context import Context

from deployer.climb import Bounds, Outcome, Search, climb
from deployer.climb.live import LiveHost
from deployer.errors import HostUntouched, UsageError
from deployer.proof import check_load
from deployer.report.climb import print_outcome, print_search, tuning_document
from deployer.report.terminal import Steps, print_document, remark, result_console
from deployer.tasks.calibration import generator_cpus, write
from deployer.tasks.shell import entry_of, task
from deployer.tasks.verification import local_vps

EVIDENCE = "reports/tuning-{host}.json"


@contextmanager
def evidence(path: Path, document: Callable[[], dict[str, Any]]) -> Iterator[None]:
    """Write what is known at the end, however it ends; what ended it is told before a file that cannot be written.

    Raises:
        UsageError: It cannot be written, and nothing else went wrong.
    """
    try:
        yield
    except BaseException:
        try:
            _write_evidence(path, document())
        except UsageError as error:
            remark(f"the evidence is lost: {error.message}")
        raise
    _write_evidence(path, document())


def _write_evidence(path: Path, document: dict[str, Any]) -> None:
    write(path, jsonlib.dumps(document, indent=2) + "\n")
    remark(f"evidence: {path}")


@task
def tune(
    _context: Context,
    *,
    host: str = "",
    inventory: str = "",
    trials: int = 12,
    minutes: int = 30,
    reading_s: int = 6,
    out: str = "",
    keep: bool = False,
    dry: bool = False,
    json: bool = False,
) -> None:
    """Try settings of a live host under load, within its budget; print the pins that gained, and leave it as it was."""
    entry, found = entry_of(host, inventory)
    search = Search.of(entry)
    if dry:
        print_search(result_console(), search)
        return
    check_load(entry)
    local = local_vps(entry)
    started_at, began = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    outcome = Outcome()
    path = Path(out or EVIDENCE.format(host=entry.name))
    with Steps() as steps:
        live = LiveHost(
            entry,
            float(reading_s),
            steps.step,
            generator_cpus=generator_cpus(entry),
            host_cpus=local.cpus if local else (),
            template_folders=found.template_folders,
        )
        with live:
            if not live.is_as_declared(search.best):
                raise HostUntouched(
                    "the host does not run what the inventory says, so there is nothing to compare with",
                    next_step=f"deployer deploy --host {entry.name}, then tune",
                )
            bounds = Bounds(trials=trials, seconds=60.0 * minutes)

            def document() -> dict[str, Any]:
                took_s = time.monotonic() - began
                return tuning_document(entry.name, outcome, started_at=started_at, duration_s=took_s)

            with evidence(path, document):
                climb(entry, live, bounds, say=steps.step, clock=time.monotonic, keep=keep, outcome=outcome)
    if json:
        print_document(document())
    else:
        print_outcome(result_console(), outcome)
