"""The language of `slo.must`: what it reads, and how it refuses the rest, with file and line."""

import re
from pathlib import Path

import pytest
import yaml

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
        ("host.mem < 85% for 3s", "expected a comparison"),
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


def test_rates_that_stand_there_twice(tmp_path):
    with pytest.raises(InventoryError) as caught:
        load_inventory(inventory(tmp_path, rates_per_s=[100, 100]))
    assert "100 is there twice" in caught.value.diagnostics()
