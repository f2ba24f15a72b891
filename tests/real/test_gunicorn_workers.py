"""Supported kinds of gunicorn's workers on real local VPSes: as many run as the budget says; a killed one comes back.

Another kind on the same host is a change of the inventory and a deploy, as a user would do it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from example_on_vps import Example, answers_under_load, eventually

from deployer.services.gunicorn import PROVEN_WORKER_CLASSES

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]

#: The kinds of workers that this module proves, by the example that they run here; aiohttp's is the feed's.
KINDS = (
    ("guestbook", "sync"),
    ("guestbook", "gthread"),
    ("notes", "asgi"),
    ("notes", "uvicorn_worker.UvicornWorker"),
)
#: Enough of them at once to make a gthread worker start all of its threads.
VISITORS = 16


@pytest.fixture(scope="module")
def example_of(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Example]]:
    """Each example on a host of its own, made when first asked for; both stay until the module's end."""
    of_the_test, vps.cleanup = vps.cleanup, vps.of_the_module

    @cache
    def made(app: str) -> Example:
        return Example(vps(app, cpu_cores=2), tmp_path_factory.mktemp(app), app=app)

    yield made
    vps.cleanup = of_the_test


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind[1])
def site(request: pytest.FixtureRequest, example_of: Callable[[str], Example]) -> Example:
    """An example, deployed with the kind of workers that is asked for."""
    app, worker_class = request.param
    found = example_of(app)
    found.changes[f"apps__{app}__gunicorn__worker_class"] = worker_class
    found.write()
    found.deploy()
    return found


def unit(site: Example) -> str:
    return f"app-{site.app}.service"


def workers(site: Example) -> set[int]:
    """The processes that gunicorn's master has started."""
    return {int(pid) for pid in site.sh(f"pgrep -P {site.main_pid(unit(site))}; true").split()}


def test_gunicorn_says_that_it_runs_this_kind(site: Example) -> None:
    invocation = site.sh(f"systemctl show -p InvocationID --value {unit(site)}")
    said = site.sh(f"journalctl -o cat _SYSTEMD_INVOCATION_ID={invocation}")
    worker_class = site.changes[f"apps__{site.app}__gunicorn__worker_class"]
    assert f"Using worker: {worker_class}" in said, said
    assert "rror" not in said, said


def test_what_runs_is_what_the_budget_says(site: Example) -> None:
    numbers = site.numbers(site.app)
    assert len(workers(site)) == numbers["workers"]
    names = ("MemoryMax", "TasksMax", "LimitNOFILE")
    assert site.limits(unit(site), *names) == [
        numbers["MemoryMax"] << 20,
        numbers["TasksMax"],
        numbers["LimitNOFILE"],
    ]
    assert site.queue() == numbers["backlog"]
    assert f"DB_POOL_SIZE={numbers['pool_size']}" in site.sh(f"systemctl show -p Environment {unit(site)}")


def test_it_answers_under_load_within_its_limits(site: Example) -> None:
    numbers, before = site.numbers(site.app), workers(site)
    assert answers_under_load(site, visitors=VISITORS, for_s=4.0) > 100
    assert workers(site) == before
    assert site.sh(f"systemctl show -p NRestarts --value {unit(site)}") == "0"
    assert site.peak_mib(unit(site)) < numbers["MemoryMax"]
    threads = [int(site.sh(f"ls /proc/{pid}/task | wc -l")) for pid in before]
    if site.app == "guestbook":
        for_requests = numbers["threads"] if numbers["threads"] > 1 else 0
        assert threads == [1 + for_requests] * len(threads)


def test_a_killed_worker_comes_back(site: Example) -> None:
    master, before = site.main_pid(unit(site)), workers(site)
    killed = min(before)
    site.sh(f"kill -KILL {killed}")
    assert eventually(lambda: killed not in workers(site) and len(workers(site)) == len(before))
    assert before - {killed} <= workers(site)
    assert site.main_pid(unit(site)) == master
    assert answers_under_load(site, visitors=4, for_s=1.0) > 10


def test_a_second_deploy_changes_nothing(site: Example) -> None:
    before = workers(site)
    assert "no change" in site.deploy().stdout
    assert site.run("plan", "--detailed-exitcode").returncode == 0
    assert workers(site) == before


def test_none_of_these_is_called_experimental() -> None:
    assert {worker_class for _, worker_class in KINDS} | {"aiohttp.GunicornWebWorker"} == PROVEN_WORKER_CLASSES
