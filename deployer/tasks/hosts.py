"""The tasks about a host of the inventory that need no connection: from its hardware to its budget and its files."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context
from rich.text import Text

from deployer.allocate import allocate
from deployer.compare import compare as compare_sizes, sizes_of
from deployer.errors import UsageError
from deployer.explain import explain as follow
from deployer.render import render as render_files
from deployer.report.budget import budget_document, print_budget
from deployer.report.compare import comparison_document, print_comparison
from deployer.report.explain import explain_document, print_explanation
from deployer.report.terminal import print_document, result_console
from deployer.tasks.shell import entry_of, read_inventory, task


@task
def hosts(_context: Context, *, inventory: str = "") -> None:
    """List the hosts of the inventory."""
    for name, entry in read_inventory(inventory).entries.items():
        hardware = entry.host.hardware
        shape = f"{hardware.cpu_cores} x CPU, {hardware.memory_mib} MiB"
        apps = ", ".join(entry.host.apps) or "no app"
        result_console().print(Text.assemble((f"{name:<16}", "bold"), f"{shape:<20}{entry.host.ssh.address:<24}{apps}"))


@task
def budget(
    _context: Context,
    *,
    host: str = "",
    inventory: str = "",
    json: bool = False,
    numbers: bool = False,
    compare: str = "",
) -> None:
    """Show what every service of a host is given, and why. Needs no connection."""
    entry, _ = entry_of(host, inventory)
    if compare:
        columns = compare_sizes(entry.declaration, sizes_of(compare))
        if json:
            print_document(comparison_document(entry.declaration, columns))
        else:
            print_comparison(result_console(), entry.declaration, columns)
        return
    found = allocate(entry.declaration)
    if json:
        print_document(budget_document(entry.declaration, found))
    else:
        print_budget(result_console(), entry.declaration, found, all_numbers=numbers)


@task
def explain(_context: Context, *, host: str = "", inventory: str = "", setting: str = "", json: bool = False) -> None:
    """Follow one number of a host's budget back to its hardware, step by step. Needs no connection."""
    entry, found = entry_of(host, inventory)
    if not setting:
        raise UsageError("which number? --setting is missing", next_step="--setting mysql.max_connections")
    step = follow(allocate(entry.declaration), entry.declaration, setting, where=found.place_in(entry.name))
    if json:
        print_document(explain_document(entry.name, step))
    else:
        print_explanation(result_console(), entry.name, step)


@task
def render(_context: Context, *, host: str = "", inventory: str = "", out: str = "") -> None:
    """Write all config files of a host into a folder, as they would be on the host. Needs no connection."""
    entry, found = entry_of(host, inventory)
    if not out:
        raise UsageError("where to? --out is missing", next_step="--out FOLDER")
    rendered = render_files(entry.declaration, allocate(entry.declaration), template_folders=found.template_folders)
    for file in rendered.files:
        path = Path(out) / file.path.lstrip("/")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}", where=out) from error
        result_console().print(str(path), soft_wrap=True)
