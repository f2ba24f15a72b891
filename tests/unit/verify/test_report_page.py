"""The report as a page: everything inside, nothing loaded, and no text of a report becomes markup."""

import base64
import copy
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib import resources

import pytest
from samples_of_load import SLO, TARGET, all_phases, host

from deployer.errors import UsageError
from deployer.report.page import figures, page, tables
from deployer.report.verdicts import Run
from deployer.verify import report
from deployer.verify.judge import judge
from deployer.verify.loadgen import Histogram

HOSTILE = "</script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)> {{ 7 * 7 }} \u2028 <!--"
#: uPlot 1.6.32 as its authors published it.
LIBRARY_SHA256 = "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"


def latency(milliseconds):
    histogram = Histogram()
    for each in milliseconds:
        histogram.record(each / 1000)
    return histogram.document()


def document(*, fast=1.0, at="2026-01-01T00:00:00+00:00", **over):
    data = latency(fast * each for each in range(1, 1001))
    seconds = tuple({"t_s": 1.0 + each, "done": 100, "errors": 0, "alive": 1000, "p95_ms": 7.0} for each in range(3))
    whole = {
        name: {"latency": data, "seconds": seconds, **over.get(name, {})}
        for name in ("hold", "cached", "capacity", "open")
    }
    verdict = judge(all_phases(**whole), host(), TARGET, SLO, duration_s=41.3)
    return report.document(verdict, started_at=at, host="web1")


class Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.text, self._in = [], [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._in != "style":
            self.text += data


def test_the_page_loads_nothing():
    seen = Seen(page([document()]))
    assert not [tag for tag, attrs in seen.tags if tag in ("img", "iframe", "link", "object") or "src" in attrs]
    assert {attrs["href"] for _, attrs in seen.tags if "href" in attrs} == {"#"}
    style = resources.files("deployer.report.page").joinpath("page.css").read_text()
    assert "url(" not in style
    assert "@import" not in style
    [policy] = [attrs["content"] for _, attrs in seen.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    # only the scripts whose text the policy knows run
    own = [text for attrs, text in seen.scripts if attrs.get("type") != "application/json"]
    assert len(own) == 2
    for text in own:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy


def test_the_library_is_what_its_authors_published():
    data = resources.files("deployer.report.page").joinpath("uPlot.iife.min.js").read_bytes()
    assert hashlib.sha256(data).hexdigest() == LIBRARY_SHA256
    assert "MIT License" in resources.files("deployer.report.page").joinpath("uPlot.LICENSE").read_text()


def hostile(value):
    if isinstance(value, dict):
        return {key: value[key] if key in ("schema", "metric", "mode") else hostile(value[key]) for key in value}
    if isinstance(value, list):
        return [hostile(each) for each in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.mark.parametrize("runs", [1, 2])
def test_no_text_of_a_report_becomes_markup(runs):
    plain, bad = document(), hostile(document())
    bad["notes"] = [HOSTILE]
    before, after = Seen(page([plain] * runs)), Seen(page([bad] * runs))
    assert [tag for tag, _ in after.tags if tag in ("script", "img")] == [
        tag for tag, _ in before.tags if tag in ("script", "img")
    ]
    assert "{{ 7 * 7 }}" in after.text
    [data] = [text for attrs, text in after.scripts if attrs.get("id") == "documents"]
    assert json.loads(data) == [bad] * runs
    assert "<" not in data


def test_the_page_tells_what_the_verdict_tells():
    missed = document(cached={"p95_ms": 900.0, "latency": latency([900.0] * 100)})
    text = Seen(page([missed])).text
    assert "missed web1 2026-01-01 00:00" in text
    assert "7 of 8 objectives kept in 41 s of load." in text
    assert re.search(r"≤ 200\.0 ms\s*900\.0 ms\s*(\S+ ms to \S+ ms)\s*-350%", text)
    assert re.search(r"nginx\.service\s*20\s*64\s*31%\s*0\s*0", text)


def test_percentiles_come_from_the_histogram():
    [figure] = [one for one in figures.of([Run.of(document())]) if one["x"] == "rarity"]
    [line] = [one for one in figure["series"] if one["name"] == "cached"]
    at = dict(zip(line["x"], line["y"], strict=True))
    assert at[20.0] == pytest.approx(950, rel=0.005)
    assert at[100.0] == pytest.approx(990, rel=0.005)
    assert max(line["x"]) == 1000, "a thousand answers say nothing of one in ten thousand"
    [limit] = [one for one in figure["series"] if one["is_limit"]]
    assert set(limit["y"]) == {200.0}


def test_phases_stand_where_they_began():
    moved = document(
        hold={"began_s": 100.0}, cached={"began_s": 130.0}, capacity={"began_s": 150.0}, open={"began_s": 170.0}
    )
    [figure] = [one for one in figures.of([Run.of(moved)]) if one["title"] == "Requests a second"]
    starts = {one["name"]: one["x"][0] for one in figure["series"]}
    assert starts == {
        "hold": 1.0,
        "cached": 31.0,
        "capacity /post": 51.0,
        "open /post": 71.0,
        "due in open /post": 70.0,
    }


def test_a_report_of_before_that_was_told_has_one_phase_after_the_other():
    old = document()
    for phase in old["phases"]:
        del phase["began_s"]
    for sample in old["host_samples"]:
        del sample["at_s"]
        sample["t_s"] = 1.0
    [figure] = [one for one in figures.of([Run.of(old)]) if one["title"] == "Requests a second"]
    assert [one["x"][0] for one in figure["series"][:4]] == [1.0, 7.0, 13.0, 19.0]


def test_a_thing_has_one_colour_in_both_runs_and_the_first_is_dashed():
    runs = [Run.of(document()), Run.of(document(fast=2.0))]
    for figure in figures.of(runs):
        of_a = {one["name"]: one for one in figure["series"] if one["name"].endswith(" (A)")}
        of_b = {one["name"]: one for one in figure["series"] if one["name"].endswith(" (B)")}
        assert len(of_a) == len(of_b) > 0
        for name, one in of_a.items():
            other = of_b[name[:-3] + "(B)"]
            assert (one["dashed"], other["dashed"]) == (True, False)
            assert one["colour"] == other["colour"]


def test_two_runs_are_compared_line_by_line_though_their_rates_differ():
    before = document(open={"rate_per_s": 200.0, "p95_ms": 100.0})
    after = document(open={"rate_per_s": 300.0, "p95_ms": 50.0}, cached={"req_per_s": 2000.0})
    table = tables.lines([Run.of(before), Run.of(after)])
    rows = {row[1].partition(" P95 at ")[0]: row for row in table.rows}
    assert rows["uncached /post"][3:] == ("100.0 ms", "50.0 ms", "-50% better")
    assert rows["cached / throughput"][0] == "kept → missed"
    assert rows["cached / throughput"][3:] == ("10000 req/s", "2000 req/s", "-80% worse")
    assert rows["cached / P95, full load"][5] == "none"


def wrong():
    good = document()
    yield "a list", []
    yield "nothing", None
    yield "another document", {"schema": "deployer/plan/1"}
    yield "a newer one", {**good, "schema": "deployer/verify/2"}
    for name, place, value in (
        ("no lines", ("lines",), None),
        ("a word for a number", ("duration_s",), "long"),
        ("no number at all", ("duration_s",), float("nan")),
        ("no number where nobody looks", ("target",), {"x": float("inf")}),
        ("half a character", ("host",), "\ud800"),
        (
            "a histogram of words",
            ("phases", 0, "latency_histogram_us"),
            {"counts": [["a", "b"]], "max_us": 1, "sum_us": 1},
        ),
        (
            "a histogram beyond all buckets",
            ("phases", 0, "latency_histogram_us"),
            {"counts": [[10**9, 1]], "max_us": 1, "sum_us": 1},
        ),
        ("no histogram", ("phases", 0, "latency_histogram_us"), {}),
        ("too many seconds", ("phases", 0, "seconds"), [{"t_s": 1.0}] * 30_000),
    ):
        bad = copy.deepcopy(good)
        inner = bad
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        yield name, bad


@pytest.mark.parametrize(("name", "bad"), [pytest.param(name, bad, id=name) for name, bad in wrong()])
def test_what_is_no_report_is_refused_in_words(name, bad):
    with pytest.raises(UsageError, match="report of a load test"):
        Run.of(bad)


def test_a_page_shows_one_run_or_two():
    with pytest.raises(ValueError, match="one run or two"):
        page([])


def test_what_is_waited_for_and_who_used_the_processors_is_plotted():
    told = document()
    for sample in told["host_samples"]:
        sample["servers"] = {"mariadb": {"running": 3, "lock_waiting": 0}, "nginx": {"writing": 32}, "redis": None}
        sample["apps"] = {"blog": {"queue": 24, "outside_waiting": 0}}
        sample["units"] = {"nginx.service": {"cpu_core_share": 0.25}}
        sample["disk_busy_share"] = 0.9
    plots = {plot["title"]: plot["series"] for plot in figures.of([Run.of(told)])}
    waits = {series["name"]: max(series["y"]) for series in plots["What is waited for"]}
    assert waits == {"mariadb: statements": 3, "nginx: requests": 32, "blog: at its socket": 24}
    [nginx] = plots["Processor time of each unit"]
    assert (nginx["name"], set(nginx["y"])) == ("nginx", {25})
    assert "disk busy" in {series["name"] for series in plots["Processors"]}
    assert "What is waited for" not in {plot["title"] for plot in figures.of([Run.of(document())])}


def test_the_search_for_the_knee_is_plotted_by_its_rates():
    told = document()
    rates = [(900, 20.0, ""), (990, 31.0, ""), (1089, 400.0, "P95"), (1089, 380.0, "P95"), (1200, None, "no answer")]
    trials = [{"rate_per_s": rate, "p95_ms": p95_ms, "refusal": refusal} for rate, p95_ms, refusal in rates]
    told["knee"] = {"path": "/", "kept_per_s": 990, "failed_per_s": 1089, "trials": trials}
    [knee] = [plot for plot in figures.of([Run.of(told)]) if plot["title"] == "The knee"]
    assert knee["x"] == "req/s"
    lines = {series["name"]: (series["x"], series["y"]) for series in knee["series"]}
    assert lines == {
        "kept": ([900, 990], [20, 31]),
        "not kept": ([1089], [380]),
        "P95 wanted: 200 ms": ([900, 1089], [200, 200]),
    }
    assert "The knee" not in {plot["title"] for plot in figures.of([Run.of(document())])}


def test_a_page_says_where_the_load_came_from_if_that_was_elsewhere():
    here, elsewhere = document(), {**document(), "load_from": ["loopback", "lg1"]}
    assert "from " not in Run.of(here).title
    assert Run.of(elsewhere).title == "web1 2026-01-01 00:00 from loopback, lg1"
    assert "from loopback, lg1" in Seen(page([elsewhere])).text
    older = {key: value for key, value in here.items() if key != "load_from"}
    assert Run.of(older).load_from == ("here",)
