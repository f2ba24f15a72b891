"""What the user's ssh_config says about a host, read by OpenSSH itself: ``ssh -G``.

Include, Match, canonical names and tokens are so many that any other reader differs somewhere, and a host that is
reached in another way than by ``ssh`` is a surprise. Why not a library: docs/adr.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deployer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: ``Match exec`` and ``CanonicalizeHostname`` may run programs and ask name servers; s.
READING_TIMEOUT_S: Final = 10.0
_NOBODY: Final = "deployer-is-told-no-user"
_USUAL_KEYS: Final = re.compile(r"~/\.ssh/id_[a-z0-9_]+")
_JUMP: Final = re.compile(r"(?:ssh://)?(?:(?P<user>.+)@)?(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:]+))(?::(?P<port>\d+))?/?")
_SWITCHED_OFF: Final = "take it away, or set ssh.config: none in the inventory to do without ssh_config"


@dataclass(frozen=True, slots=True)
class Hop:
    """One host of a ProxyJump.

    Attributes:
        address: A name or address, or an alias of ssh_config.
        port: None: what ssh_config says.
        user: None: what ssh_config says.
    """

    address: str
    port: int | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What ssh_config says about a host; what it leaves out is ssh's own default.

    Attributes:
        address: HostName, else what was asked for.
        port: TCP port.
        user: None if nobody is named: ssh would take the login name of whoever runs it.
        key_files: IdentityFile. Empty: those that ssh takes by itself.
        identities_only: Offer of ssh-agent's keys only those of ``key_files``.
        agent: IdentityAgent: a socket, or ``none``. Empty: the one of the environment.
        known_hosts_files: UserKnownHostsFile and GlobalKnownHostsFile. None: the usual ones.
        key_alias: HostKeyAlias.
        connect_timeout_s: ConnectTimeout, s.
        proxy_command: ProxyCommand, tokens filled in.
        jumps: ProxyJump, the nearest first.
    """

    address: str
    port: int = 22
    user: str | None = None
    key_files: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: str = ""
    known_hosts_files: tuple[Path, ...] | None = None
    key_alias: str | None = None
    connect_timeout_s: float | None = None
    proxy_command: str | None = None
    jumps: tuple[Hop, ...] = ()


def read(hop: Hop, file: Path | None = None) -> Reading:
    """Ask ssh what it would do to reach a host; connects to nothing.

    Args:
        hop: The host, with what is said about it elsewhere; that wins, and counts for ``Match user``.
        file: The configuration. None: that of the user and that of the system.

    Raises:
        UsageError: There is no ssh to ask, it finds a fault, it takes too long, or it names what cannot be done here.
    """
    if file is None and shutil.which("ssh") is None and not any(one.exists() for one in _usual_files()):
        return Reading(address=hop.address, port=hop.port or 22, user=hop.user)  # nothing to read, nothing missing
    options = [f"-oPort={hop.port}"] if hop.port else []
    options += [f"-oUser={hop.user}"] if hop.user else []
    said = _said(hop.address, ["-F", str(file)] if file else [], options)
    user = hop.user or said["user"][0]
    if hop.user is None and user == pwd.getpwuid(os.getuid()).pw_name and not _names_user(hop.address, file):
        return _reading(hop, said, None)
    return _reading(hop, said, user)


def _usual_files() -> tuple[Path, ...]:
    return Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh/config", Path("/etc/ssh/ssh_config")


def _names_user(address: str, file: Path | None) -> bool:
    """Say whether a user is named at all: ssh's answer does not tell that from its own default."""
    files = (file,) if file else _usual_files()
    wrapper = "".join(f'Include "{one}"\nMatch all\n' for one in files) + f"User {_NOBODY}\n"
    return _said(address, ["-F", "/dev/stdin"], [], wrapper)["user"] != [_NOBODY]


def _said(address: str, file: Sequence[str], options: Sequence[str], given: str = "") -> Mapping[str, list[str]]:
    """Run ``ssh -G``: a line for each keyword, in lower case, and its value."""
    ssh = shutil.which("ssh")
    if ssh is None:
        raise UsageError(
            "there is no program 'ssh' on this machine to read your ssh_config with",
            where=address,
            next_step="install OpenSSH's client, or set ssh.config: none in the inventory",
        )
    try:
        done = subprocess.run(
            [ssh, "-G", *file, *options, "--", address],
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=READING_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"your ssh_config was not read within {READING_TIMEOUT_S:.0f} s ('ssh -G {address}'): "
            "Match exec and CanonicalizeHostname run programs and ask name servers",
            where=address,
            next_step=f"correct it, or {_SWITCHED_OFF}",
        ) from error
    if done.returncode != 0:
        why = "; ".join(line.strip() for line in done.stderr.splitlines() if "Pseudo-terminal" not in line)
        raise UsageError(
            f"your ssh_config cannot be used for this host: {why}",
            where=address,
            next_step=f"correct it, or {_SWITCHED_OFF}",
        )
    said: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        said.setdefault(keyword.lower(), []).append(value)
    return said


def _reading(hop: Hop, said: Mapping[str, list[str]], user: str | None) -> Reading:
    first = {keyword: values[0] for keyword, values in said.items()}
    address, port = first["hostname"], int(first["port"])
    alias = _unless_none(first.get("hostkeyalias", ""))
    tokens = _Tokens(hop.address, address, port, user or first["user"], alias)
    keys = said.get("identityfile", [])
    usual = len(keys) > 2 and all(_USUAL_KEYS.fullmatch(key) for key in keys)
    timeout = _unless_none(first.get("connecttimeout", ""))
    command = _unless_none(first.get("proxycommand", ""))
    jumps = _unless_none(first.get("proxyjump", ""))
    if _unless_none(first.get("revokedhostkeys", "")):
        raise UsageError(
            "your ssh_config names RevokedHostKeys for this host, which is not read here",
            where=hop.address,
            next_step=f"put the keys into known_hosts as @revoked lines; then {_SWITCHED_OFF}",
        )
    return Reading(
        address=address,
        port=port,
        user=user,
        key_files=() if usual else tuple(tokens.path(key) for key in keys if key != "none"),
        identities_only=first.get("identitiesonly") == "yes",
        agent=_agent(first.get("identityagent", ""), tokens),
        known_hosts_files=_known_hosts(said, tokens),
        key_alias=alias or None,
        connect_timeout_s=float(timeout) if timeout else None,
        proxy_command=tokens.filled(command) if command else None,
        jumps=tuple(_jump(text, hop.address) for text in jumps.split(",")) if jumps else (),
    )


def _unless_none(value: str) -> str:
    return "" if value.lower() == "none" else value


def _agent(value: str, tokens: _Tokens) -> str:
    if value in ("", "none"):
        return value
    name = "SSH_AUTH_SOCK" if value == "SSH_AUTH_SOCK" else value[1:] if re.match(r"\$\w", value) else ""
    return os.environ.get(name, "none") if name else str(tokens.path(value))


def _known_hosts(said: Mapping[str, list[str]], tokens: _Tokens) -> tuple[Path, ...] | None:
    folder = f"{pwd.getpwuid(os.getuid()).pw_dir}/.ssh"
    user, system = said.get("userknownhostsfile", [""])[0], said.get("globalknownhostsfile", [""])[0]
    usual = (f"{folder}/known_hosts {folder}/known_hosts2", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2")
    if (user, system) == usual:
        return None
    # ssh prints several paths side by side and quotes none: each begins with / or ~
    names = [name for text in (user, system) for name in re.split(r" (?=[/~])", text) if _unless_none(name)]
    return tuple(tokens.path(name) for name in names)


def _jump(text: str, asked: str) -> Hop:
    found = _JUMP.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"ProxyJump in your ssh_config names no host: {text!r}", where=asked)
    port = found["port"]
    return Hop(found["v6"] or found["host"], int(port) if port else None, found["user"])


class _Tokens:
    """Fills in ``%h`` and its like, and ``${NAME}``, where ``ssh -G`` leaves them to be filled in."""

    def __init__(self, asked: str, address: str, port: int, user: str, alias: str) -> None:
        local = pwd.getpwuid(os.getuid())
        self._asked = asked
        self._values = {
            "%": "%",
            "d": local.pw_dir,
            "h": address,
            "i": str(local.pw_uid),
            "k": alias or asked,
            "l": socket.gethostname(),
            "L": socket.gethostname().partition(".")[0],
            "n": asked,
            "p": str(port),
            "r": user,
            "u": local.pw_name,
        }

    def filled(self, text: str) -> str:
        """Fill in the tokens."""
        return re.sub(r"%(.)", self._value, text)

    def path(self, text: str) -> Path:
        """Make a path: tokens, variables of the environment, and ``~``."""
        named = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), self.filled(text))
        home = self._values["d"]
        return Path(f"{home}{named[1:]}" if named.startswith("~/") else named).expanduser()

    def _value(self, found: re.Match[str]) -> str:
        if found[1] not in self._values:
            raise UsageError(
                f"your ssh_config uses %{found[1]} for this host, which is not known here",
                where=self._asked,
                next_step="write it out, or give the inventory its own values (ssh.key_file, ssh.jump)",
            )
        return self._values[found[1]]
