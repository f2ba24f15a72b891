"""What was killed, put together from lines that a kernel and systemd really wrote."""

import io

import pytest
from rich.console import Console

from deployer.agent import oom as agent_oom
from deployer.oomkills import put_together
from deployer.report.oom import oom_document, print_oom, said

#: Linux 6.1 and newer, one kill by a unit's limit, one by the limit of a whole container.
OF_A_UNIT = """\
python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=1000
 oom_kill_process.cold+0x8/0x8a
memory: usage 122880kB, limit 122880kB, failcnt 1741
[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/deployer.slice/app-blog.service,\
task_memcg=/deployer.slice/app-blog.service,task=python3,pid=17685,uid=0
Memory cgroup out of memory: Killed process 17685 (python3) total-vm:423352kB, anon-rss:70400kB, file-rss:4988kB, \
shmem-rss:1024kB, UID:0 pgtables:200kB oom_score_adj:1000"""
OF_A_GROUP = """\
memory: usage 32768kB, limit 32768kB, failcnt 31
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/deployer.slice,\
task_memcg=/deployer.slice/mariadb.service,task=mariadbd,pid=5482,uid=999
Memory cgroup out of memory: Killed process 5482 (mariadbd) total-vm:218564kB, anon-rss:32512kB, file-rss:4980kB, \
shmem-rss:0kB, UID:999 pgtables:124kB oom_score_adj:0"""
OF_THE_HOST = """\
oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
task_memcg=/user.slice/session-3.scope,task=my, odd (name),pid=77,uid=1000
Out of memory: Killed process 77 (my, odd (name)) total-vm:1242552kB, anon-rss:1032064kB, file-rss:5244kB, \
shmem-rss:0kB, UID:1000 pgtables:2084kB oom_score_adj:0"""


def lines(text, at_s=1_700_000_000):
    return [{"MESSAGE": line, "__REALTIME_TIMESTAMP": str(int(at_s * 1e6))} for line in text.splitlines()]


def told(*kernel, systemd=(), units=None, kernel_log=True):
    kills = list(agent_oom.kills_of_kernel(line for text in kernel for line in lines(text)))
    return {"kernel_log": kernel_log, "kills": kills, "told_by_systemd": list(systemd), "units": units or {}}


def test_a_kill_by_a_units_own_limit():
    [kill] = put_together(told(OF_A_UNIT)).kills
    assert (kill.unit, kill.process, kill.cause) == ("app-blog.service", "python3", "unit")
    assert (kill.anonymous_mib, kill.held_mib, kill.limit_mib) == (69.8, 120.0, 120.0)
    assert said(kill) == (
        "2023-11-14 22:13:20  python3 of app-blog.service, which held 70 MiB itself, was killed: "
        "the unit held 120 of its 120 MiB"
    )


def test_a_kill_by_the_limit_of_all_services_together():
    [kill] = put_together(told(OF_A_GROUP)).kills
    assert (kill.unit, kill.cause, kill.group) == ("mariadb.service", "group", "deployer.slice")
    assert said(kill).endswith("was killed: deployer.slice held 32 of its 32 MiB")


def test_a_kill_because_the_host_was_full_whatever_the_process_calls_itself():
    [kill] = put_together(told(OF_THE_HOST)).kills
    assert (kill.unit, kill.process, kill.cause) == ("", "my, odd (name)", "host")
    assert (kill.held_mib, kill.limit_mib) == (None, None)
    assert said(kill).endswith("was killed: the whole host had no memory left")


def test_the_numbers_of_one_kill_do_not_leak_into_the_next():
    kills = put_together(told(OF_A_UNIT, OF_THE_HOST, OF_A_GROUP)).kills
    assert [kill.limit_mib for kill in kills] == [120.0, None, 32.0]
    without = "Out of memory: Killed process 9 (x) total-vm:1kB, anon-rss:2048kB, file-rss:0kB, shmem-rss:0kB, UID:0"
    assert put_together(told(OF_A_UNIT, without)).kills[1].limit_mib is None


def test_systemd_tells_of_the_same_kill_and_is_not_counted_again():
    same = {"at_s": 1_700_000_003.0, "unit": "app-blog.service", "how": "oom-kill"}
    later = {**same, "at_s": 1_700_009_000.0}
    found = put_together(told(OF_A_UNIT, systemd=[same, later, {**later, "how": "SIGKILL"}]))
    assert [kill.cause for kill in found.kills] == ["unit", "unknown"]


def test_a_signal_is_no_want_of_memory_where_the_kernel_would_have_said_so():
    signal = {"at_s": 1_700_009_000.0, "unit": "app-blog.service", "how": "SIGKILL"}
    assert not put_together(told(OF_THE_HOST, systemd=[signal])).kills[1:]
    [kill] = put_together(told(systemd=[signal], kernel_log=False)).kills
    assert not kill.certain
    assert "nobody says why" in said(kill)


def test_kills_that_only_a_counter_knows_are_told_without_a_time():
    units = {
        "app-blog.service": {"kills_since_start": 3, "limit_mib": 120.0},
        "nginx.service": {"kills_since_start": None},
    }
    assert put_together(told(OF_A_UNIT, units=units)).uncounted == {"app-blog.service": 2}


def test_what_systemd_writes_is_read():
    stamp = {"__REALTIME_TIMESTAMP": "1700000000000000"}
    records = [
        {**stamp, "MESSAGE_ID": "fe6faa94e7774663a0da52717891d8ef", "UNIT": "a.service"},
        {**stamp, "MESSAGE_ID": "d9b373ed55a64feb8242e02dbe79a49c", "UNIT": "b.service", "UNIT_RESULT": "oom-kill"},
        {**stamp, "MESSAGE_ID": "d9b373ed55a64feb8242e02dbe79a49c", "UNIT": "c.service", "UNIT_RESULT": "exit-code"},
        {
            **stamp,
            "MESSAGE_ID": "98e322203f7a4ed290d09fe03c09fe15",
            "UNIT": "d.service",
            "EXIT_CODE": "killed",
            "EXIT_STATUS": "9",
        },
        {
            **stamp,
            "MESSAGE_ID": "98e322203f7a4ed290d09fe03c09fe15",
            "UNIT": "e.service",
            "EXIT_CODE": "killed",
            "EXIT_STATUS": "15",
        },
        {**stamp, "MESSAGE_ID": "98e322203f7a4ed290d09fe03c09fe15"},
    ]
    found = [(one["unit"], one["how"]) for one in agent_oom.told_by_systemd(records)]
    assert found == [("a.service", "oom-kill"), ("b.service", "oom-kill"), ("d.service", "SIGKILL")]


@pytest.mark.parametrize(
    "message", [None, 7, ["bytes", 1], "memory: usage", "Killed process x (y)", "oom-kill:constraint=,"]
)
def test_lines_that_say_something_else_are_passed_over(message):
    assert not list(agent_oom.kills_of_kernel([{"MESSAGE": message}]))


def test_nothing_killed_is_said_too():
    console = Console(width=100, record=True, file=io.StringIO())
    print_oom(console, "web1", put_together(told(kernel_log=False)), {})
    text = console.export_text()
    assert "web1: nothing was killed" in text
    assert "kernel's log cannot be read" in text
    assert oom_document("web1", put_together(told(OF_A_UNIT)))["kills"][0] == {
        "at": "2023-11-14T22:13:20+00:00",
        "unit": "app-blog.service",
        "process": "python3",
        "anonymous_mib": 69.8,
        "held_mib": 120.0,
        "limit_mib": 120.0,
        "cause": "unit",
        "certain": True,
    }
