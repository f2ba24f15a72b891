"""What every task shares: its options, the inventory, and how errors end the process."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from invoke.exceptions import Exit
from rich.text import Text

from deployer.errors import DeployerError, UsageError
from deployer.inventory import Entry, Inventory, load_inventory
from deployer.report.error import error_document
from deployer.report.terminal import ResultsLostError, print_document, talk_console
from deployer.tasks.ending import both_ways, code_of
from deployer.tasks.options import RANGES, as_task

DEFAULT_INVENTORY = "inventories"
#: Whoever read stdout has had enough, as `head` does: what a shell says of a program that SIGPIPE ended.
READER_GONE = 141


def task(function: Callable[..., int | None]) -> Any:
    """Make a task of a function, by ``as_task``.

    The function's result is the exit code; an error of ours is printed once, with its exit code.
    """

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> None:
        code = 0
        try:
            try:
                _check_ranges(options)
                with both_ways():
                    code = function(*arguments, **options) or 0
            except DeployerError as error:
                code = error.exit_code
                print_error(error)
                if options.get("json"):
                    print_document(error_document(error))
        except KeyboardInterrupt as interrupt:
            talk_console().print("interrupted; a deploy that was under way is undone by the host itself")
            code = code_of(interrupt)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has nowhere to go
            code = code or READER_GONE
        except ResultsLostError as error:
            said = f"error: all is done, but what came of it cannot be written: {error.strerror}"
            talk_console().print(Text(said), soft_wrap=True)
            code = code or DeployerError.exit_code
        except Exit:
            raise
        except Exception:  # noqa: BLE001 - the one place where a fault of ours becomes exit code 1
            talk_console().print(Text(traceback.format_exc()), end="")
            talk_console().print("this is a fault of deployer, please report it with the lines above")
            code = DeployerError.exit_code
        if code:
            raise Exit(code=code)

    return as_task(run)


def _check_ranges(options: Mapping[str, Any]) -> None:
    """Refuse a number that an option cannot have.

    Raises:
        UsageError: With the least and the most.
    """
    for name, (least, most) in RANGES.items():
        value = options.get(name, least)
        if isinstance(value, int) and not least <= value <= most:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} must be {least} to {most}", where=f"{option} {value}")


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
        UsageError: No host was named, or there is none of that name, or it is the name of several.
    """
    entries, found = entries_of(host, inventory)
    if len(entries) > 1:
        raise UsageError(f"this task is about one host, --host names {len(entries)}", where=f"--host {host}")
    return entries[0], found


def entries_of(host: str, inventory: str) -> tuple[tuple[Entry, ...], Inventory]:
    """Find the hosts of a list of names, at least one.

    Raises:
        UsageError: No host was named, or a name is of none.
    """
    found = read_inventory(inventory)
    if not host.strip(", "):
        known = ", ".join(found.entries) or "none"
        raise UsageError(
            "which host? --host is missing", where="--host", next_step=f"--host NAME; the inventory has: {known}"
        )
    return found.chosen(host), found


def flush() -> None:
    """Write out what was printed, before a program of its own takes the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
