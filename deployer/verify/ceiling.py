"""What a link carries, from its speed and the weight of an answer on the wire. Pure.

A whole rate above the ceiling cannot be served by any host behind that link; overload of a thin link looks exactly
like a slow server, so such a rate is named and not asked.
"""

from __future__ import annotations

from math import ceil
from typing import Final

from deployer.verify.defaults import sound
from deployer.verify.measured import Measured
from deployer.verify.target import VerifyTarget

#: Ethernet 14, IPv4 20, TCP 20 and its timestamps 12: before each piece of an answer, bytes.
HEADERS_BYTES: Final = 66
#: What of an answer goes into one packet of 1500 bytes.
SEGMENT_BYTES: Final = 1448
#: TLS 1.3 around each record: header 5, kind 1, tag 16; a record holds 16 KiB at most, bytes.
RECORD_BYTES: Final = 22
RECORD_LIMIT_BYTES: Final = 16 * 1024
#: A rate from this share of the ceiling on is not asked for: what varies would be the link's, not the host's.
ASKED_SHARE: Final = sound("net.util").value


def wire_bytes(answer_bytes: float, *, tls: bool) -> float:
    """Give what an answer takes of the link on a connection that stays open, bytes.

    Args:
        answer_bytes: Of HTTP, header and body.
        tls: Whether it is encrypted.
    """
    payload = answer_bytes + (RECORD_BYTES * ceil(answer_bytes / RECORD_LIMIT_BYTES) if tls else 0)
    return payload + HEADERS_BYTES * ceil(payload / SEGMENT_BYTES)


def link_ceiling_req_per_s(phase: Measured, target: VerifyTarget) -> float | None:
    """Compute how many answers a second the link carries; None where its speed is not known or nothing came."""
    if target.bandwidth_mbit_per_s is None or not phase.done:
        return None
    return target.bandwidth_mbit_per_s * 1e6 / 8 / wire_bytes(phase.bytes_per_answer, tls=target.tls)


def full_link(phase: Measured, target: VerifyTarget) -> str:
    """Say that the link was full, or more was due than it carries; then errors and late answers may be its own."""
    ceiling, used = link_ceiling_req_per_s(phase, target), link_share(phase, target)
    due_per_s = phase.planned / phase.duration_s
    if ceiling is None or used is None or sound("net.util").holds(used):
        return ""
    return f"the link carries {ceiling:.0f} such answers a second, and {due_per_s:.0f} were due"


def link_share(phase: Measured, target: VerifyTarget) -> float | None:
    """Give what of the link the answers took, or those that were due would take; None where its speed is not known."""
    ceiling = link_ceiling_req_per_s(phase, target)
    return None if not ceiling else max(phase.req_per_s, phase.planned / phase.duration_s) / ceiling


def link_mbit_per_s(phase: Measured, target: VerifyTarget) -> float:
    """Give what a phase took of the link, Mbit/s."""
    return phase.req_per_s * wire_bytes(phase.bytes_per_answer, tls=target.tls) * 8 / 1e6
