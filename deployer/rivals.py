"""The same work, written for pyinfra and for Ansible: a host's files and the units that shall run, for a benchmark.

Both come from their packages, into an environment of their own beside the local VPSes. They are given the files as
they were rendered, so they have less to do than `deployer`, which renders them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from deployer.render import Rendered
from deployer.sandbox import SandboxError, SandboxHost
from deployer.sandbox.places import places
from deployer.sandbox.programs import remove_tree, run
from deployer.sandbox.progress import Say, silent

PACKAGES = ("ansible-core==2.19.*", "pyinfra==3.*")
INSTALL_TIMEOUT_S = 600
#: A run that takes longer is at fault, s.
RUN_TIMEOUT_S = 900
NAMES = ("pyinfra", "ansible", "ansible, pipelining")

_PYINFRA_DEPLOY = """\
import json
from pathlib import Path
from pyinfra.operations import files, systemd
work = json.loads((Path(__file__).parent / "work.json").read_text())
for one in work["files"]:
    owners = {"mode": one["mode"], "user": one["owner"], "group": one["group"]}
    files.put(name=one["path"], src=one["source"], dest=one["path"], **owners, _sudo=True)
for unit in work["units"]:
    systemd.service(name=unit, service=unit, running=True, enabled=True, _sudo=True)
"""


@dataclass(frozen=True, slots=True)
class Rivals:
    """The environment that they are installed in, and the folder with their work.

    Attributes:
        programs: Folder of their programs.
        folder: Where their files lie.
        host: The local VPS.
        user: Who logs in.
    """

    programs: Path
    folder: Path
    host: SandboxHost
    user: str

    def run(self, name: str, port: int) -> float:
        """Let one of ``NAMES`` do its work through a port of loopback, and say how long it took, s.

        Raises:
            SandboxError: It failed, or found something to change.
        """
        self._write_known_hosts(port)
        argv, environment = self._pyinfra(port) if name == "pyinfra" else self._ansible(port)
        if "pipelining" in name:
            environment["ANSIBLE_PIPELINING"] = "1"
        began = time.perf_counter()
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env={**os.environ, **environment, "PATH": f"{self.programs}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        took_s = time.perf_counter() - began
        self._end_masters()
        if done.returncode:
            raise SandboxError(f"{name} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
        return took_s

    def _pyinfra(self, port: int) -> tuple[list[str], dict[str, str]]:
        data = {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": port,
            "ssh_user": self.user,
            "ssh_key": str(self.host.key_file),
            "ssh_known_hosts_file": str(self._known_hosts_file),
            "ssh_strict_host_key_checking": "yes",
            "ssh_allow_agent": False,
            "ssh_look_for_keys": False,
        }
        (self.folder / "inventory.py").write_text(f"hosts = [('far', {data!r})]\n")
        return [str(self.programs / "pyinfra"), "-y", "inventory.py", "deploy.py"], {}

    def _ansible(self, port: int) -> tuple[list[str], dict[str, str]]:
        options = f"-F /dev/null -o UserKnownHostsFile={self._known_hosts_file} -o IdentitiesOnly=yes"
        far = {
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": str(self.host.key_file),
            "ansible_ssh_common_args": options,
            "ansible_become": True,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"far": far}}}))
        masters = self.folder / f"masters-{time.monotonic_ns()}"  # one of the run before would be a warm connection
        environment = {
            "ANSIBLE_HOST_KEY_CHECKING": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(masters),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "LC_ALL": "C.UTF-8",
        }
        return [str(self.programs / "ansible-playbook"), "-i", "hosts.yml", "playbook.yml"], environment

    @property
    def _known_hosts_file(self) -> Path:
        return self.folder / "known_hosts"

    def _write_known_hosts(self, port: int) -> None:
        names = (line.partition(" ") for line in self.host.known_hosts_file.read_text().splitlines())
        keys = [f"[127.0.0.1]:{port} {key}\n" for name, _, key in names if name == self.host.address]
        self._known_hosts_file.write_text("".join(keys))

    def _end_masters(self) -> None:
        """End the connections that ssh keeps for Ansible: the next run shall make its own."""
        for socket in self.folder.glob("masters-*/*"):
            argv = ["ssh", "-F", "/dev/null", "-o", f"ControlPath={socket}", "-O", "exit", "far"]
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)


def rivals(rendered: Rendered, host: SandboxHost, user: str, folder: Path, say: Say = silent) -> Rivals:
    """Install them once, and write their work into a folder.

    Args:
        rendered: What is wanted of the host.
        host: The local VPS, deployed.
        user: Who logs in, with a sudo that asks nothing.
        folder: An empty folder.
        say: Gets a line when something is installed.

    Raises:
        SandboxError: They cannot be installed.
    """
    files = [
        {
            "path": file.path,
            "source": str(_written(folder / "files" / str(number), file.content)),
            "mode": file.wanted.mode,
            "owner": file.wanted.owner,
            "group": file.wanted.group,
        }
        for number, file in enumerate(rendered.files)
    ]
    units = [unit.unit for unit in rendered.wanted.units]
    (folder / "work.json").write_text(json.dumps({"files": files, "units": units}))
    (folder / "deploy.py").write_text(_PYINFRA_DEPLOY)
    (folder / "playbook.yml").write_text(yaml.safe_dump(_playbook(files, units), sort_keys=False))
    return Rivals(_programs(say), folder, host, user)


def _written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _playbook(files: Sequence[Mapping[str, str]], units: Sequence[str]) -> list[dict[str, object]]:
    tasks: list[dict[str, object]] = [
        {
            "name": one["path"],
            "ansible.builtin.copy": {
                "src": one["source"],
                "dest": one["path"],
                "mode": one["mode"],
                "owner": one["owner"],
                "group": one["group"],
            },
        }
        for one in files
    ]
    tasks += [
        {"name": unit, "ansible.builtin.systemd_service": {"name": unit, "state": "started", "enabled": True}}
        for unit in units
    ]
    return [{"hosts": "all", "tasks": tasks}]


def _programs(say: Say) -> Path:
    here = places()
    here.make()
    folder = here.root / "rivals"
    mark = folder / "whole"
    with here.lock("rivals", say, waiting_for="installs the rivals"):
        if not mark.exists() or mark.read_text() != " ".join(PACKAGES):
            if folder.exists():
                remove_tree(folder)
            say(f"installing {' and '.join(PACKAGES)} (once)")
            run([sys.executable, "-m", "venv", str(folder)], doing="making an environment", timeout_s=INSTALL_TIMEOUT_S)
            argv = [str(folder / "bin/pip"), "install", "-q", *PACKAGES]
            run(argv, doing="installing the rivals", timeout_s=INSTALL_TIMEOUT_S)
            mark.write_text(" ".join(PACKAGES))
    return folder / "bin"
