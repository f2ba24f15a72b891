"""Habits that do harm on a small host: one rule each, with the reason and with what this host's budget says instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from deployer.dialects import Statement
from deployer.dialects.values import redis_size, systemd_size
from deployer.lint.host import Host, last
from deployer.registry import Finding, Kind

#: Ports that the kernel gives to outgoing connections (net.ipv4.ip_local_port_range).
_OUTGOING = range(32768, 61000)
_PORTS = re.compile(
    r"(?:^|[\s:=])(?:PORT=|--port[= ]|127\.0\.0\.1:|0\.0\.0\.0:|localhost:|\[::\]:)?(\d{5})(?=$|[\s;\"'])"
)
Rule = Callable[[Sequence[Statement], Host], Iterator[Finding]]


def dangerous(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    """Find the habits."""
    for rule in _RULES.get(host.dialect, ()):
        yield from rule(statements, host)


def _found(one: Statement, message: str, because: str, instead: str = "", kind: Kind = Kind.DANGEROUS) -> Finding:
    return Finding(kind, one.name, one.line, message, because, instead)


def _query_cache(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    kind = last(statements, "query_cache_type")
    if kind is not None and (kind.value or "on").lower() not in {"0", "off"} and host.registry.flavour == "mariadb":
        yield _found(
            kind,
            "every query waits for the one lock of the query cache",
            "MariaDB's manual on memory: off, and a size of 0",
            "query_cache_type = 0 and query_cache_size = 0",
        )


def _durability(statements: Sequence[Statement], _host: Host) -> Iterator[Finding]:
    flush = last(statements, "innodb_flush_log_at_trx_commit")
    if flush is not None and flush.value in {"0", "2"}:
        whose = "a crash of the server or a power cut" if flush.value == "0" else "a power cut"
        message = f"{whose} loses what was committed in the last second"
        instead = "innodb_flush_log_at_trx_commit = 1; services.mysql.durability: relaxed if that may be lost"
        yield _found(flush, message, "InnoDB's manual: innodb_flush_log_at_trx_commit", instead)


def _too_many_connections(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    most, wanted = last(statements, "max_connections"), host.number("max_connections")
    if most is None or wanted is None or not (most.value or "").isdecimal() or int(most.value or 0) <= 2 * wanted:
        return
    cores = host.declaration.hardware.cpu_cores
    message = f"the apps of this host open {wanted} at most; {most.value} at once are {cores} core(s) of thrashing"
    yield _found(most, message, "HikariCP: about pool sizing", f"max_connections = {wanted}")


def _memory_high(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    high = last(statements, "MemoryHigh")
    if high is None or not high.value or high.value == "infinity" or host.declaration.hardware.swap_mib:
        return
    message = "this host has no swap: a service above MemoryHigh is slowed to a standstill and never restarted"
    room = f"MemoryMax={host.room_mib}M alone" if host.taker and host.room_mib else "MemoryMax alone"
    yield _found(high, message, "FootprintAI/Containarium#1454: 90 minutes on a host of 955 MB", room)


def _limit_below_need(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    limit = last(statements, "MemoryMax", "MemoryLimit")
    if limit is None or not host.taker or not host.room_mib:
        return
    try:
        mib = systemd_size(limit.value or "", host.budget.usable_mib * 1024**2) / 1024**2
    except ValueError:
        return
    claim = host.budget.claims.get(host.taker)
    if claim is not None and mib < claim.fixed_mib:
        parts = " + ".join(f"{name} {part:.0f}" for name, part in claim.parts.items())
        message = f"{host.taker} needs {claim.fixed_mib} MiB at its worst ({parts}): the kernel kills it before that"
        yield _found(limit, message, "the ledger: invoke budget", f"MemoryMax={host.room_mib}M")


def _swap_off(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    zram_mib = min(host.declaration.hardware.memory_mib // 2, 4096)
    for one in statements:
        off = one.name.startswith("Exec") and re.search(r"\bswapoff\b", one.value or "")
        if off or (one.name == "vm.swappiness" and one.value == "0"):
            message = (
                "without swap the kernel drops the pages of running programs instead, and reads them again and again"
            )
            instead = f"zram of {zram_mib} MiB or a swap file; vm.swappiness = 10 (100 with zram); databases without it"
            yield _found(one, message, "chrisdown.name: in defence of swap; systemd-oomd(8)", instead)


def _metaspace(statements: Sequence[Statement], _host: Host) -> Iterator[Finding]:
    for one in statements:
        matched = re.search(r"-XX:MetaspaceSize=(\d+\w?)", one.value or "")
        if matched and "-XX:MaxMetaspaceSize" not in (one.value or ""):
            message = "MetaspaceSize is when classes are collected for the first time; it bounds nothing"
            instead = f"-XX:MaxMetaspaceSize={matched[1]}"
            yield _found(one, message, "HotSpot's options", instead, Kind.MISREAD)


def _descriptors(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    limit = last(statements, "LimitNOFILE")
    if limit is not None and (limit.value or "").split(":")[-1] == "infinity":
        wanted = host.number("LimitNOFILE") or host.number("worker_rlimit_nofile") or host.number("open_files_limit")
        message = (
            "infinity is fs.nr_open, a thousand million on some hosts: programs that size tables by it take gigabytes"
        )
        yield _found(limit, message, "systemd.exec(5)", f"LimitNOFILE={wanted or 8192}")


def _ports(statements: Sequence[Statement], _host: Host) -> Iterator[Finding]:
    for one in statements:
        if one.name not in {"ExecStart", "Environment", "bind", "listen", "server", "proxy_pass", "ListenStream"}:
            continue
        for port in _PORTS.findall(one.value or ""):
            if int(port) in _OUTGOING:
                message = f"the kernel gives port {port} to outgoing connections too: the start fails while one has it"
                instead = "a unix socket, a port below 32768, or net.ipv4.ip_local_reserved_ports"
                yield _found(one, message, "net.ipv4.ip_local_port_range is 32768 to 60999", instead)


def _too_many_slots(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    slots, wanted = last(statements, "worker_connections"), host.number("worker_connections")
    if slots is None or wanted is None or not (slots.value or "").isdecimal() or int(slots.value or 0) <= 4 * wanted:
        return
    target = host.declaration.target.connections
    message = (
        f"{slots.value} is no limit: {target} visitors need {wanted}, the descriptors and the memory end long before"
    )
    limit = host.number("worker_rlimit_nofile")
    instead = f"worker_connections {wanted}; worker_rlimit_nofile {limit};"
    yield _found(slots, message, "measured on nginx 1.26.3: nginx -t does not check limits", instead)


def _old_headers(statements: Sequence[Statement], _host: Host) -> Iterator[Finding]:
    for one in statements:
        if one.name == "add_header" and one.words[:1] and one.words[0].lower() == "x-xss-protection":
            message = "no browser has this filter any more, and where one had it, it opened holes"
            instead = "leave it out; a Content-Security-Policy does what it promised"
            yield _found(one, message, "h5bp dropped it in 4.0.0", instead, Kind.DEPRECATED)


def _stapling(statements: Sequence[Statement], _host: Host) -> Iterator[Finding]:
    on = last(statements, "ssl_stapling")
    by_letsencrypt = any(one.name == "ssl_certificate" and "letsencrypt" in (one.value or "") for one in statements)
    if on is not None and on.value == "on" and by_letsencrypt:
        message = "Let's Encrypt's certificates name no OCSP responder since May 2025: nginx warns and does nothing"
        yield _found(on, message, "letsencrypt.org: ending OCSP support", "leave it out", Kind.IGNORED)


def _no_bound(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    bound, policy = last(statements, "maxmemory"), last(statements, "maxmemory-policy")
    wanted = host.number("maxmemory")
    try:
        is_unbounded = bound is None or redis_size(bound.value or "") == 0
    except ValueError:
        return
    if is_unbounded and statements:
        one = bound or Statement("maxmemory", None, 0)
        message = "without maxmemory it grows until the kernel kills something"
        yield _found(one, message, "redis.conf: maxmemory", f"maxmemory {wanted or 64}mb")
    elif policy is None and bound is not None and host.number("maxmemory") is not None:
        message = "when it is full, every write fails: the default policy is noeviction"
        yield _found(bound, message, "redis.conf: maxmemory-policy", "maxmemory-policy allkeys-lru beside it")


def _overcommit(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    one = last(statements, "vm.overcommit_memory")
    wanted = host.budget.numbers.get("kernel", {}).get("vm.overcommit_memory")
    keeps = getattr(host.declaration.settings.get("redis"), "is_kept", False)
    if one is not None and one.value == "1" and wanted is None and not keeps:
        message = "it promises memory that is not there; only a Redis that writes copies to the disk needs it"
        yield _found(one, message, "redis.conf, proc(5)", "vm.overcommit_memory = 0")


_RULES: Mapping[str, tuple[Rule, ...]] = {
    "mycnf": (_query_cache, _durability, _too_many_connections),
    "unit": (_memory_high, _limit_below_need, _swap_off, _metaspace, _descriptors, _ports),
    "nginx": (_too_many_slots, _old_headers, _stapling, _ports),
    "gunicorn": (_ports,),
    "redis": (_no_bound,),
    "postgresql": (_too_many_connections,),
    "sysctl": (_swap_off, _overcommit),
}
