"""Who waits at which socket, as the kernel tells over netlink (sock_diag): what `ss` shows, without starting it.

A table under /proc costs a millisecond for each thousand buckets of the kernel's hash; this costs what it tells.
Where the kernel has no such interface the answer is None, never 0.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

_SOCK_DIAG, _DUMP, _DONE, _ERROR = 4, 0x301, 3, 2
_BY_FAMILY = 20
_ESTABLISHED, _SYN_SENT, _LISTEN = 1, 2, 10
_HEAD = struct.Struct("=IHHII")
#: Family, states, the ends and the owner of a TCP socket (struct inet_diag_msg).
_INET = struct.Struct("=4B 2s 2s 16s 16s I 8s 3I 2I")
_UNIX = struct.Struct("=4B I 8s")
_ATTRIBUTE = struct.Struct("=HH")
_TCP_INFO, _UNIX_NAME, _UNIX_QUEUE = 2, 0, 4
#: Places in struct tcp_info: ms since something was sent, and since something came; segments that carried data.
_SENT_AT, _CAME_AT, _SEGMENTS_AT = 44, 52, 156
#: And the round trip, us.
_ROUND_TRIP_AT = 68
#: Who opens a connection gets a port above this; those that servers hold are left out by the kernel.
_FIRST_OWN_PORT = 1024
#: After its first request (and two segments before it) TLS 1.3 is sent tickets, at once, which are no answer.
_TLS_PORT, _FIRST_REQUEST_SEGMENTS, _TICKETS_WITHIN_MS = 443, 3, 50
_CHUNK_BYTES, _MOST_BYTES = 1 << 17, 16 << 20
_PATIENCE_S = 0.5


class Outgoing(NamedTuple):
    """A connection that a process of this host opened to another host.

    Attributes:
        uid: The user whose it is.
        to: Address and port.
        waits: What was sent last had no answer yet, or it is not even open.
        waited_ms: Since then; 0 if it does not wait or that is not known.
    """

    uid: int
    to: str
    waits: bool
    waited_ms: int


def outgoing() -> Optional[List[Outgoing]]:
    """Give the connections to other hosts; None when the kernel does not tell."""
    found: List[Outgoing] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        request = struct.pack("=4BI", family, socket.IPPROTO_TCP, 1 << (_TCP_INFO - 1), 0, _states(1, 2)) + bytes(48)
        # a filter for the kernel: the own port is at least that
        code = struct.pack("=BBHBBH", 2, 8, 12, 0, 0, _FIRST_OWN_PORT)
        told = _asked(request + _ATTRIBUTE.pack(4 + len(code), 1) + code)
        if told is None:
            return None
        found += filter(None, map(_outgoing, told))
    return found


def queues() -> Optional[Dict[str, int]]:
    """Say for each listening unix socket, by its path, how many wait to be accepted; None as above."""
    told = _asked(struct.pack("=BBHIII8s", socket.AF_UNIX, 0, 0, _states(_LISTEN), 0, 0x11, b"\xff" * 8))
    if told is None:
        return None
    found: Dict[str, int] = {}
    for message in told:
        parts = dict(_attributes(message, _UNIX.size))
        path, queue = parts.get(_UNIX_NAME, b"").rstrip(b"\0"), parts.get(_UNIX_QUEUE, b"")
        if path.startswith(b"/") and len(queue) >= 4:
            name = os.fsdecode(path)
            found[name] = max(found.get(name, 0), struct.unpack_from("=I", queue)[0])
    return found


def _states(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


def _asked(request: bytes) -> Optional[List[bytes]]:
    """Send a request for a dump and give its messages."""
    message = _HEAD.pack(_HEAD.size + len(request), _BY_FAMILY, _DUMP, 1, 0) + request
    found: List[bytes] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as line:
            line.settimeout(_PATIENCE_S)
            line.send(message)
            taken = 0
            while taken < _MOST_BYTES:
                data = line.recv(_CHUNK_BYTES)
                taken += len(data)
                at = 0
                while at + _HEAD.size <= len(data):
                    length, kind = _HEAD.unpack_from(data, at)[:2]
                    if kind == _DONE:
                        return found
                    if kind == _ERROR or length < _HEAD.size:
                        return None
                    found.append(data[at + _HEAD.size : at + length])
                    at += (length + 3) & ~3
    except (OSError, AttributeError):  # AttributeError: no Linux
        pass
    return None


def _attributes(message: bytes, at: int) -> Iterator[Tuple[int, bytes]]:
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind, message[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def _outgoing(message: bytes) -> Optional[Outgoing]:
    """Read one; None for what stays on this host."""
    family, state, _, _, _, port, here, there, _, _, _, _, _, uid, _ = _INET.unpack_from(message)
    size = 4 if family == socket.AF_INET else 16
    if here[:size] == there[:size]:
        return None
    address = ipaddress.ip_address(there[:size])
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if address.is_loopback:
        return None
    number = int.from_bytes(port, "big")
    to = "[%s]:%d" % (address, number) if address.version == 6 else "%s:%d" % (address, number)
    info = dict(_attributes(message, _INET.size)).get(_TCP_INFO, b"")
    if state == _SYN_SENT:
        return Outgoing(uid, to, waits=True, waited_ms=0)
    if len(info) < _CAME_AT + 4:
        return Outgoing(uid, to, waits=False, waited_ms=0)
    [sent_ms], [came_ms] = (struct.unpack_from("=I", info, at) for at in (_SENT_AT, _CAME_AT))
    waits = sent_ms <= came_ms or (number == _TLS_PORT and _are_tickets(info, sent_ms - came_ms))
    return Outgoing(uid, to, waits=waits, waited_ms=sent_ms if waits else 0)


def _are_tickets(info: bytes, came_after_ms: int) -> bool:
    """Say whether what came last over TLS, so soon after a connection's first request, cannot be its answer."""
    if len(info) < _SEGMENTS_AT + 4:
        return False
    [segments], [round_trip_us] = (struct.unpack_from("=I", info, at) for at in (_SEGMENTS_AT, _ROUND_TRIP_AT))
    return bool(segments <= _FIRST_REQUEST_SEGMENTS and came_after_ms <= round_trip_us / 1000 + _TICKETS_WITHIN_MS)
