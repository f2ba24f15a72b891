"""What every task shares: its options, the inventory, and how errors end the process."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from invoke import tasks as invoke_tasks
from invoke.exceptions import Exit
from rich.text import Text

from deployer.errors import DeployerError, UsageError
from deployer.inventory import Entry, Inventory, load_inventory
from deployer.report.error import error_document
from deployer.report.terminal import print_document, talk_console

DEFAULT_INVENTORY = "inventories"
INTERRUPTED = 130
#: Whoever read stdout has had enough, as `head` does: what a shell says of a program that SIGPIPE ended.
READER_GONE = 141

#: What each option means, for ``--help``; an option means the same in every task.
OPTIONS: Mapping[str, str] = {
    "host": "name of the host in the inventory",
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
    "runs": "how many times to measure",
    "only": "the server or the subject that is measured alone, such as mariadb, sockets or statements",
    "seconds": "how long all services are at their worst together, seconds",
    "hold_s": "how long the connections are held, seconds",
    "write": "write the figures into docs/benchmarks.md",
    "bounded": "only the cases that make test runs",
}


def task(function: Callable[..., int | None]) -> Any:
    """Make a task of a function.

    Options have no short names and nothing is positional, so that adding one never changes what a script means.
    The function's result is the exit code; an error of ours is printed once, with its exit code.
    """

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            code = function(*arguments, **options) or 0
        except DeployerError as error:
            print_error(error)
            if options.get("json"):
                print_document(error_document(error))
            code = error.exit_code
        except KeyboardInterrupt:
            talk_console().print("interrupted; a deploy that was under way is undone by the host itself")
            code = INTERRUPTED
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has nowhere to go
            code = READER_GONE
        except Exit:
            raise
        except Exception:  # noqa: BLE001 - the one place where a fault of ours becomes exit code 1
            talk_console().print(Text(traceback.format_exc()), end="")
            talk_console().print("this is a fault of deployer, please report it with the lines above")
            code = DeployerError.exit_code
        if code:
            raise Exit(code=code)

    names = list(inspect.signature(function).parameters)[1:]
    return invoke_tasks.task(run, positional=[], auto_shortflags=False, help={name: OPTIONS[name] for name in names})


def print_error(error: DeployerError) -> None:
    """Print an error where people look for it; the first line stands out."""
    first, _, rest = error.diagnostics().partition("\n")
    console = talk_console()
    console.print(Text.assemble(("error: ", "bold red"), first), soft_wrap=True)
    if rest:
        console.print(Text(rest), soft_wrap=True)


def read_inventory(inventory: str) -> Inventory:
    """Read the inventory that was asked for."""
    return load_inventory([Path(inventory or os.environ.get("DEPLOYER_INVENTORY", "") or DEFAULT_INVENTORY)])


def entry_of(host: str, inventory: str) -> tuple[Entry, Inventory]:
    """Find a host.

    Raises:
        UsageError: No host was named, or there is none of that name.
    """
    found = read_inventory(inventory)
    if not host:
        known = ", ".join(found.entries) or "none"
        raise UsageError(
            "which host? --host is missing", where="--host", next_step=f"--host NAME; the inventory has: {known}"
        )
    return found.entry(host), found


def flush() -> None:
    """Write out what was printed, before a program of its own takes the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
