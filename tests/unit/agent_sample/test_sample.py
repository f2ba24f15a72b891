"""Sampling on a host, with made-up files of /proc and /sys and a made-up systemd."""

import pytest

from deployer.agent import cgroups, sample, samplekernel, textfiles, unitstate

TICKS_PER_S = samplekernel.TICKS_PER_S
STAT = "cpu  {user} 0 {system} 5000 100 {irq} 0 {steal} 0 0\ncpu0 1 1 1 1\n"
MEMINFO = "MemTotal:       1048576 kB\nMemFree:  1 kB\nMemAvailable:  {available_kib} kB\n"
NETSTAT = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 {overflows} {drops}\nIpExt: A\nIpExt: 1\n"
SNMP = "Tcp: RtoMin RetransSegs\nTcp: 200 {retransmitted}\n"
DEV = (
    "Inter-|   Receive                        |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes packets\n"
    "    lo: 999 0 0 0 0 0 0 0 999 0\n"
    "  eth0: {received} 0 0 0 0 0 0 0 {sent} 0\n"
    "  eth1:100 0 0 0 0 0 0 0 1000 0\n"
)
UNKNOWN = {"memory_mib": None, "anonymous_mib": None, "peak_mib": None, "limit_mib": None}
GROUP = "/sys/fs/cgroup/deployer.slice/nginx.service"


class Machine:
    """A host of two cores on control groups of version 2; ``values`` are what its files say."""

    def __init__(self):
        self.now_s = 50.0
        self.values = {
            "user": 1000, "system": 500, "irq": 0, "steal": 0, "available_kib": 786432, "overflows": 7, "drops": 8,
            "retransmitted": 100, "received": 5000, "sent": 6000, "vmstat_kills": 40, "cpu_wait_us": 1_000_000,
        }  # fmt: skip
        self.units = {
            "nginx.service": {"NRestarts": "3", "MainPID": "10", "Result": "success", "ActiveState": "active"}
        }
        self.groups = {GROUP: {"current": 20 << 20, "peak": 30 << 20, "max": str(64 << 20), "oom_kill": 2}}
        self.asked = 0

    def read(self, path, _limit=0):
        files = {
            "/proc/stat": STAT,
            "/proc/meminfo": MEMINFO,
            "/proc/net/netstat": NETSTAT,
            "/proc/net/snmp": SNMP,
            "/proc/net/dev": DEV,
            "/proc/net/sockstat": "sockets: used 9\nTCP: inuse 1004 orphan 0\n",
            "/proc/pressure/cpu": "some avg10=1.0 total={cpu_wait_us}\nfull avg10=0 total=5\n",
            "/proc/vmstat": "nr_free 1\noom_kill {vmstat_kills}\n",
        }
        if path in files:
            return files[path].format(**self.values)
        folder, _, name = path.rpartition("/")
        group = self.groups.get(folder)
        if group is None:
            return ""
        return {
            "memory.current": str(group["current"]),
            "memory.peak": str(group["peak"]),
            "memory.max": group["max"],
            "memory.stat": f"anon {10 << 20}\nshmem {1 << 20}\nfile 999999999\n",
            "memory.events": f"low 0\noom 1\noom_kill {group['oom_kill']}\n",
        }.get(name, "")

    def output(self, argv):
        assert argv[:2] == ["systemctl", "show"]
        self.asked += 1
        names = argv[argv.index("--") + 1 :]
        blocks = []
        for name in names:
            unit = {"Id": name, "ControlGroup": f"/deployer.slice/{name}", **self.units.get(name, {})}
            blocks.append("\n".join(f"{key}={value}" for key, value in unit.items()))
        return "\n\n".join(blocks) + "\n"

    def monotonic(self):
        return self.now_s

    def goes_on(self, seconds=1.0, **values):
        self.now_s += seconds
        for name, more in values.items():
            self.values[name] += more


@pytest.fixture
def machine(monkeypatch):
    found = Machine()
    monkeypatch.setattr(textfiles, "read", found.read)
    monkeypatch.setattr(unitstate, "output", found.output)
    monkeypatch.setattr(sample, "time", found)
    monkeypatch.setattr(samplekernel, "time", found)
    monkeypatch.setattr(sample.os, "sched_getaffinity", lambda _pid: {0, 1})
    monkeypatch.setattr(cgroups, "version", lambda *_: "v2")
    monkeypatch.setattr(cgroups, "in_container", lambda: False)
    return found


def test_shares_are_of_the_time_that_went_by_and_of_all_cores(machine):
    sampler = sample.Sampler([])
    machine.goes_on(2.0, user=TICKS_PER_S, system=TICKS_PER_S // 2, irq=TICKS_PER_S // 2, steal=TICKS_PER_S)
    found = sampler.sample()
    assert found["t_s"] == 2.0
    assert found["cpu_busy_share"] == 0.5
    assert found["cpu_steal_share"] == 0.25
    machine.goes_on(1.0)
    assert sampler.sample()["cpu_busy_share"] == 0.0, "the interval before has its own sample"
    machine.goes_on(1.0, user=100 * TICKS_PER_S)
    assert sampler.sample()["cpu_busy_share"] == 1.0


def test_memory_in_use_is_what_is_not_available_at_its_most(machine):
    sampler = sample.Sampler([])
    machine.values["available_kib"] = 104857
    sampler.look()
    machine.values["available_kib"] = 786432
    machine.goes_on()
    found = sampler.sample()
    assert found["memory_total_mib"] == 1024
    assert found["memory_share"] == pytest.approx(0.9, abs=1e-4)
    assert found["memory_available_mib"] == pytest.approx(102.4, abs=0.1)
    machine.goes_on()
    assert sampler.sample()["memory_share"] == 0.25
    summary = sampler.summary()
    assert summary["memory_peak_share"] == pytest.approx(0.9, abs=1e-4)
    assert summary["memory_peak_mib"] == pytest.approx(921.6, abs=0.1)


def test_counters_are_told_as_what_came_since(machine):
    sampler = sample.Sampler([])
    machine.goes_on(overflows=2, drops=3, retransmitted=4, received=50, sent=60)
    first = sampler.sample()
    machine.goes_on(overflows=1, received=1)
    second = sampler.sample()
    assert [first[name] for name in ("listen_overflows", "listen_drops", "retransmitted")] == [2, 3, 4]
    assert second["listen_overflows"] == 3, "since the beginning"
    assert (first["net_in_bytes"], first["net_out_bytes"]) == (50, 60), "the loopback is no link"
    assert (second["net_in_bytes"], second["net_out_bytes"]) == (1, 0), "in the interval"
    assert first["tcp_in_use"] == 1004
    assert sampler.summary()["listen_overflows"] == 3


def test_pressure_is_the_share_of_time_in_which_something_waited(machine):
    sampler = sample.Sampler([])
    machine.goes_on(2.0, cpu_wait_us=500_000)
    assert sampler.sample()["pressure"] == {"cpu_some_share": 0.25}


def test_a_container_has_no_pressure_of_its_own(machine, monkeypatch):
    monkeypatch.setattr(cgroups, "in_container", lambda: True)
    sampler = sample.Sampler([])
    machine.goes_on()
    assert sampler.sample()["pressure"] is None


def test_a_unit_is_told_with_its_peak_and_limit(machine):
    sampler = sample.Sampler(["nginx.service"])
    machine.goes_on()
    sampler.sample()
    machine.groups[GROUP]["current"] = 50 << 20
    machine.goes_on()
    found = sampler.sample()["units"]["nginx.service"]
    assert (found["memory_mib"], found["anonymous_mib"], found["limit_mib"]) == (50.0, 11.0, 64.0)
    assert (found["oom_kills"], found["restarts"], found["active"]) == (0, 0, "active")
    machine.groups[GROUP]["current"] = 10 << 20
    machine.goes_on()
    sampler.sample()
    unit = sampler.summary()["units"]["nginx.service"]
    assert (unit["peak_mib"], unit["limit_mib"], unit["lifetime_peak_mib"]) == (50.0, 64.0, 30.0)
    assert unit["own_peak_mib"] == 11.0


def test_a_unit_without_a_limit_has_none(machine):
    machine.groups[GROUP]["max"] = "max"
    sampler = sample.Sampler(["nginx.service"])
    machine.goes_on()
    assert sampler.sample()["units"]["nginx.service"]["limit_mib"] is None


def test_a_unit_that_is_not_there_is_no_fault(machine):
    sampler = sample.Sampler(["none.service"])
    machine.goes_on()
    assert sampler.sample()["units"]["none.service"]["oom_kills"] == 0
    assert sampler.summary()["units"]["none.service"]["peak_mib"] is None


def test_kills_count_from_the_beginning_on(machine):
    sampler = sample.Sampler(["nginx.service"])
    machine.goes_on(vmstat_kills=2)
    machine.groups[GROUP]["oom_kill"] += 1
    found = sampler.sample()
    assert found["oom_kills"] == 2
    assert found["units"]["nginx.service"]["oom_kills"] == 1
    summary = sampler.summary()
    assert (summary["oom_kills"], summary["oom_kills_counted_by"]) == (2, "vmstat")
    assert summary["units"]["nginx.service"]["oom_kills"] == 1


def test_a_group_that_was_made_anew_counts_from_nothing(machine):
    sampler = sample.Sampler(["nginx.service"])
    machine.groups[GROUP]["oom_kill"] = 5
    machine.goes_on()
    sampler.sample()
    machine.groups[GROUP]["oom_kill"] = 1
    machine.goes_on()
    assert sampler.sample()["units"]["nginx.service"]["oom_kills"] == 4


def test_a_kill_is_not_lost_when_systemd_is_asked_again(machine):
    sampler = sample.Sampler(["nginx.service"])
    machine.groups[GROUP]["oom_kill"] += 1
    machine.goes_on()
    assert sampler.sample(asking=True)["units"]["nginx.service"]["oom_kills"] == 1


def test_a_unit_that_moves_to_another_group_does_not_inherit_its_kills(machine):
    sampler = sample.Sampler(["nginx.service"])
    machine.groups["/sys/fs/cgroup/elsewhere"] = {**machine.groups[GROUP], "oom_kill": 9}
    machine.units["nginx.service"]["ControlGroup"] = "/elsewhere"
    machine.goes_on()
    assert sampler.sample(asking=True)["units"]["nginx.service"]["oom_kills"] == 0
    machine.groups["/sys/fs/cgroup/elsewhere"]["oom_kill"] += 1
    machine.goes_on()
    assert sampler.sample()["units"]["nginx.service"]["oom_kills"] == 1


def test_without_an_account_of_memory_nothing_is_said_of_it(machine, monkeypatch):
    good = machine.read
    monkeypatch.setattr(textfiles, "read", lambda path, limit=0: "" if path == "/proc/meminfo" else good(path, limit))
    sampler = sample.Sampler([])
    machine.goes_on()
    assert sampler.sample()["memory_share"] is None


def test_a_kernel_that_does_not_count_says_none(machine, monkeypatch):
    good = machine.read
    monkeypatch.setattr(textfiles, "read", lambda path, limit=0: "" if path == "/proc/vmstat" else good(path, limit))
    sampler = sample.Sampler([])
    machine.goes_on()
    assert sampler.sample()["oom_kills"] is None
    assert sampler.summary()["oom_kills"] is None


@pytest.mark.parametrize(
    ("change", "restarts"),
    [
        ({}, 0),
        ({"NRestarts": "5"}, 2),
        ({"MainPID": "11"}, 1),
        ({"NRestarts": "0", "MainPID": "11"}, 1),
        ({"NRestarts": ""}, 0),
    ],
)
def test_a_restart_is_seen_by_its_count_or_by_another_main_process(machine, change, restarts):
    sampler = sample.Sampler(["nginx.service"])
    machine.units["nginx.service"].update(change)
    machine.goes_on()
    sampler.sample(asking=True)
    assert sampler.summary()["units"]["nginx.service"]["restarts"] == restarts
    assert sampler.summary()["restarts"] == restarts


class TestInAContainer:
    """The kernel's own count is the machine's: the container adds up its own groups."""

    @pytest.fixture(autouse=True)
    def _container(self, machine, monkeypatch):
        self.own = {"/": 3}
        monkeypatch.setattr(cgroups, "in_container", lambda: True)
        monkeypatch.setattr(cgroups.HostKills, "_groups", lambda _self: dict(self.own))

    def test_what_others_on_the_machine_suffer_is_not_counted(self, machine):
        sampler = sample.Sampler(["nginx.service"])
        machine.goes_on(vmstat_kills=9)
        assert sampler.sample()["oom_kills"] == 0
        self.own["/"] += 1
        machine.goes_on(vmstat_kills=1)
        assert sampler.sample()["oom_kills"] == 1
        assert sampler.summary()["oom_kills_counted_by"] == "groups"

    @pytest.mark.parametrize(("machine_kills", "expected"), [(1, 1), (0, 0)])
    def test_a_unit_that_died_by_a_signal_took_its_counter_along(self, machine, machine_kills, expected):
        sampler = sample.Sampler(["nginx.service"])
        machine.units["nginx.service"].update(Result="oom-kill", ActiveState="failed")
        machine.goes_on(vmstat_kills=machine_kills)
        assert sampler.sample(asking=True)["oom_kills"] == expected

    def test_a_death_of_long_ago_is_not_counted(self, machine):
        machine.units["nginx.service"].update(Result="oom-kill")
        sampler = sample.Sampler(["nginx.service"])
        machine.goes_on(vmstat_kills=1)
        assert sampler.sample(asking=True)["oom_kills"] == 0

    def test_an_end_without_a_signal_is_no_kill(self, machine):
        sampler = sample.Sampler(["nginx.service"])
        machine.units["nginx.service"].update(Result="exit-code")
        machine.goes_on(vmstat_kills=1)
        assert sampler.sample(asking=True)["oom_kills"] == 0


def test_systemd_is_asked_now_and_then_only(machine):
    sampler = sample.Sampler(["nginx.service"])
    for _ in range(10):
        machine.goes_on()
        sampler.sample()
    assert machine.asked == 2
    sample.Sampler([])
    assert machine.asked == 2, "nothing to ask about"


class Stop:
    """Time passes while it waits; over at the given second."""

    def __init__(self, machine, after_s):
        self.machine, self.at_s = machine, machine.now_s + after_s

    def __call__(self, seconds):
        left_s = max(0.0, self.at_s - self.machine.now_s)
        self.machine.now_s += min(seconds, left_s)
        return seconds >= left_s


def test_it_goes_on_until_it_is_told_to_stop(machine):
    events = []
    summary = sample.run(
        {"units": ["nginx.service"], "interval_s": 1.0, "max_s": 60}, events.append, Stop(machine, 3.5)
    )
    assert [event["t_s"] for event in events] == pytest.approx([1.0, 2.0, 3.0, 3.5])
    assert all(event["event"] == "sample" for event in events)
    assert summary["samples"] == 4
    assert summary["duration_s"] == pytest.approx(3.5)
    assert summary["cpu_cores"] == 2


def test_it_ends_by_itself(machine):
    events = []
    sample.run({"units": [], "interval_s": 0.5, "max_s": 2}, events.append, Stop(machine, 99))
    assert len(events) == 4


@pytest.mark.parametrize(("asked_s", "count"), [(0.0, 10), (1000.0, 1)])
def test_an_interval_that_makes_no_sense_is_bounded(machine, asked_s, count):
    events = []
    sample.run({"interval_s": asked_s, "max_s": 1}, events.append, Stop(machine, 70))
    assert len(events) == count


@pytest.mark.parametrize(
    ("kind", "files", "expected"),
    [
        (
            "v2",
            {"memory.current": "1048576", "memory.peak": "2097152", "memory.max": "max", "memory.stat": "anon 524288"},
            {"memory_mib": 1.0, "anonymous_mib": 0.5, "peak_mib": 2.0, "limit_mib": None},
        ),
        (
            "v1",
            {
                "memory.usage_in_bytes": "1048576",
                "memory.max_usage_in_bytes": "2097152",
                "memory.limit_in_bytes": "9223372036854771712",
                "memory.stat": "rss 7\ntotal_rss 524288\ntotal_shmem 524288",
            },
            {"memory_mib": 1.0, "anonymous_mib": 1.0, "peak_mib": 2.0, "limit_mib": None},
        ),
        ("v1", {"memory.limit_in_bytes": "4194304"}, {**UNKNOWN, "limit_mib": 4.0}),
        ("v2", {}, UNKNOWN),
    ],
)
def test_a_group_of_either_version_is_read(tmp_path, kind, files, expected):
    folder = tmp_path / "a.service"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text + "\n")
    assert cgroups.Group("/a.service", kind, str(tmp_path)).memory() == expected


@pytest.mark.parametrize(("kind", "name"), [("v2", "memory.events"), ("v1", "memory.oom_control")])
def test_kills_of_a_group_of_either_version(tmp_path, kind, name):
    group = cgroups.Group("", kind, str(tmp_path))
    assert group.oom_kills() is None
    (tmp_path / name).write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert group.oom_kills() == 3


def test_processors_that_wait_for_the_disk_and_the_busiest_disk_are_told(machine, monkeypatch):
    disks = {"vda": 1000, "vda1": 900, "loop0": 5}

    def read(path, limit=0):
        if path == "/proc/diskstats":
            return "".join(f" 254 0 {name} 1 0 8 1 1 0 8 1 0 {ms} 9 0 0 0 0\n" for name, ms in disks.items())
        return machine.read(path, limit).replace(" 5000 100 ", f" 5000 {100 + waited} ")

    waited = 0
    monkeypatch.setattr(textfiles, "read", read)
    sampler = sample.Sampler([])
    waited = TICKS_PER_S
    disks["vda"] += 750
    disks["loop0"] += 990
    machine.goes_on()
    found = sampler.sample()
    assert (found["cpu_iowait_share"], found["disk_busy_share"]) == (0.5, 0.75)
    monkeypatch.setattr(cgroups, "in_container", lambda: True)
    machine.goes_on()
    assert sampler.sample()["disk_busy_share"] is None, "the machine's disk"


def test_a_units_processor_time_is_its_share_of_a_core(machine, monkeypatch):
    used = {"us": 1_000_000}
    read = machine.read
    monkeypatch.setattr(
        textfiles, "read", lambda path, _=0: f"usage_usec {used['us']}\n" if path == f"{GROUP}/cpu.stat" else read(path)
    )
    sampler = sample.Sampler(["nginx.service"])
    sampler.sample()
    machine.goes_on(2.0)
    used["us"] += 500_000
    assert sampler.sample()["units"]["nginx.service"]["cpu_core_share"] == 0.25
    machine.goes_on()
    used["us"] = 0  # a group that was made anew
    assert sampler.sample()["units"]["nginx.service"]["cpu_core_share"] is None


def test_on_version_1_a_units_processor_time_is_that_of_its_processes(monkeypatch):
    ticks = 3 * cgroups._TICKS_PER_S
    files = {
        "/sys/fs/cgroup/memory/a.service/cgroup.procs": "7\n8\n",
        "/proc/7/stat": f"7 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 {ticks} {ticks} 0 {ticks} 20 0\n",
        "/proc/8/stat": "",
    }
    monkeypatch.setattr(textfiles, "read", lambda path, _=0: files.get(path, ""))
    assert cgroups.Group("/a.service", "v1").cpu_s() == 9.0
    assert cgroups.Group("/b.service", "v1").cpu_s() is None


def test_one_number_is_found_among_many():
    text = "total_oom_kill 5\noom_kill 7\nlast 9"
    assert [cgroups.number_of(name, text) for name in ("oom_kill", "last", "oom", "none")] == [7, 9, None, None]
