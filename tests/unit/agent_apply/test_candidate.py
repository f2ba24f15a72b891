"""A candidate's place among the activations, on a directory that stands for the host."""

import pytest

from deployer.agent import activate, candidate, places, unitreturn

BESIDE = {"kind": "candidate", "name": "a", "unit": "app-a@candidate.service", "socket_unit": None, "holds": None}
INSTEAD = {**BESIDE, "holds": "app-a.service"}
RESTART = {"kind": "unit", "unit": "app-a.service", "action": "restart", "enable": False}


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    return tmp_path


def hold(host, unit):
    (host / "run/deployer-held").mkdir(parents=True, exist_ok=True)
    (host / "run/deployer-held" / unit).touch()


def test_a_return_knows_the_unit_that_a_candidate_took_the_place_of():
    assert activate.units_of([BESIDE]) == []
    assert activate.units_of([INSTEAD, RESTART]) == ["app-a.service"]


def test_a_unit_that_waited_is_let_go_and_not_restarted_a_second_time(host, monkeypatch):
    ordered = []
    monkeypatch.setattr(activate.systemctl, "order", lambda verb, unit, **_: ordered.append((verb, unit)))
    hold(host, "app-a.service")
    hold(host, "app-b.service")
    progress = type("Progress", (), {"left_s": lambda _self, seconds: seconds, "check": None})()
    activate._unit(RESTART, progress)
    assert ordered == [("start", "app-a.service")]
    assert not candidate.is_held("app-a.service")
    assert candidate.is_held("app-b.service")
    activate._unit(RESTART, progress)
    assert ordered[1:] == [("restart", "app-a.service")]
    candidate.let_all_go()
    candidate.let_all_go()
    assert not candidate.is_held("app-b.service")


def test_the_way_back_restarts_a_unit_that_still_waits(monkeypatch):
    ordered = []
    ran = {"app-a.service": {"active": "active", "enabled": "enabled", "type": "notify"}}
    monkeypatch.setattr(unitreturn.unitstate, "show", lambda _units: ran)
    monkeypatch.setattr(unitreturn.systemctl, "forget_failures", lambda _unit: None)
    monkeypatch.setattr(unitreturn.systemctl, "order", lambda *words: ordered.append(words))
    journal = type("Journal", (), {"doc": {"activations": [INSTEAD, RESTART], "activated": [0]}})()
    touched = activate.units_of([INSTEAD])
    unitreturn.start_what_ran(journal, touched, ran, lambda do, *_: do(), lambda _line: None)
    assert ordered == [("restart", "app-a.service")]
