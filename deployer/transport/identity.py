"""Who we are to a host: private keys from files and from ssh-agent, offered in an order that wastes no attempt.

paramiko's own login tries every key of the agent before a second look at the file, asks the terminal for a second
factor, and waits for an agent without any bound; sshd hangs up after six keys.
"""

from __future__ import annotations

import base64
import binascii
import os
import socket
import stat
import struct
from typing import TYPE_CHECKING, Final

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.agent import AgentKey, AgentSSH
from paramiko.pkey import UnknownKeyType

from deployer.errors import AuthError, ConnectError
from deployer.transport.startup import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from deployer.transport.login import Login

#: For each answer of an ssh-agent, which may ask its user first; s.
AGENT_TIMEOUT_S: Final = 15.0
#: Of the agent's protocol.
_LIST: Final = b"\x0b"
_KEYS: Final = 12
_KEYS_MAX: Final = 100
_ANSWER_MAX_BYTES: Final = 256 << 10
_USUAL_FILES: Final = ("id_ed25519", "id_ecdsa", "id_rsa")


class Identities:
    """Logs in with the first key that the host takes: paramiko's ``auth_strategy``.

    Args:
        login: Whose keys; its files were looked for already.
        home: The folder of the usual keys, ``~/.ssh``.
    """

    def __init__(self, login: Login, home: Path) -> None:
        self._login = login
        self._home = home
        self._tried: list[str] = []
        self._unused: list[str] = []

    def authenticate(self, transport: paramiko.Transport) -> None:
        """Offer the keys, one after the other.

        Raises:
            AuthError: None is accepted, or the host wants more than a key.
            ConnectError: The host fell silent.
        """
        agent = _Agent()
        try:
            for name, key in self._offers(agent):
                self._tried.append(name)
                if self._accepted(transport, key):
                    return
        finally:
            agent.close()
        raise self._refused()

    def _accepted(self, transport: paramiko.Transport, key: paramiko.PKey) -> bool:
        try:
            wanted = transport.auth_publickey(self._login.user, key)
        except paramiko.BadAuthenticationType as error:
            raise self._error(f"the host takes no keys, only: {harmless(', '.join(error.allowed_types))}") from error
        except paramiko.AuthenticationException as error:
            if "timeout" in str(error):
                raise ConnectError("the host did not answer the login in time", where=self._login.place) from error
            if not transport.is_active():
                raise self._refused("it hung up, as sshd does after a few wrong keys") from error
            return False
        if wanted:
            raise self._error(
                f"the host wants more than a key: {harmless(', '.join(wanted))}",
                next_step="let this user in by a key alone (AuthenticationMethods in the host's sshd_config)",
            )
        return True

    def _offers(self, agent: _Agent) -> Iterator[tuple[str, paramiko.PKey]]:
        """Give named keys first; without any, the agent's come before those that only happen to be there."""
        login = self._login
        held = self._held_by(agent) if login.use_agent else {}
        named = login.key_files
        if not named:
            for key in list(held.values()):
                yield _agent_name(key), key
        for file in named or [self._home / name for name in _USUAL_FILES if (self._home / name).is_file()]:
            public = _public_part(file)
            in_agent = held.pop(public, None) if named and public else None
            if not named and public in held:
                continue
            loaded = self._loaded(file)
            if loaded is not None:
                held.pop(loaded.asbytes(), None)
                yield str(file), loaded
                if loaded.public_blob is not None:  # a certificate beside it, which may have ended
                    loaded.public_blob = None
                    yield f"{file} without its certificate", loaded
            elif in_agent is not None:
                self._unused.pop()
                yield _agent_name(in_agent), in_agent
        if named and not login.identities_only:
            for key in held.values():
                yield _agent_name(key), key

    def _held_by(self, agent: _Agent) -> dict[bytes, paramiko.PKey]:
        path = self._login.agent_socket or os.environ.get("SSH_AUTH_SOCK", "")
        if not path:
            return {}
        try:
            return {key.asbytes(): key for key in agent.keys(path)}
        except (OSError, paramiko.SSHException) as error:
            self._unused.append(f"no ssh-agent answers at {path} ({error})")
            return {}

    def _loaded(self, file: Path) -> paramiko.PKey | None:
        """Load a private key, or note why it is of no use."""
        try:
            if not stat.S_ISREG(file.stat().st_mode):  # a pipe would hold us up, a device may have no end
                self._unused.append(f"{file} is no plain file")
                return None
            return paramiko.PKey.from_path(file)
        except (paramiko.PasswordRequiredException, TypeError):  # the latter is what cryptography says of it
            why = "is encrypted"
        except FileNotFoundError:
            why = "does not exist"
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
        except (UnknownKeyType, UnsupportedAlgorithm, paramiko.SSHException, ValueError):
            why = "is not a private key of a supported kind (ed25519, ecdsa, rsa)"
        self._unused.append(f"{file} {why}")
        return None

    def _refused(self, said: str = "") -> AuthError:
        """Say that no key was accepted: what was tried, and what could not be."""
        unused = "; ".join(self._unused)
        encrypted = any(one.endswith("is encrypted") for one in self._unused)
        if not self._tried:
            if encrypted:
                return self._error(
                    f"the private key is encrypted and ssh-agent does not hold it: {unused}",
                    next_step="add it to ssh-agent (ssh-add) and allow the agent (ssh.use_agent)",
                )
            return self._error(
                f"there is no key to log in with{': ' if unused else ''}{unused}",
                next_step="name a private key under ssh.key_file, or start ssh-agent and add one",
            )
        detail = f": {said}" if said else ""
        also = f" (not usable: {unused})" if unused else ""
        return self._error(
            f"the host refused the login of {self._login.user!r} with {', '.join(self._tried)}{detail}{also}",
            next_step="add the encrypted key to ssh-agent (ssh-add)" if encrypted else "",
        )

    def _error(self, message: str, next_step: str = "") -> AuthError:
        return AuthError(message, where=self._login.place, next_step=next_step)


class _Agent(AgentSSH):
    """A running ssh-agent, with a bound on each of its answers; paramiko's own waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self._link: socket.socket | None = None

    def keys(self, path: str) -> list[AgentKey]:
        """Connect and ask for its keys."""
        self._link = socket.socket(socket.AF_UNIX)
        self._link.settimeout(AGENT_TIMEOUT_S)
        self._link.connect(path)
        kind, answer = self._send_message(_LIST)
        if kind != _KEYS:
            raise paramiko.SSHException("it does not tell its keys")
        count = answer.get_int()
        return [AgentKey(self, answer.get_binary(), answer.get_text()) for _ in range(min(count, _KEYS_MAX))]

    def close(self) -> None:
        """Hang up; keys that it signs with are of no use from then on."""
        if self._link is not None:
            self._link.close()

    def _send_message(self, message: bytes | paramiko.Message) -> tuple[int, paramiko.Message]:
        """Ask one thing; paramiko's AgentKey calls it by this name to sign."""
        asked = message if isinstance(message, bytes) else message.asbytes()
        if self._link is None:
            raise paramiko.SSHException("the agent's connection is closed")
        self._link.sendall(struct.pack(">I", len(asked)) + asked)
        size = struct.unpack(">I", self._received(4))[0]
        answer = paramiko.Message(self._received(min(size, _ANSWER_MAX_BYTES)))
        return ord(answer.get_byte()), answer

    def _received(self, count: int) -> bytes:
        data = b""
        while self._link is not None and len(data) < count:
            piece = self._link.recv(count - len(data))
            if not piece:
                raise paramiko.SSHException("it hung up")
            data += piece
        return data


def _agent_name(key: paramiko.PKey) -> str:
    return f"{getattr(key, 'comment', '') or key.get_name()} (ssh-agent)"


def _public_part(file: Path) -> bytes | None:
    """Give the public key beside a private one, which tells which of the agent's it is without its passphrase."""
    public = file if file.suffix == ".pub" else file.with_name(f"{file.name}.pub")
    try:
        if not public.is_file():
            return None
        return base64.b64decode(public.read_text("utf-8").split()[1], validate=True)
    except (OSError, UnicodeDecodeError, IndexError, binascii.Error):
        return None
