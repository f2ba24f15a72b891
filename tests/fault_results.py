"""What the cases of the fault sweep came to, kept in a file, so that a sweep can go on where it ended."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from deployer.report.faultcounts import NOT_RUN, WRONG, counted, sentence


class FaultResults:
    """A plugin of pytest: notes each case as it ends, and says in the end how many came to what.

    Args:
        file: Where they are kept; cases that it knows to have been in order are not run again. None: nowhere.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        known = json.loads(file.read_text(encoding="utf-8")) if file and file.is_file() else {}
        self._cases: dict[str, dict[str, str]] = known
        self._commit = _commit() if file else ""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        in_order = {name for name, case in self._cases.items() if case["host_is"] not in (WRONG, NOT_RUN)}
        done = [item for item in items if item.nodeid in in_order]
        if done:
            config.hook.pytest_deselected(items=done)
            items[:] = [item for item in items if item not in done]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            marker = item.get_closest_marker("fault")
            if marker:
                item.user_properties.append(("fault", marker.args[0]))
                self._cases.setdefault(item.nodeid, {"fault": marker.args[0], "host_is": NOT_RUN, "commit": ""})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = dict(report.user_properties)
        if "fault" not in told or report.when != "call":
            return  # a case whose host could not be made did not run
        host_is = told.get("host_is", WRONG) if report.passed else WRONG
        self._cases[report.nodeid] = {"fault": told["fault"], "host_is": host_is, "commit": self._commit}
        if self._file:
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps(self._cases, indent=1), encoding="utf-8")
            fresh.replace(self._file)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        cases = [(one["fault"], one["host_is"]) for one in self._cases.values()]
        if cases:
            terminalreporter.write_line(f"fault sweep, {sentence(counted(cases).values())}")


def _commit() -> str:
    argv = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(argv, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
