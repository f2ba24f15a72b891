"""Runs of `deployer verify` as a user starts them, and what came of each."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from site_on_vps import Site

PHASES = {
    "warmup_s": 0.5,
    "hold_s": 1,
    "request_every_s": 0.5,
    "closed_s": 1,
    "capacity_s": 0.5,
    "open_s": 1,
    "open_share": 0.3,
    "opened_per_s": 1000,
    "timeout_s": 3,
}
SLO = {
    "cached_req_per_s": 1000,
    "cached_p95_ms": 500,
    "uncached_p95_ms": 500,
    "uncached_paths": ["/"],
    "uncached_headers": {"Cookie": "blog_session=nobodys-4711"},
    "phases": PHASES,
}
#: Only held connections and the cached page, and short, for what shows at once.
CACHED_ONLY = {**SLO, "uncached_paths": [], "phases": {**PHASES, "hold_s": 0.5, "closed_s": 0.5}}
#: So long that only an end before its time is quick.
LONG = {**CACHED_ONLY, "phases": {**PHASES, "hold_s": 60, "request_every_s": 1}}


@dataclass
class Run:
    """One run of `deployer verify --json`."""

    code: int
    document: dict[str, Any]
    talk: str
    took_s: float
    #: From what was done `during` it to the end of the load, s; None when it was not ended early.
    ended_after_s: float | None = None

    def line(self, metric: str) -> dict[str, Any]:
        [found] = [line for line in self.document["lines"] if line["metric"] == metric]
        return dict(found)

    def of_outcome(self, outcome: str) -> set[str]:
        return {line["metric"] for line in self.document["lines"] if line["outcome"] == outcome}

    @property
    def is_doubted(self) -> bool:
        """Tell whether this machine was busy with something else at the time."""
        return any(is_doubted(line) for line in self.document["lines"])

    def assert_missed(self, *metrics: str) -> None:
        """These are not kept, all others are.

        They are missed, unless the verdict says that this machine was busy with something else at the time.
        """
        lines = self.document["lines"]
        bad = {line["metric"]: line for line in lines if line["outcome"] != "kept"}
        assert set(metrics) <= set(bad), lines
        for metric, line in bad.items():
            assert is_doubted(line) or (line["outcome"] == "missed" and metric in metrics), lines
        assert self.code == (7 if self.of_outcome("missed") else 9)


def is_doubted(line: dict[str, Any]) -> bool:
    """Tell whether it is inconclusive as this machine was busy with something else: then a miss proves nothing."""
    busy = ("other work on this machine", "the generator used", "the generator was late", "with 95 % confidence")
    return line["outcome"] == "inconclusive" and any(words in line["why"] for words in busy)


def verify(
    site: Site,
    *options: str,
    during: tuple[str, Callable[[], object]] | None = None,
    whole: bool = False,
    **changes: Any,
) -> Run:
    """Run it, the quick one unless `whole`; `during` is what to do, once, as soon as its talk shows a phase."""
    site.write(**changes)
    began = time.monotonic()
    with (site.folder / "stdout").open("w+") as stdout:
        process = subprocess.Popen(
            site.argv("verify", "--json", *([] if whole else ["--quick"]), *options),
            cwd=site.folder,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
            env=site.environment(),
        )
        talk, hurt_s, ended_after_s = "", 0.0, None
        try:
            for line in process.stderr:
                talk += line
                if "ended early" in line and hurt_s:
                    ended_after_s = time.monotonic() - hurt_s
                if during is not None and during[0] in line:
                    hurt_s = time.monotonic()
                    during[1]()
                    during = None
            code = process.wait()
        finally:
            process.kill()
            process.wait()
        stdout.seek(0)
        document = stdout.read()
    assert during is None, talk
    assert "Traceback" not in talk, talk
    assert document, f"ended with {code}: {talk}"
    return Run(code, json.loads(document), talk, time.monotonic() - began, ended_after_s)
