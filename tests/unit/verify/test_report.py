"""The verdict for people and for programs."""

import json
import re
from dataclasses import replace

import pytest
from samples_of_load import SLO, TARGET, all_phases, host, measured

from deployer.slo import Slo
from deployer.verify import HostSamples, VerifyTarget, report
from deployer.verify.judge import judge
from deployer.verify.safety import Stop

LONG = "/post/sea-called-learn-late-gave-behind-next-1500"


def verdict(*, seen=None, stopped="", target=TARGET, **over):
    stop = Stop(stopped) if stopped else None
    return judge(all_phases(**over), seen or host(), target, SLO, stop=stop, duration_s=41.3)


def test_the_first_line_says_it_all():
    assert report.text(verdict()).startswith("kept: 8 of 8 objectives kept in 41 s\n")
    missed = report.text(verdict(cached={"p95_ms": 900.0}))
    assert missed.startswith("missed: 7 of 8 objectives kept in 41 s\n")
    early = report.text(verdict(stopped="the host suffers"))
    assert early.splitlines()[0].endswith("; ended early: the host suffers")


def test_columns_stand_below_each_other():
    lines = report.text(verdict(cached={"p95_ms": 1234.5})).splitlines()
    head = next(line for line in lines if re.match(" +objective ", line))
    rows = lines[lines.index(head) + 1 : lines.index("", lines.index(head))]
    rows = [row for row in rows if not row.startswith(" ")]  # a reason has a line of its own
    assert len(rows) == 8
    for title in ("objective", "wanted", "measured"):
        at = head.index(title)
        assert all(row[at - 1] == " " and row[at] != " " for row in rows), title

    for title in ("phase", "capacity", "unit"):
        [head] = [line for line in lines if re.match(rf"{title}  ", line)]
        rows = lines[lines.index(head) + 1 :]
        rows = rows[: next((n for n, row in enumerate(rows) if not row or row.startswith("note:")), len(rows))]
        assert rows, title
        second = head.index(re.split(r"\s{2,}", head)[1])
        assert all(row[second - 2 : second - 1] == " " for row in rows), title


def test_numbers_end_in_one_column():
    lines = report.text(verdict(open={"p95_ms": 7.5}, cached={"p95_ms": 199.9})).splitlines()
    [head] = [line for line in lines if line.startswith("phase")]
    rows = lines[lines.index(head) + 1 :][:4]
    ends = {row.index(f"{value}") + len(f"{value}") for row, value in zip(rows[1::2], ("199.9", "7.5"), strict=True)}
    assert len(ends) == 1


def test_a_reason_stands_below_its_line():
    lines = report.text(verdict(hold={"errors": {"reset": 3}, "alive_min": 997})).splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("missed  connections held"))
    assert lines[at + 1] == " " * 8 + "3 reset"


def test_a_long_path_is_cut_in_the_middle_and_the_document_has_it_whole():
    slo = SLO.model_copy(update={"uncached_paths": (LONG,)})
    target = VerifyTarget.of(slo, address="127.0.0.1", server_name="blog.example")
    phases = [measured(name, path=LONG) for name in ("hold", "cached", f"capacity {LONG}", f"open {LONG}")]
    found = judge(phases, host(), target, slo)
    assert found.outcome == "kept"
    text = report.text(found)
    assert LONG not in text
    assert f"{LONG[:16]}...{LONG[-6:]}" in text
    assert max(len(line) for line in text.splitlines() if "..." in line) < 130
    assert LONG in json.dumps(report.document(found))


@pytest.mark.parametrize("path", ["/", "/archive", "/tag/a-tag-that-is-not-long"])
def test_a_short_path_is_whole(path):
    slo = SLO.model_copy(update={"uncached_paths": (path,)})
    found = judge([measured(f"open {path}")], host(), replace(TARGET, uncached_paths=(path,)), slo)
    assert f"uncached {path} P95" in report.text(found)


def test_colour_only_when_asked_for():
    bad = verdict(cached={"p95_ms": 900.0}, open={"stopped": True})
    assert "\x1b" not in report.text(bad)
    coloured = report.text(bad, colour=True)
    assert coloured.startswith("\x1b[31mmissed")
    assert "\x1b[33minconclusive" in coloured
    assert coloured.count("\x1b[0m") == len(re.findall(r"\x1b\[3\dm", coloured))
    assert re.sub(r"\x1b\[\d+m", "", coloured) == report.text(bad)
    assert report.text(verdict(), colour=True).startswith("\x1b[32mkept")


def test_no_line_ends_in_blanks():
    text = report.text(verdict(seen=host(fault="gone")))
    assert all(line == line.rstrip() for line in text.splitlines())
    assert text.endswith("\n")


def test_a_host_that_was_not_watched_is_not_shown_as_a_table():
    text = report.text(verdict(seen=HostSamples(fault="the channel is gone")))
    assert "host: the channel is gone" in text
    assert "memory peak MiB" not in text


def test_what_is_not_known_is_a_dash():
    found = judge([measured("hold", p50_ms=None, p95_ms=None, p99_ms=None, max_ms=None)], HostSamples(), TARGET, SLO)
    text = report.text(found)
    assert re.search(r"^hold +10000 +- +- +- +- ", text, re.MULTILINE)
    assert re.search(r"^inconclusive  OOM kills +0 +-$", text, re.MULTILINE)


#: Names without a unit hold counts, names, flags or nested values.
UNITS = ("_s", "_ms", "_us", "_mib", "_per_s", "_share", "_bytes")
COUNTS_AND_WORDS = {
    "schema", "host", "started_at", "outcome", "stopped", "binding", "target", "address", "port", "tls",
    "certificate_checked", "server_name", "connections", "uncached_header_names", "lines", "name", "metric", "wanted",
    "measured", "why", "capacity", "path", "cached", "evidence", "phases", "mode", "planned", "done",
    "connections_wanted", "established", "alive_min", "reopened", "errors", "first_errors", "cache", "seconds",
    "host_summary", "host_fault", "host_samples", "notes", "bytes_per_answer", "oom_kills", "restarts", "units",
    "listen_overflows", "advice", "change", "because", "severity", "at_least", "interval", "whole", "knee", "runs",
    "load_from",
}  # fmt: skip


def keys(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in ("errors", "first_errors", "cache", "units"):  # their keys are names
                yield from keys(inner)
    elif isinstance(value, list):
        for each in value:
            yield from keys(each)


def test_every_quantity_of_the_document_has_its_unit_in_its_name():
    document = report.document(verdict(), started_at="2026-01-01T00:00:00+00:00", host="web1")
    assert json.loads(json.dumps(document)) == document
    without = {key for key in keys(document) if not key.endswith(UNITS)}
    assert without <= COUNTS_AND_WORDS
    assert document["schema"] == report.SCHEMA
    assert (document["host"], document["started_at"], document["duration_s"]) == (
        "web1",
        "2026-01-01T00:00:00+00:00",
        41.3,
    )


def test_the_document_says_what_the_verdict_says():
    found = verdict(cached={"p95_ms": 900.0}, stopped="the host suffers")
    document = report.document(found)
    assert (document["outcome"], document["stopped"], document["binding"]) == ("missed", "the host suffers", "host cpu")
    [line] = [line for line in document["lines"] if line["metric"] == "cached_p95_ms"]
    assert (line["wanted"], line["measured"], line["outcome"]) == (200, 900.0, "missed")
    assert [phase["name"] for phase in document["phases"]] == ["hold", "cached", "capacity /post", "open /post"]
    assert document["phases"][1]["generator_cpu_share"] == 0.4
    assert "cpu_share" not in document["phases"][1]
    assert document["phases"][1]["host_cpu_busy_share"] == 0.97
    assert len(document["host_samples"]) == 8
    assert document["host_summary"]["memory_peak_share"] == 0.61
    assert document["host_fault"] is None
    assert report.document(verdict())["stopped"] is None
    lost = report.document(verdict(seen=host(fault="gone")))
    assert (lost["host_summary"], lost["host_fault"]) == (None, "gone")


def test_header_values_are_nobodys_business():
    slo = Slo(uncached_paths=("/post",), uncached_headers={"Cookie": "blog_session=s3cr3t", "X-B": "s3cr3t"})
    target = VerifyTarget.of(slo, address="127.0.0.1", server_name="blog.example")
    found = judge(all_phases(), host(), target, slo)
    assert "s3cr3t" not in report.text(found) + json.dumps(report.document(found))
    assert report.document(found)["target"]["uncached_header_names"] == ["Cookie", "X-B"]


def test_a_certificate_counts_as_checked_only_where_there_was_one():
    for tls, checks, expected in ((True, True, True), (True, False, False), (False, True, False)):
        target = replace(TARGET, tls=tls, verify_certificate=checks)
        assert report.document(verdict(target=target))["target"]["certificate_checked"] is expected


def test_the_servers_most_and_what_being_watched_took_are_told():
    servers = {"mariadb": {"connected": 4, "running": 3, "lock_waiting": 1}, "nginx": {"active": 150, "writing": 32}}
    seen = host(servers={**servers, "redis": None, "odd": "much"}, summary={"sampler_core_share": 0.0059})
    shown = [line.split() for line in report.text(verdict(seen=seen)).splitlines()]
    assert ["mariadb", "4", "3", "1", "-"] in shown
    assert ["nginx", "150", "32", "-", "-"] in shown
    assert not [line for line in shown if line[:1] in (["redis"], ["odd"])]
    assert ["watching", "took", "0.6%", "of", "a", "core"] in shown
    assert not [line for line in report.text(verdict()).splitlines() if line.startswith(("server", "watching"))]
