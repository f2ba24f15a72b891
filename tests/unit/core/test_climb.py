"""The climb: steps that fit, none twice, the top found, and the host always back where it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deployer.allocate import allocate
from deployer.climb import Bounds, Candidate, Outcome, Reading, Search, candidate, climb
from deployer.climb.knobs import Knob
from deployer.errors import BudgetError, ConnectError, HostUnknown, RolledBack
from deployer.inventory import Entry, load_inventory
from deployer.report.climb import print_search, tuning_document, yaml_of

ROOT = Path(__file__).parents[3]
WORKERS = "apps.blog.gunicorn.workers"
POOL = "apps.blog.gunicorn.pool_size"
BUFFERS = "services.mysql.innodb_buffer_pool_size_mib"


@pytest.fixture(scope="module")
def entry() -> Entry:
    return load_inventory([ROOT / "inventories/example.yml"]).entry("blog1")


Rate = Callable[[Mapping[str, int]], float]


class MadeUp:
    """A host whose rate follows from its pins; it keeps what it ran, and may fail as it is told."""

    def __init__(self, rate: Rate, fail: Mapping[int, BaseException] | None = None) -> None:
        self.rate = rate
        self.fail = dict(fail or {})
        self.runs: list[Mapping[str, int]] = [{}]
        self.calls = 0
        self.left: list[Mapping[str, int]] = []

    def become(self, wanted: Candidate) -> bool:
        self._maybe_fail()
        if wanted.pins == self.runs[-1]:
            return False
        self.runs.append(wanted.pins)
        return True

    def read(self) -> Reading:
        self._maybe_fail()
        rate = self.rate(self.runs[-1]) * (1 + 0.001 * (self.calls % 3))
        return Reading(req_per_s={"uncached": rate, "cached": 8000.0}, p95_ms={"uncached": 9.0, "cached": 1.0})

    def leave(self) -> None:
        self.left.append(self.runs[-1])

    def _maybe_fail(self) -> None:
        self.calls += 1
        error = self.fail.pop(self.calls, None)
        if error is not None:
            raise error


def run(entry: Entry, host: MadeUp, outcome: Outcome | None = None, **more: Any) -> Outcome:
    bounds = more.pop("bounds", Bounds(trials=8))
    return climb(entry, host, bounds, say=lambda *_: None, clock=lambda: 0.0, outcome=outcome, **more)


def flat(_pins: Mapping[str, int]) -> float:
    return 500.0


def more_pool(pins: Mapping[str, int]) -> float:
    """Up to five connections each brings a tenth."""
    return 500.0 * 1.1 ** (min(pins.get(POOL, 3), 5) - 3)


def test_where_nothing_gains_nothing_is_pinned_and_the_host_is_as_before(entry: Entry) -> None:
    host = MadeUp(flat)
    outcome = run(entry, host)
    assert not outcome.pins
    assert outcome.left_as == "what it ran before"
    assert host.runs[-1] == {}
    assert {trial.decision.verdict for trial in outcome.trials} == {"drop"}


def test_the_top_is_found_step_by_step_and_the_host_goes_back(entry: Entry) -> None:
    host = MadeUp(more_pool)
    outcome = run(entry, host)
    assert outcome.pins == {POOL: 5}
    assert host.runs[-1] == {}
    assert host.left == [{}]


def test_what_gained_stays_if_that_is_wanted(entry: Entry) -> None:
    host = MadeUp(more_pool)
    outcome = run(entry, host, keep=True)
    assert host.runs[-1] == outcome.pins == {POOL: 5}
    assert host.left == [{POOL: 5}], "the dead man's switch would take it back"
    assert outcome.left_as == "what gained"


def test_every_state_of_the_host_is_within_its_budget(entry: Entry) -> None:
    host = MadeUp(more_pool)
    run(entry, host, bounds=Bounds(trials=30))
    assert len(host.runs) > 10
    for pins in host.runs:
        budget = candidate(entry, pins).budget
        assert budget.reserved_mib + budget.granted_mib <= budget.usable_mib


def test_no_pin_set_is_tried_twice(entry: Entry) -> None:
    search = Search.of(entry)
    tried = []
    while (step := search.next()) is not None:
        tried.append(tuple(sorted(step.candidate.pins.items())))
        if step.candidate.pins == {POOL: 4}:
            search.keep(step)
    assert len(tried) == len(set(tried)) > 5
    assert 3 not in {dict(pins).get(POOL) for pins in tried}  # the way back is no step


def test_what_does_not_fit_is_refused_and_never_reaches_the_host(entry: Entry) -> None:
    host = MadeUp(flat)
    outcome = run(entry, host, bounds=Bounds(trials=40))
    assert [one.path for one in outcome.refused] == [BUFFERS]
    assert "does not fit" in outcome.refused[0].because
    assert not any(pins.get(BUFFERS) == outcome.refused[0].value for pins in host.runs)
    assert outcome.ended == "no step that fits is left"


@pytest.mark.parametrize("call", range(1, 12))
def test_ctrl_c_at_any_moment_brings_the_host_back(entry: Entry, call: int) -> None:
    host, outcome = MadeUp(more_pool, {call: KeyboardInterrupt()}), Outcome()
    with pytest.raises(KeyboardInterrupt):
        run(entry, host, outcome)
    assert host.runs[-1] == {}
    assert outcome.ended == "interrupted"
    assert outcome.left_as == "what it ran before"


def test_a_candidate_that_the_host_takes_back_is_dropped_and_the_climb_goes_on(entry: Entry) -> None:
    host = MadeUp(more_pool, {3: RolledBack("app-blog.service did not start")})
    outcome = run(entry, host)
    assert "refused: app-blog.service did not start" in outcome.trials[0].decision.because
    assert outcome.pins == {POOL: 5}


def test_a_host_that_cannot_be_brought_back_is_said_to_be_so(entry: Entry) -> None:
    lost = {call: ConnectError("no route to host") for call in range(5, 200)}
    outcome = Outcome()
    with pytest.raises(HostUnknown, match="runs what it ran before, or the last candidate, committed") as caught:
        run(entry, MadeUp(more_pool, lost), outcome)
    assert "deployer deploy --host blog1" in caught.value.next_step
    assert outcome.left_as == "a candidate"


@pytest.mark.parametrize("lost", [ConnectError("no route"), HostUnknown("the link was lost during the apply")])
def test_a_link_that_is_lost_for_a_while_ends_the_climb_and_the_host_is_back(entry: Entry, lost: BaseException) -> None:
    host, outcome = MadeUp(more_pool, {7: lost}), Outcome()
    with pytest.raises(type(lost)):
        run(entry, host, outcome)
    assert host.runs[-1] == {}
    assert outcome.left_as == "what it ran before"


def test_its_time_and_its_trials_end_it(entry: Entry) -> None:
    now = iter(range(0, 10_000, 100))
    bounds = Bounds(trials=30, seconds=250)
    outcome = climb(entry, MadeUp(flat), bounds, say=lambda *_: None, clock=lambda: next(now))
    assert len(outcome.trials) == 2
    assert outcome.ended == "its time of 4 min is over"
    assert run(entry, MadeUp(flat), bounds=Bounds(trials=1)).ended == "1 trials were made"


def test_a_pin_set_is_read_as_the_inventory_is(entry: Entry) -> None:
    with pytest.raises(BudgetError, match="workers"):
        candidate(entry, {WORKERS: 0})
    with pytest.raises(BudgetError, match="threads"):
        candidate(entry, {"apps.blog.gunicorn.threads": 4})  # its worker class has none


def test_what_a_user_pinned_elsewhere_stays(entry: Entry) -> None:
    found = candidate(entry, {BUFFERS: 96})
    assert found.entry.host.apps == entry.host.apps
    assert found.budget.count("mysql", "innodb_buffer_pool_size") == 96


def test_memory_moves_between_slices_and_is_never_added(entry: Entry) -> None:
    before, after = allocate(entry.declaration), candidate(entry, {WORKERS: 2}).budget
    assert after.grants["blog"].memory_mib > before.grants["blog"].memory_mib
    assert after.grants["mysql"].memory_mib < before.grants["mysql"].memory_mib
    assert after.granted_mib <= before.granted_mib + before.spare_mib


@pytest.mark.parametrize(
    ("knob", "up", "down"),
    [
        (Knob("w", 1, "", "uncached", by_one=True), 2, None),
        (Knob("t", 8, "", "uncached"), 10, 6),
        (Knob("t", 1, "", "uncached"), 2, None),
        (Knob("b", 176, "MiB", "uncached", least=32, most=1024, grain=8), 224, 136),
        (Knob("b", 32, "MiB", "uncached", least=32, most=1024, grain=8), 40, None),
        (Knob("c", 10, "s", "cached", least=10, most=10), None, None),
    ],
)
def test_steps(knob: Knob, up: int | None, down: int | None) -> None:
    assert (knob.turned("up"), knob.turned("down")) == (up, down)


def test_a_page_is_never_cached_for_shorter_or_for_long(entry: Entry) -> None:
    search = Search.of(entry)
    steps = list(iter(search.next, None))
    cached = [step.value for step in steps if step.knob.path == "apps.blog.cache_s"]
    assert cached == [7]


def test_evidence_holds_every_reading_and_the_statistic(entry: Entry) -> None:
    document = tuning_document("blog1", run(entry, MadeUp(more_pool)), started_at="2026-11-22T00:00:00", duration_s=9.0)
    assert document["schema"] == "deployer/tuning/1"
    assert "Student's t" in document["statistic"]
    kept = [trial for trial in document["trials"] if trial["verdict"] == "keep"]
    assert [trial["value"] for trial in kept] == [4, 5]
    assert [one["state"] for one in kept[0]["readings"]][:4] == list("ABBA")
    assert document["pins"] == {POOL: 5}


def test_dry_shows_steps_with_the_memory_that_moves_and_what_does_not_fit(entry: Entry) -> None:
    told = StringIO()
    print_search(Console(file=told, width=200), Search.of(entry))
    assert re.search(rf"{WORKERS}: 1 -> 2 workers +mysql \d+ -> \d+ MiB, blog \d+ -> \d+ MiB", told.getvalue())
    assert re.search(rf"{BUFFERS}: \d+ +refused: blog1 does not fit", told.getvalue())


def test_pins_are_printed_as_an_inventory_has_them() -> None:
    assert yaml_of({POOL: 5, WORKERS: 2, BUFFERS: 96}).splitlines() == [
        "  apps:",
        "    blog:",
        "      gunicorn:",
        "        pool_size: 5",
        "        workers: 2",
        "  services:",
        "    mysql:",
        "      innodb_buffer_pool_size_mib: 96",
    ]
