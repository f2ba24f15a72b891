"""The task about reports of load tests: read again, put side by side, made into pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from invoke.context import Context

from deployer.errors import UsageError
from deployer.report.reports import print_reports, write_reports
from deployer.report.terminal import result_console, talk_console
from deployer.tasks.shell import task

#: A report of an hour has some megabytes.
LIMIT_BYTES = 64 * 2**20


@task
def report(_context: Context, *, file: str = "", compare: str = "", out: str = "") -> int:
    """Show what a load test said, or how the second of two differs; `--out PAGE.html` makes a page with plots of it.

    The files are those that `verify --report FILE.json` wrote. The page loads nothing and can be sent to anybody.
    """
    if bool(file) == bool(compare):
        raise UsageError(
            "one report, or two to compare", where="report", next_step="--file A.json, or --compare A.json,B.json"
        )
    names = [name.strip() for name in compare.split(",")] if compare else [file]
    if compare and len(names) != 2:
        raise UsageError(
            f"two reports can be compared, not {len(names)}", where="--compare", next_step="--compare A.json,B.json"
        )
    documents = [_read(Path(name)) for name in names]
    if out:
        write_reports(Path(out), documents)
    print_reports(result_console(), documents)
    if out:
        talk_console().print(f"{out} is written", style="dim", soft_wrap=True)
    return 0


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > LIMIT_BYTES:
        raise UsageError(f"{path} is too large for a report")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is no JSON: {error}", next_step="give a file that `verify --report FILE.json` wrote"
        ) from error
