"""A deploy whose load test is missed goes back if that was wanted; one that could not be judged never does."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from deployer.apply import Applied
from deployer.errors import HostUnknown, UsageError
from deployer.inventory import load_inventory
from deployer.plan import Change, Plan
from deployer.proof import check_load, knee, prove
from deployer.slo import Slo
from deployer.tasks import applying, deploying, verification

PLAN = Plan("web1", (Change("unit", "reload", "nginx.service"),), {"last_transaction": "t-1"})
LIVE = Applied(transaction="t-2", steps=(), notes=())
BACK = Applied(transaction="t-3", steps=(), notes=())
ENTRY = SimpleNamespace(name="web1", host=SimpleNamespace(load="allowed"))


def report(monkeypatch, code, *, wanted=True, back=lambda *_, **__: BACK):
    asked, printed = [], []

    def take_back(entry, plan, transaction, tell, **_more):
        asked.append((entry.name, plan.document["last_transaction"], transaction))
        return back()

    monkeypatch.setattr(verification, "run_verify", lambda _entry, *, quiet: ({"outcome": "x"}, code))
    monkeypatch.setattr(applying, "take_back", take_back)
    monkeypatch.setattr(deploying, "print_document", printed.append)
    ended = deploying._report(ENTRY, PLAN, LIVE, json=True, verify=True, rollback_on_fail=wanted)
    [document] = printed
    return ended, document["outcome"], asked


def test_a_miss_of_the_hosts_own_goes_back(monkeypatch):
    assert report(monkeypatch, 7) == (5, "taken back", [("web1", "t-1", "t-2")])


@pytest.mark.parametrize(("code", "wanted"), [(9, True), (0, True), (7, False), (9, False)])
def test_nothing_else_does(monkeypatch, code, wanted):
    assert report(monkeypatch, code, wanted=wanted) == (code, "live", [])


def test_a_way_back_that_fails_is_said(monkeypatch):
    def lost():
        raise HostUnknown("the connection broke")

    code, outcome, _ = report(monkeypatch, 7, back=lost)
    assert (code, outcome) == (6, "live")


@pytest.mark.parametrize("load", [prove, lambda entry: knee(entry, Slo(), bandwidth_mbit_per_s=None), check_load])
def test_the_library_refuses_a_load_that_is_not_allowed(load, tmp_path):

    text = (
        (Path(__file__).parents[3] / "inventories/example.yml").read_text().replace("load: allowed", "load: forbidden")
    )
    (tmp_path / "hosts.yml").write_text(text)
    entry = load_inventory([tmp_path / "hosts.yml"]).entry("blog1")
    with pytest.raises(UsageError, match="does not allow load tests of blog1"):
        load(entry)
