"""A load test's report as JUnit's XML, which build servers show."""

from __future__ import annotations

from xml.etree import ElementTree as ET  # only written here, never read

from deployer.report.page.tables import measured, wanted
from deployer.report.verdicts import Run

#: What XML 1.0 cannot hold, whatever it is escaped with.
_FORBIDDEN = dict.fromkeys(code for code in (*range(32), 0xFFFE, 0xFFFF) if code not in {9, 10, 13})


def junit(run: Run) -> str:
    """Write a run as a test suite: an objective is a test, a missed one a failure, an inconclusive one skipped.

    One that only should be kept passes, whatever became of it, and says so. So does each name of journeys, which says
    what it brought.
    """
    outcomes = [line.outcome for line in run.lines if line.severity != "should"]
    counts = {
        "tests": len(run.lines) + sum(len(phase.steps) for phase in run.phases),
        "failures": outcomes.count("missed"),
        "skipped": outcomes.count("inconclusive"),
        "errors": 0,
    }
    suites = ET.Element("testsuites")
    suite = ET.SubElement(
        suites,
        "testsuite",
        {
            "name": _clean(f"load test of {run.host or 'a host'}"),
            **{name: str(count) for name, count in counts.items()},
        },
        time=f"{run.duration_s:.1f}",
        timestamp=_clean(run.started_at),
    )
    for line in run.lines:
        case = ET.SubElement(
            suite, "testcase", name=_clean(line.name), classname=_clean(f"deployer.{line.metric}"), time="0"
        )
        said = _clean(f"wanted {wanted(line)}, measured {measured(line)}" + (f": {line.why}" if line.why else ""))
        if line.severity == "should":
            ET.SubElement(case, "system-out").text = f"{line.outcome}, and only should be kept: {said}"
        elif line.outcome == "missed":
            ET.SubElement(case, "failure", message=said)
        elif line.outcome == "inconclusive":
            ET.SubElement(case, "skipped", message=said)
        else:
            ET.SubElement(case, "system-out").text = said
    for step in (step for phase in run.phases for step in phase.steps):
        case = ET.SubElement(suite, "testcase", name=_clean(step.name), classname="deployer.journeys", time="0")
        latencies = ", ".join(
            f"{name} {value:.1f} ms"
            for name, value in (("P50", step.p50_ms), ("P95", step.p95_ms), ("P99", step.p99_ms))
            if value is not None
        )
        said = f"{step.req_per_s:.1f} requests/s, {latencies}, {step.errors} errors; closed model {step.first_error}"
        ET.SubElement(case, "system-out").text = _clean(said)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    return text.translate(_FORBIDDEN)
