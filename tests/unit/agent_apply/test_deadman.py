"""The dead man's switch: when it goes off, what it takes back, and what it leaves alone."""

import json

import pytest
from test_back import deployed

from deployer import agent
from deployer.agent import back, deadman, journal, places, recover, systemctl, transaction
from deployer.agent.refusal import Refusal

WOUND = {"op": "deadman", "within_s": 600, "who": "ann@desk", "host": "web1"}


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    monkeypatch.setattr(agent, "PROGRAM", "program", raising=False)
    (tmp_path / "etc").mkdir()
    return tmp_path


@pytest.fixture(autouse=True)
def ordered(monkeypatch):
    orders = []
    monkeypatch.setattr(systemctl, "order", lambda *words, **_: orders.append(words))
    return orders


@pytest.fixture
def applied(monkeypatch):
    """Requests of transactions that the switch begins; the record of one that is tried is `test_trials.py`'s."""
    requests = []
    monkeypatch.setattr(transaction, "run", lambda request, *_: requests.append(request))
    return requests


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(deadman.time, "monotonic", lambda: now[0])
    return now


def tried(host, text):
    """Leave the record of a trial."""
    name = deployed(host, text)
    record = journal.Journal.load(name)
    record.doc["trial_of"] = "t1"
    record.save()
    return name


def wind(**more):
    return deadman.run({**WOUND, "to": "t1", **more})


def note(host):
    return json.loads((host / "var/lib/deployer/deadman.json").read_text())


def is_there(host):
    return [
        (host / place.lstrip("/")).exists() for place in (deadman.NOTE, deadman.PROGRAM, deadman.UNITS + deadman.TIMER)
    ]


def test_as_long_as_it_is_wound_again_nothing_happens(host, clock, applied):
    deployed(host, "one")
    wind()
    tried(host, "two")
    for _ in range(5):
        clock[0] += 599
        assert deadman.command(["look"]) == 0
        wind()
    assert not applied
    assert is_there(host) == [True, True, True]


def test_when_nobody_winds_it_the_trials_are_taken_back_and_it_is_gone(host, clock, applied, ordered):
    deployed(host, "one")
    wind()
    assert ordered == [("daemon-reload",), ("restart", deadman.TIMER)]
    tried(host, "two")
    tried(host, "three")
    clock[0] += 600
    assert deadman.command(["look"]) == 0
    [request] = applied
    assert (request["plan"]["back_to"], request["plan"]["last_transaction"]) == ("t1", "t3")
    assert (request["trial_of"], request["host"]) == ("t1", "web1")
    assert request["who"] == "ann@desk, who does not answer any more"
    assert is_there(host) == [False, False, False]
    assert ("stop", deadman.TIMER) in ordered


@pytest.mark.parametrize(
    ("by", "text"), [(deployed, "three"), (tried, "one")], ids=["somebody deployed since", "it is back already"]
)
def test_a_host_that_is_no_trial_any_more_is_left_alone(host, clock, applied, by, text):
    deployed(host, "one")
    wind()
    tried(host, "two")
    by(host, text)
    clock[0] += 600
    assert deadman.command(["look"]) == 0
    assert not applied
    assert is_there(host) == [False, False, False]


def test_after_a_reboot_the_time_counts_anew(host, clock, applied, monkeypatch):
    deployed(host, "one")
    wind()
    tried(host, "two")
    monkeypatch.setattr(deadman, "booted", lambda: "another boot")
    clock[0] = 599.0
    deadman.command(["look"])
    assert not applied
    clock[0] = 601.0
    deadman.command(["look"])
    assert len(applied) == 1


@pytest.mark.parametrize("error", [Refusal("probe", "it does not answer", state="restored"), KeyError("standing")])
def test_a_way_back_that_fails_is_tried_again_and_given_up_in_the_end(host, clock, monkeypatch, capsys, error):
    deployed(host, "one")
    wind()
    tried(host, "two")
    clock[0] += 600
    tries = []

    def refuse(*_):
        tries.append(1)
        raise error

    monkeypatch.setattr(transaction, "run", refuse)
    for number in range(1, deadman.TRIES):
        assert deadman.command(["look"]) == 1
        assert note(host)["tries"] == number
    assert deadman.command(["look"]) == 1
    assert not is_there(host)[0]
    assert len(tries) == deadman.TRIES
    assert "deployer rollback --to t1" in capsys.readouterr().err


def test_what_was_left_open_is_settled_first(host, clock, applied, monkeypatch):
    deployed(host, "one")
    wind()
    tried(host, "two")
    clock[0] += 600
    order = []
    monkeypatch.setattr(recover, "run", lambda request: order.append("settled") or {"settled": []})
    found = back.run
    monkeypatch.setattr(back, "run", lambda request: order.append("back") or found(request))
    deadman.command(["look"])
    assert order == ["settled", "back"]


def test_it_is_taken_away_and_a_look_that_comes_late_does_nothing(host, clock, applied):
    deployed(host, "one")
    wind()
    tried(host, "two")
    assert deadman.run({"op": "deadman"}) == {"wound": None}
    assert is_there(host) == [False, False, False]
    clock[0] += 6000
    assert deadman.command(["look"]) == 0
    assert not applied


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"to": "t9"}, "no deploy t9"),
        ({"to": "../t1"}, "not a transaction id"),
        ({"within_s": 0}, "for 1 to 86400 s"),
        ({"within_s": float("nan")}, "for 1 to 86400 s"),
    ],
)
def test_where_there_is_no_way_back_it_is_refused_and_nothing_is_left(host, request_, words):
    deployed(host, "one")
    with pytest.raises(Refusal) as caught:
        wind(**request_)
    assert words in caught.value.message
    assert is_there(host) == [False, False, False]


def test_trials_do_not_push_deploys_off_the_record(host):
    for number in range(4):
        deployed(host, f"deploy {number}")
    for number in range(30):
        tried(host, f"trial {number}")
    journal.prune()
    assert len(journal.committed()) == 34
    for number in range(9):
        deployed(host, f"later {number}")
    journal.prune()
    assert [one.identifier for one in journal.committed()][:2] == ["t4", "t5"]


def test_the_deploy_before_the_last_is_no_trial(host):
    deployed(host, "one")
    deployed(host, "two")
    for text in ("other pins", "two"):
        tried(host, text)
    assert back.run({"to": None})["plan"]["back_to"] == "t1"


def test_what_gained_in_trials_and_was_kept_is_left_for_the_deploy_before_them(host):
    deployed(host, "one")
    deployed(host, "two")
    for text in ("other pins", "two", "what gained"):
        tried(host, text)
    assert back.run({"to": None})["plan"]["back_to"] == "t2"


def test_trials_alone_are_no_deploy_before_the_last(host):
    deployed(host, "one")
    for text in ("other pins", "one"):
        tried(host, text)
    with pytest.raises(Refusal) as caught:
        back.run({"to": None})
    assert "no deploy before t1" in caught.value.message
