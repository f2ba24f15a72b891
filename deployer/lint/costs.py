"""What a file lets its server take at its worst, MiB, beside what the ledger grants. Formulas: docs/budget.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from deployer.dialects import Statement
from deployer.dialects.values import mysql_size, postgresql_size, redis_size, systemd_size
from deployer.lint.host import Host, last
from deployer.priors import PRIORS
from deployer.registry import Finding, Kind
from deployer.registry.groups import is_read_by_server
from deployer.services.node.links import SEMI_SPACE_MIB, apps_of

_MIB = 1024**2
_LEDGER = "the ledger: invoke budget"
_OF_CONNECTION = ("sort_buffer_size", "join_buffer_size", "read_buffer_size", "read_rnd_buffer_size", "thread_stack")
#: What the measured empty server already holds of it, MiB.
_IN_EMPTY_SERVER = {"key_buffer_size": 1, "aria_pagecache_buffer_size": 8, "innodb_log_buffer_size": 2}
_GLOBAL = ("innodb_buffer_pool_size", "query_cache_size", *_IN_EMPTY_SERVER)
#: A thread of Java, of 250 that a web server has, and what the JVM reserves besides its heap. libjvm's formula.
_JAVA_THREADS = 250
#: Threads that a small host's app does with.
_FEW_JAVA_THREADS = 50
#: V8 keeps young objects in two parts that live side by side, and in a third of what is large.
_SEMI_SPACES = 3

Parts = Mapping[str, float]


def over_budget(statements: Sequence[Statement], host: Host) -> Iterator[Finding]:
    """Find what needs more than this host has for it."""
    price = _PRICES.get(host.dialect)
    priced = price(statements, host) if price is not None else None
    if priced is None:
        return
    at, parts, instead = priced
    worst_mib = sum(parts.values())
    if worst_mib <= host.room_mib:
        return
    largest = sorted(parts.items(), key=lambda part: -part[1])
    text = " + ".join(f"{name} {mib:.0f}" for name, mib in largest if mib >= 0.5)
    granted = f"{host.budget.host} has no {host.taker} to grant it to"
    if host.room_mib:
        granted = f"{host.budget.host} grants {host.taker or 'no app more than'} {host.room_mib} MiB"
    message = f"at its worst it takes {worst_mib:.0f} MiB; {granted}: {text}"
    yield Finding(Kind.OVER_BUDGET, at.name, at.line, message, _LEDGER, instead)


Priced = tuple[Statement, Parts, str] | None


def _mycnf(statements: Sequence[Statement], host: Host) -> Priced:
    known, version = host.registry, host.release
    read = [one for one in statements if is_read_by_server(one, known.flavour, version)]
    if not read:
        return None
    written = {one.name.removeprefix("loose_"): one for one in read}

    def count(name: str) -> int:
        setting = known.settings.get(name)
        default = setting.default_in(version) if setting is not None and setting.is_known_to(version) else None
        for text in (written[name].value if name in written else None, default):
            try:
                return mysql_size(re.sub(r"(?i)^(\d+[KMGT])B?\w*$", r"\1", text or ""))
            except ValueError:
                continue
        return 0

    connections = count("max_connections")
    each_mib = sum(count(name) for name in _OF_CONNECTION) / _MIB
    each_mib += (count("binlog_cache_size") + 2 * count("net_buffer_length") + count("mrr_buffer_size")) / _MIB
    parts = {name: max(0.0, count(name) / _MIB - _IN_EMPTY_SERVER.get(name, 0)) for name in _GLOBAL}
    if known.flavour == "mariadb":
        table = "tmp_memory_table_size" if "tmp_memory_table_size" in written else "tmp_table_size"
        each_mib += min(count(table), count("max_heap_table_size")) / _MIB
    else:
        parts["temptable_max_ram"] = count("temptable_max_ram") / _MIB
        each_mib += 1
    parts[f"{connections} connections x {each_mib:.1f}"] = connections * each_mib
    series = known.series(version)
    fixed = PRIORS.mariadb_fixed_mib if known.flavour == "mariadb" else PRIORS.mysql_fixed_mib
    parts[f"{known.flavour} {series}, empty"] = fixed.get(series, max(fixed.values()))
    watched = written.get("performance_schema")
    is_watched = (watched.value or "on").lower() in {"on", "1", "true"} if watched else known.flavour == "mysql"
    if is_watched:
        watching = (
            PRIORS.mariadb_performance_schema_mib if known.flavour == "mariadb" else PRIORS.mysql_performance_schema_mib
        )
        parts["performance_schema"] = watching.get(series, max(watching.values()))
    at = written.get("max_connections") or written.get("innodb_buffer_pool_size") or read[0]
    return (
        at,
        parts,
        _of_budget(host, ("max_connections", ""), ("innodb_buffer_pool_size", "M"), ("sort_buffer_size", "K")),
    )


def _of_budget(host: Host, *names: tuple[str, str]) -> str:
    found = [(name, host.number(name), unit) for name, unit in names]
    return ", ".join(f"{name} = {value}{unit}" for name, value, unit in found if value is not None)


def _nginx(statements: Sequence[Statement], host: Host) -> Priced:
    at = last(statements, "worker_connections")
    if at is None or not (at.value or "").isdecimal():
        return None
    processes = last(statements, "worker_processes")
    workers = host.declaration.hardware.cpu_cores
    if processes is not None and (processes.value or "").isdecimal():
        workers = int(processes.value or 1)
    slots = int(at.value or 0) * workers
    visitors = slots / 2
    parts = {
        f"{visitors:.0f} visitors, two connections each, x {PRIORS.nginx_connection_tls_kib} KiB": visitors
        * (PRIORS.nginx_connection_tls_kib + PRIORS.socket_kib)
        / 1024,
        "slots": slots * PRIORS.nginx_slot_kib / 1024,
        "master and workers": PRIORS.nginx_master_mib + workers * PRIORS.nginx_worker_mib,
    }
    wanted = host.number("worker_connections")
    if wanted is not None and int(at.value or 0) <= wanted:
        return None
    return at, parts, f"worker_connections {wanted};" if wanted is not None else ""


def _unit(statements: Sequence[Statement], host: Host) -> Priced:
    limit = last(statements, "MemoryMax")
    telling = [one for one in statements if one.name in {"ExecStart", "Environment"} and one.value]
    together = " ".join(one.value or "" for one in telling)
    for one in telling:
        parts = _java(one.value or "", together) or _node(one.value or "", together, host)
        if parts:
            return one, parts, _smaller(one.value or "", together, host, parts)
    if limit is None:
        return None
    try:
        mib = systemd_size(limit.value or "", host.budget.usable_mib * _MIB) / _MIB
    except ValueError:
        return None
    instead = f"MemoryMax={host.room_mib}M" if host.taker and host.room_mib else ""
    if limit.context == ("Slice",):
        return (limit, {"MemoryMax": mib}, f"MemoryMax={host.services_mib}M") if mib > host.services_mib else None
    return limit, {"MemoryMax": mib}, instead


def _mib_of(text: str) -> float:
    matched = re.fullmatch(r"(\d{1,12})([kKmMgG]?)", text)
    return int(matched[1]) * {"": 1, "K": 1024, "M": _MIB, "G": 1024**3}[matched[2].upper()] / _MIB if matched else 0.0


def _option(command: str, pattern: str, otherwise: str) -> float:
    found = re.findall(pattern + r"(\d{1,12}[kKmMgG]?)\b", command)
    return _mib_of(found[-1] if found else otherwise)


def _java(command: str, together: str) -> Parts:
    """Price a Java machine; how many threads its app has, another line may say, as it does in units of ours."""
    heap_mib = _option(command, r"-Xmx", "0")
    if not heap_mib:
        return {}
    told = re.findall(r"\bTHREADS=(\d{1,5})\b", together)
    threads = int(told[-1]) + PRIORS.java_own_threads if told else _JAVA_THREADS
    metaspace_mib = PRIORS.java_metaspace_mib + PRIORS.java_class_kib * PRIORS.java_classes / 1024
    return {
        "heap": heap_mib,
        "metaspace": _option(command, r"-XX:MaxMetaspaceSize=", f"{int(metaspace_mib)}M"),
        "code cache": _option(command, r"-XX:ReservedCodeCacheSize=", "240M"),
        f"{threads} threads": threads * _option(command, r"-Xss", "1M"),
        "direct": _option(command, r"-XX:MaxDirectMemorySize=", "10M"),
    }


def _node(command: str, together: str, host: Host) -> Parts:
    """Price a process of Node.js: its old space, its young one, which another line may bound, and the rest."""
    matched = re.search(r"--max[-_]old[-_]space[-_]size=(\d{1,7})", command)
    if not matched:
        return {}
    bounded = re.findall(r"--max[-_]semi[-_]space[-_]size=(\d{1,7})", together)
    semi_mib = int(bounded[-1]) if bounded else _semi_space_mib(host)
    return {
        "old space": int(matched[1]),
        f"{_SEMI_SPACES} semi-spaces of {semi_mib:.0f}": _SEMI_SPACES * semi_mib,
        "beside them": PRIORS.node_beside_mib - _SEMI_SPACES * SEMI_SPACE_MIB,
    }


def _semi_space_mib(host: Host) -> float:
    """Say how large a semi-space becomes by itself, MiB: by the releases that the host declares; of none, the most."""
    apps = apps_of(host.declaration)
    declared = [settings.version for name, (_, settings) in apps.items() if host.taker in {"", name}]
    known = PRIORS.node_semi_space_mib
    return max(known[version] for version in declared or known)


def _smaller(command: str, together: str, host: Host, parts: Parts) -> str:
    if "old space" in parts:
        fits = int(0.95 * host.room_mib - PRIORS.node_beside_mib)
        flags = f"--max-old-space-size={fits} --max-semi-space-size={SEMI_SPACE_MIB}"
        return flags if fits > 0 else "another host: nothing is left for it"
    threads = f"THREADS={_FEW_JAVA_THREADS - PRIORS.java_own_threads}"
    few = _java(f"{command} -XX:ReservedCodeCacheSize=64M -Xss512k", f"{together} {threads}")
    small = {**few, "heap": 0.0}
    fits = int(0.95 * host.room_mib - sum(small.values()))
    if fits <= 0:
        return "another host: nothing is left for a heap"
    flags = f"-XX:MaxMetaspaceSize={int(small['metaspace'])}m -XX:ReservedCodeCacheSize=64m -Xss512k -XX:+UseSerialGC"
    return f"-Xmx{fits}m {flags} and at most {_FEW_JAVA_THREADS} threads"


def _redis(statements: Sequence[Statement], host: Host) -> Priced:
    at = last(statements, "maxmemory")
    try:
        mib = redis_size(at.value or "") / _MIB if at is not None else 0.0
    except ValueError:
        return None
    if at is None or not mib:
        return None
    parts = {"empty": PRIORS.redis_fixed_mib, "maxmemory": mib * PRIORS.redis_memory_share}
    saves = [one for one in statements if one.name == "save"]
    appends = last(statements, "appendonly")
    # without a word about it the server saves: its default is three of them
    if not saves or any(one.value for one in saves) or (appends is not None and appends.value == "yes"):
        parts["its copy while it is written to the disk"] = mib * PRIORS.redis_copy_share
    wanted = host.number("maxmemory")
    return at, parts, f"maxmemory {wanted}mb" if wanted is not None else 'save "" and a smaller maxmemory'


def _postgresql(statements: Sequence[Statement], host: Host) -> Priced:
    known, version = host.registry, host.release

    def value(name: str) -> float:
        one, setting = last(statements, name), known.settings[name]
        for text in (one.value if one is not None else None, setting.default_in(version)):
            try:
                return postgresql_size(text or "", setting.unit) if setting.unit else float(text or "")
            except ValueError:
                continue
        return 0.0

    connections = value("max_connections")
    work_mib = value("work_mem") / _MIB
    hashes = max(1.0, value("hash_mem_multiplier"))
    each_mib = PRIORS.postgresql_backend_mib + PRIORS.postgresql_work_areas * work_mib * hashes
    maintenance_mib = max(0.0, value("maintenance_work_mem")) / _MIB
    fixed = PRIORS.postgresql_fixed_mib
    parts = {
        "shared_buffers": value("shared_buffers") / _MIB,
        f"{connections:.0f} connections x {each_mib:.1f}": connections * each_mib,
        "autovacuum": value("autovacuum_max_workers") * maintenance_mib,
        "empty": fixed.get(known.series(version), max(fixed.values())),
    }
    names = ("max_connections", "work_mem", "shared_buffers")
    at = next((one for name in names if (one := last(statements, name)) is not None), None)
    instead = _of_budget(host, ("max_connections", ""), ("shared_buffers", "MB"), ("work_mem", "kB"))
    return (at, parts, instead) if at is not None else None


def _gunicorn(statements: Sequence[Statement], host: Host) -> Priced:
    at = last(statements, "workers")
    if at is None or not (at.value or "").isdecimal():
        return None
    workers = int(at.value or 0)
    wanted = host.number("workers")
    if wanted is not None and workers <= wanted:
        return None
    parts = {"master": PRIORS.gunicorn_master_mib, f"{workers} workers": workers * PRIORS.gunicorn_worker_mib}
    return at, parts, f"workers = {wanted}" if wanted is not None else ""


_PRICES: Mapping[str, Callable[[Sequence[Statement], Host], Priced]] = {
    "mycnf": _mycnf,
    "nginx": _nginx,
    "unit": _unit,
    "redis": _redis,
    "postgresql": _postgresql,
    "gunicorn": _gunicorn,
}
