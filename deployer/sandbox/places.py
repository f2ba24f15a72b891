"""Where the sandbox keeps what it owns, and the locks that keep two processes apart.

Everything lies below one directory, so that removing the directory (after ``down_all``) removes all trace.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployer.sandbox.problem import SandboxError
from deployer.sandbox.progress import Say

DEFAULT_ROOT = Path("/var/lib/deployer-sandbox")
ROOT_VARIABLE = "DEPLOYER_SANDBOX_DIR"


@dataclass(frozen=True, slots=True)
class Places:
    """The files and directories of one sandbox, all below ``root``."""

    root: Path

    @property
    def key_file(self) -> Path:
        """The private key that logs in to every host."""
        return self.root / "id_ed25519"

    @property
    def known_hosts_file(self) -> Path:
        """The host keys of all hosts."""
        return self.root / "known_hosts"

    @property
    def layers(self) -> Path:
        """Read-only trees: base trees and what snapshots added to them."""
        return self.root / "layers"

    @property
    def trees(self) -> Path:
        """Read-only trees with servers in them, to ask their binaries; no host stands on them."""
        return self.root / "trees"

    @property
    def kernels(self) -> Path:
        """Kernels for hosts that have one of their own."""
        return self.root / "kernels"

    @property
    def snapshots(self) -> Path:
        """One small file per snapshot, naming its layers."""
        return self.root / "snapshots"

    @property
    def hosts(self) -> Path:
        """One directory per host; LXC's own path as well."""
        return self.root / "hosts"

    @property
    def proxy(self) -> Path:
        """Configuration, cache and logs of the package proxy."""
        return self.root / "proxy"

    @property
    def lxcfs(self) -> Path:
        """Mount point of our own lxcfs."""
        return self.root / "lxcfs"

    def host(self, name: str) -> Path:
        """Name the directory of one host."""
        return self.hosts / name

    def host_key(self, name: str) -> Path:
        """Name the host key of one host; it outlives the host, so that a host made again is known already."""
        return self.root / "host-keys" / name / "ssh_host_ed25519_key"

    def make(self) -> None:
        """Create the directories.

        Only the proxy's user passes through the root; keys are protected by their own modes.

        Raises:
            SandboxError: The directory cannot be written, or overlayfs could not take its path.
        """
        if any(mark in str(self.root) for mark in ":,\\ "):
            raise SandboxError(f"{ROOT_VARIABLE} must not hold colons, commas, blanks: {self.root}")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o711)
            trees = (self.layers, self.trees, self.kernels)
            for directory in (*trees, self.snapshots, self.hosts, self.proxy, self.root / "locks"):
                directory.mkdir(exist_ok=True)
        except OSError as error:
            raise SandboxError(f"the sandbox's directory cannot be made: {error}", where=str(self.root)) from error

    @contextmanager
    def lock(self, name: str, say: Say, *, waiting_for: str) -> Iterator[None]:
        """Hold a lock that the kernel frees when this process ends, however it ends."""
        self.make()
        with (self.root / "locks" / name).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waiting for another process that {waiting_for}")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def places() -> Places:
    """Find the sandbox of this machine: ``/var/lib/deployer-sandbox`` or what DEPLOYER_SANDBOX_DIR names."""
    return Places(Path(os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT).absolute())
