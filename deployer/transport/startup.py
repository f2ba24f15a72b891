"""Starting the agent: the command line, and what it means when the agent does not start."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer import packing
from deployer.errors import AgentError, ConnectError, DeployerError, SudoError

if TYPE_CHECKING:
    from deployer.secret import Secret

_APT = "as root on the host: apt-get install --yes python3-minimal"

#: What sudo prints (in English, LC_ALL=C is set for it), and what it means.
_SUDO_FAULTS = (
    (
        r"(password is required|no password was provided|no askpass|a terminal is required)",
        "sudo on the host asks for a password and none was given",
        "name a variable that holds it under ssh.sudo_password_env, or allow sudo without one (NOPASSWD)",
    ),
    (r"(incorrect password|Sorry, try again)", "sudo refused the password", "give the right sudo password"),
    (
        r"(not in the sudoers file|may not run sudo|is not allowed to (execute|run))",
        "the user may not use sudo on the host",
        "add the user to the group sudo on the host, or log in as root",
    ),
    (r"must have a tty", "sudo on the host insists on a terminal", "remove 'requiretty' from sudoers"),
)


@dataclass(frozen=True, slots=True)
class Start:
    """How the agent is started.

    Attributes:
        command: For the login shell.
        nonce: What sudo prints when it wants the password; empty if it must not ask.
        password: What it then gets.
    """

    command: str
    nonce: str = ""
    password: Secret | None = None


def start(user: str, sudo_password: Secret | None) -> Start:
    """Make the command: plain for root, else by sudo, which asks with a text that nobody else can know.

    A password is never sent blindly: without the prompt, it would be read as data by the next program.
    """
    python = f"python3 -I -S -c '{packing.LOADER}'"
    if user == "root":
        return Start(f"exec env LC_ALL=C {python}")
    if sudo_password is None:
        return Start(f"exec env LC_ALL=C sudo -n {python}")
    nonce = f"deployer-{secrets.token_hex(12)}:"
    return Start(f"exec env LC_ALL=C sudo -k -S -p {nonce} {python}", nonce, sudo_password)


def explain(status: int | None, err: str, out: str, place: str) -> DeployerError:
    """Say why the agent did not start.

    Args:
        status: Exit status of the command; None if the link was lost.
        err: The end of its stderr.
        out: What it printed in place of the magic.
        place: The host, for people.
    """
    too_old = re.search(r"deployer: python3 is ([\d.]+)", err)
    if too_old:
        return AgentError(
            f"python3 on the host is {too_old.group(1)}; 3.9 or newer is needed",
            where=place,
            next_step="use a supported release: Debian 12 or 13, Ubuntu 22.04 or 24.04",
        )
    if re.search(r"python3['’]?:? .*(not found|No such file)", err):  # noqa: RUF001 - as env prints it
        return AgentError("the host has no python3", where=place, next_step=_APT)
    if re.search(r"sudo['’]?:? .*(not found|No such file)", err):  # noqa: RUF001 - as env prints it
        return SudoError("the host has no sudo", where=place, next_step="log in as root, or install sudo on the host")
    for pattern, message, next_step in _SUDO_FAULTS:
        if re.search(pattern, err):
            return SudoError(message, where=place, next_step=next_step)
    if re.search(r"^sudo: ", err, re.MULTILINE) and status == 1:
        return SudoError(f"sudo failed on the host: {last_lines(err, 2)}", where=place)
    if status == 127:
        return AgentError("the host has no python3", where=place, next_step=_APT)
    if status is None:
        return ConnectError("the connection was lost before the agent started", where=place)
    said = last_lines(err, 3) or last_lines(out, 1) or "it printed nothing"
    return AgentError(f"the agent did not start (exit status {status}): {said}", where=place)


def silent_start(reason: str, err: str, *, asked: bool, place: str) -> DeployerError:
    """Say why nothing came but words on stderr: sudo may ask in its own way, and is then not answered.

    Args:
        reason: How the wait ended.
        err: The end of stderr.
        asked: Whether sudo was told to ask for a password.
        place: The host, for people.
    """
    said = last_lines(err, 2)
    if asked and re.search(r"(password|passcode|verification|code)[^\n]*:\s*\Z", err, re.IGNORECASE):
        return SudoError(
            f"sudo on the host asks in another way than it was told to ({said!r}); the password was not sent",
            where=place,
            next_step="if that is the password: 'Defaults passprompt_override' in the host's sudoers has sudo ask "
            "as it is told; a second factor cannot be given",
        )
    return ConnectError(f"{reason}; the host said: {said}", where=place)


def last_lines(text: str, count: int) -> str:
    """Give the last lines that are not empty, joined, harmless and short."""
    lines = [line.strip() for line in harmless(text).splitlines() if line.strip()]
    return "; ".join(lines[-count:])[-400:]


def harmless(text: str, limit: int = 16_384) -> str:
    """Take control characters (a terminal would obey them) out of what a host said, and shorten it.

    Args:
        text: From the host.
        limit: Characters that are kept, the last ones: errors stand at the end.
    """
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text[-limit:])
