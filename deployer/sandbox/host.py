"""A local VPS as its users see it: an address, a key, and a shell."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deployer.sandbox.identity import CERTIFICATE_FILE, CERTIFICATE_KEY_FILE
from deployer.sandbox.places import Places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import PATH, last_lines
from deployer.sandbox.shape import SHARED_KERNEL, Shape
from deployer.sandbox.suites import USUAL_SUITE


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxHost:
    """A local VPS.

    Attributes:
        name: Its name in the sandbox and its host name.
        address: Its IPv4 address; SSH is on port 22.
        key_file: Private key for the users ``root`` and ``deploy``.
        known_hosts_file: Trusts the host's key.
        cpu_cores: Cores that were asked for.
        memory_mib: Memory that it sees and gets, MiB.
        cpus: Processors of the machine that it is pinned to; fewer than ``cpu_cores`` on a small machine, one with a
            kernel of its own.
        certificate_file: Path on the host of its self-made certificate; empty when none was asked for.
        certificate_key_file: Path on the host of the certificate's key; likewise.
        suite: Which Debian it has.
        kernel: ``shared``: the machine's; ``own``: its own.
        running: Whether it ran when it was looked at.
    """

    name: str
    address: str
    key_file: Path
    known_hosts_file: Path
    cpu_cores: int
    memory_mib: int
    cpus: tuple[int, ...]
    certificate_file: str = ""
    certificate_key_file: str = ""
    suite: str = USUAL_SUITE
    kernel: str = SHARED_KERNEL
    running: bool = True

    def ssh_argv(self, *, user: str = "root", terminal: bool = False) -> list[str]:
        """Give the command line of an ssh client that reaches this host, to which a command can be added."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "20",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts_file),
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        start = ["ssh", "-F", "/dev/null", "-i", str(self.key_file), *words]
        return [*start, *(["-t"] if terminal else []), f"{user}@{self.address}"]

    def sh(self, command: str, *, check: bool = True, timeout_s: float = 120) -> str:
        """Run a shell command as root and return its standard output.

        Args:
            command: Read by the host's shell.
            check: Raise when it does not end with 0.
            timeout_s: How long it may take, s.

        Raises:
            SandboxError: The host does not answer, the command took too long, or it failed.
        """
        short = command if len(command) <= 200 else f"{command[:200]}..."
        try:
            done = subprocess.run(
                [*self.ssh_argv(), command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout_s,
                check=False,
                env={**os.environ, "PATH": PATH},
            )
        except subprocess.TimeoutExpired as error:
            raise SandboxError(f"{self.name}: no end after {timeout_s:g} s: {short}") from error
        except OSError as error:
            raise SandboxError(f"ssh cannot be started: {error.strerror}") from error
        if done.returncode == 255 or (check and done.returncode):
            raise SandboxError(f"{self.name}: ended with {done.returncode}: {short}\n    {last_lines(done.stderr)}")
        return done.stdout


def host_of(shape: Shape, places: Places, *, running: bool) -> SandboxHost:
    """Show a remembered shape as a host."""
    has_certificate = bool(shape.certificate_names)
    return SandboxHost(
        name=shape.name,
        address=shape.address,
        key_file=places.key_file,
        known_hosts_file=places.known_hosts_file,
        cpu_cores=shape.cpu_cores,
        memory_mib=shape.memory_mib,
        cpus=shape.cpus,
        certificate_file=CERTIFICATE_FILE if has_certificate else "",
        certificate_key_file=CERTIFICATE_KEY_FILE if has_certificate else "",
        suite=shape.suite,
        kernel=shape.kernel,
        running=running,
    )
