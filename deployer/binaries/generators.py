"""wrk and h2load: generators that others made, which ours is held against. Debian packages wrk and nghttp2-client."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from deployer.errors import UsageError

_UNITS_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_PACKAGES: Final = {"wrk": "wrk", "h2load": "nghttp2-client"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What such a generator says, and what it cost.

    Attributes:
        req_per_s: Answers a second.
        errors: All that went wrong.
        cpu_s: Its own processor time, s.
        requests: Answers in all.
        p50_ms: Half of the answers were there within this time, ms; likewise the others. None where it does not say.
    """

    req_per_s: float
    requests: int
    errors: int
    cpu_s: float
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None

    @property
    def req_per_cpu_s(self) -> float:
        """Answers for each second of its own processor time."""
        return self.requests / max(self.cpu_s, 1e-6)


def wrk(url: str, *, connections: int, duration_s: int, cpu: int | None = None) -> Told:
    """Have wrk ask as fast as it can (closed model), by one thread.

    Args:
        url: What for.
        connections: How many.
        duration_s: How long, whole seconds.
        cpu: The processor that it runs on; None: wherever the kernel puts it.

    Raises:
        UsageError: It is not installed.
    """
    words = ["wrk", "-t1", f"-c{connections}", f"-d{duration_s}s", "--timeout", "10s", "--latency", url]
    text, cpu_s = _run(words, cpu)
    requests = int(_found(r"(\d+) requests in", text))
    failures = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Told(
        req_per_s=float(_found(r"Requests/sec: +([\d.]+)", text)),
        requests=requests,
        errors=sum(map(int, failures.groups() if failures else ())) + int(other[1] if other else 0),
        cpu_s=cpu_s,
        p50_ms=_ms(_found(r"50% +(\S+)", text)),
        p99_ms=_ms(_found(r"99% +(\S+)", text)),
    )


def h2load(url: str, *, rate_per_s: int, duration_s: int, cpu: int | None = None) -> Told:
    """Have h2load ask at a constant rate by HTTP/1.1 (open model), and correct its log for what it could not send.

    It has a connection for each request of a second, and each of them a timer of its own; so that they do not all fire
    at once, they are opened one after the other over a second. What was sent late counts from when it was due.

    Args:
        url: What for.
        rate_per_s: Requests a second: 100, 200, 500 or 1000.
        duration_s: How long, s.
        cpu: The processor that it runs on; None: wherever the kernel puts it.

    Raises:
        UsageError: It is not installed.
    """
    with TemporaryDirectory() as folder:
        log = Path(folder, "log")
        pace = ["--rps=1", "-r1", f"--rate-period={1000 // rate_per_s}ms"]
        words = ["h2load", "--h1", "-t1", f"-c{rate_per_s}", *pace, f"-n{rate_per_s * duration_s}"]
        text, cpu_s = _run([*words, f"--log-file={log}", url], cpu)
        rows = [line.split("\t") for line in log.read_text(encoding="ascii").splitlines()]
    asked = sorted((int(start), int(took)) for start, status, took in rows if int(status) == 200)
    late_ms = sorted(_corrected_ms(asked, rate_per_s))
    return Told(
        req_per_s=float(_found(r"finished in [^,]+, ([\d.]+) req/s", text)),
        requests=len(asked),
        errors=rate_per_s * duration_s - len(asked),
        cpu_s=cpu_s,
        p50_ms=late_ms[int(0.50 * len(late_ms))],
        p95_ms=late_ms[int(0.95 * len(late_ms))],
        p99_ms=late_ms[int(0.99 * len(late_ms))],
    )


def _corrected_ms(asked: list[tuple[int, int]], rate_per_s: int) -> list[float]:
    """Count from when each was due: every connection asks first when it is there, and then each second."""
    first, later = asked[:rate_per_s], asked[rate_per_s:]
    found = []
    for number, (start_us, took_us) in enumerate(later):
        due_us = first[number % rate_per_s][0] + (1 + number // rate_per_s) * 1_000_000
        found.append((took_us + max(0, start_us - due_us)) / 1000)
    return found


def _run(words: list[str], cpu: int | None) -> tuple[str, float]:
    """Run it to its end; give what it printed, and its processor time, s."""
    if shutil.which(words[0]) is None:
        package = _PACKAGES[words[0]]
        raise UsageError(f"{words[0]} is not installed", next_step=f"make setup, or: apt-get install {package}")
    pin = [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]
    process = subprocess.Popen([*pin, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    with process:
        text = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UsageError(f"{words[0]} ended with {process.returncode}: {text.strip()[-200:]}")
    return text, used.ru_utime + used.ru_stime


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise UsageError(f"an answer without {pattern!r}: {text.strip()[-200:]}")
    return found[1]


def _ms(text: str) -> float:
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit)) * _UNITS_MS[unit]
