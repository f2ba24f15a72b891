"""SSH: the one place that makes connections. Host keys are verified before anything is sent to the host.

Fabric accepts every key by itself and reads the configuration of whoever runs it; both is replaced here, so
no other module may make a ``fabric.Connection``.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast

import paramiko
from fabric.config import Config
from fabric.connection import Connection
from paramiko.ssh_exception import NoValidConnectionsError

from deployer import packing
from deployer.errors import AuthError, ConnectError, DeployerError
from deployer.transport.client import START_S, Agent
from deployer.transport.guard import Guard
from deployer.transport.identity import Identities
from deployer.transport.login import key_is_there
from deployer.transport.proxy import Proxy
from deployer.transport.sent import Sent
from deployer.transport.startup import harmless, start
from deployer.transport.wire import ChannelWire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deployer.transport.login import Login

    Say = Callable[[str], None]

BANNER_TIMEOUT_S: Final = 15.0
AUTH_TIMEOUT_S: Final = 20.0
CHANNEL_TIMEOUT_S: Final = 15.0
KEEPALIVE_S: Final = 15

_LOG = "deployer.ssh"
# paramiko logs tracebacks of errors that are raised and translated here anyway
logging.getLogger(_LOG).addHandler(logging.NullHandler())
logging.getLogger(_LOG).propagate = False


class Remote:
    """A logged-in host. A context manager: leaving it closes the connection and that to every jump host.

    Attributes:
        login: How it was logged in to.
        channels: How many were opened so far.
    """

    def __init__(self, login: Login, hops: list[_Hop], say: Say) -> None:
        self.login = login
        self._say = say
        self.channels = 0
        self._hops = hops
        self._agents: list[Agent] = []

    def agent(self, *, start_s: float = START_S) -> Agent:
        """Start the agent on one exec channel, as root.

        Args:
            start_s: The longest time until it greets, a slow sudo included, s.

        Raises:
            ConnectError: The channel could not be opened. Why no agent starts is told by its first call.
        """
        begin = start(self.login.user, self.login.sudo_password)
        wire = ChannelWire(self._execute(begin.command))
        agent = Agent(wire, begin, packing.agent_program(), place=self.login.place, start_s=start_s)
        self._agents.append(agent)
        return agent

    def program(self, program: packing.Program) -> Sent:
        """Run a program of one file on an exec channel of its own, as who logged in; no sudo is asked.

        It lies nowhere on the host, and the end of its channel is the end of its stdin.

        Raises:
            ConnectError: The channel could not be opened, or the link was lost.
            AgentError: The host has no Python that could run it.
        """
        return Sent(ChannelWire(self._execute(start("root", None).command)), program.wire, place=self.login.place)

    @contextlib.contextmanager
    def anew(self) -> Iterator[Agent]:
        """Log in once more in the same way, over a connection of its own, and start an agent there.

        Raises:
            ConnectError, AuthError, HostKeyError: As ``connect``.
        """
        with connect(self.login, self._say) as again, again.agent() as agent:
            yield agent

    def run_true(self) -> None:
        """Run ``true``: the least that a command can cost."""
        channel = self._execute("true")
        try:
            if not channel.status_event.wait(CHANNEL_TIMEOUT_S) or channel.recv_exit_status() != 0:
                raise ConnectError("the host did not run 'true'", where=self.login.place)
        finally:
            channel.close()

    def close(self) -> None:
        """Close the connection."""
        for agent in self._agents:
            agent.close()
        _close(self._hops)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _execute(self, command: str) -> paramiko.Channel:
        transport = self._hops[-1].transport
        try:
            # paramiko waits for the answer to an exec request without any bound
            with _bound(CHANNEL_TIMEOUT_S + 5, self._hops):
                channel: paramiko.Channel = transport.open_session(timeout=CHANNEL_TIMEOUT_S)
                self.channels += 1
                channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            said = harmless(str(error)) or type(error).__name__
            raise ConnectError(f"the host runs no command: {said}", where=self.login.place) from error
        return channel


def connect(login: Login, say: Say) -> Remote:
    """Log in, through the jump hosts if there are any.

    Raises:
        HostKeyError: The key of the host or of a jump host is unknown, changed or revoked.
        AuthError: The login was refused.
        ConnectError: Everything else.
    """
    chain = [login]
    while chain[0].jump is not None:
        chain.insert(0, chain[0].jump)
    hops: list[_Hop] = []
    try:
        for hop in chain:
            hops.append(_Hop(hop, hops[-1] if hops else None, say))
            # the bound is for what has none of its own: each wait below has one, their sum has not
            with _bound(hop.connect_timeout_s + BANNER_TIMEOUT_S + AUTH_TIMEOUT_S, hops):
                _open(hops[-1])
    except BaseException:
        _close(hops)
        raise
    return Remote(login, hops, say)


class _Hop:
    """A fabric connection with our policy and nobody's configuration."""

    def __init__(self, login: Login, gateway: _Hop | None, say: Say) -> None:
        missing = [str(path) for path in login.key_files if not key_is_there(path)]
        if missing:
            raise AuthError(f"there is no key file {', '.join(missing)}", where=login.place)
        self.login = login
        self.guard = Guard(login, say)
        self.proxy = Proxy(login.proxy_command) if login.proxy_command and gateway is None else None
        self.connection: Any = Connection(  # fabric's own types are incomplete
            "host.invalid",  # fabric would take "user@", ":port" and colons in an address apart
            user=login.user,
            port=login.port,
            config=Config(overrides={"load_ssh_configs": False}, lazy=True),  # type: ignore[no-untyped-call] # fabric's
            gateway=False if gateway is None else gateway.connection,
            forward_agent=False,
            connect_timeout=max(1, round(login.connect_timeout_s)),
            connect_kwargs={  # a new one each time: fabric changes it
                "auth_strategy": Identities(login, Path.home() / ".ssh"),
                "banner_timeout": BANNER_TIMEOUT_S,
                "auth_timeout": AUTH_TIMEOUT_S,
                "channel_timeout": CHANNEL_TIMEOUT_S,
                "transport_factory": self.guard.transport,
                **({"sock": self.proxy.socket} if self.proxy else {}),
            },
        )
        self.connection.host = login.address
        self.client = cast("paramiko.SSHClient", self.connection.client)
        self.client.set_log_channel(_LOG)
        self.client.set_missing_host_key_policy(self.guard)

    @property
    def transport(self) -> paramiko.Transport:
        """The open connection's transport."""
        transport: paramiko.Transport = self.connection.transport
        return transport


def _open(hop: _Hop) -> None:
    login = hop.login
    try:
        hop.connection.open()
        hop.transport.set_keepalive(KEEPALIVE_S)
    except DeployerError:
        raise
    except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
        words = hop.proxy.last_words() if hop.proxy else ""
        if words:
            raise ConnectError(words, where=login.place) from error
        raise _translated(error, login, verified=hop.guard.passed) from error


def _translated(error: Exception, login: Login, *, verified: bool) -> DeployerError:
    """Turn what the libraries raise while connecting into our errors, the special ones first."""
    where, said = login.place, harmless(str(error)) or type(error).__name__
    if verified and not isinstance(error, (EOFError, OSError)):
        return AuthError(f"the login failed: {said}", where=where)
    if isinstance(error, NoValidConnectionsError):
        return ConnectError(_reason(next(iter(error.errors.values()))), where=where)
    if isinstance(error, socket.gaierror):
        return ConnectError(f"the name {login.address!r} cannot be resolved: {error.strerror}", where=where)
    if isinstance(error, TimeoutError):
        return ConnectError(f"no answer within {login.connect_timeout_s:.0f} s", where=where)
    if isinstance(error, paramiko.ChannelException):
        return ConnectError(f"the jump host cannot reach it: {said}", where=where)
    if isinstance(error, OSError):
        return ConnectError(_reason(error), where=where)
    if said == "No existing session":
        return ConnectError(
            f"the host took the connection and then said nothing for {login.connect_timeout_s:.0f} s", where=where
        )
    if "banner" in said:
        return ConnectError(f"what listens there speaks no SSH: {said}", where=where)
    return ConnectError(f"the connection failed: {said}", where=where)


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED:
        return "the connection was refused: no SSH server listens on that port"
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "the host is unreachable"
    return f"the connection failed: {getattr(error, 'strerror', None) or error}"


@contextlib.contextmanager
def _bound(seconds: float, hops: list[_Hop]) -> Iterator[None]:
    """Cut the connection after ``seconds``, which ends whatever waits for it."""
    timer = threading.Timer(seconds, _cut, (hops,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(hops: list[_Hop]) -> None:
    for hop in reversed(hops):
        # not the client: it forgets its transport when closed, and who is about to use it meets None
        transport = hop.client.get_transport()
        if transport is not None:
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                transport.close()


def _close(hops: list[_Hop]) -> None:
    for hop in reversed(hops):
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            hop.client.close()  # fabric's own close() leaves a connection alone that failed half-way
        if hop.proxy is not None:
            hop.proxy.close()
