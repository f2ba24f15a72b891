"""A service of another package that writes sshd's config: committed only if one can still log in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from agent_client import Host, Plan

from deployer.errors import RolledBack
from deployer.sandbox import SandboxHost

pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]

CONFIG = "/etc/ssh/sshd_config.d/60-doorman.conf"
SETTING = "net.ipv4.tcp_slow_start_after_idle"
PACKAGE = f'''
"""doorman: lines for sshd, as the inventory says them."""

from pathlib import Path

from deployer.declaration import ServiceSettings
from deployer.service import FileWanted, Rank, Service, SysctlWanted, Wanted


class DoormanSettings(ServiceSettings):
    """Lines of sshd_config, and whether the kernel's own slow start is turned off."""

    lines: tuple[str, ...] = ()
    quick: bool = False


def wanted(declaration, budget):
    context = {{"lines": declaration.settings["doorman"].lines}}
    quick = SysctlWanted(name="{SETTING}", value="0", because="a test")
    return Wanted(
        files=(FileWanted(
            taker="doorman", template="doorman/sshd.conf.j2", path="{CONFIG}", context=context,
            reloads=("ssh.service",),
        ),),
        sysctls=(quick,) if declaration.settings["doorman"].quick else (),
    )


SERVICE = Service(
    name="doorman",
    rank=Rank.SYSTEM,
    runs=lambda declaration: "doorman" in declaration.settings,
    claims=lambda declaration, chain: (),
    numbers=lambda declaration, chain, grants: {{"doorman": {{}}}},
    wanted=wanted,
    settings=DoormanSettings,
    templates=Path(__file__).parent / "templates",
)
'''
TEMPLATE = "{{ header() }}\n{% for line in lines %}\n{{ line }}\n{% endfor %}\n"


def installed(folder: Path) -> Path:
    information, templates = folder / "doorman-1.0.dist-info", folder / "doorman/templates/doorman"
    templates.mkdir(parents=True)
    information.mkdir()
    (folder / "doorman/__init__.py").write_text(PACKAGE)
    (templates / "sshd.conf.j2").write_text(TEMPLATE)
    (information / "entry_points.txt").write_text("[deployer.services]\ndoorman = doorman:SERVICE\n")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: doorman\nVersion: 1.0\n")
    return folder


class Door:
    """A host whose sshd is configured by deploys, and the command line that does so."""

    def __init__(self, host: SandboxHost, folder: Path) -> None:
        self.host, self.folder = host, folder
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(installed(folder)), os.environ.get("PYTHONPATH", "")))),
            "DEPLOYER_INVENTORY": str(folder / "hosts.yml"),
            "SUDO_WORD": "quite secret",
        }

    def run(
        self, task: str, *words: str, lines: tuple[str, ...], quick: bool = True
    ) -> subprocess.CompletedProcess[str]:
        ssh = {
            "address": self.host.address,
            "user": "deploy",
            "key_file": str(self.host.key_file),
            "known_hosts_file": str(self.host.known_hosts_file),
            "use_agent": False,
            "sudo_password_env": "SUDO_WORD",
        }
        hardware = {"cpu_cores": 1, "memory_mib": 512, "disk_gib": 16}
        entry = {"hardware": hardware, "ssh": ssh, "services": {"doorman": {"lines": list(lines), "quick": quick}}}
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"hosts": {"web1": entry}}))
        return subprocess.run(
            [sys.executable, "-c", "from deployer.cli import main; main()", task, "--host", "web1", *words],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def config(self) -> str:
        return self.host.sh(f"cat {CONFIG} 2>/dev/null; true")

    def logins(self) -> int:
        return int(self.host.sh("journalctl -q -u ssh -o cat | grep -c 'Accepted publickey for deploy'; true"))


@pytest.fixture(scope="module")
def door(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Door:
    of_the_test, vps.cleanup = vps.cleanup, vps.of_the_module
    host = vps(memory_mib=512, sudo_password="quite secret")
    vps.cleanup = of_the_test
    return Door(host, tmp_path_factory.mktemp("door"))


def test_a_harmless_line_is_committed_after_one_more_login(door: Door) -> None:
    lines = ("MaxAuthTries 5",)
    planned = door.run("plan", lines=lines)
    assert planned.returncode == 0, planned.stderr
    assert f"committed only once a new login has worked, as this changes {CONFIG}" in " ".join(planned.stdout.split())
    before = door.logins()
    done = door.run("deploy", "--no-verify", "--json", lines=lines)
    assert done.returncode == 0, done.stderr
    assert "MaxAuthTries 5" in door.config()
    assert door.logins() - before == 2
    [confirm] = [step for step in json.loads(done.stdout)["steps"] if step["step"] == "confirm"]
    assert confirm["message"] == f"{CONFIG}, ssh.service, {SETTING}"
    assert door.host.sh(f"sysctl -n {SETTING}").strip() == "0"
    assert door.host.sh("ls /run/deployer") == ""
    before = door.logins()
    assert "no change" in door.run("deploy", "--no-verify", lines=lines).stdout
    assert door.logins() - before == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("AllowUsers nobody", "the login"),
        # for so long an sshd could be on its way up
        pytest.param("Port 2222", "no SSH server listens on that port", marks=pytest.mark.slow),
    ],
)
def test_who_is_locked_out_is_let_in_again(door: Door, line: str, reason: str) -> None:
    before = door.config()
    began = time.monotonic()
    done = door.run("deploy", "--no-verify", lines=(line,))
    assert done.returncode == RolledBack.exit_code, done.stderr
    assert f"could not be reached anew after a change of {CONFIG}" in done.stderr
    assert reason in done.stderr
    assert time.monotonic() - began < 70
    assert door.config() == before
    assert door.run("history", lines=("MaxAuthTries 5",)).returncode == 0
    assert door.host.sh("ls /run/deployer") == ""


def test_a_setting_that_is_no_longer_wanted_gets_its_former_value(door: Door) -> None:
    planned = door.run("plan", lines=("MaxAuthTries 5",), quick=False)
    assert f"{SETTING} 0 becomes 1 again, as it was before deployer" in " ".join(planned.stdout.split())
    done = door.run("deploy", "--no-verify", lines=("MaxAuthTries 5",), quick=False)
    assert done.returncode == 0, done.stderr
    assert door.host.sh(f"sysctl -n {SETTING}").strip() == "1"
    assert json.loads(door.host.sh("cat /var/lib/deployer/manifest.json"))["sysctls"] == {}
    assert "no change" in door.run("plan", lines=("MaxAuthTries 5",), quick=False).stdout


@pytest.fixture
def host(door: Door) -> Host:
    return Host(str(door.host.address), str(door.host.key_file))


def waiting(host: Host, name: str, within_s: float) -> Plan:
    plan = Plan(name, gate_s=0.0)
    plan.file(host, f"/etc/tx-{name}.conf", "x\n")
    plan.doc.update(confirm_over_new_connection=["/etc/ssh/x"], confirm_s=within_s)
    return plan


def confirming(host: Host, answers: list[dict[str, Any]], *names: str) -> Callable[[dict[str, Any]], object]:
    def heard(event: dict[str, Any]) -> None:
        if event.get("step") == "confirm":
            answers.extend(Host.request(host, {"op": "confirm", "transaction": name}) for name in names)

    return heard


def test_the_host_takes_one_confirmation_of_the_transaction_that_waits(host: Host) -> None:
    told: list[dict[str, Any]] = []
    waits = waiting(host, "c1", 20)
    answer = waits.apply(host, confirming(host, told, "c1", "c1"))
    assert answer["ok"]["outcome"] == "committed"
    assert told[0] == {"ok": {"transaction": "c1"}}
    assert told[1]["error"]["kind"] == "outdated"
    assert host.request({"op": "confirm", "transaction": "c1"})["error"]["kind"] == "outdated"


def test_without_a_confirmation_the_host_returns_in_time(host: Host) -> None:
    answer = waiting(host, "c2", 0.5).apply(host)
    assert answer["error"]["state"] == "restored"
    assert "could not be reached anew after a change of /etc/ssh/x: nobody did so" in answer["error"]["message"]
    assert host.sh("test -e /etc/tx-c2.conf || echo gone") == "gone"
