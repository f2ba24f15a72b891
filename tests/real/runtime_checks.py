"""What holds of every app whose processes have units of their own, whatever runs them; visitors watch."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from example_on_vps import Example, ExampleVisitors, eventually


class Uncached(ExampleVisitors):
    """Visitors with a session: no cache answers for the app."""

    PATHS = (("/", {"Cookie": "shop_session=x"}), ("/healthz", {}))


def processes(site: Example) -> list[str]:
    """The app's processes that serve visitors, as systemd lists them."""
    listed = site.host.sh(f"systemctl list-units --no-legend --plain --state=active 'app-{site.app}@*.service'")
    return [line.split()[0] for line in listed.splitlines()]


def release(site: Example) -> str:
    return site.get("/healthz")[0].headers["X-Release"]


def memory(site: Example) -> dict[str, Any]:
    """What a probe's runtime says that it was given."""
    return dict(json.loads(site.get("/memory")[1]))


def shown(site: Example, unit: str, name: str) -> str:
    return site.host.sh(f"systemctl show -p {name} --value {unit}").strip()


def numbers(site: Example) -> dict[str, Any]:
    """The app's numbers of the budget."""
    document = json.loads(site.run("budget", "--json").stdout)
    return {name: number["value"] for name, number in document["numbers"][site.app].items()}


def assert_limits_are_the_budget_s(site: Example) -> None:
    told = numbers(site)
    for unit in processes(site):
        assert int(shown(site, unit, "MemoryMax")) == told["MemoryMax"] << 20
        assert int(shown(site, unit, "TasksMax")) == told["TasksMax"]
        assert int(shown(site, unit, "LimitNOFILE")) == told["LimitNOFILE"]
        assert site.exposure(unit) <= 2.0


def assert_a_second_deploy_changes_nothing(site: Example) -> None:
    before = [site.main_pid(unit) for unit in processes(site)]
    assert "no change" in site.deploy().stdout
    assert [site.main_pid(unit) for unit in processes(site)] == before


def assert_carries_a_light_load(site: Example, *, visitors: int = 16, pages: int = 20) -> None:
    def read(_number: int) -> list[int]:
        return [site.get("/", Cookie="shop_session=x")[0].status for _ in range(pages)]

    with ThreadPoolExecutor(visitors) as pool:
        found = [status for statuses in pool.map(read, range(visitors)) for status in statuses]
    assert found == [200] * (visitors * pages)


def assert_a_killed_process_comes_back_unnoticed(site: Example, unit: str) -> None:
    before = site.main_pid(unit)
    with Uncached(site) as visitors:
        site.host.sh(f"kill -KILL {before}")
        assert eventually(lambda: site.main_pid(unit) not in (0, before))
    visitors.assert_never_failed()


def assert_a_new_release_loses_no_request(site: Example) -> None:
    before, pids = release(site), {site.main_pid(unit) for unit in processes(site)}
    (site.source / "NOTE").write_text(f"made at {time.time()}\n")
    with Uncached(site) as visitors:
        site.deploy()
    visitors.assert_never_failed()
    assert release(site) != before
    assert not pids & {site.main_pid(unit) for unit in processes(site)}


def assert_a_release_that_does_not_start_is_returned(site: Example, file: str, content: bytes) -> None:
    """The file is put back; visitors notice nothing of it all."""
    path, before = site.source / file, release(site)
    good = path.read_bytes()
    path.write_bytes(content)
    try:
        with Uncached(site) as visitors:
            site.deploy(code=5)
        visitors.assert_never_failed()
        assert release(site) == before
    finally:
        path.write_bytes(good)
    assert "no change" in site.deploy().stdout


def assert_a_process_without_memory_dies_alone(site: Example, unit: str, ask: str) -> None:
    """Ask one process, past nginx, for more than it was given: it ends and comes back, the others serve."""
    before = site.main_pid(unit)
    with Uncached(site) as visitors:
        site.host.sh(f"curl -s -m 60 {ask} || true", timeout_s=80)
        assert eventually(lambda: site.main_pid(unit) not in (0, before))
    visitors.assert_never_failed()
    assert eventually(lambda: site.status() == 200)
