"""A fault sweep that was ended goes on where it was, and what went wrong runs again."""

import json

import pytest
from fault_results import FaultResults

pytest_plugins = ["pytester"]

SWEEP = """
import pathlib
import pytest

@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.fault("power cut")) for name in ("a", "b", "c")])
def test_case(name, record_property):
    if name == "b" and not pathlib.Path("mended").exists():
        assert pathlib.Path("ended").exists()
        raise KeyboardInterrupt
    record_property("host_is", "old")
"""


@pytest.fixture
def run(pytester):
    pytester.makepyfile(SWEEP)
    file = pytester.path / "cases.json"

    def run():
        found = pytester.inline_run("-q", "-pno:hypothesispytest", plugins=[FaultResults(file)], no_reraise_ctrlc=True)
        ran = [report.nodeid[-2] for report in found.getreports("pytest_runtest_logreport") if report.when == "call"]
        return ran, {name[-2]: case["host_is"] for name, case in json.loads(file.read_text()).items()}

    return run


def test_it_goes_on_where_it_was(run, pytester):
    (pytester.path / "ended").touch()
    assert run() == (["a"], {"a": "old", "b": "not run", "c": "not run"})
    (pytester.path / "mended").touch()
    assert run() == (["b", "c"], {"a": "old", "b": "old", "c": "old"})
    assert run()[0] == []


def test_what_went_wrong_runs_again(run, pytester):
    assert run() == (["a", "b", "c"], {"a": "old", "b": "wrong", "c": "old"})
    (pytester.path / "mended").touch()
    assert run() == (["b"], {"a": "old", "b": "old", "c": "old"})
