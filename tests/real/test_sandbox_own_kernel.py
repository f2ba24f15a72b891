"""Local VPSes with a kernel of their own: what a container cannot be asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.real, pytest.mark.timeout(200), pytest.mark.slow]


@pytest.fixture(scope="module")
def machine(own_kernel: Callable[..., Any]) -> Any:
    return own_kernel("own", memory_mib=512, swap_mib=64)


def test_it_is_a_booted_debian_with_a_kernel_of_its_own(machine: Any) -> None:
    host = machine.host
    assert host.sh("systemctl is-system-running; systemd-detect-virt").split() == ["running", "uml"]
    assert host.sh("nproc; stat -f -c %T /sys/fs/cgroup").split() == ["1", "cgroup2fs"]
    assert 480 <= int(host.sh("awk '/MemTotal/ {print $2}' /proc/meminfo")) / 1024 <= 512
    assert host.sh("awk 'NR > 1 {print $3}' /proc/swaps").strip() == "65532"
    assert host.sh("sysctl -qw vm.swappiness=37; sysctl -n vm.swappiness").strip() == "37"
    assert Path("/proc/sys/vm/swappiness").read_text(encoding="ascii").strip() != "37"
    assert "sshd" in host.sh("ps -e")


def test_a_power_cut_loses_what_was_not_written_and_nothing_else(machine: Any) -> None:
    machine.host.sh("echo kept > /root/kept; sync; echo lost > /root/lost")
    machine.power_cut()
    machine.boot()
    assert machine.host.sh("cat /root/kept; ls /root").split() == ["kept", "kept"]


def test_a_reboot_inside_keeps_the_disk_and_the_address(machine: Any) -> None:
    machine.host.sh("echo written > /root/before")
    machine.reboot()
    assert machine.host.sh("cat /root/before; systemctl is-system-running").split() == ["written", "running"]
