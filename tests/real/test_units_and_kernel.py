"""What apps of several processes, timers, packages of Node and the kernel need of the agent, on a real host."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from agent_client import Host, Plan, tar_of

pytestmark = pytest.mark.real

UNITS = "/etc/systemd/system"
TEMPLATE = """\
[Unit]
Description=process %i
[Service]
Type=exec
WorkingDirectory=/srv/many
ExecStart=/usr/bin/python3 -S app.py
[Install]
WantedBy=multi-user.target
"""
APP = """\
import http.server, os, sys, time
BEFORE
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(os.environ["PORT"]), bind="127.0.0.1")
"""
TIMER = """\
[Timer]
OnCalendar=*-*-* 03:00:00
Persistent=yes
[Install]
WantedBy=timers.target
"""
JOB = """\
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo ran >> /run/many-job; sleep 100'
"""


@pytest.fixture(scope="module")
def host(vps: Any) -> Host:
    return Host(str(vps.address), str(vps.key_file))


def quick(name: str) -> Plan:
    return Plan(name, gate_s=0.2)


def instance(number: int) -> str:
    return f"many@{number}.service"


def many(host: Host, name: str, count: int, *, fewer: tuple[int, ...] = (), before: str = "") -> Plan:
    """Plan an app of so many processes, each restarted only once the one before it answers."""
    plan = quick(name)
    wanted = {"/srv/many/app.py": APP.replace("BEFORE", before), f"{UNITS}/many@.service": TEMPLATE}
    for number in range(1, count + 1):
        port = 8100 + number
        wanted[drop_in(number)] = f"[Service]\nEnvironment=PORT={port}\n"
        plan.unit(instance(number))
        http = {"kind": "http", "address": "127.0.0.1", "port": port, "host": "x", "path": "/", "status": [200]}
        plan.doc["activations"][-1]["ready"] = [{"kind": "unit", "unit": instance(number)}, http]
        plan.doc["probes"].append(http)
    seen = host.request({"op": "observe", "files": [{"path": path, "kind": "absent"} for path in wanted]})
    for path, text in wanted.items():
        plan.file(host, path, text, before=seen["ok"]["files"][path])
    for number in fewer:
        plan.absent(host, drop_in(number))
        plan.doc["activations"].append({"kind": "stop", "unit": instance(number)})
    return plan


def drop_in(number: int) -> str:
    return f"{UNITS}/{instance(number)}.d/60-process.conf"


def states(host: Host, *units: str) -> str:
    return host.sh(f"systemctl is-active {' '.join(units)}; systemctl is-enabled {' '.join(units)}; true")


def test_processes_start_and_are_observed_as_units_of_their_own(host: Host) -> None:
    answer = many(host, "m01", 3).apply(host)
    assert answer["ok"]["outcome"] == "committed", answer
    assert states(host, *map(instance, (1, 2, 3))).split() == ["active"] * 3 + ["enabled"] * 3
    seen = host.request({"op": "observe", "units": [instance(1), instance(4), "many@.service"]})["ok"]["units"]
    assert (seen[instance(1)]["active"], seen[instance(1)]["enabled"]) == ("active", "enabled")
    assert (seen[instance(1)]["type"], seen[instance(1)]["restart_hash"]) == ("exec", "m01")
    assert (seen[instance(4)]["active"], seen[instance(4)]["enabled"]) == ("inactive", "disabled")
    assert seen["many@.service"]["load"] == "not-found"  # a template is no unit that could run


def test_they_are_restarted_one_by_one_and_the_next_only_when_the_one_before_it_answers(host: Host) -> None:
    others = []

    def look(event: dict[str, Any]) -> None:
        if event["message"].startswith("restart many@"):
            number = int(event["message"].partition("@")[2][0])
            ports = [8100 + other for other in (1, 2, 3) if other != number]
            ask = "curl -s -o /dev/null -w '%{http_code} ' http://127.0.0.1"
            others.append(host.sh(f"{ask}:{ports[0]}/; {ask}:{ports[1]}/; true"))

    answer = many(host, "m02", 3, before="time.sleep(1)").apply(host, look)
    assert answer["ok"]["outcome"] == "committed", answer
    assert others == ["200 200"] * 3


def test_a_process_that_does_not_come_up_stops_the_roll_and_all_are_returned(host: Host) -> None:
    before = host.sh(
        f"cat {UNITS}/many@.service /srv/many/app.py; ls {UNITS}/many@*.d; cat /var/lib/deployer/manifest.json"
    )
    pid_of_3 = host.sh(f"systemctl show -P MainPID {instance(3)}")
    error = many(host, "m03", 3, before="os.environ['PORT'] == '8102' and sys.exit(3)").apply(host)["error"]
    assert (error["kind"], error["state"], error["step"]) == ("probe", "restored", "activate"), error
    assert "many@2.service died" in error["message"]
    assert (
        host.sh(f"cat {UNITS}/many@.service /srv/many/app.py; ls {UNITS}/many@*.d; cat /var/lib/deployer/manifest.json")
        == before
    )
    assert states(host, *map(instance, (1, 2, 3))).split() == ["active"] * 3 + ["enabled"] * 3
    assert host.sh(f"systemctl show -P MainPID {instance(3)}") == pid_of_3  # the roll never came to it


def test_a_process_too_many_is_returned_with_the_rest(host: Host) -> None:
    plan = many(host, "m04", 2, fewer=(3,))
    plan.doc["activations"].append(command("fails", "exit 3"))
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"]) == ("activation", "restored"), error
    assert states(host, *map(instance, (1, 2, 3))).split() == ["active"] * 3 + ["enabled"] * 3
    assert host.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8103/") == "200"


def test_fewer_processes_are_stopped_and_do_not_come_back_at_boot(host: Host) -> None:
    answer = many(host, "m05", 2, fewer=(3,)).apply(host)
    assert answer["ok"]["outcome"] == "committed", answer
    assert states(host, *map(instance, (2, 3))).split() == ["active", "inactive", "enabled", "disabled"]
    assert host.sh(f"ls -d {UNITS}/{instance(3)}.d 2>/dev/null; true") == ""


def test_a_template_that_goes_takes_its_last_processes_along(host: Host) -> None:
    plan = quick("m06")
    plan.absent(host, f"{UNITS}/many@.service")
    for number in (1, 2):
        plan.absent(host, drop_in(number))
        plan.doc["activations"].append({"kind": "stop", "unit": instance(number)})
    assert plan.apply(host)["ok"]["outcome"] == "committed"
    left = (
        f"find {UNITS} -name 'many*'; systemctl list-units --all --plain --no-legend 'many*' | grep -v not-found; true"
    )
    assert host.sh(left) == ""
    assert host.sh("systemctl --failed --no-legend --plain") == ""


def command(name: str, script: str) -> dict[str, Any]:
    fixed = {"once": None, "user": "root", "cwd": "/", "credentials": {}, "environment": {}, "timeout_s": 60}
    return {"kind": "command", "name": name, "argv": ["sh", "-c", script], **fixed}


def test_a_timer_runs_and_what_it_starts_is_not_started_by_a_deploy(host: Host) -> None:
    plan = quick("m10")
    plan.file(host, f"{UNITS}/many-job.timer", TIMER)
    plan.file(host, f"{UNITS}/many-job.service", JOB)
    plan.unit("many-job.timer")
    answer = plan.apply(host)
    assert answer["ok"]["outcome"] == "committed", answer
    assert states(host, "many-job.timer").split() == ["active", "enabled"]
    assert host.sh("cat /run/many-job 2>/dev/null; true") == ""


def without_the_timer(host: Host, name: str) -> Plan:
    plan = quick(name)
    for unit in ("many-job.timer", "many-job.service"):
        plan.absent(host, f"{UNITS}/{unit}")
        plan.doc["activations"].append({"kind": "stop", "unit": unit})
    return plan


def test_a_job_that_was_stopped_is_not_run_again_by_a_return(host: Host) -> None:
    host.sh("systemctl start --no-block many-job.service; sleep 0.5")
    plan = without_the_timer(host, "m11")
    plan.doc["activations"].append(command("fails", "exit 3"))
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"]) == ("activation", "restored"), error
    assert states(host, "many-job.timer").split() == ["active", "enabled"]
    assert host.sh("cat /run/many-job; systemctl is-active many-job.service; true") == "ran\ninactive"


def test_a_timer_that_is_not_wanted_any_more_goes_with_the_job_that_it_started(host: Host) -> None:
    host.sh("systemctl start --no-block many-job.service; sleep 0.5")
    assert without_the_timer(host, "m12").apply(host)["ok"]["outcome"] == "committed"
    units = "systemctl list-units --all --plain --no-legend 'many-job*' | grep -v not-found"
    left = f"find {UNITS} -name 'many-job*'; {units}"
    assert host.sh(f"{left}; pgrep -fx 'sleep 100'; true") == ""


def sysctls(host: Host, *names: str) -> dict[str, dict[str, Any]]:
    told = host.request({"op": "observe", "sysctls": list(names)})["ok"]["sysctls"]
    return {name: told[name] for name in names}  # those that earlier deploys set are told too


def test_a_setting_of_the_kernel_is_written_returned_and_written_for_good(host: Host) -> None:
    before = int(host.sh("cat /proc/sys/net/core/somaxconn"))
    assert sysctls(host, "net.core.somaxconn") == {
        "net.core.somaxconn": {"value": str(before), "writable": True, "refused": None}
    }
    wanted = [
        {"name": "net.core.somaxconn", "value": str(before + 1000), "least": True},
        {"name": "net.ipv4.ip_local_port_range", "value": "20000 60000"},
    ]
    ports = host.sh("cat /proc/sys/net/ipv4/ip_local_port_range").split()
    plan = quick("m20")
    plan.doc["sysctls"] = wanted
    plan.doc["activations"] = [command("fails", "cat /proc/sys/net/core/somaxconn; exit 3")]
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"]) == ("activation", "restored")
    assert error["detail"].splitlines()[0] == str(before + 1000)
    assert host.sh("cat /proc/sys/net/core/somaxconn") == str(before)
    assert host.sh("cat /proc/sys/net/ipv4/ip_local_port_range").split() == ports
    plan = quick("m21")
    plan.doc["sysctls"] = wanted
    answer = plan.apply(host)["ok"]
    assert (answer["outcome"], answer["notes"]) == ("committed", [])
    assert host.sh("cat /proc/sys/net/core/somaxconn") == str(before + 1000)
    assert host.sh("cat /proc/sys/net/ipv4/ip_local_port_range").split() == ["20000", "60000"]


def test_more_than_the_least_is_left_alone(host: Host) -> None:
    plan = quick("m22")
    plan.doc["sysctls"] = [{"name": "net.core.somaxconn", "value": "10", "least": True}]
    assert plan.apply(host)["ok"]["notes"] == []
    assert int(host.sh("cat /proc/sys/net/core/somaxconn")) > 10


def test_what_the_kernel_refuses_is_a_note_and_stays_known(host: Host) -> None:
    running = host.sh("cat /proc/sys/vm/swappiness")
    plan = quick("m23")
    plan.doc["sysctls"] = [
        {"name": "vm.swappiness", "value": "7"},
        {"name": "net.core.no_such_setting", "value": "1"},
        {"name": "net.ipv4.tcp_syncookies", "value": "many"},
    ]
    answer = plan.apply(host)["ok"]
    assert answer["outcome"] == "committed"
    assert answer["notes"] == [
        f"vm.swappiness = 7 is refused: Read-only file system; it stays {running}",
        "net.core.no_such_setting = 1 is refused: this kernel has no such setting",
        "net.ipv4.tcp_syncookies = many is refused: Invalid argument; it stays 1",
    ]
    assert host.sh("cat /proc/sys/vm/swappiness") == running
    assert sysctls(host, "vm.swappiness", "net.core.no_such_setting", "net.ipv4.tcp_syncookies") == {
        "vm.swappiness": {"value": running, "writable": False, "refused": "7"},
        "net.core.no_such_setting": {"value": None, "writable": False, "refused": "1"},
        "net.ipv4.tcp_syncookies": {"value": "1", "writable": True, "refused": "many"},
    }


@pytest.mark.parametrize("name", ["../../etc/passwd", "net/core/somaxconn", "net.core.somaxconn\n", "dev.x"])
def test_a_name_that_leads_elsewhere_is_a_fault(host: Host, name: str) -> None:
    error = host.request({"op": "observe", "sysctls": [name]})["error"]
    assert (error["kind"], error["state"]) == ("fault", "untouched")


def test_a_setting_survives_the_agents_death_as_it_was(host: Host) -> None:
    before = host.sh("cat /proc/sys/net/core/somaxconn")
    plan = quick("m25")
    plan.doc["sysctls"] = [{"name": "net.core.somaxconn", "value": "8000"}]
    plan.doc["activations"] = [command("wait", "sleep 100")]

    def kill(event: dict[str, Any]) -> None:
        if event["message"] == "command wait":
            host.sh(f"kill -9 {json.loads(host.sh('cat /var/lib/deployer/lock'))['pid']}")

    assert "lost" in plan.apply(host, kill)
    assert host.sh("cat /proc/sys/net/core/somaxconn") == "8000"
    assert quick("m26").apply(host)["ok"]["outcome"] == "committed"
    assert host.sh("cat /proc/sys/net/core/somaxconn") == before


def release(name: str, modules: bytes | None, lock: str = "lock1") -> Plan:
    plan = quick(name)
    blob = plan.blob(modules) if modules is not None else None
    environment = {"kind": "tree", "path": f"/srv/nd/modules/{lock}", "blob": blob, "link": "node_modules"}
    code = plan.blob(tar_of({"main.js": f"// {name}\n".encode()}))
    plan.doc["releases"] = [
        {"app": "nd", "path": f"/srv/nd/releases/{name}", "blob": code, "user": "root", "environment": environment}
    ]
    return plan


def test_packages_that_come_as_a_tree_are_shared_by_releases_and_pruned_with_them(host: Host) -> None:
    modules = tar_of({"node_modules/pad/index.js": b"module.exports = 1\n"})
    assert release("n01", modules).apply(host)["ok"]["outcome"] == "committed"
    assert release("n02", None).apply(host)["ok"]["outcome"] == "committed"
    assert host.sh("cat /srv/nd/releases/n01/node_modules/pad/index.js /srv/nd/releases/n02/main.js").count("\n") == 1
    assert host.sh("readlink /srv/nd/releases/n02/node_modules") == "/srv/nd/modules/lock1/node_modules"
    error = release("n03", None, lock="lock2").apply(host)["error"]
    assert (error["kind"], error["state"], error["step"]) == ("preparation", "untouched", "releases")
    assert host.sh("ls -A /srv/nd/releases /srv/nd/modules").split() == [
        "/srv/nd/modules:", "lock1", "/srv/nd/releases:", "n01", "n02",
    ]  # fmt: skip
    for number in range(4, 8):
        time.sleep(0.01)
        assert release(f"n0{number}", modules, lock=f"lock{number}").apply(host)["ok"]["outcome"] == "committed"
    assert host.sh("ls -A /srv/nd/releases").split() == ["n05", "n06", "n07"]
    assert host.sh("ls -A /srv/nd/modules").split() == ["lock5", "lock6", "lock7"]


def test_facts_of_the_kernel_and_of_programs(host: Host) -> None:
    facts = host.request({"op": "observe"})["ok"]["facts"]
    assert facts["openssl"].startswith("3.")
    assert (facts["node"], facts["java"]) == (None, None)
    assert facts["ip_local_port_range"] == [20000, 60000]
    assert facts["memory_controller"] is True
    assert facts["overcommit_memory"] in (0, 1, 2)
    assert facts["transparent_hugepages"] in ("always", "madvise", "never")
    assert isinstance(facts["swap_accounted"], bool)
    assert isinstance(facts["swaps"], list)
