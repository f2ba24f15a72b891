"""A deploy on a host with a kernel of its own: its settings, its swap, its way with memory, reboots and power cuts.

The tests build on one another, in this order, as a first deploy on such a host takes a minute or two.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from example_on_vps import Example, eventually

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

UNIT = "app-guestbook.service"
SWAP_FILE = "/var/lib/deployer-swap/swapfile"
#: Half of it is held in memory at most, and there is not much left beside two servers.
ZRAM = {"swap": "zram", "swap_mib": 128}
#: Name: what it is on Debian, what it is to be.
SETTINGS = {
    "vm.swappiness": ("60", "10"),
    "vm.overcommit_memory": ("0", "1"),  # for the copies that Redis writes
    "net.core.somaxconn": ("4096", "4096"),
    "net.ipv4.tcp_slow_start_after_idle": ("1", "0"),
    "net.ipv4.tcp_notsent_lowat": ("4294967295", "16384"),
}


@dataclass
class Deployed:
    """The guestbook on a machine, with servers that its host has too."""

    machine: Any
    site: Example

    def settings(self) -> list[str]:
        return self.site.sh(f"sysctl -n {' '.join(SETTINGS)}").split("\n")

    def swaps(self) -> list[tuple[str, int]]:
        """What is swapped to, and how large it is, MiB."""
        lines = self.site.sh("tail -n +2 /proc/swaps").splitlines()
        return [(line.split()[0], round(int(line.split()[2]) / 1024)) for line in lines]

    def of_group(self, unit: str, name: str) -> str:
        """Read a file of a unit's control group."""
        return self.site.sh(f"cat /sys/fs/cgroup$(systemctl show -P ControlGroup {unit})/{name}")

    def event(self, unit: str, name: str) -> int:
        return int(dict(line.split() for line in self.of_group(unit, "memory.events").splitlines())[name])

    def hold(self, unit: str, mib: int) -> str:
        """Hold memory within a unit for a moment; say how it ended."""
        join = f"echo $$ > /sys/fs/cgroup$(systemctl show -P ControlGroup {unit})/cgroup.procs"
        hog = f"python3 -c 'import time; held = bytearray({mib} << 20); time.sleep(2)'"
        return self.site.sh(f"sh -c {shlex.quote(f'{join}; exec {hog}')}; echo $?").splitlines()[-1]


@pytest.fixture(scope="module")
def own(own_kernel: Callable[..., Any], with_servers: str, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    machine = own_kernel("kernel", memory_mib=1024, snapshot=with_servers)
    services: dict[str, Any] = {"kernel": {"swap": "file", "swap_mib": 512}, "redis": {"persistence": "rdb"}}
    changes: dict[str, Any] = {f"services__{name}": settings for name, settings in services.items()}
    changes |= {"services__mysql": {}, "apps__guestbook__database__server": "sqlite"}
    folder = tmp_path_factory.mktemp("own-kernel")
    found = Deployed(machine, Example(machine.host, folder, app="guestbook", changes=changes))
    assert found.settings() == [debian for debian, _ in SETTINGS.values()]
    found.site.write()
    found.site.deploy()
    return found


def assert_as_promised(own: Deployed) -> None:
    """The settings, the swap and the site are as deployed, and nothing differs from the inventory."""
    assert own.settings() == [wanted for _, wanted in SETTINGS.values()]
    assert own.swaps() == [(SWAP_FILE, 512)]
    assert eventually(lambda: own.site.status() == 200)
    assert (
        own.site.sh("systemctl list-units --failed --no-legend --plain 'deployer*' '*swap*' 'app-*' 'nginx*' 'redis*'")
        == ""
    )
    assert "no change" in own.site.run("plan").stdout


def test_sysctls_and_swap_are_set_and_priced(own: Deployed) -> None:
    assert_as_promised(own)
    budget = own.site.budget()
    assert budget["disk"]["swap file"]["value"] == budget["numbers"]["kernel"]["swap"]["value"] == 512
    assert own.site.sh(f"stat -c '%s %U %a' {SWAP_FILE}") == f"{512 << 20} root 600"
    units = [UNIT, "nginx.service", "mariadb.service", "redis-server.service"]
    mib = {unit: own.site.limits(unit, "MemoryMax", "MemorySwapMax") for unit in units}
    for unit, (most, swap) in mib.items():
        assert own.of_group(unit, "memory.max") == str(most)
        assert own.of_group(unit, "memory.swap.max") == str(swap)
    assert 0 < sum(swap for _, swap in mib.values()) <= 512 << 20
    assert "0 wrong" not in own.site.run("doctor").stdout
    assert "experimental" not in own.site.run("plan").stdout


def test_above_memory_high_a_unit_is_swapped_out_instead_of_killed(own: Deployed) -> None:
    most, high = own.site.limits(UNIT, "MemoryMax", "MemoryHigh")
    assert own.of_group(UNIT, "memory.high") == str(high)
    assert high == most // 10 * 9 // 4096 * 4096 or abs(high - most * 0.9) <= 1 << 20
    assert own.of_group("mariadb.service", "memory.high") == "max"  # its memory is never swapped out
    before = {name: own.event(UNIT, name) for name in ("high", "oom_kill")}
    room_mib = (high - int(own.of_group(UNIT, "memory.current"))) >> 20
    assert own.hold(UNIT, room_mib + 8) == "0"
    assert own.event(UNIT, "high") > before["high"]
    assert own.event(UNIT, "oom_kill") == before["oom_kill"]
    assert int(own.of_group(UNIT, "memory.swap.peak")) > 0
    assert own.site.status() == 200


def test_a_server_out_of_its_bounds_is_an_oom_kill_and_comes_back(own: Deployed) -> None:
    unit = "mariadb.service"
    pid = own.site.main_pid(unit)
    most_mib = own.site.limits(unit, "MemoryMax")[0] >> 20
    assert own.hold(unit, most_mib + 64) == "137"
    assert eventually(lambda: own.site.main_pid(unit) not in (0, pid), within_s=60)
    assert "Failed with result 'oom-kill'" in own.site.sh(f"journalctl -u {unit} --no-pager")
    assert eventually(lambda: own.site.sh(f"systemctl is-active {unit}; true") == "active", within_s=60)
    assert own.site.status() == 200


def test_an_app_out_of_its_bounds_goes_on(own: Deployed) -> None:
    kills, most_mib = own.event(UNIT, "oom_kill"), own.site.limits(UNIT, "MemoryMax")[0] >> 20
    assert own.hold(UNIT, 2 * most_mib) == "137"
    assert own.event(UNIT, "oom_kill") > kills
    assert eventually(lambda: own.site.status() == 200)
    told = json.loads(own.site.run("oom", "--json").stdout)
    assert told["kernel_log"]
    of_app = [kill for kill in told["kills"] if kill["unit"] == UNIT]
    assert {(kill["cause"], kill["limit_mib"]) for kill in of_app} == {("unit", most_mib)}
    assert all(most_mib * 0.95 < kill["held_mib"] <= most_mib for kill in of_app)
    assert "mariadb.service" in {kill["unit"] for kill in told["kills"]}


def test_all_of_it_survives_a_reboot(own: Deployed) -> None:
    own.machine.reboot()
    assert_as_promised(own)


def test_a_power_cut_right_after_a_deploy_keeps_it(own: Deployed) -> None:
    own.site.changes["services__kernel"] = {"swap": "file", "swap_mib": 256}
    (own.site.source / "guestbook" / "extra.py").write_text("NEW = True\n")
    own.site.write()
    own.site.deploy()
    own.machine.power_cut()
    own.machine.boot()
    assert own.swaps() == [(SWAP_FILE, 256)]
    assert eventually(lambda: own.site.status() == 200)
    assert '"committed"' in own.site.sh("tail -1 /var/lib/deployer/audit.jsonl")
    assert own.site.sh("ls /srv/guestbook/current/code/guestbook/extra.py")
    assert "no change" in own.site.run("plan").stdout


def test_a_power_cut_before_the_commit_is_taken_back_at_boot(own: Deployed) -> None:
    site = own.site
    files = "/etc/sysctl.d/60-deployer.conf /etc/nginx/deployer/apps/*.conf /etc/systemd/system/*swap*.service"
    state = f"cat {files}; readlink /srv/guestbook/current/*"
    before = site.sh(state)
    (site.source / "guestbook" / "extra.py").write_text("NEWER = True\n")
    site.write(services__kernel=ZRAM, apps__guestbook__cache_s=9)
    argv = site.argv("deploy", "--no-verify")
    deploy = subprocess.Popen(argv, cwd=site.folder, env=site.environment(), stderr=subprocess.PIPE, text=True)
    assert deploy.stderr is not None
    for line in deploy.stderr:
        if "watching" in line:  # all is live, nothing is committed
            break
    else:
        pytest.fail(f"the deploy ended with {deploy.wait()} before it was live")
    own.machine.power_cut()
    assert deploy.wait(120) == 6, deploy.stderr.read()  # from here nobody can know
    own.machine.boot()
    assert eventually(lambda: '"restored"' in site.sh("tail -1 /var/lib/deployer/audit.jsonl"), within_s=90)
    assert site.sh(state) == before
    assert own.swaps() == [(SWAP_FILE, 256)]
    assert eventually(lambda: site.status() == 200)
    assert site.sh("systemctl list-timers --all 'deployer-return*' --no-legend") == ""
    (site.source / "guestbook" / "extra.py").write_text("NEW = True\n")
    site.write()
    assert "no change" in site.run("plan").stdout


def test_zram_takes_the_place_of_the_file_within_its_limit_and_survives_a_reboot(own: Deployed) -> None:
    own.site.changes["services__kernel"] = ZRAM
    own.site.write()
    own.site.deploy()
    assert own.site.sh(f"ls {SWAP_FILE} 2>&1; true").endswith("No such file or directory")
    for _ in range(2):
        assert own.swaps() == [("/dev/zram0", 128)]
        assert own.site.sh("cat /sys/block/zram0/mm_stat").split()[3] == str(64 << 20)
        assert own.site.sh("sysctl -n vm.swappiness") == "100"
        assert "no change" in own.site.run("plan").stdout
        own.machine.reboot()
    assert own.site.exposure("deployer-zram.service") <= 2.5


def test_without_swap_nothing_of_it_is_left(own: Deployed) -> None:
    own.site.changes["services__kernel"] = {}
    own.site.write()
    own.site.deploy()
    assert own.swaps() == []
    assert own.of_group(UNIT, "memory.high") == "max"
    assert own.site.sh("ls /etc/systemd/system | grep -E 'swap|zram'; true") == ""
    assert own.site.status() == 200
