"""The table of the comparison: every contender, every run, what each sets, and whether the hosts were equal."""

from pathlib import Path

import pytest
from runs_of_contenders import run

from deployer.comparison.contenders import Contender, Field
from deployer.comparison.ground import Ground
from deployer.comparison.measure import Pace
from deployer.comparison.mysqltuner import Advice
from deployer.comparison.table import table
from deployer.inventory import load_inventory

ROOT = Path(__file__).parents[3]
UNITS = {"nginx": "nginx.service", "app": "blog.service", "database": "mariadb.service"}


@pytest.fixture
def field():
    keys = {"debian": "Debian's defaults", "ours": "deployer"}
    return Field(
        ground=Ground(load_inventory([ROOT / "inventories"]).entry("blog1")),
        contenders=tuple(
            Contender(key=key, title=title, snapshot=key, units=UNITS, settings=f"{key} settings")
            for key, title in keys.items()
        ),
        rate_per_s=400.0,
        advice=Advice(version="2.9.3", variables={"a": 1}, left_out=("no value here",), warnings=("beware",)),
        release="abc",
    )


def test_the_table_says_all_there_is_to_know(field):
    runs = {"debian": [run(kills=1), run(kills=1)], "ours": [run(), run(cached={"req_per_s": 1010.0})]}
    text, unexplained = table(field, runs, Pace.of(30))
    assert unexplained == 0
    assert "1 core(s), 1024 MiB; all on the same core; release abc; held for 30 s, each other load for 10 s" in text
    assert "- Debian's defaults: debian settings set." in text
    assert "MySQLTuner 2.9.3" in text
    assert "no value here" in text
    assert "beware" in text
    [row] = [line for line in text.splitlines() if line.startswith("| cached, requests/s")]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "cached, requests/s",
        "1000",
        "1005 (1000, 1010)",
        "first, level with Debian's defaults",
    ]
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {5}


def test_behind_without_a_reason_is_counted(field):
    runs = {"debian": [run(cached={"req_per_s": 3000.0})], "ours": [run()]}
    assert table(field, runs, Pace(worst_s=0))[1] == 1


def test_behind_with_a_reason_is_not(field):
    quick, ours = run(app_ms=1.0, uncached={"req_per_s": 3000.0}), run(app_ms=1.04)
    text, unexplained = table(field, {"debian": [quick], "ours": [ours]}, Pace(worst_s=0))
    assert "behind Debian's defaults by 67%: app takes 1.04 ms" in text
    assert unexplained == 0


def test_hosts_on_different_cores_are_not_equal(field):
    text, _ = table(field, {"debian": [run(cpus=(0,))], "ours": [run(cpus=(1,))]}, Pace())
    assert "NOT EQUAL" in text


def test_a_short_pace_is_short():
    assert Pace.of(3) == Pace(hold_s=3, load_s=1.0, worst_s=6)
