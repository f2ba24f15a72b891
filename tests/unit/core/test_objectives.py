"""The language of `slo.must`: what it reads, and how it refuses the rest, with file and line."""

import re
from pathlib import Path

import pytest
import yaml
from hostile import TRICKS

from deployer.errors import InventoryError
from deployer.inventory import load_inventory
from deployer.objectives import parse

EXAMPLE = (Path(__file__).parents[3] / "inventories/example.yml").read_text()


@pytest.mark.parametrize(
    ("text", "scope", "metric", "value", "unit"),
    [
        ("hold.connections >= 1000", "hold", "connections", 1000, "count"),
        ("r1000.p99 < 300ms", "r1000", "p99", 300, "ms"),
        ("r1000.p99<1.5s", "r1000", "p99", 1500, "ms"),
        ("cached.rps >= 800/s", "cached", "rps", 800, "req_per_s"),
        ("p95 <= 200 ms", "", "p95", 200, "ms"),
        ("errors == 0", "", "errors", 0, "count"),
        ("open.errors < 0.1%", "open", "errors", 0.001, "share"),
        ("host.mem < 85%", "host", "mem", 0.85, "share"),
        ("service.mariadb.mem < 300MiB", "service.mariadb", "mem", 300, "mib"),
        ("service.app-blog.service.restarts == 0", "service.app-blog", "restarts", 0, "count"),
        ("service.*.mem < 90%", "service.*", "mem", 0.9, "share"),
        ("knee.rps >= 500", "knee", "rps", 500, "req_per_s"),
    ],
)
def test_a_comparison_is_read(text, scope, metric, value, unit):
    found = parse(text)
    assert (found.scope, found.metric, found.unit) == (scope, metric, unit)
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected a comparison"),
        ("p95", "expected a comparison"),
        ("p95 < 200ms; rm -rf /", "expected a comparison"),
        ("__import__('os') < 3", "expected a comparison"),
        ("p95 < -3ms", "expected a comparison"),
        ("p95 = 3ms", "expected a comparison"),
        ("p95 < 1e3ms", "expected a comparison"),
        ("p95 < \u0663ms", "expected a comparison"),
        ("p95 <\n3ms", "expected a comparison"),
        ("\np95 < 3ms", "expected a comparison"),
        ("p95 < 3ms\x00", "expected a comparison"),
        ("p95 < " + "9" * 13 + "ms", "expected a comparison"),
        ("p95 < 3ms for", "expected a comparison"),
        ("p95 < 3ms for 3", "expected a comparison"),
        ("p95 < 3ms for 1.5s", "expected a comparison"),
        ("p95 < 3ms for -1s", "expected a comparison"),
        ("p95 < 3ms for 3s for 3s", "expected a comparison"),
        ("p95 < 3ms over 3s", "expected a comparison"),
        ("p95 < 3msfor 3s", "expected a comparison"),
        ("p95 < 3ms and p99 < 3ms", "expected a comparison"),
        ("p95 < 3ms for 0s", "whole seconds, 1s to 600s, found 0s"),
        ("p95 < 3ms for 601s", "whole seconds, 1s to 600s"),
        ("p95 < 3ms within 3s", "percentiles are never averaged"),
        ("open.max < 3s for 3s", "open.max has no `for`: it is one figure"),
        ("knee.rps > 3 within 3s", "knee.rps has no `within`"),
        ("gen.cpu < 80%", "gen.cpu is not judged when the test is over; it may stand in slo.valid"),
        ("sampler.silent > 3s", "it may stand in slo.abort"),
        ("host.silent > 3s", "it may stand in slo.abort"),
        ("gen.late.p95 < 3ms", "gen has no 'late.p95', only cpu, late.p99, sent, errors; did you mean late.p99?"),
        ("gen. < 3%", "there is no 'gen'"),
        ("hold..p95 < 3ms", "there is no 'hold.'"),
        ("erors == 0", "did you mean errors?"),
        ("connections >= 5", "only p50, p95, p99, errors"),
        ("r1000.p95 < 200", "a time as 200ms or 1.5s, found the unit 'none'"),
        ("r1000.p95 < 200%", "a time as 200ms"),
        ("errors == 0ms", "a plain number or a share as 85%"),
        ("host.mem < 0.85", "a share as 85%"),
        ("host.mem < 120%", "at most 100%"),
        ("peak.rps > 3/s", "there is no 'peak' to compare"),
        ("r0.p95 < 3ms", "there is no 'r0'"),
        ("r1e3.p95 < 3ms", "there is no 'r1e3'"),
        ("service..mem < 3%", "there is no"),
        ("knee.p95 < 3ms", "knee has no 'p95', only rps"),
    ],
)
def test_what_cannot_be_understood_is_refused(text, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        parse(text)


@pytest.mark.parametrize(
    ("text", "kind", "seconds"),
    [
        ("host.mem < 85% for 3s", "for", 3),
        ("hold.p95<200ms  for   60 s ", "for", 60),
        ("errors < 1% within 5s", "within", 5),
        ("service.*.mem < 300MiB within 600s", "within", 600),
        ("cached.rps >= 800/s for 1s", "for", 1),
    ],
)
def test_a_window_is_read(text, kind, seconds):
    found = parse(text)
    assert (found.window.kind, found.window.seconds) == (kind, seconds)
    assert found.text.endswith(f" {kind} {seconds}s")
    assert parse(found.text) == found


@pytest.mark.parametrize(
    ("text", "use", "left"),
    [
        ("host.mem > 92% for 3s", "abort", "host.mem"),
        ("errors > 5% for 5s", "abort", "errors"),
        ("host.oom_kills > 0", "abort", "host.oom_kills"),
        ("sampler.silent > 5s", "abort", "sampler.silent"),
        ("service.mariadb.mem > 95% within 10s", "abort", "service.mariadb.mem"),
        ("gen.cpu < 80%", "valid", "gen.cpu"),
        ("gen.late.p99 < 5ms", "valid", "gen.late.p99"),
        ("gen.sent >= 99%", "valid", "gen.sent"),
        ("host.steal < 5%", "valid", "host.steal"),
        ("net.util < 90%", "valid", "net.util"),
        ("r1000.errors == 0", "valid", "r1000.errors"),
    ],
)
def test_the_lines_of_the_other_lists_are_read(text, use, left):
    assert (parse(text, use).text, parse(text, use).left) == (text, left)


@pytest.mark.parametrize(
    ("text", "use", "says"),
    [
        ("gen.cpu > 80%", "abort", "gen.cpu is not known while the load goes on; it may stand in slo.valid"),
        ("open.max > 3s", "abort", "it may stand in slo.must or slo.valid"),
        ("knee.rps > 3", "abort", "is not known while the load goes on"),
        ("sampler.silent < 3s", "valid", "is not a matter of whether the test is worth anything"),
        ("sampler.silent > 3s for 3s", "abort", "has no `for`"),
    ],
)
def test_a_line_in_the_wrong_list_is_refused_and_sent_to_the_right_one(text, use, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        parse(text, use)


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("use", ["must", "abort", "valid"])
def test_text_that_means_harm_is_refused_wherever_it_stands(trick, use):
    for text in (trick, f"{trick} < 3ms", f"p95 {trick} 3ms", f"p95 < 3{trick}ms", f"p95 < 3ms for {trick}s"):
        with pytest.raises(ValueError, match=r"expected|there is no|has no|compared with"):
            parse(text, use)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [("p95 < 2ms", 2, False), ("p95 <= 2ms", 2, True), ("errors == 0", 0, True), ("r9.rps > 3", 3, False)],
)
def test_a_limit_itself(text, value, holds):
    assert parse(text).holds(value) == holds
    assert parse("hold.connections >= 3").at_least
    assert not parse("errors == 0").at_least


def inventory(tmp_path, **slo):
    document = yaml.safe_load(EXAMPLE)
    document["hosts"] = {"blog1": document["hosts"]["blog1"]}
    document["hosts"]["blog1"]["slo"].update(slo)
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return [path]


def test_the_inventory_refuses_it_with_file_and_line(tmp_path):
    with pytest.raises(InventoryError) as caught:
        load_inventory(inventory(tmp_path, must=["errors == 0", "r1000.erors == 0"]))
    said = caught.value.diagnostics()
    assert "did you mean errors?" in said
    assert "slo.must[1]" in said
    assert "hosts.yml:" in said


def test_a_rate_that_is_not_asked_for_cannot_be_compared(tmp_path):
    with pytest.raises(InventoryError) as caught:
        load_inventory(inventory(tmp_path, rates_per_s=[100], should=["r1000.p95 < 200ms"]))
    assert "r1000 is none of slo.rates_per_s (100)" in caught.value.diagnostics()
    assert load_inventory(inventory(tmp_path, rates_per_s=[1000], should=["r1000.p95 < 200ms"]))


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("abort", "host.memory > 90% for 3s", "did you mean mem?"),
        ("abort", "gen.cpu > 90%", "it may stand in slo.valid"),
        ("valid", "gen.speed > 1%", "gen has no 'speed'"),
        ("must", "hold.connections >= 3 for 61s", "hold lasts 60 s (slo.phases.hold_s), no 61 s"),
        ("abort", "cached.errors > 3 within 8s", "cached lasts 7 s (slo.phases.closed_s), no 8 s"),
        ("valid", "r77.errors == 0", "r77 is none of slo.rates_per_s"),
    ],
)
def test_each_list_is_checked_with_file_and_line(tmp_path, key, text, says):
    good = {"abort": "errors > 3", "valid": "gen.cpu < 80%", "must": "errors == 0"}[key]
    phases = {"hold_s": 60, "closed_s": 7}
    with pytest.raises(InventoryError) as caught:
        load_inventory(inventory(tmp_path, **{key: [good, text]}, phases=phases))
    said = caught.value.diagnostics()
    assert says in said
    assert f"slo.{key}[1]" in said
    assert "hosts.yml:" in said
    assert load_inventory(inventory(tmp_path, **{key: [good]}, phases=phases))


@pytest.mark.parametrize("repeat", [0, 10, "3", 1.5])
def test_a_number_of_runs_that_is_none(tmp_path, repeat):
    with pytest.raises(InventoryError) as caught:
        load_inventory(inventory(tmp_path, repeat=repeat))
    assert "slo.repeat" in caught.value.diagnostics()


def test_rates_that_stand_there_twice(tmp_path):
    with pytest.raises(InventoryError) as caught:
        load_inventory(inventory(tmp_path, rates_per_s=[100, 100]))
    assert "100 is there twice" in caught.value.diagnostics()
