"""Inventories that went wrong in a thousand ways: real ones, changed a few times by chance."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

#: What people, scripts and careless templates leave behind where a value should stand.
NASTY: tuple[Any, ...] = (
    *(0, 1, -1, 2, 7, 16, 100, 4095, 10**9, -(10**9), 10**30, 2**63, 0.5, -0.0, 1e308, 1e-12, 1e-300, 5e-324),
    *(
        float("nan"),
        float("inf"),
        float("-inf"),
        None,
        True,
        False,
        "",
        " ",
        "0",
        "1G",
        "512M",
        "-1",
        "1e9",
        "yes",
        "~",
    ),
    *("99.9", "8.4", "5.7", "17", "10.11", "latest", "🦄", "ünïcödé", "a\u202eb", "\u0000", "../..", "/", "x" * 5000),
    *("{{ 7*7 }}", "%n", "$(id)", "'; DROP TABLE x", [], {}, [[]], [None], {"": None}, {"a": {"b": {"c": {}}}}),
    *(["x"] * 300, [{}] * 50, {f"key{n}": n for n in range(300)}, ["run", "--flag", ""], "daily", "*-*-* 04:00"),
)
#: Keys that mean something somewhere, so that some of what is made goes far.
KEYS = (
    *(
        "mysql",
        "postgresql",
        "redis",
        "sqlite",
        "nginx",
        "kernel",
        "gunicorn",
        "node",
        "java",
        "go",
        "version",
        "flavour",
    ),
    *("innodb_buffer_pool_size_mib", "max_connections", "workers", "threads", "pool_size", "worker_memory_mib", "swap"),
    *("swap_mib", "websockets", "uses", "background", "timers", "processes", "memory_mib", "connections", "page_kib"),
    *(
        "uploads_at_once",
        "max_upload_mib",
        "cache_disk_mib",
        "unmanaged_mib",
        "disk_gib",
        "cpu_cores",
        "bandwidth_mbit_per_s",
    ),
    *(
        "traffic_gb_per_month",
        "compute_ms",
        "wait_ms",
        "worker_class",
        "database",
        "server",
        "environment",
        "load_from",
    ),
)
#: Values that many keys take.
GOOD: tuple[Any, ...] = (
    1,
    2,
    3,
    8,
    10,
    20,
    64,
    100,
    256,
    1000,
    2048,
    4096,
    {},
    "sync",
    "gthread",
    "zram",
    "file",
    "redis",
)
#: What a user might add on purpose, by its place in a host; ``*`` is any app.
PLAUSIBLE: tuple[tuple[tuple[str, ...], tuple[Any, ...]], ...] = (
    (("hardware", "cpu_cores"), (1, 2, 4, 8, 64)),
    (("hardware", "memory_mib"), (512, 1024, 3000, 8192, 262_144)),
    (("hardware", "swap_mib"), (0, 512, 4096)),
    (("hardware", "disk_gib"), (4, 10, 20, 65_536)),
    (("hardware", "bandwidth_mbit_per_s"), (0.01, 0.1, 3, 1000, 100_000, 1e-300)),
    (("hardware", "traffic_gb_per_month"), (1, 300, 10**9)),
    (("target", "connections"), (10, 500, 5000, 100_000)),
    (("target", "page_kib"), (0.1, 15, 10_240, 1e-300, 5e-324)),
    (("unmanaged_mib",), (0, 100, 1000)),
    (("services", "mysql"), ({}, {"max_connections": 10}, {"innodb_buffer_pool_size_mib": 16}, {"version": "11.8"})),
    (("services", "redis"), ({},)),
    (("services", "postgresql"), ({},)),
    (("services", "nginx"), ({}, {"cache_disk_mib": 8}, {"include": ["/etc/nginx/sites-enabled/*"]})),
    (("services", "kernel"), ({"swap": "zram"}, {"swap": "file"}, {"swap": "file", "swap_mib": 65_536})),
    (("apps", "*", "uses"), (["redis"], [], ["mysql"])),
    (("apps", "*", "max_upload_mib"), (1, 50, 1024)),
    (("apps", "*", "uploads_at_once"), (1, 1000)),
    (("apps", "*", "cache_s"), (0, 3600)),
    (("apps", "*", "websockets"), ({"path": "/live", "connections": 100},)),
    (("apps", "*", "background"), ({"mail": {"command": ["python", "-m", "mail"], "processes": 3}},)),
    (("apps", "*", "timers"), ({"clean": {"command": ["bin/clean"], "on_calendar": "daily"}},)),
    (("apps", "*", "environment"), ({"COLOUR": "50%"}, {"QUOTED": "a 'b' \"c\" $d \\"}, {"UNICODE": "grüße 🦄"})),
    (("apps", "*", "gunicorn", "workers"), (1, 3, 64)),
    (("apps", "*", "gunicorn", "pool_size"), (1, 200)),
    (("apps", "*", "gunicorn", "worker_class"), ("sync", "gthread", "asgi", "no.such.Class")),
    (("apps", "*", "gunicorn", "worker_memory_mib"), (24, 300, 8192)),
    (("apps", "*", "gunicorn", "wait_ms"), (0, 0.001, 600_000, 1e-300)),
    (("apps", "*", "gunicorn", "compute_ms"), (0.001, 5, 600_000, 1e-300, 5e-324)),
)
LINES = (
    "\t",
    "- ",
    "  - x",
    "? {}",
    "<<: *a",
    "&a {}",
    "!!python/object:os.system",
    "%YAML 9",
    "---",
    "...",
    "a: b: c",
    "\ufeff",
)


def _nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found] if depth % 2 else {"x": found}
    return found


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """List every place below a value: what holds it, and its key or index there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in list(pairs):
        found.append((value, key))
        if len(found) < 2000:
            _places(one, found)
    return found


def _change(chance: Random, data: dict[str, Any]) -> None:
    places = _places(data, [])
    if not places:
        return
    holder, key = chance.choice(places)
    if chance.random() < 0.6:
        _add(chance, data)
        return
    match chance.randrange(9):
        case 0 | 1:
            holder[key] = copy.deepcopy(chance.choice(NASTY))
        case 2 | 3:
            holder[key] = copy.deepcopy(chance.choice(GOOD))
        case 4:
            del holder[key]
        case 5:
            inner = holder[key]
            if isinstance(inner, dict):
                inner[chance.choice(KEYS)] = copy.deepcopy(chance.choice((*NASTY, *GOOD, *GOOD, *GOOD)))
        case 6:
            other, name = chance.choice(places)
            holder[key] = copy.deepcopy(other.get(name) if isinstance(other, dict) else None)
        case 7:
            if isinstance(holder, dict):
                holder[chance.choice((*KEYS, "a" * 200, "ä", "", "a.b", "-"))] = copy.deepcopy(holder[key])
        case _:
            holder[key] = _nested(chance.choice((3, 30, 300)))


#: What an app may say instead of how it was run.
RUNNERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("gunicorn", {"module": "a.b:c", "worker_class": "gthread", "wait_ms": 20, "compute_ms": 5}),
    ("gunicorn", {"module": "a.b:c", "worker_class": "sync", "wait_ms": 600_000, "compute_ms": 5e-324}),
    ("node", {"script": "server.js"}),
    ("node", {"script": "server.js", "processes": 3, "pm2": True}),
    ("java", {"jar": "app.jar"}),
    ("java", {"jar": "app.jar", "heap_mib": 300, "threads": 10}),
    ("go", {"program": "bin/app"}),
    ("go", {"program": "bin/app", "arguments": ["-v", "a b", "50%", "$x"], "memory_mib": 100}),
)


def _run_otherwise(chance: Random, host: dict[str, Any]) -> None:
    named = host.get("apps")
    apps = [app for app in named.values() if isinstance(app, dict)] if isinstance(named, dict) else []
    if apps:
        app, (name, said) = chance.choice(apps), chance.choice(RUNNERS)
        for other, _ in RUNNERS:
            app.pop(other, None)
        app[name] = copy.deepcopy(said)


def _add(chance: Random, host: dict[str, Any]) -> None:
    """Add what is right in form; together such things may still contradict one another."""
    if chance.random() < 0.15:
        _run_otherwise(chance, host)
        return
    (*way, last), values = chance.choice(PLAUSIBLE)
    holder: Any = host
    for key in way:
        inside = holder if isinstance(holder, dict) else {}
        holder = chance.choice(list(inside.values()) or [{}]) if key == "*" else inside.setdefault(key, {})
    if isinstance(holder, dict):
        holder[last] = copy.deepcopy(chance.choice(values))


def _spoil(chance: Random, text: str) -> str:
    """Damage the text itself, as an editor, a merge or half a copy does."""
    lines = text.splitlines()
    place = chance.randrange(len(lines) + 1)
    match chance.randrange(6):
        case 0:
            lines.insert(place, chance.choice(lines))
        case 1:
            lines.insert(place, chance.choice(LINES))
        case 2:
            del lines[place : place + chance.randrange(4)]
        case 3:
            lines = lines[:place]
        case 4:
            lines[place : place + 1] = [f" {line}" for line in lines[place : place + 1]]
        case _:
            at = chance.randrange(len(text))
            return text[:at] + chance.choice(("\x00", "{", "]", ":", "\t", "\U0001f984", "'", "*", "\x85")) + text[at:]
    return "\n".join(lines) + "\n"


def _written(value: Any, indent: int = 0) -> str:
    """Write block YAML of plain data: mappings as lines, all else as JSON, which YAML reads."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False)
    lines = []
    for key, one in value.items():
        inner = _written(one, indent + 2)
        plain = key if isinstance(key, str) and key.isidentifier() and key.isascii() else json.dumps(key)
        lines.append(f"{' ' * indent}{plain}:{chr(10) if isinstance(one, dict) and one else ' '}{inner}")
    return "\n".join(lines)


def fuzzed(seed: int, hosts: dict[str, Any]) -> str:
    """Make one inventory of one host; the same seed gives the same text."""
    chance = Random(seed)
    name = chance.choice(list(hosts))
    data = {"hosts": {name: copy.deepcopy(hosts[name])}}
    # mostly inside the host: what is wrong further up is refused at once, and shows little
    target = data["hosts"][name] if chance.random() < 0.95 else data
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4, 12))):
        _change(chance, target)
    text = _written(data) + "\n"
    return _spoil(chance, text) if chance.random() < 0.1 else text
