"""What a file says against what the budget has beside it: each number is right alone, and wrong with its neighbour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployer.dialects import Statement
from deployer.dialects.values import systemd_duration_s
from deployer.lint.host import Host, last
from deployer.registry import Finding, Kind

_CHAIN = "a connection is closed by who opened it first: client < nginx < app"


def beside(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    """Find numbers that the rest of the host does not fit."""
    if host.dialect == "gunicorn":
        yield from _app_keepalive(statements, host)
        yield from _graceful(statements, host)
    elif host.dialect == "unit":
        yield from _stop(statements, host)
        yield from _descriptors(statements, host)


def _app_keepalive(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    """An app that closes kept connections before nginx does answers some requests with 502."""
    kept, nginx_s = last(statements, "keepalive"), host.number("keepalive_timeout", "nginx")
    wanted = host.number("keepalive")
    if kept is None or nginx_s is None or not (kept.value or "").isdecimal() or int(kept.value or 0) > nginx_s:
        return
    message = f"nginx keeps its connections {nginx_s} s, the app closes them after {kept.value}: some get a 502"
    yield Finding(Kind.DANGEROUS, "keepalive", kept.line, message, _CHAIN, f"keepalive = {wanted or nginx_s + 10}")


def _graceful(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    graceful, stop_s = last(statements, "graceful_timeout"), host.number("TimeoutStopSec")
    if graceful is None or stop_s is None or not (graceful.value or "").isdecimal():
        return
    if int(graceful.value or 0) >= stop_s:
        message = f"systemd kills after {stop_s} s (TimeoutStopSec): requests that may still run are cut"
        wanted = host.number("graceful_timeout")
        instead = f"graceful_timeout = {wanted}" if wanted is not None else ""
        yield Finding(Kind.DANGEROUS, "graceful_timeout", graceful.line, message, "systemd.service(5)", instead)


def _stop(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    stop, graceful_s = last(statements, "TimeoutStopSec"), host.number("graceful_timeout")
    if stop is None or graceful_s is None:
        return
    try:
        is_short = systemd_duration_s(stop.value or "") <= graceful_s
    except ValueError:
        return
    if is_short:
        message = f"the app may take {graceful_s} s to end (graceful_timeout): systemd kills it before"
        instead = f"TimeoutStopSec={host.number('TimeoutStopSec')}"
        yield Finding(Kind.DANGEROUS, "TimeoutStopSec", stop.line, message, "systemd.service(5)", instead)


def _descriptors(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    limit = last(statements, "LimitNOFILE")
    wanted = host.number("worker_rlimit_nofile") or host.number("open_files_limit") or host.number("LimitNOFILE")
    hard = (limit.value or "").split(":")[-1] if limit is not None else ""
    if limit is None or wanted is None or not hard.isdecimal() or int(hard) >= wanted:
        return
    message = f"{host.taker} needs {wanted} descriptors for its connections and files: some are refused"
    instead = f"LimitNOFILE={wanted}"
    yield Finding(Kind.DANGEROUS, "LimitNOFILE", limit.line, message, "the ledger: invoke budget --numbers", instead)
