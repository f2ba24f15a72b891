"""The tasks that learn from a host itself: `calibrate`, and `capacity`, which predicts from what was learned."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from invoke.context import Context

from deployer import sandbox
from deployer.allocate import allocate
from deployer.calibration import (
    Learned,
    Page,
    Prediction,
    alone,
    calibrate as observe,
    learn,
    pages_of,
    predict,
    text,
)
from deployer.calibration.site import app_units, bursts_on, unmeasured
from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.inventory.measurements import measured_path
from deployer.measured import Measured
from deployer.proof import target_of
from deployer.report.capacity import calibration_document, capacity_document, print_calibration, print_capacity
from deployer.report.terminal import Steps, print_document, remark, result_console
from deployer.tasks.shell import entry_of, task
from deployer.tasks.verification import local_vps


@task
def calibrate(_context: Context, *, host: str = "", inventory: str = "", json: bool = False) -> None:
    """Measure a live host under a light load, and write what it showed beside the inventory as its own constants."""
    entry, _ = entry_of(host, inventory)
    learned, doubts = calibrated(entry)
    path = measured_path(entry.folder, entry.name)
    write(path, text(learned.measured))
    for doubt in doubts:
        remark(f"doubt: {doubt}")
    if json:
        print_document(calibration_document(learned, str(path), doubts))
    else:
        print_calibration(result_console(), learned, str(path))


@task
def capacity(
    _context: Context, *, host: str = "", inventory: str = "", pages: str = "", out: str = "", json: bool = False
) -> None:
    """Predict how many pages a second a calibrated host carries; --pages for others than the SLO's; loads nothing."""
    entry, _ = entry_of(host, inventory)
    predictions = predicted(entry, [path for path in pages.split(",") if path])
    document = capacity_document(measured_of(entry), predictions, datetime.now(UTC).isoformat(timespec="seconds"))
    if out:
        write(Path(out), jsonlib.dumps(document, indent=2) + "\n")
    if json:
        print_document(document)
    else:
        print_capacity(result_console(), predictions)


def calibrated(entry: Entry) -> tuple[Learned, Sequence[str]]:
    """Measure a host with progress shown; what it was measured to be before counts for nothing."""
    plain = unmeasured(entry)
    with Steps() as steps, bursts_on(plain, steps.step, generator_cpus(entry)) as bursts:
        observed = observe(bursts, pages_of(entry.host.slo))
    app, units = app_units(plain)
    return learn(plain.declaration, app, units, observed, f"{datetime.now(UTC):%Y-%m-%d}"), observed.doubts


def predicted(entry: Entry, others: Sequence[str]) -> tuple[Prediction, ...]:
    """Predict for the pages that were measured, or for others, each of which is asked for a few times for its size.

    Raises:
        UsageError: The host was not calibrated.
    """
    measured = measured_of(entry)
    pages = measured_pages(measured)
    if others:
        with Steps() as steps, bursts_on(entry, steps.step, generator_cpus(entry)) as bursts:
            pages = alone(bursts, pages_of(entry.host.slo, both_ways=others))
    return predict_all(entry, measured, pages)


def measured_pages(measured: Measured) -> tuple[Page, ...]:
    """Give the pages that a host was calibrated with."""
    return tuple(Page(one.path, one.kind, one.kib, one.alone_ms) for one in measured.pages)


def predict_all(entry: Entry, measured: Measured, pages: Sequence[Page]) -> tuple[Prediction, ...]:
    """Predict for pages that were looked at; those of a kind that was not measured are left out."""
    app, target = target_of(entry)
    workers = allocate(entry.declaration).numbers.get(app, {}).get("workers")
    count = None if workers is None else int(workers.value)
    found = [predict(measured.pages, entry.host.hardware, page, count, tls=target.tls) for page in pages]
    return tuple(one for one in found if one is not None)


def measured_of(entry: Entry) -> Measured:
    """Give what was measured on a host.

    Raises:
        UsageError: It was not calibrated.
    """
    if entry.measured is None:
        path = measured_path(entry.folder, entry.name)
        next_step = f"deployer calibrate --host {entry.name}"
        raise UsageError(f"{entry.name} was not calibrated: there is no {path}", next_step=next_step)
    return entry.measured


def generator_cpus(entry: Entry) -> tuple[int, ...]:
    """Name cores of this machine that the host, a local VPS, does not run on; none of a host elsewhere."""
    local = local_vps(entry)
    return tuple(sandbox.generator_cpus(local)) if local else ()


def write(path: Path, content: str) -> None:
    """Write a file, its folder too.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", where=str(path)) from error
