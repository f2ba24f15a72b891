"""The load test of a host as a task runs it: its verdict printed, and turned into an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from deployer import sandbox
from deployer.errors import Inconclusive, VerificationFailed
from deployer.inventory import Entry
from deployer.loadorigins import FROM_HERE, Origins
from deployer.proof import prove
from deployer.report.terminal import Steps, result_console
from deployer.sandbox import SandboxError, SandboxHost
from deployer.slo import Phases
from deployer.verify import Outcome, Verdict, report
from deployer.verify.journeys import Journeys

EXIT_CODES: Final[Mapping[Outcome, int]] = {
    "kept": 0,
    "missed": VerificationFailed.exit_code,
    "inconclusive": Inconclusive.exit_code,
}


def run_verify(
    entry: Entry,
    *,
    quiet: bool,
    whole: bool = False,
    origins: Origins = FROM_HERE,
    journeys: Journeys | None = None,
) -> tuple[dict[str, Any], int]:
    """Load-test a host, print the verdict, and give it as a document with the exit code that it means.

    Args:
        entry: The host.
        quiet: Print nothing on stdout.
        whole: All phases; else the quick test that follows a deploy.
        origins: Where the load comes from.
        journeys: What users of the caller's own do, instead of all phases.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    verdict = loaded(entry, whole=whole, origins=origins, journeys=journeys)
    if not quiet:
        console = result_console()
        console.print(Text.from_ansi(report.text(verdict, colour=console.is_terminal)), soft_wrap=True)
    document = report.document(verdict, started_at=started_at, host=entry.name, load_from=origins.names)
    return document, EXIT_CODES[verdict.outcome]


def load_test(
    entry: Entry, tell: Callable[[str, str], None], *, whole: bool = False
) -> tuple[dict[str, Any], int, str]:
    """Load-test one of many hosts: its verdict as a document, the exit code that it means, and its text.

    Args:
        entry: The host.
        tell: Gets each phase and what there is to say of it.
        whole: All phases; else the quick test that follows a deploy.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    verdict = _proved(entry, None, tell, whole=whole)
    document = report.document(verdict, started_at=started_at, host=entry.name)
    return document, EXIT_CODES[verdict.outcome], report.text(verdict, colour=result_console().is_terminal)


def loaded(
    entry: Entry,
    phases: Phases | None = None,
    *,
    whole: bool = False,
    origins: Origins = FROM_HERE,
    journeys: Journeys | None = None,
) -> Verdict:
    """Load-test a host with its progress shown; the generator keeps off the processors of a local VPS."""
    with Steps() as steps:
        return _proved(entry, phases, steps.step, origins, whole=whole, journeys=journeys)


def _proved(
    entry: Entry,
    phases: Phases | None,
    on_phase: Callable[[str, str], None],
    origins: Origins = FROM_HERE,
    *,
    whole: bool = False,
    journeys: Journeys | None = None,
) -> Verdict:
    local = local_vps(entry)
    return prove(
        entry,
        phases=phases,
        whole=whole,
        generator_cpus=sandbox.generator_cpus(local) if local else (),
        host_cpus=local.cpus if local else (),
        origins=origins,
        journeys=journeys,
        on_phase=on_phase,
    )


def local_vps(entry: Entry) -> SandboxHost | None:
    """Find the running local VPS that an entry is about; None for a host elsewhere."""
    try:
        return next((one for one in sandbox.hosts() if one.running and one.address == entry.host.ssh.address), None)
    except SandboxError:
        return None  # a sandbox of root's, which nobody else may read, is no reason not to test a host elsewhere


def kept_report(path: Path, transaction: str | None) -> dict[str, Any] | None:
    """Read the report of a test after this transaction, if all was kept; None otherwise."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        fits = (document["schema"], document["transaction"]) == (report.SCHEMA, transaction)
        return document if fits and document["outcome"] == "kept" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
