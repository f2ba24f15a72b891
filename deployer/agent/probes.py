"""The gate: the new state must answer, and go on answering, before it is committed.

First it may take a while to become ready; from its first complete success on, nothing may fail any more. A unit that
dies or is restarted by systemd fails the gate at once, in both phases.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Sequence

from . import systemctl, unitstate
from .refusal import Refusal

if TYPE_CHECKING:
    from .progress import Progress

READY_WITHIN_S = 20.0
INTERVAL_S = 0.25
ANSWER_WITHIN_S = 5.0
#: From the question to the last byte.
WHOLE_ANSWER_WITHIN_S = 15.0
BODY_LIMIT_BYTES = 1 << 20


class Wrong(str):
    """What is wrong with an answer that came; where none came, it is said in a plain text."""

    __slots__ = ()


def gate(
    probes: Sequence[dict[str, Any]], gate_s: float, progress: Progress, *, wrong_for_s: float = READY_WITHIN_S
) -> None:
    """Hold the new state against its probes.

    Args:
        probes: The plan's list.
        gate_s: How long all of them must hold after the first complete success; s.
        progress: Looked at between rounds.
        wrong_for_s: How long an answer may come and be wrong before all are ready; s.

    Raises:
        Refusal: Kind `probe`, naming the first probe that failed and how.
    """
    units = [probe["unit"] for probe in probes if probe["kind"] == "unit"]
    https = [probe for probe in probes if probe["kind"] == "http"]
    steady = _Steady(units)
    # a process that died answers nothing, but its socket, which systemd holds, lets everybody wait
    ask = partial(answer, meanwhile=steady.look)
    deadline = time.monotonic() + READY_WITHIN_S
    ready_at: float | None = None
    wrong_at: float | None = None
    while ready_at is None or time.monotonic() < ready_at + gate_s:
        waiting = steady.look() or next(filter(None, map(ask, https)), "")
        if waiting and ready_at is not None:
            raise Refusal("probe", f"it was ready, and then: {waiting}", detail=_last_words(units))
        if isinstance(waiting, Wrong):
            wrong_at = time.monotonic() if wrong_at is None else wrong_at
            if time.monotonic() > wrong_at + wrong_for_s:
                raise Refusal("probe", f"not ready: {waiting}", detail=_last_words(units))
        if waiting and time.monotonic() > deadline:
            raise Refusal("probe", f"not ready within {READY_WITHIN_S:.0f} s: {waiting}", detail=_last_words(units))
        if not waiting and ready_at is None:
            ready_at = time.monotonic()
            progress.say(f"ready; watching for {gate_s:g} s")
        progress.check(INTERVAL_S)
    waiting = steady.look()
    if waiting:
        raise Refusal("probe", f"it was ready, and then: {waiting}", detail=_last_words(units))


class _Steady:
    """Units that must be active, in the process that they were first seen in."""

    def __init__(self, units: Sequence[str]) -> None:
        self._units = units
        self._restarts = {unit: state["restarts"] for unit, state in unitstate.show(units).items()}
        self._pids: dict[str, int] = {}

    def look(self) -> str:
        """Return what is not active yet, or nothing.

        Raises:
            Refusal: A unit has died or has been restarted.
        """
        waiting = ""
        for unit, state in unitstate.show(self._units).items():
            active = state["active"]
            first = self._restarts[unit]
            if state["restarts"] != first:
                raise _died(unit, f"{unit} died and was restarted by systemd ({state['restarts'] - first} times)")
            if active in ("active", "reloading"):
                pid = self._pids.setdefault(unit, state["main_pid"])
                if pid != state["main_pid"]:
                    raise _died(unit, f"{unit} died: its process {pid} is gone")
            elif active == "activating" and state["sub"] != "auto-restart" and unit not in self._pids:
                waiting = waiting or f"{unit} is starting"
            else:
                raise _died(unit, f"{unit} died: it is {active} ({state['sub']})")
        return waiting


def answer(probe: dict[str, Any], meanwhile: Callable[[], object] = lambda: None) -> str:
    """Ask once by HTTP; return what is wrong with the answer, or nothing. `meanwhile` is called now and then."""
    where = probe.get("socket") or f"{probe.get('address', '127.0.0.1')}:{probe.get('port')}"
    what = f"{'https' if probe.get('tls') else 'http'} {where}{probe['path']}"
    try:
        connection = _connect(probe)
        # each of its bytes may be in time, and its answer never come to an end
        was_cut = threading.Event()
        cut = threading.Timer(WHOLE_ANSWER_WITHIN_S, _cut, (connection.sock, was_cut))
        cut.daemon = True
        cut.start()
        try:
            host = probe.get("host") or "localhost"
            connection.request("GET", probe["path"], headers={"Host": host, "User-Agent": "deployer-gate"})
            _wait_for(connection.sock, meanwhile)
            response = connection.getresponse()
            body = response.read(BODY_LIMIT_BYTES)
            if was_cut.is_set():
                raise TimeoutError(f"the answer came to no end within {WHOLE_ANSWER_WITHIN_S:.0f} s")
        finally:
            cut.cancel()
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        return f"{what}: {error or type(error).__name__}"
    if response.status not in probe["status"]:
        return Wrong(f"{what}: status {response.status}, expected {' or '.join(map(str, probe['status']))}")
    contains = probe.get("contains")
    if contains is not None and contains.encode() not in body:
        return Wrong(f"{what}: the answer does not contain {contains!r}")
    return ""


def _cut(link: socket.socket, was_cut: threading.Event) -> None:
    was_cut.set()
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


def _wait_for(link: socket.socket, meanwhile: Callable[[], object]) -> None:
    until = time.monotonic() + ANSWER_WITHIN_S
    while not select.select([link], [], [], INTERVAL_S)[0]:
        if time.monotonic() > until:
            raise TimeoutError("timed out")
        meanwhile()


def _connect(probe: dict[str, Any]) -> http.client.HTTPConnection:
    if probe.get("socket"):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(ANSWER_WITHIN_S)
        try:
            link.connect(probe["socket"])
        except OSError:
            link.close()
            raise
    else:
        link = socket.create_connection((probe["address"], int(probe["port"])), ANSWER_WITHIN_S)
    if probe.get("tls"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the question is whether it answers; whose certificate it is, others check
        context.verify_mode = ssl.CERT_NONE
        link = context.wrap_socket(link, server_hostname=probe.get("host"))
    connection = http.client.HTTPConnection(probe.get("host") or "localhost", timeout=ANSWER_WITHIN_S)
    connection.sock = link
    return connection


def _died(unit: str, message: str) -> Refusal:
    return Refusal("probe", message, detail=systemctl.last_words(unit))


def _last_words(units: Sequence[str]) -> str:
    return "\n\n".join(systemctl.last_words(unit) for unit in units)[-8192:]
