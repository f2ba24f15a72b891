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
    "compare": "what to put side by side: sizes, as 1c1g,2c2g,4c4g (512m is MiB); for `report`, two reports",
    "setting": "number to follow: mysql.max_connections, or the end of its name; ledger.mysql",
    "numbers": "show every number, where it comes from and why",
    "out": "folder to write into; for a plan, the file to keep it in; for `report`, PAGE.html or JUNIT.xml",
    "plan": "file of a plan that `plan --out` kept: exactly that is applied",
    "detailed_exitcode": "end with 10 if there is something to change, else with 0",
    "any_os": "go on even if the operating system is not a supported one",
    "unit": "units to read, with commas between; else all of the host's",
    "lines": "how many lines from before (1 to 5000)",
    "since": "not older than this, as journalctl has it: -1h, today, '2026-05-01 12:00'",
    "follow": "go on until interrupted",
    "limit": "how many to list, the newest first (1 to 200)",
    "to": "transaction to go back to (see `history`), or `nothing`: before the first; else the one before the last",
    "stop": "services of yours that the takeover stops and disables, with commas between",
    "leave": "services of yours that go on beside the inventory's, with commas between",
    "drop": "sites that nobody serves afterwards, by name; redis for what Redis holds; SQLite files that stay behind",
    "apply": "do it; without it is only shown what would be done",
    "restart_allowed": "restart the server for what it reads at its start alone",
    "window": "how long the server's counters are watched, seconds (1 to 300)",
    "write_inventory": "file to write a draft of an entry to, made from what was found; it must not exist yet",
    "leave_database": "databases that somebody put right by hand and that stay as they stand, with commas between",
    "wait": "how long to wait for another deploy of the host, seconds (0 to 3000)",
    "no_verify": "no load test afterwards",
    "rollback_on_fail": "go back to the deploy before if the load test shows a failure of the host's own",
    "quick": "only the short load test that follows a deploy: no rates, no search for the knee, no cool-down",
    "from_": "where the load comes from: hosts with generates_load, here, loopback (of the tested host); else here",
    "journeys": "locustfile of journeys to make instead of all phases; needs `pip install 'deployer[locust]'`",
    "users": "how many users make journeys at the same time (1 to 10000)",
    "report": "file to write the report to as well: .html a page, .xml JUnit's, all else JSON",
    "pages": "paths of pages, with commas between",
    "trials": "changes that are tried at the most (1 to 40)",
    "minutes": "no trial begins after so many minutes (1 to 240)",
    "reading_s": "how long each reading loads each page, seconds (1 to 60)",
    "keep": "leave the host with what gained; else it goes back to what the inventory says",
    "dry": "contact nothing; show what would be tried, and what does not fit",
    "check": "write nothing; end with 1 if the file is out of date",
    "file": "file to look at: a config, as my.cnf, nginx.conf, gunicorn.conf.py, a unit...; for `report`, a report",
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
    "seconds": "how long the load lasts, seconds; in `bench.fill`, all services at their worst together",
    "hold_s": "how long the connections are held, seconds",
    "watch_s": "how long the host is watched, seconds",
    "write": "write the figures into docs/benchmarks.md",
    "results": "file that keeps the result of each case; those that it knows to be in order are left out",
    "bounded": "only the cases that make test runs",
}

#: The least and the most of options that are numbers; a host that is asked for more would give less without a word.
RANGES: Mapping[str, tuple[int, int]] = {
    "parallel": (1, 64),
    "lines": (1, 5000),
    "limit": (1, 200),
    "wait": (0, 3000),
    "runs": (1, 100),
    "seconds": (10, 3600),
    "hold_s": (1, 3600),
    "watch_s": (5, 3600),
    "hosts": (2, 64),
    "trials": (1, 40),
    "minutes": (1, 240),
    "reading_s": (1, 60),
    "window": (1, 300),
    "users": (1, 10_000),
}


def as_task(function: Callable[..., None]) -> Any:
    """Make a task of a function, whose first parameter is the context and whose others are options.

    Options have no short names and nothing is positional, so that adding one never changes what a script means.
    """
    names = list(signature(function).parameters)[1:]
    return invoke_tasks.task(
        function, positional=[], auto_shortflags=False, help={name: OPTIONS[name] for name in names}
    )
