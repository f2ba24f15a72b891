"""Apps that Node.js, Java or Go run: memory by formula, processes that fit, ports, what cannot be meant."""

from __future__ import annotations

import re
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hosts import AppDatabase, app, host
from hypothesis import given, settings, strategies as st
from runtime_hosts import UNITS, go_app, host_of, java_app, node_app, rendered, text_of

from deployer.allocate import allocate
from deployer.app import BackgroundWorker, Timer
from deployer.budget import HostBudget
from deployer.errors import BudgetError, UsageError
from deployer.priors import PRIORS
from deployer.release import read_release
from deployer.render import render
from deployer.services import go, java, node
from deployer.services.java import JavaSettings
from deployer.services.java.links import JAVA, runner_of
from deployer.services.sqlite import SqliteSettings


def node_process_mib(budget: HostBudget) -> float:
    """What a process with a full heap needs, by the formula of docs/budget.md, without the twentieth."""
    return budget.count("shop", "old_space") + PRIORS.node_beside_mib


@settings(max_examples=60, deadline=None)
@given(
    cores=st.integers(1, 32),
    memory_mib=st.integers(1024, 65_536),
    processes=st.none() | st.integers(1, 8),
    old_space_mib=st.none() | st.integers(16, 4096),
    external_mib=st.integers(0, 512),
    pm2=st.booleans(),
)
def test_node_s_processes_with_full_heaps_fit_into_their_memory(
    *, cores: int, memory_mib: int, processes: int | None, old_space_mib: int | None, external_mib: int, pm2: bool
) -> None:
    one = node_app(processes=processes, old_space_mib=old_space_mib, external_mib=external_mib, pm2=pm2)
    try:
        budget = allocate(host_of(one, cpu_cores=cores, memory_mib=memory_mib))
    except BudgetError:
        return
    count = budget.count("shop", "processes")
    assert 1 <= count <= (processes or cores)
    assert processes in (None, count)
    if old_space_mib is not None:
        assert budget.count("shop", "old_space") == old_space_mib
    filled = node_process_mib(budget) + external_mib
    if pm2:
        assert count * filled + PRIORS.pm2_daemon_mib <= budget.count("shop", "MemoryMax")
        assert budget.chain.units_of("shop") == ("app-shop.service",)
    else:
        assert filled <= budget.count("shop", "MemoryMax")
        assert count * budget.count("shop", "MemoryMax") <= budget.grants["shop"].memory_mib
        assert len(budget.chain.units_of("shop")) == len(budget.chain.upstreams_of("shop")) == count


def test_more_memory_gives_node_more_processes_first_and_then_larger_heaps() -> None:
    found = [
        (budget.count("shop", "processes"), budget.count("shop", "old_space"))
        for budget in (allocate(host_of(node_app(), cpu_cores=4, memory_mib=mib)) for mib in (1024, 2048, 4096, 8192))
    ]
    counts = [count for count, _ in found]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] == 4
    assert found[-1][1] > found[-2][1] >= PRIORS.node_old_space_floor_mib


def test_the_database_is_priced_for_all_processes_that_node_may_have() -> None:
    few = allocate(host_of(node_app(), cpu_cores=4, memory_mib=1024))
    assert few.count("shop", "processes") < 4
    assert few.count("mysql", "max_connections") >= 4 * few.count("shop", "pool_size")


def test_pinned_heaps_beyond_the_memory_are_the_ledger_s_refusal() -> None:
    with pytest.raises(BudgetError) as refused:
        allocate(host_of(node_app(processes=4, old_space_mib=768)))
    assert "4 x old space 768 MiB" in str(refused.value)
    assert "apps.shop.node.processes: 1" in str(refused.value)


def test_node_s_sockets_are_systemd_s_and_nginx_knows_each() -> None:
    result = rendered(host_of(node_app(), memory_mib=4096))
    unit, site = text_of(result, f"{UNITS}/app-shop@.service"), text_of(result, "/etc/nginx/deployer/apps/shop.conf")
    assert "Requires=app-shop@%i.socket" in unit
    assert "ExecStartPost" not in unit
    assert "MemoryDenyWriteExecute" not in unit
    old_space = f"--max-old-space-size={result.budget.count('shop', 'old_space')}"
    assert f'Environment="NODE_OPTIONS={old_space} --max-semi-space-size=8"\n' in unit
    assert "server unix:/run/app-shop-1.sock" in site
    assert "server unix:/run/app-shop-2.sock" in site
    listening = [one.unit for one in result.wanted.units if one.listens]
    assert listening == ["app-shop@1.socket", "app-shop@2.socket"]


def test_node_s_ports_are_one_for_each_process_and_waited_for() -> None:
    result = rendered(host_of(node_app(port=3001), memory_mib=4096))
    assert "</dev/tcp/127.0.0.1/$$1" in text_of(result, f"{UNITS}/app-shop@.service")
    assert 'Environment="PORT=3002"' in text_of(result, f"{UNITS}/app-shop@2.service.d/60-process.conf")
    assert "server 127.0.0.1:3002 " in text_of(result, "/etc/nginx/deployer/apps/shop.conf")
    assert not any("socket" in one.unit for one in result.wanted.units)
    assert [one.port for one in result.wanted.ports if one.service == "app shop"] == [3001, 3002]


def test_pm2_is_one_of_the_app_s_own_packages(tmp_path: Path) -> None:
    declaration = host_of(node_app(pm2=True))
    (tmp_path / "server.js").write_text("")
    (tmp_path / "package-lock.json").write_text('{"packages": {"node_modules/ms": {"integrity": "sha512-x"}}}')
    wanted = rendered(declaration).wanted.releases[0]
    with pytest.raises(UsageError, match="does not name node_modules/pm2") as refused:
        read_release(wanted, declaration.apps["shop"], tmp_path)
    assert "npm install pm2" in str(refused.value.next_step)
    (tmp_path / "package-lock.json").write_text('{"packages": {"node_modules/pm2": {"integrity": "sha512-x"}}}')
    assert read_release(wanted, declaration.apps["shop"], tmp_path).lock


def test_jobs_of_node_have_a_heap_within_their_memory() -> None:
    worker = BackgroundWorker(command=("node", "worker.js"), memory_mib=256)
    one = node_app().model_copy(update={"background": {"worker": worker}})
    budget = allocate(host_of(one))
    runner = budget.chain.runner_of("shop")
    heap_mib = int(0.95 * 256 - PRIORS.node_beside_mib)
    unit = text_of(render(host_of(one), budget), f"{UNITS}/app-shop-worker@.service")
    assert f'"NODE_OPTIONS=--max-old-space-size={heap_mib} --max-semi-space-size=8"' in unit
    assert runner.argv(("node", "worker.js"), "/r") == ("/usr/bin/node", "worker.js")
    assert runner.argv(("prisma", "migrate"), "/r")[0] == "/srv/shop/current/code/node_modules/.bin/prisma"


def job_of(one: Any, **said: Any) -> Any:
    return one.model_copy(update={"background": {"worker": BackgroundWorker(**said)}})


@pytest.mark.parametrize(
    ("one", "command", "least_heap_mib"),
    [
        (node_app(), ("node", "worker.js"), 64),
        (node_app(), ("agenda", "--queue"), 64),
        (java_app(), ("java", "-cp", "quotes.jar", "Worker"), PRIORS.java_heap_floor_mib),
    ],
    ids=["node", "a package's command", "java"],
)
def test_a_job_that_does_not_say_its_size_has_room_for_a_small_heap(
    one: Any, command: Any, least_heap_mib: int
) -> None:
    job = job_of(one, command=command)
    service = node.SERVICE if one.run_by("node") else java.SERVICE
    assert not list(service.contradictions(host_of(job)))
    unit = text_of(rendered(host_of(job)), f"{UNITS}/app-shop-worker@.service")
    heap = re.search(r"-(?:-max-old-space-size=|Xmx)(\d+)", unit)
    assert heap is not None
    assert least_heap_mib <= int(heap[1]) < least_heap_mib + 8 or "MemoryMax=96M" in unit


def test_a_job_that_is_no_program_of_the_runtime_is_as_small_as_any() -> None:
    budget = allocate(host_of(job_of(node_app(), command=("bin/clean.sh",))))
    assert budget.count("shop-worker", "MemoryMax") == 96
    small = job_of(node_app(), command=("bin/clean.sh",), memory_mib=16)
    assert not list(node.SERVICE.contradictions(host_of(small)))
    assert "max-old-space-size" not in text_of(rendered(host_of(small)), f"{UNITS}/app-shop-worker@.service")


def test_a_job_without_room_for_a_heap_that_works_is_refused() -> None:
    least_mib = ceil((32 + PRIORS.node_beside_mib) / 0.95)
    for memory_mib, refused in ((least_mib - 1, True), (least_mib, False)):
        job = job_of(node_app(), command=("node", "worker.js"), memory_mib=memory_mib)
        found = list(node.SERVICE.contradictions(host_of(job)))
        assert bool(found) is refused, found
    ((path, why),) = node.SERVICE.contradictions(
        host_of(job_of(node_app(), command=("node", "worker.js"), memory_mib=least_mib - 1))
    )
    assert path == ("apps", "shop", "background", "worker", "memory_mib")
    assert why.startswith(f"a process of Node.js with a heap of 32 MiB needs {least_mib}; left out, it gets ")


def test_a_migration_has_the_heap_that_the_work_of_a_deploy_leaves_it() -> None:
    runner = allocate(host_of(node_app())).chain.runner_of("shop")
    assert runner.environment_within(400) == {
        "NODE_ENV": "production",
        "NODE_OPTIONS": f"--max-old-space-size={int(0.95 * 400 - PRIORS.node_beside_mib)} --max-semi-space-size=8",
    }
    assert runner.environment_within(40) == {"NODE_ENV": "production"}


def migrating(one: Any, *words: str, **said: Any) -> Any:
    return one.model_copy(update={"database": AppDatabase(migrate=words, **said)})


@pytest.mark.parametrize(
    ("one", "words", "option", "least_mib"),
    [
        (java_app(), ("java", "-cp", "quotes.jar", "Migrate"), "-Xmx", PRIORS.java_heap_floor_mib),
        (java_app(code_cache_mib=16, metaspace_mib=16), ("java", "Migrate"), "-Xmx", PRIORS.java_heap_floor_mib),
        (go_app(), ("migrate",), "", 64),
    ],
    ids=["java", "a small machine", "go"],
)
def test_a_migration_of_a_later_deploy_has_room_for_its_runtime_and_a_small_heap(
    one: Any, words: Any, option: str, least_mib: int
) -> None:
    """Node.js alone is not priced as a job is: it starts with little, and grows within what it is given."""
    budget = allocate(host_of(migrating(one, *words)))
    environment = budget.chain.runner_of("shop").environment_within(budget.count("deploy", "MemoryMax"))
    heap = re.search(rf"{option}(\d+)(?:m|MiB|$)", " ".join(environment.values()))
    assert heap is not None, environment
    assert least_mib <= int(heap[1]) < least_mib + 24


def test_the_work_of_a_deploy_is_as_large_as_the_largest_migration_and_no_smaller_than_a_package_tool_s() -> None:
    command = ("java", "-cp", "quotes.jar", "Migrate")
    usual_mib = runner_of("shop", JavaSettings(jar="quotes.jar")).usual_job_mib(command)
    for said, wanted_mib in ((None, usual_mib), (300, 300), (400, 400)):
        granted = allocate(host_of(migrating(java_app(), *command, migrate_memory_mib=said))).grants["deploy"]
        assert wanted_mib <= granted.memory_mib < wanted_mib + 4
    shell = migrating(java_app(), "bin/migrate.sh", migrate_memory_mib=32)
    assert allocate(host_of(shell)).grants["deploy"].memory_mib == PRIORS.deploy_work_mib
    assert not list(java.SERVICE.contradictions(host_of(shell)))
    small = migrating(java_app(), *command, migrate_memory_mib=120)
    ((path, why),) = java.SERVICE.contradictions(host_of(small))
    assert path == ("apps", "shop", "database", "migrate_memory_mib")
    assert why.endswith(f"left out, it gets {usual_mib}")


def test_a_migration_pays_for_the_pages_that_sqlite_keeps() -> None:
    one = migrating(app(), "python", "-m", "blog.migrate")
    plain = host_of(one, mysql=None, memory_mib=4096)
    sqlite = plain.model_copy(update={"settings": {**plain.settings, "sqlite": SqliteSettings(cache_kib=65_536)}})
    budget = allocate(sqlite)
    assert budget.count("deploy", "MemoryMax") == PRIORS.deploy_work_mib + 64
    assert allocate(plain.model_copy(update={"apps": {}})).count("deploy", "MemoryMax") == PRIORS.deploy_work_mib


def test_a_large_migration_that_does_not_fit_is_advised_to_be_as_usual() -> None:
    one = migrating(app(), "python", "-m", "blog.migrate", migrate_memory_mib=900)
    with pytest.raises(BudgetError, match=r"leave out apps.shop.database.migrate_memory_mib.*then it fits"):
        allocate(host_of(one, memory_mib=1024))


@settings(max_examples=60, deadline=None)
@given(
    memory_mib=st.integers(512, 65_536),
    classes=st.none() | st.integers(500, 60_000),
    threads=st.integers(1, 400),
    processes=st.integers(1, 4),
)
def test_a_java_machine_with_every_part_full_fits_into_its_memory(
    memory_mib: int, classes: int | None, threads: int, processes: int
) -> None:
    one = java_app(classes=classes, threads=threads, processes=processes)
    try:
        budget = allocate(host_of(one, memory_mib=memory_mib, mysql=None))
    except BudgetError:
        return
    values = {name: number.value for name, number in budget.numbers["shop"].items()}
    stacks = (threads + PRIORS.java_own_threads) * int(values["stack"]) / 1024
    inside = sum(int(values[part]) for part in ("heap", "metaspace", "code_cache", "direct")) + stacks
    share = PRIORS.java_g1_share if values["collector"] == "G1" else 0.0
    inside += PRIORS.java_native_mib + share * int(values["heap"])
    assert inside <= 0.96 * int(values["MemoryMax"])  # the headroom, but for whole MiB
    assert int(values["heap"]) >= PRIORS.java_heap_floor_mib - 1


def test_libjvm_s_formula_for_a_spring_app() -> None:
    budget = allocate(host_of(java_app(classes=17_000, threads=30), memory_mib=1024, mysql=None))
    assert budget.count("shop", "metaspace") == 108  # 14 000 000 + 5800 x 17 000 bytes are 107.4 MiB
    unit = text_of(rendered(host_of(java_app(classes=17_000, threads=30))), f"{UNITS}/app-shop@.service")
    for option in ("-XX:MaxMetaspaceSize=108m", "-Xss512k", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"):
        assert f"    {option} \\\n" in unit
    assert "SuccessExitStatus=143" in unit
    assert "MemoryDenyWriteExecute" not in unit
    assert "IPAddressAllow" not in unit  # it may reach the world; without `internet` it reaches this host alone
    alone = java_app().model_copy(update={"internet": False})
    assert "IPAddressAllow=localhost" in text_of(rendered(host_of(alone)), f"{UNITS}/app-shop@.service")


def test_java_s_migrations_and_jobs_run_the_host_s_java() -> None:
    one = app(
        gunicorn=None,
        java=JavaSettings(jar="quotes.jar"),
        database=AppDatabase(migrate=("java", "-cp", "quotes.jar", "Migrate")),
    )
    command = next(iter(rendered(host_of(one)).wanted.commands))
    assert command.argv == (JAVA, "-cp", "quotes.jar", "Migrate")
    assert command.before == "app-shop@1.service"
    worker = BackgroundWorker(command=("java", "-cp", "quotes.jar", "Worker"), memory_mib=64)
    small = java_app().model_copy(update={"background": {"worker": worker}})
    assert [path[-1] for path, _ in java.SERVICE.contradictions(host_of(small))] == ["memory_mib"]


@pytest.mark.parametrize(
    "option",
    [
        *("-Xmx900m", "-XX:MaxMetaspaceSize=128m", "-XX:+UseZGC", "-mx3000m", "-ms3000m", "-ss8m", "-jar"),
        *("-XX:InitialHeapSize=3g", "-XX:MaxRAMPercentage=90", "-XX:InitialRAMPercentage=90", "-XX:+AggressiveHeap"),
        *("-Djava.io.tmpdir=/tmp", "-Djava.io.tmpdir=/srv/spool", "-XX:HeapDumpPath=/tmp/blog.hprof"),
        *("-XX:VMOptionsFile=x", "-XX:Flags=.hotspotrc", "-XX:-ExitOnOutOfMemoryError"),
    ],
)
def test_options_that_would_undo_the_budget_are_refused(option: str) -> None:
    found = list(java.SERVICE.contradictions(host_of(java_app(options=(option, "-Duser.timezone=UTC")))))
    assert [path for path, _ in found] == [("apps", "shop", "java", "options", 0)]


def test_go_s_runtime_is_told_nine_tenths_of_its_memory() -> None:
    result = rendered(host_of(go_app(memory_mib=200), cpu_cores=4))
    assert result.budget.count("shop", "MemoryMax") == 200
    assert "Environment=GOMEMLIMIT=180MiB\nEnvironment=GOMAXPROCS=4\n" in text_of(result, f"{UNITS}/app-shop@.service")
    assert "MemoryDenyWriteExecute=yes" in text_of(result, f"{UNITS}/app-shop@.service")
    assert result.wanted.releases[0].packages == "none"
    assert "openjdk" not in " ".join(result.wanted.packages)
    assert "nodejs" not in " ".join(result.wanted.packages)


def test_go_s_collector_is_left_room_to_rest() -> None:
    assert not list(go.SERVICE.contradictions(host_of(go_app(memory_mib=76))))
    ((path, message),) = go.SERVICE.contradictions(host_of(go_app(memory_mib=75)))
    assert path == ("apps", "shop", "go", "memory_mib")
    assert "write at least 76" in message


def test_a_job_of_go_s_has_room_for_a_collector_that_rests() -> None:
    for memory_mib, refused in ((71, True), (72, False)):
        found = list(go.SERVICE.contradictions(host_of(job_of(go_app(), command=("tidy",), memory_mib=memory_mib))))
        assert [path[-1] for path, _ in found] == ["memory_mib"] * refused
    unit = text_of(rendered(host_of(job_of(go_app(), command=("tidy",)))), f"{UNITS}/app-shop-worker@.service")
    assert '"GOMEMLIMIT=86MiB"' in unit
    script = job_of(go_app(), command=("bin/clean.sh",), memory_mib=32)
    assert not list(go.SERVICE.contradictions(host_of(script)))


def test_a_program_that_was_not_built_is_missed_before_the_host_is_touched(tmp_path: Path) -> None:
    declaration = host_of(go_app())
    with pytest.raises(UsageError, match="has no bin/shortener") as refused:
        read_release(rendered(declaration).wanted.releases[0], declaration.apps["shop"], tmp_path)
    assert "go build" in str(refused.value.next_step)


def test_two_apps_cannot_have_one_port() -> None:
    other = go_app(port=8081).model_copy(update={"server_names": ("other.example",)})
    both = host(apps={"shop": java_app(processes=2), "other": other}, mysql=None)
    ((path, message),) = go.SERVICE.contradictions(both)
    assert path == ("apps", "other", "go", "port")
    assert message == "port 8081 belongs to app shop already"
    assert not list(java.SERVICE.contradictions(both))
    twice = host(apps={"shop": java_app(), "other": java_app().model_copy(update={"server_names": ("o.example",)})})
    ((path, _),) = java.SERVICE.contradictions(twice)
    assert path == ("apps", "other", "java", "port")


def test_ports_of_outgoing_connections_are_refused() -> None:
    ((path, message),) = node.SERVICE.contradictions(host_of(node_app(port=32_767)))
    assert path == ("apps", "shop", "node", "port")
    assert "write one of 1024 to 32766" in message
    assert not list(node.SERVICE.contradictions(host_of(node_app(port=32_766))))


def test_pm2_takes_no_port() -> None:
    ((path, _),) = node.SERVICE.contradictions(host_of(node_app(pm2=True, port=3000)))
    assert path == ("apps", "shop", "node", "port")


@pytest.mark.parametrize(
    ("service", "one", "versions"), [(node, node_app, ("18", "20")), (java, java_app, ("17", "21"))]
)
def test_a_host_has_one_version_of_a_runtime(service: Any, one: Any, versions: tuple[str, str]) -> None:
    first, second = (one(port=3000 + 100 * number, version=version) for number, version in enumerate(versions))
    found = list(service.SERVICE.contradictions(host(apps={"shop": first, "other": second})))
    assert [path[1::2] for path, _ in found] == [("other", "version")]


@pytest.mark.parametrize("one", [node_app(), node_app(pm2=True), java_app(), go_app(), app()])
def test_what_an_app_spools_is_on_the_disk_and_not_in_memory(one: Any) -> None:
    timed = {"tidy": Timer(command=("java" if one.run_by("java") else "tidy",), on_calendar="daily")}
    result = rendered(host_of(job_of(one.model_copy(update={"timers": timed}), command=timed["tidy"].command)))
    units = [
        file
        for file in result.files
        if file.path.startswith(f"{UNITS}/app-shop")
        and b"\nExecStart=" in file.content
        and b"proxyd" not in file.content
    ]
    assert len(units) in (3, 4)  # PM2's candidate has a unit of its own
    for unit in (file.content.decode() for file in units):
        assert 'Environment="TMPDIR=/var/tmp"\n' in unit
        assert "PrivateTmp=yes\n" in unit  # it makes /var/tmp writable where ProtectSystem=strict makes nothing so
        assert ("-Djava.io.tmpdir=/var/tmp" in unit) == (one.run_by("java") is not None)
    assert all(command.environment["TMPDIR"] == "/var/tmp" for command in result.wanted.commands)


@settings(max_examples=60, deadline=None)
@given(swap_mib=st.integers(0, 8192), memory_mib=st.integers(2048, 16_384), processes=st.integers(1, 4))
def test_no_swap_is_given_twice_and_only_what_has_some_is_slowed_down(
    *, swap_mib: int, memory_mib: int, processes: int
) -> None:
    apps = {
        name: one.model_copy(update={"server_names": (f"{name}.example",)})
        for name, one in {
            "node": node_app(processes=processes),
            "java": java_app(processes=2),
            "py": job_of(app(), command=("work",), processes=3),
        }.items()
    }
    declaration = host(apps=apps, cpu_cores=2, memory_mib=memory_mib, hardware={"swap_mib": swap_mib})
    try:
        result = render(declaration, allocate(declaration))
    except BudgetError:
        return
    given_mib = 0
    for taker, count in {"node": processes, "java": 2, "py": 1, "py-worker": 3}.items():
        numbers = {name: number.value for name, number in result.budget.numbers[taker].items()}
        given_mib += count * int(numbers["MemorySwapMax"])
        beyond_mib = int(numbers["MemoryMax"]) // 10
        if "MemoryHigh" in numbers:
            assert int(numbers["MemorySwapMax"]) >= int(numbers["MemoryMax"]) - int(numbers["MemoryHigh"]) > 0
        else:
            assert int(numbers["MemorySwapMax"]) <= beyond_mib
    assert given_mib <= swap_mib
