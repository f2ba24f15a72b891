"""The load test of a host as a task runs it: its verdict printed, and turned into an exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from deployer import sandbox
from deployer.deploy import prove
from deployer.errors import Inconclusive, UsageError, VerificationFailed
from deployer.inventory import Entry
from deployer.report.terminal import Steps, result_console
from deployer.slo import Phases
from deployer.verify import Outcome, Verdict, report

EXIT_CODES: Final[Mapping[Outcome, int]] = {
    "kept": 0,
    "missed": VerificationFailed.exit_code,
    "inconclusive": Inconclusive.exit_code,
}


def run_verify(entry: Entry, *, quiet: bool) -> tuple[dict[str, Any], int]:
    """Load-test a host, print the verdict, and give it as a document with the exit code that it means.

    Args:
        entry: The host.
        quiet: Print nothing on stdout.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    verdict = loaded(entry)
    if not quiet:
        console = result_console()
        console.print(Text.from_ansi(report.text(verdict, colour=console.is_terminal)), soft_wrap=True)
    return report.document(verdict, started_at=started_at, host=entry.name), EXIT_CODES[verdict.outcome]


def loaded(entry: Entry, phases: Phases | None = None) -> Verdict:
    """Load-test a host with its progress shown; the generator keeps off the processors of a local VPS."""
    with Steps() as steps:
        return prove(entry, phases=phases, generator_cpus=generator_cpus(entry), on_phase=steps.step)


def generator_cpus(entry: Entry) -> tuple[int, ...]:
    """Name the processors for the generator: those that a local VPS does not have; none in particular otherwise."""
    for host in sandbox.hosts():
        if host.running and host.address == entry.host.ssh.address:
            return sandbox.generator_cpus(host)
    return ()


def write_report(path: Path, document: Mapping[str, Any]) -> None:
    """Write a report.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error.strerror}", where=str(path)) from error
