"""Calibration: what a request costs, what becomes a host's own constant, with which margins, and the file of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hosts import app, gunicorn, host

from deployer.allocate import allocate
from deployer.calibration import Cost, Observed, Usage, cost_of, costs, learn, run, text
from deployer.calibration.observed import Load, Quiet
from deployer.calibration.run import pages_of
from deployer.errors import BudgetError, Inconclusive
from deployer.inventory.measurements import read_measured
from deployer.priors import PRIORS
from deployer.slo import Slo

UNIT = "app-blog.service"
WORKER = "apps.blog.gunicorn.worker_memory_mib"
REQUEST = "apps.blog.gunicorn.request_memory_kib"
COMPUTE = "apps.blog.gunicorn.compute_ms"
WAIT = "apps.blog.gunicorn.wait_ms"
CACHED = "priors.cached_req_per_s_per_core"
GTHREAD = gunicorn(worker_class="gthread")


def look(*workers_mib: float, held_mib: float | None = None, cpu_ms: float = 0.0, at_s: float = 0.0) -> Usage:
    processes = [{"pid": 10, "parent": 1, "own_mib": 15.0}]
    processes += [{"pid": 11 + n, "parent": 10, "own_mib": mib} for n, mib in enumerate(workers_mib)]
    held = 15.0 + sum(workers_mib) if held_mib is None else held_mib
    return Usage(at_s, cpu_ms, "stat", {UNIT: {"anonymous_mib": held, "processes": processes}}, 3, 120.0)


COSTS = (
    Cost("/", "cached", 0.1, 3.0, 9000, 0.1, 0.3, 1.0),
    Cost("/", "uncached", 2.0, 3.0, 900, 0.15, 4.0, 9.0),
    Cost("/a", "uncached", 1.0, 2.0, 900, 0.15, 2.0, 7.0),
)


def seen(**changes: Any) -> Observed:
    return replace(Observed(look(35.0), look(36.0), look(37.0), COSTS, 32, (100, 0.5)), **changes)


def learned(observed: Observed, **changes: Any) -> dict[str, float]:
    declaration = host(**changes)
    found = learn(declaration, "blog", (UNIT,), observed, "2026-11-22")
    return {place: one.value for place, one in found.measured.values.items()}


def load(done: int, cpu_ms: float, seconds: float) -> Load:
    return Load(look(at_s=0.0), look(cpu_ms=cpu_ms, at_s=seconds), done, 9.0, 3.0, 5.0)


def test_a_request_costs_what_larger_bursts_cost_more() -> None:
    """Handshakes (300 ms here) and what each of ten bursts costs (5 ms) are in both; 20 ms a second is its own."""
    few, many = load(80, 300 + 50 + 160 + 60, 3.0), load(320, 300 + 50 + 640 + 80, 4.0)
    cost = cost_of(("/", "uncached"), few, many, Quiet(20.0, 1))
    assert cost is not None
    assert cost.cpu_ms == pytest.approx(2.0)
    assert cost.requests == 240
    assert cost.share == pytest.approx((300 + 50 + 640) / 4000)


@pytest.mark.parametrize("many", [load(32, 900, 4.0), load(352, 380, 4.0), load(352, 900, 0.0)])
def test_a_difference_that_says_nothing_is_no_cost(many: Load) -> None:
    assert cost_of(("/", "uncached"), load(32, 384, 1.0), many, Quiet(20.0, 1)) is None


class Asked:
    """A host of one core whose pages cost what they cost, each burst something besides, and how it was asked."""

    cores = 1

    def __init__(self, cpu_ms: float, burst_ms: float = 0.0) -> None:
        self.cpu_ms, self.burst_ms = cpu_ms, burst_ms
        self.paths: list[str] = []
        self.rates: list[float] = []
        self.jobs: list[tuple[int, int]] = []

    def say(self, _what: str, _message: str) -> None:
        pass

    def load(
        self,
        path: str,
        _kind: str,
        *,
        rate_per_s: float,
        duration_s: float,
        connections: int,
        burst: int = 1,
        **_job: Any,
    ) -> Load:
        self.paths.append(path)
        self.rates.append(rate_per_s)
        self.jobs.append((burst, connections))
        requests = int(rate_per_s * duration_s)
        return load(requests, requests * self.cpu_ms + requests / burst * self.burst_ms, duration_s)


def cost(host_: Any, alone_ms: float) -> Cost:
    return costs.costs_of(host_, [page(alone_ms)], Quiet(0.0, 1))[0]


def page(alone_ms: float, path: str = "/") -> costs.Asked:
    return costs.Asked(path, "uncached", load(9, 9.0, 1.0), alone_ms)


def test_a_light_load_is_a_fifth_of_what_single_requests_promise() -> None:
    asked = Asked(1.0)
    found = cost(asked, 2.0)
    assert found.cpu_ms == pytest.approx(1.0)
    assert set(asked.rates) == {25.0, 100.0}
    assert found.share == pytest.approx(0.1, abs=0.01)


def test_what_a_burst_costs_besides_is_no_requests_cost() -> None:
    """A full host is woken once, not by each burst; both loads have as many bursts and connections."""
    asked = Asked(1.0, burst_ms=8.0)
    assert cost(asked, 2.0).cpu_ms == pytest.approx(1.0, abs=0.02)
    assert set(asked.jobs) == {(8, 32), (32, 32)}


def test_what_was_measured_at_more_than_a_light_load_counts_for_nothing() -> None:
    """Single requests promised 0.2 ms, but it is 1: 640 a second would be 64 % load, and 320 still 32 %."""
    asked = Asked(1.0)
    found = cost(asked, 0.2)
    assert list(dict.fromkeys(asked.rates[1::2])) == [640.0, 320.0, 160.0]
    assert found.share < costs.MOST_SHARE


def test_pages_take_turns_so_that_each_has_its_share_of_a_machine_whose_speed_moves() -> None:
    """One that goes from 1 to 2 ms while it is looked at says the same of equal pages, but for a turn."""

    class Slower(Asked):
        def load(self, *page: str, **job: Any) -> Load:
            self.cpu_ms = 1.0 + len(self.rates) / 20
            return super().load(*page, **job)

    slower = Slower(1.0)
    first, second = costs.costs_of(slower, [page(2.0), page(2.0, "/a")], Quiet(0.0, 1))
    assert slower.paths == ["/", "/", "/a", "/a"] * costs.REPEATS
    assert second.cpu_ms == pytest.approx(first.cpu_ms, rel=0.1)


def test_looks_at_a_machine_that_others_disturb_do_not_move_what_is_counted() -> None:
    """One of seven looks says three times as much; the mean of all would say 1.3 ms."""

    class Disturbed(Asked):
        def load(self, *page: str, **job: Any) -> Load:
            self.cpu_ms = 3.0 if len(self.rates) in (4, 5) else 1.0
            return super().load(*page, **job)

    assert cost(Disturbed(1.0), 2.0).cpu_ms == pytest.approx(1.0)


def test_a_host_that_is_always_asked_for_too_much_is_not_known() -> None:
    with pytest.raises(Inconclusive, match="was lost"):
        cost(Asked(200.0), 0.2)


class Kept(Asked):
    """A host that says whether its processors were kept awake whenever it was asked for something."""

    def __init__(self, cpu_ms: float, *, is_possible: bool) -> None:
        super().__init__(cpu_ms)
        self.is_possible = is_possible
        self.is_kept = False
        self.states: set[bool] = set()

    @contextmanager
    def awake(self) -> Iterator[bool]:
        self.is_kept = True
        yield self.is_possible
        self.is_kept = False

    def look(self, **_what: bool) -> Usage:
        return look(37.0)

    def load(self, *page: str, **job: Any) -> Load:
        self.states.add(self.is_kept)
        return super().load(*page, **job)


@pytest.mark.parametrize("is_possible", [True, False])
def test_processors_are_kept_awake_as_long_as_costs_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, *, is_possible: bool
) -> None:
    monkeypatch.setattr(run, "_quiet", lambda _bursts: Quiet(0.0, 1))
    monkeypatch.setattr(run, "_held", lambda _bursts, _page: (0, 0.0))
    kept = Kept(1.0, is_possible=is_possible)
    found = run.calibrate(kept, [("/", "uncached")])  # type: ignore[arg-type]  # Kept has all that is called of Bursts
    assert kept.states == {True}
    assert not kept.is_kept
    assert (run.ASLEEP in found.doubts) is not is_possible


class Settles:
    """A host of one core that does less and less by itself, ms in each second that it is looked at."""

    cores = 1

    def __init__(self, *busy_ms_per_s: float) -> None:
        self.busy = list(busy_ms_per_s)
        self.looks = 0

    def look(self) -> Usage:
        self.looks += 1
        seconds = self.looks // 2
        return look(cpu_ms=sum(self.busy[:seconds]), at_s=float(seconds))


@pytest.mark.parametrize(
    ("busy", "found"),
    [
        ((4.0, 900.0), 4.0),  # nothing to wait for
        ((400.0, 150.0, 90.0, 30.0, 28.0, 5.0), 28.0),
        ((100.0, 110.0, 5.0), 100.0),  # a burst is not what it does all the time
        ((900.0, 800.0, 200.0, 190.0), 190.0),
    ],
)
def test_a_host_that_was_just_started_is_looked_at_until_it_does_no_less(
    busy: tuple[float, ...], found: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.time, "sleep", lambda _s: None)
    assert run._quiet(Settles(*busy)).idle_ms_per_s == pytest.approx(found)  # type: ignore[arg-type]  # a stand-in


def test_a_host_that_stays_busy_is_not_calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.time, "sleep", lambda _s: None)
    busy = Settles(*[700.0] * run.MOST_IDLE)
    with pytest.raises(Inconclusive, match="70 % busy by itself"):
        run._quiet(busy)  # type: ignore[arg-type]  # a stand-in
    assert busy.looks == 2 * run.MOST_IDLE


def test_single_requests_that_seem_to_cost_nothing_are_sent_again() -> None:
    class Drowned(Asked):
        def load(self, *page: str, **job: Any) -> Load:
            found = super().load(*page, **job)
            return found if len(self.rates) > 3 else load(found.done, 0.0, found.seconds)

    drowned = Drowned(2.0)
    assert run._gentle(drowned, ("/", "uncached"), Quiet(0.0, 1))[1] == pytest.approx(2.0)  # type: ignore[arg-type]  # a stand-in
    assert len(drowned.rates) == 4
    with pytest.raises(Inconclusive, match="was lost"):
        run._gentle(Asked(0.0), ("/", "uncached"), Quiet(0.0, 1))  # type: ignore[arg-type]  # a stand-in


def test_a_worker_is_priced_a_quarter_above_the_largest_that_was_seen() -> None:
    assert learned(seen())[WORKER] == 48  # 1.25 x 37 = 46.25, in steps of 4


def test_a_worker_is_priced_by_the_fullest_moment_whichever_it_was() -> None:
    assert learned(seen(idle=look(45.0)))[WORKER] == 60


def test_what_the_master_holds_beyond_its_constant_is_paid_by_the_workers() -> None:
    held = PRIORS.gunicorn_master_mib + 2 * 60
    grown = look(37.0, 37.0, held_mib=held)
    assert learned(seen(settled=grown, after=grown))[WORKER] == 76


def test_a_measured_worker_is_never_less_than_half_of_the_constant() -> None:
    tiny = look(4.0)
    values = learned(seen(idle=tiny, settled=tiny, after=tiny))
    assert values[WORKER] == PRIORS.asgi_worker_mib / 2


def test_a_worker_is_never_priced_below_what_it_holds_at_idle() -> None:
    for mib in (20.0, 40.0, 80.0, 100.0):
        one = look(mib)
        assert learned(seen(idle=one, settled=one, after=one))[WORKER] >= mib


def test_a_light_load_never_makes_a_request_cheaper_but_may_make_it_dearer() -> None:
    assert REQUEST not in learned(seen())
    dear = seen(settled=look(36.0), after=look(39.0))  # 2 MiB beyond what it grows by itself, for 32 requests
    assert learned(dear)[REQUEST] == 80


def test_what_is_written_is_believed_when_it_is_read(tmp_path: Path) -> None:
    """Two requests at once, for a slow page, and an app that grew by 5 MiB meanwhile: 2560 KiB each."""
    grown = seen(settled=look(36.0), after=look(41.0), at_once=2)
    large = host(memory_mib=4096)
    found = learn(large, "blog", (UNIT,), grown, "2026-11-22").measured
    assert found.values[REQUEST].value == 16 * PRIORS.asgi_request_kib
    assert "2048 KiB each" in found.values[REQUEST].because
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured/test1.yml").write_text(text(found))
    assert read_measured(tmp_path, "test1", large) == found


def test_a_worker_that_held_more_than_is_believed_is_not_priced_lower() -> None:
    huge = look(2000.0)
    observed = seen(idle=huge, settled=huge, after=huge)
    with pytest.raises(BudgetError, match=r"a worker held 2000 MiB.*Nothing was written") as raised:
        learned(observed, memory_mib=16384)
    assert raised.value.where == WORKER
    pinned = gunicorn(worker_memory_mib=2100)
    values = learned(observed, memory_mib=16384, apps={"blog": app(gunicorn=pinned)})
    assert WORKER not in values


def test_computing_is_the_mean_of_pages_made_anew_and_a_tenth() -> None:
    assert learned(seen())[COMPUTE] == pytest.approx(1.65)


def test_workers_that_wait_are_told_how_long_and_async_ones_are_not() -> None:
    assert WAIT not in learned(seen())
    values = learned(seen(), apps={"blog": app(gunicorn=GTHREAD)})
    assert values[WAIT] == pytest.approx(8.0 - 1.5)
    assert values[COMPUTE] == pytest.approx(1.65)


def test_a_users_own_times_are_left_alone() -> None:
    own = gunicorn(worker_class="gthread", wait_ms=5.0, compute_ms=3.0)
    assert not {WAIT, COMPUTE} & set(learned(seen(), apps={"blog": app(gunicorn=own)}))


def test_cached_pages_are_counted_a_fifth_below_what_they_show() -> None:
    assert learned(seen())[CACHED] == 8000
    assert CACHED not in learned(seen(), apps={"blog": app(session_cookie=None)})


@pytest.mark.parametrize(("cpu_ms", "kept"), [(0.001, 20_000), (50.0, 500)])
def test_a_rate_beyond_belief_is_bounded(cpu_ms: float, kept: float) -> None:
    assert learned(seen(costs=(replace(COSTS[0], cpu_ms=cpu_ms),)))[CACHED] == kept


def test_what_no_longer_fits_is_refused_with_what_was_measured() -> None:
    large = look(600.0)
    with pytest.raises(BudgetError, match=r"worker_memory_mib 752.*no longer fits; nothing was written"):
        learned(seen(idle=large, settled=large, after=large))


def test_memory_that_a_worker_does_not_need_goes_to_the_buffer_pool() -> None:
    found = learn(host(), "blog", (UNIT,), seen(), "2026-11-22")
    assert found.budget.grants["blog"].memory_mib < found.before.grants["blog"].memory_mib
    assert found.budget.grants["mysql"].memory_mib > found.before.grants["mysql"].memory_mib
    assert found.budget.granted_mib + found.budget.reserved_mib <= found.budget.usable_mib
    assert allocate(found.declaration) == found.budget


def test_the_same_numbers_give_the_same_bytes_and_are_read_back(tmp_path: Path) -> None:
    found = learn(host(), "blog", (UNIT,), seen(), "2026-11-22").measured
    assert text(found) == text(found.model_copy())
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured/test1.yml").write_text(text(found))
    assert read_measured(tmp_path, "test1", host()) == found


def test_hostile_words_of_a_page_survive_the_file(tmp_path: Path) -> None:
    costs = (replace(COSTS[1], path='/"x":{y}#\\'),)
    found = learn(host(), "blog", (UNIT,), seen(costs=costs), "2026-11-22").measured
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured/test1.yml").write_text(text(found))
    assert read_measured(tmp_path, "test1", host()) == found


def test_a_host_without_a_database_or_with_another_runner_is_calibrated_too() -> None:
    assert learned(seen(), mysql=None, apps={"blog": app(database=None)})[WORKER] == 48


def test_pages_are_those_of_the_slo_or_others_both_ways() -> None:
    slo = Slo(cached_path="/c", uncached_paths=("/", "/a"))
    assert pages_of(slo) == (("/c", "cached"), ("/", "uncached"), ("/a", "uncached"))
    assert pages_of(slo, both_ways=("/n",)) == (("/n", "cached"), ("/n", "uncached"))
