"""The way back, made from records: what the oldest of the undone deploys kept, and what is refused."""

import base64

import pytest

from deployer.agent import back, journal, manifest, places, treestate
from deployer.agent.refusal import Refusal

STANDING = {"units": [], "validators": [], "probes": [], "gate_s": 1, "return_after_s": 60, "work": {}}
PATH = "/etc/app.conf"


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    (tmp_path / "etc").mkdir()
    return tmp_path


def deployed(host, text, *, standing=STANDING):
    """Replace the file as a committed transaction does, and leave its record."""
    records = journal.committed() if (host / "var").exists() else []
    name = f"t{len(records) + 1}"
    record = journal.Journal.create(name, "ann@desk")
    before = treestate.state_of(PATH)
    recorded = {"path": PATH, "before": before, "restarts": [], "secret": False, "copy": None}
    if before["kind"] == "file":
        recorded["copy"] = "before/0"
        (host / f"var/lib/deployer/transactions/{name}/before").mkdir()
        kept = host / f"var/lib/deployer/transactions/{name}/before/0"
        kept.write_bytes((host / PATH.lstrip("/")).read_bytes())
    (host / PATH.lstrip("/")).write_text(text)
    last = records[-1].identifier if records else None
    owned = {PATH: treestate.state_of(PATH)["sha256"]}
    left = {"units": {}, "owned": owned, "modes": {}, "done": [], "refused_sysctls": {}, "last_transaction": name}
    record.doc.update({"files": [recorded], "after": last, "standing": standing, "manifest": left})
    record.doc["began"] = f"2030-01-01T00:00:{len(records):02d}"
    record.close("committed")
    manifest.save(left)
    return name


def test_the_text_of_then_is_what_the_oldest_undone_deploy_kept(host):
    first = deployed(host, "one")
    deployed(host, "two")
    deployed(host, "three")
    found = back.run({"to": first})
    [entry] = found["plan"]["files"]
    assert (entry["after"]["kept"], found["undone"]) == ("t2/before/0", ["t2", "t3"])
    assert base64.b64decode(found["texts"][PATH]["then"]) == b"one"
    assert base64.b64decode(found["texts"][PATH]["now"]) == b"three"
    assert (found["plan"]["back_to"], found["plan"]["last_transaction"]) == ("t1", "t3")


def test_the_one_before_the_last_is_meant_when_none_is_named(host):
    deployed(host, "one")
    deployed(host, "two")
    assert back.run({"to": None})["plan"]["back_to"] == "t1"


def test_a_first_deploy_is_taken_away_only_when_that_is_asked_for(host):
    deployed(host, "one")
    with pytest.raises(Refusal, match="no deploy before t1") as refused:
        back.run({"to": None})
    assert "--to nothing" in refused.value.next
    plan = back.run({"to": back.NOTHING})["plan"]
    assert [entry["after"] for entry in plan["files"]] == [{"kind": "absent"}]
    assert back.manifest_of(plan)["owned"] == {}


def test_a_gap_in_the_records_ends_the_way(host):
    for text in ("one", "two", "three"):
        deployed(host, text)
    record = journal.Journal.load("t3")
    record.doc["after"] = "t2b"
    record.save()
    with pytest.raises(Refusal, match="what the host was before t3 is no longer on record"):
        back.run({"to": "t1"})


def test_a_record_that_keeps_too_little_and_a_last_deploy_without_one_are_told(host):
    deployed(host, "one", standing=None)
    deployed(host, "two")
    with pytest.raises(Refusal, match="t1 was made by an older deployer"):
        back.run({"to": "t1"})
    manifest.save({**manifest.load(), "last_transaction": "elsewhere"})
    with pytest.raises(Refusal, match="no record of its last deploy"):
        back.run({"to": "t1"})


@pytest.mark.parametrize(
    "name", ["../t1/before/0", "t1/before/../../x", "t1/before/x", "/etc/shadow", "t1/journal.json"]
)
def test_only_a_kept_file_can_be_named_as_one(host, name):
    deployed(host, "one")
    with pytest.raises(Refusal, match="not the name of a kept file"):
        back.staging.kept_bytes(name)


def test_what_ran_before_the_first_deploy_runs_again_and_what_came_with_it_stops(host, monkeypatch):
    hashes = {"restart_hash": "1", "reload_hash": "1", "ready": []}
    units = [{"unit": unit, **hashes} for unit in ("app.service", "nginx.service")]
    record = journal.Journal.load(deployed(host, "one", standing={**STANDING, "units": units}))
    by_hand = {"active": "active", "enabled": "enabled"}
    record.doc["units"] = {
        "nginx.service": by_hand,
        "app.service": {"active": "inactive", "enabled": ""},
        "site.service": {"active": "active", "enabled": "disabled"},  # a deploy took it over: it was stopped
        "systemd-journald.service": by_hand,
    }
    record.save()
    now = {"site.service": "inactive"}
    monkeypatch.setattr(
        back.unitstate, "show", lambda all_of: {one: {"active": now.get(one, "active")} for one in all_of}
    )
    plan = back.run({"to": back.NOTHING})["plan"]
    assert plan["activations"] == [
        {"kind": "stop", "unit": "app.service"},  # first: its port and its memory are needed
        {"kind": "unit", "unit": "nginx.service", "action": "restart", "enable": True},
        {"kind": "unit", "unit": "site.service", "action": "restart", "enable": False},
    ]


def test_a_release_that_is_gone_back_to_is_a_candidate_first(monkeypatch):
    monkeypatch.setattr(back.unitstate, "show", lambda units: {unit: {"active": "active"} for unit in units})
    asked = {"kind": "candidate", "name": "a", "unit": "app-a@candidate.service", "holds": None}
    units = [{"unit": f"app-a@{number}.service", "ready": [], "candidate": asked} for number in (1, 2)]
    then = {"units": [{**unit, "restart_hash": "old", "reload_hash": ""} for unit in units]}
    now = {"units": [{**unit, "restart_hash": "new", "reload_hash": ""} for unit in units]}
    chosen = back._activations(then, now, owed=[], ran_before={})
    assert [entry["unit"] for entry in chosen] == [
        "app-a@candidate.service",
        "app-a@1.service",
        "app-a@2.service",
    ]
    assert back._activations(then, then, owed=[], ran_before={}) == []
