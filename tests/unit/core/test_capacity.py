"""Predicted capacity: cores and link, pages that were measured and others, and how far off it was."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.calibration import Compared, Page, Prediction, predict
from deployer.hardware import Hardware
from deployer.measured import PageCost
from deployer.tasks import benchcapacity

COSTS = (
    PageCost(path="/", kind="cached", kib=3.0, cpu_ms=0.1, alone_ms=0.3),
    PageCost(path="/", kind="uncached", kib=3.0, cpu_ms=2.0, alone_ms=4.0),
    PageCost(path="/a", kind="uncached", kib=2.0, cpu_ms=1.0, alone_ms=2.0),
)


def predicted(page: Page, workers: int | None = None, **hardware: Any) -> Prediction:
    found = predict(COSTS, Hardware(**({"cpu_cores": 1, "memory_mib": 1024} | hardware)), page, workers)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("page", "cores", "rate"),
    [
        (Page("/", "cached", 3.0, 0.3), 1, 10_000),
        (Page("/", "cached", 3.0, 0.3), 2, 20_000),
        (Page("/a", "uncached", 2.0, 2.0), 1, 1000),
    ],
)
def test_a_measured_page_is_cores_by_its_own_cost(page: Page, cores: int, rate: float) -> None:
    found = predicted(page, cpu_cores=cores)
    assert (found.req_per_s, found.binds, found.calibrated) == (rate, "processor", True)


def test_a_page_made_anew_that_was_not_measured_is_as_much_cheaper_among_others_as_those_that_were() -> None:
    found = predicted(Page("/new", "uncached", 50.0, 6.0))
    assert found.cpu_ms == pytest.approx(3.0)
    assert not found.calibrated
    assert "6 ms alone x 0.50, as /, /a" in found.because


def test_a_page_from_the_cache_costs_what_others_from_there_cost_whatever_it_costs_alone() -> None:
    assert predicted(Page("/new", "cached", 4.0, 9.9)).req_per_s == 10_000


def test_a_thin_link_ends_first() -> None:
    found = predicted(Page("/", "cached", 15.0, 0.3), bandwidth_mbit_per_s=3.0)
    assert found.binds == "link"
    assert found.req_per_s == pytest.approx(3e6 / 8 / (15 * 1024 + 22 + 11 * 66))
    assert "3 Mbit/s / 8 / 16108 bytes, of which the page is 15.0 KiB" in found.because


@pytest.mark.parametrize(("tls", "bytes_each"), [(True, 200 + 22 + 66), (False, 200 + 66)])
def test_of_a_short_answer_what_is_around_it_fills_the_link(*, tls: bool, bytes_each: int) -> None:
    thin = Hardware(cpu_cores=1, memory_mib=1024, bandwidth_mbit_per_s=3.0)
    found = predict(COSTS, thin, Page("/", "cached", 200 / 1024, 0.3), tls=tls)
    assert found is not None
    assert found.req_per_s == pytest.approx(3e6 / 8 / bytes_each)


def test_fewer_workers_than_cores_are_said() -> None:
    assert "1 of 2 cores may make pages" in predicted(Page("/", "uncached", 3.0, 4.0), 1, cpu_cores=2).because


def test_of_a_kind_that_was_not_measured_nothing_is_predicted() -> None:
    assert predict(COSTS[:1], Hardware(cpu_cores=1, memory_mib=1024), Page("/", "uncached", 3.0, 4.0)) is None


@pytest.mark.parametrize(
    ("measured", "share", "is_what"),
    [(10_000, 1.0, "within"), (8001, 1.0, "within"), (7999, 1.0, "off"), (3000, 0.3, "disturbed")],
)
def test_off_by_a_quarter_is_the_bound(measured: float, share: float, is_what: str) -> None:
    found = Compared(predicted(Page("/", "cached", 3.0, 0.3)), measured, share)
    assert found.is_within(0.25) == (is_what == "within")
    assert found.is_disturbed == (is_what == "disturbed")


def test_a_link_that_ends_first_leaves_processors_idle_and_that_is_no_disturbance() -> None:
    page = Page("/", "cached", 15.0, 0.3)
    assert not Compared(predicted(page, bandwidth_mbit_per_s=3.0), 23.0, 0.02).is_disturbed


def test_a_host_that_answered_nothing_is_infinitely_off() -> None:
    assert not Compared(predicted(Page("/", "cached", 3.0, 0.3)), 0.0, 1.0).is_within(0.25)


@pytest.mark.parametrize(
    ("shares", "loads", "said"),
    [((0.95,), 1, 0.95), ((0.6, 0.95), 2, 0.95), ((0.6, 0.5, 0.4, 1.0), 3, 0.4)],
)
def test_a_load_that_did_not_fill_the_host_is_made_again_and_the_last_one_counts(
    monkeypatch: pytest.MonkeyPatch, shares: tuple[float, ...], loads: int, said: float
) -> None:
    made = iter(shares)
    monkeypatch.setattr(benchcapacity, "saturate", lambda *_load: (5000.0, next(made)))
    prediction = predicted(Page("/", "cached", 3.0, 0.3))
    assert benchcapacity._filled(object(), prediction, 10).processor_share == said  # type: ignore[arg-type]  # nobody asks it
    assert len(list(made)) == len(shares) - loads
