"""What a host and its units have used, with made-up files of /proc and /sys: who counts, whose children, and gaps."""

import pytest

from deployer.agent import cgroups, textfiles, unitstate, usage

GROUP = "/sys/fs/cgroup/deployer.slice/app-blog.service"
TICK_MS = usage._TICK_MS


def process(parent, started, user=10, system=5):
    fields = ["S", parent, 0, 0, 0, 0, 0, 0, 0, 0, 0, user, system, 0, 0, 20, 0, 1, 0, started, 0]
    return "9 (gunicorn: a) b) " + " ".join(map(str, fields))


@pytest.fixture
def files(monkeypatch):
    found = {
        "/proc/stat": "cpu  100 10 50 9000 7 3 2 40 0 0\ncpu0 1 1\n",
        "/proc/meminfo": "MemTotal:  1048576 kB\nMemFree:  1 kB\nMemAvailable:  786432 kB\n",
        GROUP + "/cgroup.procs": "12\n10\n11\n99\n",
        GROUP + "/memory.current": str(60 << 20),
        GROUP + "/memory.stat": f"anon {50 << 20}\n",
        "/proc/10/stat": process(1, 1000),
        "/proc/10/smaps_rollup": "55-7f ---p [rollup]\nPss_Anon:  15360 kB\nPss_Shmem:  0 kB\n",
        "/proc/11/stat": process(10, 1100, user=200, system=100),
        "/proc/11/smaps_rollup": "55-7f ---p [rollup]\nPss_Anon:  36864 kB\nPss_Shmem:  1024 kB\n",
        "/proc/12/stat": process(10, 1200),
    }
    monkeypatch.setattr(textfiles, "read", lambda path, *_: found.get(path, ""))
    monkeypatch.setattr(cgroups, "version", lambda: "v2")
    monkeypatch.setattr(cgroups, "in_container", lambda: False)
    told = {"app-blog.service": {"ControlGroup": "/deployer.slice/app-blog.service"}}
    monkeypatch.setattr(unitstate, "properties", lambda units, _names: {unit: told.get(unit, {}) for unit in units})
    return found


def test_a_unit_has_its_processes_the_oldest_first_and_those_that_are_gone_are_left_out(files):
    processes = usage.run({"units": ["app-blog.service"]})["units"]["app-blog.service"]["processes"]
    assert [one["pid"] for one in processes] == [10, 11, 12]
    assert [one["parent"] for one in processes] == [1, 10, 10]
    assert processes[1]["cpu_ms"] == pytest.approx(300 * TICK_MS)


def test_own_memory_is_what_is_not_a_files_and_unknown_is_not_nothing(files):
    processes = usage.run({"units": ["app-blog.service"]})["units"]["app-blog.service"]["processes"]
    assert [one["own_mib"] for one in processes] == [15.0, 37.0, None]


def test_a_unit_that_does_not_run_has_no_processes(files):
    assert usage.run({"units": ["gone.service"]})["units"]["gone.service"] == {"processes": []}


def test_work_of_the_host_is_all_but_waiting_and_what_others_stole(files):
    answer = usage.run({})
    assert answer["cpu_ms"] == pytest.approx((100 + 10 + 50 + 3 + 2) * TICK_MS)
    assert answer["cpu_counted_by"] == "stat"
    assert (answer["memory_total_mib"], answer["memory_available_mib"]) == (1024.0, 768.0)


@pytest.mark.parametrize(
    ("path", "text", "by", "cpu_ms"),
    [
        ("/sys/fs/cgroup/cpuacct/cpuacct.usage", "1500000000\n", "cpuacct", 1500.0),
        ("/sys/fs/cgroup/cpu.stat", "usage_usec 2500000\nuser_usec 1\n", "cpu.stat", 2500.0),
    ],
)
def test_a_container_is_counted_by_its_own_group(files, monkeypatch, path, text, by, cpu_ms):
    monkeypatch.setattr(cgroups, "in_container", lambda: True)
    files[path] = text
    answer = usage.run({})
    assert (answer["cpu_counted_by"], answer["cpu_ms"]) == (by, cpu_ms)


@pytest.mark.parametrize("said", [None, "", "ERROR 1054 (42S22)", "3 NULL"])
def test_a_database_that_cannot_tell_is_unknown(files, monkeypatch, said):
    monkeypatch.setattr(unitstate, "output", lambda *_: said)
    assert usage.run({"database": True})["database"] is None


def test_a_database_tells_connections_and_the_most_that_one_held(files, monkeypatch):
    asked = []
    monkeypatch.setattr(unitstate, "output", lambda argv, _s: asked.append(argv) or "3\t119194\n")
    assert usage.run({"database": True})["database"] == {"connections": 3, "most_kib": 116.4}
    assert usage.run({})["database"] is None
    assert len(asked) == 1
