"""The figures of predicted capacity: written down before the load, then held against what the host carried."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invoke.context import Context

from deployer.calibration import Bursts, Compared, Learned, Prediction, alone, pages_of, saturate
from deployer.calibration.costs import MOST_SHARE
from deployer.calibration.run import SATURATING, WARM_UP_S
from deployer.calibration.site import bursts_on
from deployer.inventory import Entry
from deployer.report.benchmark import Row
from deployer.report.capacity import capacity_document, with_outcome
from deployer.report.terminal import Steps, remark
from deployer.tasks.bench import machine_of, publish
from deployer.tasks.calibration import calibrated, generator_cpus, measured_pages, predict_all, write as write_file
from deployer.tasks.shell import entries_of, task

#: A prediction that is off by more is a miss.
BOUND_SHARE = 0.25
#: A load under which the host did not get its processors was none that filled it: it is made again, so often at most.
LOADS = 3
REPORTS = Path("reports")


@task
def capacity(
    _context: Context,
    *,
    host: str = "blog1",
    inventory: str = "",
    pages: str = "/archive/2",
    runs: int = 3,
    seconds: int = 10,
    write: bool = False,
) -> int:
    """Calibrate hosts, write down what they should carry, then load them fully: off by at most a quarter, each page."""
    entries, _ = entries_of(host, inventory)
    others = [path for path in pages.split(",") if path]
    rows: list[Row] = []
    for entry in entries:
        remark(f"{entry.name}: {runs} times calibrated, predicted, loaded")
        outcomes = [_run(entry, others, seconds, number) for number in range(1, runs + 1)]
        rows += _rows(entry.name, outcomes)
    about = (
        f"{machine_of(entries[0])}; calibrated below {MOST_SHARE:.0%} load, then {seconds} s for each "
        f"page by {SATURATING['cached']} connections (cached) and {SATURATING['uncached']} (made anew), after "
        f"{WARM_UP_S:g} s that do not count."
    )
    return publish("bench.capacity", about, rows, write=write)


def _run(entry: Entry, others: Sequence[str], seconds: int, number: int) -> tuple[Compared, ...]:
    """Calibrate, write the prediction, load; the file gets the outcome once all is measured."""
    learned, doubts = calibrated(entry)
    for doubt in doubts:
        remark(f"doubt: {doubt}")
    measured = replace(entry, measured=learned.measured)
    file = REPORTS / f"capacity-{entry.name}-{number}.json"
    with Steps() as steps, bursts_on(entry, steps.step, generator_cpus(entry)) as bursts:
        new = alone(bursts, pages_of(entry.host.slo, both_ways=others)) if others else ()
        predictions = predict_all(measured, learned.measured, [*measured_pages(learned.measured), *new])
        document = _document(learned, predictions)
        write_file(file, _text(document))
        compared = tuple(_filled(bursts, one, seconds) for one in predictions)
    write_file(file, _text(with_outcome(document, compared)))
    for one in compared:
        if one.is_disturbed:
            page, share = one.prediction.page, one.processor_share
            remark(f"{page.kind} {page.path}: the host got {share:.0%} of its processors, so a miss says nothing")
    return compared


def _filled(bursts: Bursts, prediction: Prediction, seconds: int) -> Compared:
    """Load a host fully, again while neighbours take its processors; the last load counts, whatever it showed."""
    for _ in range(LOADS):
        compared = Compared(prediction, *saturate(bursts, prediction.page.path, prediction.page.kind, seconds))
        if not compared.is_disturbed:
            break
    return compared


def _document(learned: Learned, predictions: Sequence[Prediction]) -> dict[str, Any]:
    return capacity_document(learned.measured, predictions, datetime.now(UTC).isoformat(timespec="seconds"))


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def _rows(host: str, runs: Sequence[tuple[Compared, ...]]) -> list[Row]:
    rows = []
    for number, first in enumerate(runs[0]):
        each = [run[number] for run in runs]
        page = first.prediction.page
        seen = "" if first.prediction.calibrated else ", not calibrated"
        name = f"{host}: {page.kind} {page.path}{seen}"
        rows += [
            Row(name=f"{name}: predicted", unit="req/s", runs=tuple(one.prediction.req_per_s for one in each)),
            Row(name=f"{name}: measured", unit="req/s", runs=tuple(one.measured_req_per_s for one in each)),
            Row(
                name=f"{name}: processors that the host got",
                unit="%",
                runs=tuple(100 * one.processor_share for one in each),
            ),
            Row(
                name=f"{name}: off by",
                wanted=f"<= {BOUND_SHARE:.0%}",
                unit="%",
                runs=tuple(100 * one.off_share for one in each),
                missed=sum(not one.is_within(BOUND_SHARE) for one in each),
                decimals=1,
            ),
        ]
    return rows
