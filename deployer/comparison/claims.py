"""Claims of articles and what was found: the values, the arithmetic, and the table. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from deployer.comparison.table import markdown

#: Around every segment on the wire: Ethernet 14, IPv4 20, TCP with time stamps 32 bytes.
SEGMENT_BYTES: Final = 66
#: The most that a segment carries on Ethernet with time stamps.
PAYLOAD_BYTES: Final = 1448
#: Around every TLS 1.3 record: header 5, kind 1, tag 16 bytes; our nginx makes records of 4 KiB at the most.
RECORD_BYTES: Final = 22
RECORD_PAYLOAD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What articles say.

    Attributes:
        key: Its name, for ``--only``.
        said: In their words.
    """

    key: str
    said: str


#: In the order of the table.
CLAIMS: Final = (
    Claim(key="visitors", said="1000 concurrent on 1 core and 1 GB"),
    Claim(key="uncached", said="850 to 950 concurrent, uncached, FastAPI with a database, under 200 ms"),
    Claim(key="link", said="187 requests/s of 2 KB on 3 Mbit/s"),
    Claim(key="memory", said="500 requests/s under 1.3 GB on 2 cores and 2 GB"),
    Claim(key="proxy", said="1200 requests/s behind a proxy, 1539 without"),
    Claim(
        key="folklore",
        said="buffer pool 512M, 100 connections, pools of 10 to 30, worker_connections 65535 on 1 core and 1 GB",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure of one run about a claim.

    Attributes:
        claim: The claim's key.
        what: What was measured or reckoned.
        value: The figure; None where it could not be had, and ``note`` says why.
        unit: Its unit.
        sign: ``>=`` or ``<=``: how it stands to the bound if the claim is true; empty: it is only stated.
        bound: What the claim says of it.
        note: What else there is to know.
    """

    claim: str
    what: str
    value: float | None
    unit: str = ""
    sign: Literal[">=", "<=", ""] = ""
    bound: float = 0.0
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Say whether it is as claimed; None where nothing is claimed of it, or nothing was measured."""
        if not self.sign or self.value is None:
            return None
        return self.value >= self.bound if self.sign == ">=" else self.value <= self.bound


def wire_bytes(answer_bytes: float, *, tls: bool) -> float:
    """Give what an answer takes on the wire, bytes, with the headers of TLS, TCP, IP and Ethernet around it.

    Args:
        answer_bytes: The answer with its HTTP header.
        tls: It goes through TLS 1.3.
    """
    if tls:
        answer_bytes += -(-answer_bytes // RECORD_PAYLOAD_BYTES) * RECORD_BYTES
    return answer_bytes + -(-answer_bytes // PAYLOAD_BYTES) * SEGMENT_BYTES


def ceiling_per_s(mbit_per_s: float, bytes_each: float) -> float:
    """Give how many answers a link carries, 1/s."""
    return mbit_per_s * 1e6 / 8 / bytes_each


def most_within(most: int, keeps: Callable[[int], bool]) -> int:
    """Find the largest number up to ``most`` for which something holds, by halving; it must not hold again further up.

    The answer is known to one part in 16; 0 when it does not even hold for 1.
    """
    low, high = 0, most + 1
    while high - low > max(1, low // 16):
        middle = (low + high) // 2
        if keeps(middle):
            low = middle
        else:
            high = middle
    return low


def claims_table(runs: Sequence[Sequence[Finding]], commands: Mapping[str, str]) -> str:
    """Write what was found of each claim, all runs beside their median.

    Args:
        runs: The findings of each run.
        commands: What measures each claim, by key.
    """
    rows = [["what articles claim", "what was measured", "median (runs)", "if true", "true", "measured by"]]
    for claim in CLAIMS:
        found: dict[str, list[Finding]] = {}
        for one in (one for run in runs for one in run if one.claim == claim.key):
            found.setdefault(one.what, []).append(one)
        said, command = claim.said, f"`{commands[claim.key]}`" if found else ""
        for what, findings in found.items():
            first = findings[0]
            notes = dict.fromkeys(one.note for one in findings if one.note)
            wanted = f"{first.sign} {_number(first.bound)} {first.unit}".strip() if first.sign else ""
            whole = f"{what} ({'; '.join(notes)})" if notes else what
            rows.append([said, whole, _values(findings), wanted, verdict(findings), command])
            said = command = ""
    return "\n".join([*markdown(rows), ""])


def verdict(findings: Sequence[Finding]) -> str:
    """Say of one figure whether it is as claimed, over all runs; one that had no figure does not speak for it."""
    known = [one.holds for one in findings if one.holds is not None]
    if not known:
        return "stated" if any(one.value is not None for one in findings) else "not measured"
    if any(known) and (not all(known) or len(known) < len(findings)):
        return f"in {sum(known)} of {len(findings)} runs"
    return "yes" if known[0] else "no"


def _values(findings: Sequence[Finding]) -> str:
    values = [one.value for one in findings if one.value is not None]
    if not values:
        return "-"
    unit = findings[0].unit
    texts = [_number(value) for value in values]
    runs = f" ({', '.join(texts)})" if len(set(texts)) > 1 else ""
    return f"{_number(median(values))} {unit}".strip() + runs


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
