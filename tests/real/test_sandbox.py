"""Local VPSes as a rented server looks from outside: size, users, packages, disk, and starting over."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from deployer import sandbox
from deployer.sandbox import SandboxError, SandboxHost
from deployer.sandbox.places import places

pytestmark = pytest.mark.real


def ssh(host: SandboxHost, user: str, command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*host.ssh_argv(user=user), command], input=stdin, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def small(vps: Any) -> SandboxHost:
    made: SandboxHost = vps("small")
    return made


def test_a_host_has_the_size_it_was_given(small: SandboxHost) -> None:
    assert small.sh("nproc; awk '/MemTotal/ {print $2}' /proc/meminfo").split() == ["1", "1048576"]
    assert small.sh("df --output=size -BM / | tail -1").strip().removesuffix("M").isdigit()
    assert 18_000 < int(small.sh("df --output=size -BM / | tail -1").strip()[:-1]) <= 20_480
    assert len(small.cpus) == 1
    assert set(sandbox.generator_cpus(small)) == os.sched_getaffinity(0) - set(small.cpus)


def test_a_host_is_a_booted_debian_without_what_a_deploy_installs(small: SandboxHost) -> None:
    assert small.sh("systemctl is-system-running").strip() == "running"
    assert small.sh("hostname").strip() == small.name
    assert 'VERSION_ID="12"' in small.sh("cat /etc/os-release")
    assert small.sh("which nginx mariadbd mysqld; python3 -c 'import ensurepip' 2>&1", check=False).count("/") == 0


def test_memory_is_enforced(small: SandboxHost) -> None:
    hog = "python3 -c 'x = bytearray(1200 << 20)'; echo ended with $?"
    assert small.sh(hog).strip() == "ended with 137"
    assert small.sh("systemctl is-active ssh").strip() == "active"


def test_a_host_cannot_write_the_machine_s_sysctls(small: SandboxHost) -> None:
    before = small.sh("cat /proc/sys/vm/swappiness")
    assert "1" in small.sh("echo 1 > /proc/sys/vm/swappiness 2>/dev/null; echo $?")
    assert small.sh("cat /proc/sys/vm/swappiness") == before


def test_deploy_becomes_root_without_a_password(small: SandboxHost) -> None:
    assert ssh(small, "deploy", "sudo -n id -un").stdout.strip() == "root"


def test_sudo_asks_for_the_password_that_was_given(vps: Any) -> None:
    host = vps("sudo", memory_mib=256, sudo_password="it's: $ecret")
    assert ssh(host, "deploy", "sudo -n true").returncode != 0
    assert ssh(host, "deploy", "sudo -S -p '' id -un", "wrong\n").returncode != 0
    assert ssh(host, "deploy", "sudo -S -p '' id -un", "it's: $ecret\n").stdout.strip() == "root"
    assert (places().host(host.name) / "shape.json").stat().st_mode & 0o077 == 0


def test_the_certificate_names_the_site_and_fits_its_key(small: SandboxHost) -> None:
    text = small.sh(f"openssl x509 -in {small.certificate_file} -noout -ext subjectAltName")
    assert "DNS:blog.example" in text
    of_certificate = small.sh(f"openssl x509 -in {small.certificate_file} -noout -pubkey")
    assert small.sh(f"openssl pkey -in {small.certificate_key_file} -pubout") == of_certificate
    assert small.sh(f"stat -c %a {small.certificate_key_file}").strip() == "600"


def test_a_host_gets_packages_but_has_no_way_out(small: SandboxHost) -> None:
    small.sh("DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv")
    small.sh(
        "python3 -m venv /opt/v && /opt/v/bin/pip install -q --no-cache-dir idna && /opt/v/bin/python -c 'import idna'"
    )
    assert "timed out" in small.sh("timeout 3 bash -c 'echo > /dev/tcp/192.0.2.1/80' || echo timed out")


def test_a_second_up_changes_nothing(small: SandboxHost) -> None:
    small.sh("touch /root/mark")
    began = time.monotonic()
    again = sandbox.up(
        small.name,
        address=small.address,
        cpu_cores=1,
        memory_mib=1024,
        certificate_names=("blog.example",),
    )
    assert again == small
    assert time.monotonic() - began < 1
    small.sh("test -e /root/mark")


def test_more_memory_keeps_the_disk(vps: Any) -> None:
    host = vps("grow", memory_mib=256)
    host.sh("echo kept > /root/mark")
    bigger = sandbox.up(
        host.name,
        address=host.address,
        cpu_cores=2,
        memory_mib=512,
        certificate_names=("blog.example",),
    )
    assert bigger.sh("cat /root/mark; awk '/MemTotal/ {print $2}' /proc/meminfo").split() == ["kept", "524288"]


def test_reset_forgets_everything_but_the_host_key(vps: Any) -> None:
    host = vps("reset", memory_mib=256)
    host.sh("echo lost > /root/mark; rm /usr/bin/less; touch /etc/cron.d/x")
    began = time.monotonic()
    sandbox.reset(host.name)  # the host key is checked strictly by every ssh of the sandbox
    assert time.monotonic() - began < 5
    assert host.sh("ls /root /etc/cron.d; ls /usr/bin/less").split()[-1] == "/usr/bin/less"
    assert "mark" not in host.sh("ls /root")


def test_a_small_disk_gets_full_and_the_host_lives(vps: Any) -> None:
    host = vps("disk", memory_mib=256, small_disk_mib=48)
    said = host.sh("dd if=/dev/zero of=/root/fill bs=1M count=200 2>&1", check=False)
    assert "No space left on device" in said
    assert host.sh("rm /root/fill; echo alive").strip() == "alive"


def test_a_snapshot_starts_prepared(vps: Any) -> None:
    source = vps("source", memory_mib=256)
    source.sh("echo prepared > /opt/mark; rm /usr/bin/less; chmod 700 /opt")
    name = f"test-{source.name}"
    sandbox.save_snapshot(source, name)
    try:
        assert name in sandbox.snapshots()
        assert source.sh("cat /opt/mark").strip() == "prepared"
        host = vps("copy", memory_mib=256, snapshot=name)
        look = "cat /opt/mark; stat -c %a /opt; test -e /usr/bin/less || echo gone; hostname"
        assert host.sh(look).split() == ["prepared", "700", "gone", host.name]
        host.sh("echo spoilt > /opt/mark")
        sandbox.reset(host.name)
        assert host.sh("cat /opt/mark").strip() == "prepared"
        assert host.sh("cat /etc/machine-id") != source.sh("cat /etc/machine-id")
    finally:
        sandbox.drop_snapshot(name)
    assert name not in sandbox.snapshots()


@pytest.mark.slow
def test_a_host_has_the_debian_that_was_asked_for_and_so_has_its_snapshot(vps: Any) -> None:
    host = vps("suite", memory_mib=256, suite="trixie")
    look = "systemctl is-system-running; . /etc/os-release; echo $VERSION_ID"
    assert host.sh(look).split() == ["running", "13"]
    assert host.suite == "trixie"
    name = f"test-{host.name}"
    sandbox.save_snapshot(host, name)
    try:
        copy = vps("copy", memory_mib=256, snapshot=name)
        assert copy.suite == "trixie"
        assert copy.sh(look).split() == ["running", "13"]
    finally:
        sandbox.drop_snapshot(name)
    host.sh("touch /root/mark")
    other = sandbox.up(host.name, address=host.address, cpu_cores=1, memory_mib=256)
    assert other.sh(look).split() == ["running", "12"]
    assert "No such file" in other.sh("ls /root/mark 2>&1", check=False)


def test_hosts_reach_one_another_and_down_leaves_nothing(vps: Any, small: SandboxHost) -> None:
    host = vps("other", memory_mib=256)
    host.sh(f"timeout 3 bash -c 'echo > /dev/tcp/{small.address}/22'")
    directory = places().host(host.name)
    assert str(directory) in Path("/proc/mounts").read_text()
    sandbox.down(host.name)
    assert host.name not in [other.name for other in sandbox.hosts()]
    assert not directory.exists()
    assert str(directory) not in Path("/proc/mounts").read_text()
    assert not Path(f"/sys/class/net/dep0v{host.address.rpartition('.')[2]}").exists()
    with (
        pytest.raises(OSError, match=r"timed out|route|refused"),
        socket.create_connection((host.address, 22), timeout=0.5),
    ):
        pass
    with pytest.raises(SandboxError, match="no local VPS called"):
        sandbox.down(host.name)


def test_an_address_in_use_is_refused(small: SandboxHost) -> None:
    with pytest.raises(SandboxError, match=f"{small.name} has the address"):
        sandbox.up("thief", address=small.address, cpu_cores=1, memory_mib=256)
    assert "thief" not in [host.name for host in sandbox.hosts()]


def test_a_failed_command_says_what_the_host_said(small: SandboxHost) -> None:
    with pytest.raises(SandboxError, match="ended with 3") as caught:
        small.sh("echo the reason >&2; exit 3")
    assert "the reason" in str(caught.value)
    assert small.sh("exit 3", check=False) == ""
    with pytest.raises(SandboxError, match="no end after"):
        small.sh("sleep 5", timeout_s=0.5)
