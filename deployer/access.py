"""How a host of the inventory is reached: what the inventory says, and for the rest the user's ssh_config.

What the inventory says wins, value by value; a default of the inventory gives way to ssh_config. Host keys are the
exception: StrictHostKeyChecking of ssh_config is never followed, so that nothing but the inventory's own
``accept_new`` can let an unknown key in.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import UsageError
from deployer.inventory.models import Entry
from deployer.secret import Secret
from deployer.secretvalues import read_secrets
from deployer.transport import Login, sshconfig
from deployer.transport.login import key_is_there
from deployer.transport.sshconfig import Hop, Reading

#: Jump hosts one behind the other; more are a circle in ssh_config.
HOPS_MAX = 8
#: ``ssh.config`` of an inventory that does without ssh_config.
NO_CONFIG = "none"


def login_of(entry: Entry, environ: Mapping[str, str] = os.environ) -> Login:
    """Turn the inventory's ``ssh`` into a login.

    Raises:
        UsageError: The variable that is to hold the sudo password is not set, or ssh_config cannot be used.
        InventoryError: The password cannot be read where ``sudo_password`` says it is.
    """
    ssh = entry.host.ssh
    password = _sudo_password(entry, environ)
    way = _Way.of(entry)
    written = ssh.model_fields_set
    target = Hop(ssh.address, ssh.port if "port" in written else None, ssh.user if "user" in written else None)
    reading = way.read(target)
    jump = None
    if ssh.jump is not None:
        port = ssh.jump.port if "port" in ssh.jump.model_fields_set else None
        gate = Hop(ssh.jump.address, port, ssh.jump.user)
        jump = way.hop(gate, key_file=ssh.jump.key_file, host_key=ssh.jump.host_key)
    elif reading.jumps:
        jump = way.through(reading.jumps)
    return way.login(
        reading, user=reading.user or ssh.user, key_file=ssh.key_file, host_key=ssh.host_key, jump=jump, sudo=password
    )


def _sudo_password(entry: Entry, environ: Mapping[str, str]) -> Secret | None:
    ssh = entry.host.ssh
    if ssh.sudo_password is not None:
        wanted = {"sudo": (f"hosts.{entry.name}.ssh.sudo_password", ssh.sudo_password)}
        return read_secrets(wanted, entry, environ)["sudo"]
    name = ssh.sudo_password_env
    if name is None:
        return None
    text = environ.get(name)
    if not text:
        raise UsageError(
            f"the environment variable {name} is not set; it is to hold the password for sudo",
            where=f"hosts.{entry.name}.ssh.sudo_password_env",
            next_step=f"read -rs {name} && export {name}",
        )
    return Secret(text)


@dataclass(frozen=True, slots=True)
class _Way:
    """What holds for each hop on the way to a host."""

    entry: Entry
    known_hosts_files: tuple[Path, ...] | None
    use_agent: bool | None

    @classmethod
    def of(cls, entry: Entry) -> _Way:
        ssh = entry.host.ssh
        files = (entry.path(ssh.known_hosts_file),) if ssh.known_hosts_file else None
        return cls(entry, files, ssh.use_agent if "use_agent" in ssh.model_fields_set else None)

    def read(self, hop: Hop) -> Reading:
        """Ask ssh_config about a hop, unless the inventory does without it."""
        config = self.entry.host.ssh.config
        if config == NO_CONFIG:
            return Reading(address=hop.address, port=hop.port or 22, user=hop.user)
        return sshconfig.read(hop, self.entry.path(config) if config else None)

    def hop(
        self,
        hop: Hop,
        *,
        key_file: str | None = None,
        host_key: str | None = None,
        before: Login | None = None,
        depth: int = 1,
    ) -> Login:
        """Make the login of a jump host; the first of them may itself be behind others."""
        reading = self.read(hop)
        if before is None and reading.jumps:
            before = self.through(reading.jumps, depth)
        user = reading.user or pwd.getpwuid(os.getuid()).pw_name  # as for ssh, which reads the rest of ProxyJump too
        return self.login(reading, user=user, key_file=key_file, host_key=host_key, jump=before)

    def through(self, jumps: Iterable[Hop], depth: int = 0) -> Login | None:
        """Make the logins of a ProxyJump."""
        if depth >= HOPS_MAX:
            raise UsageError(
                f"ProxyJump in your ssh_config goes in a circle: over {HOPS_MAX} hosts one behind the other",
                where=f"hosts.{self.entry.name}.ssh",
                next_step="except the jump host from it (Host * !gate), or set ssh.config: none in the inventory",
            )
        before = None
        for one in jumps:
            before = self.hop(one, before=before, depth=depth + 1)
        return before

    def login(
        self,
        reading: Reading,
        *,
        user: str,
        key_file: str | None,
        host_key: str | None,
        jump: Login | None,
        sudo: Secret | None = None,
    ) -> Login:
        """Put one hop together."""
        # ssh passes over files of ssh_config that are not there; one that the inventory names has to be
        files = tuple(file for file in reading.key_files if key_is_there(file))
        timeout = {} if reading.connect_timeout_s is None else {"connect_timeout_s": reading.connect_timeout_s}
        return Login(
            address=reading.address,
            port=reading.port,
            user=user,
            key_files=(self.entry.path(key_file),) if key_file else files,
            known_hosts_files=self.known_hosts_files or reading.known_hosts_files,
            key_alias=reading.key_alias,
            host_key=host_key,
            accept_new=self.entry.host.ssh.accept_new,
            sudo_password=sudo,
            use_agent=reading.agent != "none" if self.use_agent is None else self.use_agent,
            agent_socket=reading.agent if reading.agent != "none" else None,
            identities_only=reading.identities_only,
            proxy_command=reading.proxy_command if jump is None else None,
            jump=jump,
            **timeout,
        )
