"""Which Debian a local VPS has: what an inventory's versions ask for, and what is kept of each."""

import json
import time
from pathlib import Path

import pytest

from deployer.catalog import declared_series
from deployer.inventory import load_inventory
from deployer.sandbox import SUITES, SandboxError, suite_with
from deployer.sandbox.layers import prune_layers, snapshots_of
from deployer.sandbox.places import Places
from deployer.sandbox.shape import Shape
from deployer.sandbox.suites import check_suite

ADDRESS = {"address": "10.213.77.99", "cpu_cores": 1, "memory_mib": 512}


@pytest.mark.parametrize(
    ("packages", "suite"),
    [
        ({}, "bookworm"),
        ({"nginx": "1.22", "mariadb-server": "10.11"}, "bookworm"),
        ({"nginx": "1.22", "mariadb-server": "11.8"}, "trixie"),
        ({"openjdk-21-jre-headless": "21"}, "trixie"),
        ({"nginx": "1.26", "redis-server": "8"}, "trixie"),
        ({"nginx": "1.30", "redis-server": "8"}, "sid"),
        ({"nginx": "1.22", "mysql-server": "9.7"}, "sid"),
        ({"mysql-server": "8.4"}, "bookworm"),
    ],
)
def test_one_version_of_a_newer_debian_asks_for_it(packages, suite):
    assert suite_with(packages) == suite


@pytest.mark.parametrize(("host", "suite"), [("blog1", "bookworm"), ("shop1", "trixie")])
def test_the_examples_get_the_debian_that_they_declare(host, suite, pytestconfig):
    inventory = load_inventory([pytestconfig.rootpath / "inventories/example.yml"])
    assert suite_with(declared_series(inventory.entry(host).declaration)) == suite


def test_a_suite_that_there_is_none_of_is_refused_with_those_that_are():
    with pytest.raises(SandboxError, match="suite 'buster'") as caught:
        check_suite("buster")
    assert all(suite in caught.value.next_step for suite in SUITES)


def test_a_disk_fits_only_the_debian_that_it_was_made_on():
    of_twelve, of_thirteen = (Shape(name="one", suite=suite, **ADDRESS) for suite in ("bookworm", "trixie"))
    assert not of_twelve.same_disk(of_thirteen)
    assert Shape.from_json(of_thirteen.to_json()) == of_thirteen


def test_the_newest_base_tree_of_each_debian_is_kept_and_what_something_stands_on(tmp_path):
    here = Places(tmp_path)
    here.make()
    names = ["base-old", "base-bookworm-1", "base-trixie-1", "base-trixie-2", "base-bookworm-2", "snap-a", "x.part"]
    for name in names:
        (here.layers / name).mkdir()
        time.sleep(0.01)  # a file system tells moments apart by its clock's ticks
    (here.snapshots / "a.json").write_text(json.dumps({"layers": ["snap-a", "base-trixie-1"], "suite": "trixie"}))
    prune_layers(here)
    kept = {entry.name for entry in here.layers.iterdir()}
    assert kept == {"base-trixie-1", "base-trixie-2", "base-bookworm-2", "snap-a", "x.part"}
    assert [one.suite for one in snapshots_of(here)] == ["trixie"]


def test_a_snapshot_that_somebody_drops_while_they_are_listed_is_left_out(tmp_path, monkeypatch):
    here = Places(tmp_path)
    here.make()
    for name in ("a", "b"):
        (here.snapshots / f"{name}.json").write_text(json.dumps({"layers": [f"snap-{name}"]}))
    read = Path.read_text

    def read_late(file, *how):
        (here.snapshots / "b.json").unlink(missing_ok=True)
        return read(file, *how)

    monkeypatch.setattr(Path, "read_text", read_late)
    assert [one.name for one in snapshots_of(here)] == ["a"]
