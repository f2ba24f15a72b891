"""What each option means, for ``--help``; an option means the same in every task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from invoke import tasks as invoke_tasks

#: By the names of parameters.
OPTIONS: Mapping[str, str] = {
    "host": "name of the host in the inventory; where a task is for many: hosts and groups, with commas between",
    "canary": "so many hosts go first, one after the other: 1, or 10%; unless they are green, no other begins",
    "batch": "so many of the hosts make a batch: 2, or 25%; after a red, no other host begins",
    "parallel": "how many hosts at the same time, 1 to 64",
    "revert_green": "if a red stops it, take back what went live on other hosts",
    "inventory": "inventory file or folder; else $DEPLOYER_INVENTORY, else ./inventories",
    "json": "one JSON document on stdout, talk on stderr (docs/json.md)",
    "compare": "sizes to put side by side instead: 1c1g,2c2g,4c4g (512m is MiB)",
    "setting": "number to follow: mysql.max_connections, or the end of its name; ledger.mysql",
    "numbers": "show every number, where it comes from and why",
    "out": "folder to write into; for a plan, the file to keep it in",
    "plan": "file of a plan that `plan --out` kept: exactly that is applied",
    "detailed_exitcode": "end with 10 if there is something to change, else with 0",
    "any_os": "go on even if the operating system is not a supported one",
    "unit": "units to read, with commas between; else all of the host's",
    "lines": "how many lines from before (1 to 5000)",
    "since": "not older than this, as journalctl has it: -1h, today, '2026-05-01 12:00'",
    "follow": "go on until interrupted",
    "limit": "how many to list, the newest first (1 to 200)",
    "to": "transaction to go back to (see `history`), or `nothing`: before the first; else the one before the last",
    "wait": "how long to wait for another deploy of the host, seconds",
    "no_verify": "no load test afterwards",
    "report": "file to write the report to as well, as JSON",
    "check": "write nothing; end with 1 if the file is out of date",
    "file": "config to look at: my.cnf, nginx.conf, gunicorn.conf.py, a unit, postgresql.conf, redis.conf...",
    "dialect": "what the file is, where its name does not tell: mycnf, nginx, unit...; or its reader: mycnf/mysql/8.4",
    "command": "command to run there instead of a shell",
    "suite": "bookworm (Debian 12), trixie (13), sid (13 with sid's servers); else as the inventory's versions say",
    "kernel": "shared (a container, the default) or own (User-Mode Linux: slower, one core, everything its own)",
    "tree": "name of a Debian tree (sandbox.trees lists them)",
    "make": "make those that are missing",
    "all": "every local VPS, and what they share",
    "hosts": "how many local VPSes (2 to 64)",
    "runs": "how many times to measure",
    "only": "the server or the subject that is measured alone, such as mariadb, sockets or statements",
    "seconds": "how long all services are at their worst together, seconds",
    "hold_s": "how long the connections are held, seconds",
    "write": "write the figures into docs/benchmarks.md",
    "bounded": "only the cases that make test runs",
}


def as_task(function: Callable[..., None]) -> Any:
    """Make a task of a function, whose first parameter is the context and whose others are options.

    Options have no short names and nothing is positional, so that adding one never changes what a script means.
    """
    names = list(signature(function).parameters)[1:]
    return invoke_tasks.task(
        function, positional=[], auto_shortflags=False, help={name: OPTIONS[name] for name in names}
    )
