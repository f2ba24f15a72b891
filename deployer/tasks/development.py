"""Tasks for those who work on deployer itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from invoke.context import Context

from deployer.allocate import allocate
from deployer.inventory import load_inventory
from deployer.inventory.schema import schema_text
from deployer.render import render
from deployer.report.terminal import result_console
from deployer.tasks.shell import task

GOLDEN = Path("tests/golden")
SCHEMA_FILE = Path("inventories/schema.json")


@task
def schema(_context: Context, *, check: bool = False) -> int:
    """Write inventories/schema.json from the models; with --check only say whether it is up to date."""
    text = schema_text()
    current = SCHEMA_FILE.read_text(encoding="utf-8") if SCHEMA_FILE.exists() else ""
    if check:
        result_console().print(f"{SCHEMA_FILE} is " + ("up to date" if current == text else "out of date: dev.schema"))
        return int(current != text)
    SCHEMA_FILE.write_text(text, encoding="utf-8")
    result_console().print(str(SCHEMA_FILE))
    return 0


@task
def golden(_context: Context) -> None:
    """Write tests/golden/ anew: every file of the example's hosts and of the typical sizes, as it is rendered now."""
    for name, entry in load_inventory([Path("inventories"), GOLDEN / "hosts.yml"]).entries.items():
        folder = GOLDEN / name
        shutil.rmtree(folder, ignore_errors=True)
        for file in render(entry.declaration, allocate(entry.declaration)).files:
            path = folder / file.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
        result_console().print(str(folder))
