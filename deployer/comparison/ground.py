"""The hosts of a comparison: one local VPS at a time, always the same address, size and core, from a snapshot each.

So no contender has a better core, a neighbour, or a warmer disk than another, and all that is made is taken away.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from deployer import sandbox
from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.proof import check_load
from deployer.sandbox import SandboxError, SandboxHost
from deployer.sandbox.progress import Say, silent
from deployer.verify import VerifyTarget
from deployer.verify.generator import generate

#: Last numbers of the addresses: people have those below, tests those above.
ADDRESSES = range(30, 100)
#: Packing, sending and unpacking an app or a dump, s.
COPY_TIMEOUT_S = 300
#: A host that has just been started has to serve within this time, s.
SERVES_WITHIN_S = 60


@dataclass(frozen=True)
class Ground:
    """Where contenders are run.

    Attributes:
        entry: The host of the inventory, under another name and address.
        say: Gets a line when something is done.
    """

    entry: Entry
    say: Say = silent

    @classmethod
    def beside(cls, entry: Entry, say: Say = silent, name: str = "compared") -> Ground:
        """Choose an address that no local VPS has.

        Raises:
            UsageError: The host may not be loaded, or is none that the sandbox could have; or no address is free.
        """
        check_load(entry)
        taken = {one.address.rpartition(".")[2] for one in sandbox.hosts()}
        number = next((number for number in ADDRESSES if str(number) not in taken), None)
        if number is None:
            raise UsageError("there is no address for one more local VPS", next_step="sandbox.list shows them")
        network = entry.host.ssh.address.rpartition(".")[0]
        ssh = entry.host.ssh.model_copy(update={"address": f"{network}.{number}"})
        moved = replace(entry, name=f"{name}-{number}", host=entry.host.model_copy(update={"ssh": ssh}))
        return cls(moved, say)

    @contextmanager
    def host(self, snapshot: str | None = None) -> Iterator[SandboxHost]:
        """Make the host run, on a clean Debian or from a snapshot, and take it away afterwards, whatever happens."""
        hardware = self.entry.host.hardware
        names = tuple(name for app in self.entry.host.apps.values() if app.tls for name in app.server_names)
        try:
            yield sandbox.up(
                self.entry.name,
                address=self.entry.host.ssh.address,
                cpu_cores=hardware.cpu_cores,
                memory_mib=hardware.memory_mib,
                disk_gib=hardware.disk_gib,
                snapshot=snapshot,
                certificate_names=names,
                say=self.say,
            )
        finally:
            if any(one.name == self.entry.name for one in sandbox.hosts()):
                sandbox.down(self.entry.name, say=self.say)

    @property
    def target(self) -> VerifyTarget:
        """What is asked for pages: the same of every contender."""
        host = self.entry.host
        app = host.apps[host.slo.app or next(iter(host.apps))]
        return VerifyTarget.of(
            host.slo,
            address=host.ssh.address,
            server_name=app.server_names[0],
            port=443 if app.tls else 80,
            tls=app.tls is not None,
            connections=host.target.connections,
            bandwidth_mbit_per_s=host.hardware.bandwidth_mbit_per_s,
        )

    def await_service(self) -> None:
        """Ask for an uncached page until it comes.

        Raises:
            SandboxError: It does not come.
        """
        target = self.target
        asked = {"path": target.uncached_paths[0], "headers": target.uncached_headers}
        job = target.job(mode="closed", connections=1, duration_s=1, max_requests=1, timeout_s=2, **asked)
        said: object = "nothing"
        for _ in range(SERVES_WITHIN_S):
            answered = generate("does it serve?", job)
            if answered.done:
                return
            said = dict(answered.first_errors)
        raise SandboxError(f"{self.entry.name} does not serve {asked['path']} within {SERVES_WITHIN_S} s: {said}")


def fetch(host: SandboxHost, command: str, path: Path) -> None:
    """Keep what a command on the host writes to its standard output.

    Raises:
        SandboxError: It failed.
    """
    with path.open("wb") as file:
        _ended(
            subprocess.run(
                [*host.ssh_argv(), command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                timeout=COPY_TIMEOUT_S,
                check=False,
            ),
            command,
        )


def send(host: SandboxHost, path: Path, command: str) -> None:
    """Give a file to a command on the host as its standard input.

    Raises:
        SandboxError: It failed.
    """
    with path.open("rb") as file:
        _ended(
            subprocess.run(
                [*host.ssh_argv(), command], stdin=file, capture_output=True, timeout=COPY_TIMEOUT_S, check=False
            ),
            command,
        )


def _ended(done: subprocess.CompletedProcess[bytes], command: str) -> None:
    if done.returncode:
        said = (done.stderr or b"").decode(errors="replace").strip()[-500:]
        raise SandboxError(f"ended with {done.returncode}: {command}\n    {said}")
