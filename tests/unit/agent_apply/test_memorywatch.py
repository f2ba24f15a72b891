"""Memory and OOM kills of units since their activation, on files that stand for control groups of both versions."""

from __future__ import annotations

import pytest

from deployer.agent import cgroups, places, unitstate
from deployer.agent.memorywatch import MemoryWatch, slice_path
from deployer.agent.refusal import Refusal

UNIT, MIB = "app.service", 1 << 20


class Host:
    """One unit with a group, of either version."""

    def __init__(self, root, kind, monkeypatch):
        self.root, self.kind = root, kind
        self.told = {"Slice": "deployer.slice", "NRestarts": "0", "Result": "success", "ExecMainStatus": "0"}
        self.machine_kills = 5
        monkeypatch.setattr(places, "ROOT", str(root))
        monkeypatch.setattr(cgroups, "version", lambda: kind)
        monkeypatch.setattr(cgroups, "machine_kills", lambda: self.machine_kills)
        monkeypatch.setattr(unitstate, "properties", lambda units, _names: dict.fromkeys(units, self.told))

    def folder(self, name="deployer.slice"):
        mounted = "sys/fs/cgroup" + ("/memory" if self.kind == "v1" else "")
        return self.root / mounted / name / UNIT

    def group(self, *, kills=0, anonymous_mib=10, cache_mib=0, peak_mib=20, limit_mib=100, name="deployer.slice"):
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        used, peak, limit = (anonymous_mib + cache_mib) * MIB, peak_mib * MIB, limit_mib * MIB
        if self.kind == "v1":
            files = {
                "memory.stat": f"total_rss {anonymous_mib * MIB}\ntotal_shmem 0\ntotal_cache {cache_mib * MIB}\n",
                "memory.usage_in_bytes": used,
                "memory.max_usage_in_bytes": peak,
                "memory.limit_in_bytes": limit,
                "memory.oom_control": f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n",
            }
        else:
            files = {
                "memory.stat": f"anon {anonymous_mib * MIB}\nshmem 0\nfile {cache_mib * MIB}\n",
                "memory.current": used,
                "memory.peak": peak,
                "memory.max": limit,
                "memory.events": f"low 0\noom 1\noom_kill {kills}\n",
            }
        for file, text in files.items():
            (folder / file).write_text(f"{text}\n")

    def gone(self):
        folder = self.folder()
        folder.rename(folder.with_name(f"{len(list(folder.parent.iterdir()))}.gone"))  # its inode is not used again


@pytest.fixture(params=["v1", "v2"])
def host(request, tmp_path, monkeypatch):
    return Host(tmp_path, request.param, monkeypatch)


def test_a_kill_is_told_with_unit_peak_limit_and_slice(host):
    host.group()
    watch = MemoryWatch([UNIT])
    watch.look()
    host.group(kills=1)
    with pytest.raises(Refusal) as caught:
        watch.look()
    assert caught.value.kind == "probe"
    assert "app.service does not fit into its memory: the kernel killed a process of it" in caught.value.message
    assert caught.value.message.endswith("MiB, MemoryMax 100 MiB, in deployer.slice")
    watch.look()  # on the way back nothing is said again


def test_kills_from_before_do_not_count(host):
    host.group(kills=3)
    watch = MemoryWatch([UNIT])
    watch.look()
    watch.hold()


def test_the_process_that_ran_before_is_not_the_one_that_is_deployed(host):
    host.group(kills=3, peak_mib=99)
    watch = MemoryWatch([UNIT])
    host.gone()
    watch.look()
    host.group(kills=0, peak_mib=30)
    watch.look()
    host.group(kills=1, peak_mib=31)
    with pytest.raises(Refusal, match="its peak was 31 MiB"):
        watch.look()


def test_it_is_found_in_the_slice_that_a_new_file_gives_it(host):
    host.told["ControlGroup"] = f"/system.slice/{UNIT}"
    host.group(kills=2, name="system.slice")
    watch = MemoryWatch([UNIT])
    watch.look()
    host.group(kills=1)
    with pytest.raises(Refusal, match="killed a process of it"):
        watch.look()


@pytest.mark.parametrize(("anonymous_mib", "cache_mib", "fits"), [(94, 6, True), (96, 0, False), (10, 90, True)])
def test_what_the_kernel_can_take_back_is_not_held_against_the_limit(host, anonymous_mib, cache_mib, fits):
    watch = MemoryWatch([UNIT])
    host.group(anonymous_mib=anonymous_mib, cache_mib=cache_mib)
    if fits:
        watch.hold()
        return
    with pytest.raises(Refusal, match=r"app.service holds 96 MiB .* MemoryMax of 100 MiB in deployer.slice"):
        watch.hold()


def test_who_ran_before_may_be_full_of_his_visitors_work(host):
    host.group(anonymous_mib=99)
    watch = MemoryWatch([UNIT])
    watch.hold()
    host.gone()
    host.group(anonymous_mib=99)
    with pytest.raises(Refusal, match="holds 99 MiB"):
        watch.hold()


def test_a_unit_without_a_group_or_a_limit_is_not_judged(host):
    watch = MemoryWatch([UNIT, "app.socket"])
    watch.look()
    watch.hold()


FAILED = Refusal("activation", "systemctl restart app.service ended with status 1", detail="its log")


@pytest.mark.parametrize(
    ("told", "kills", "blamed"),
    [
        ({"Result": "oom-kill"}, 0, True),
        ({"Result": "signal", "ExecMainStatus": "9"}, 1, True),
        ({"Result": "signal", "ExecMainStatus": "9"}, 0, False),  # somebody else killed it
        ({"Result": "exit-code", "ExecMainStatus": "1"}, 1, False),  # another unit's kill
        ({"NRestarts": "1"}, 1, True),
    ],
)
def test_who_died_with_its_group_is_recognised_by_how_it_died(host, told, kills, blamed):
    host.group(peak_mib=90)
    watch = MemoryWatch([UNIT])
    watch.look()
    host.gone()
    host.told.update(told)
    host.machine_kills += kills
    found = watch.explained(FAILED)
    if not blamed:
        assert found is FAILED
        return
    assert "its peak was at least" in found.message
    assert found.detail == f"{FAILED.message}\nits log"


def test_other_failures_stay_what_they_are(host):
    watch = MemoryWatch([UNIT])
    host.told["Result"] = "oom-kill"
    gone = Refusal("fault", "the control machine is gone or asked to stop")
    assert watch.explained(gone) is gone


def test_slices_lie_in_one_another():
    assert slice_path("deployer.slice") == "/deployer.slice"
    assert slice_path("a-b-c.slice") == "/a.slice/a-b.slice/a-b-c.slice"
    assert slice_path("-.slice") == ""
