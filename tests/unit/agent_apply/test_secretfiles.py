"""Secrets from outside on a directory that stands for the host: staged, marked, returned, and told to nobody."""

import grp
import hashlib
import io
import json
import os
import pwd
import stat

import pytest

from deployer.agent import back, closing, drift, journal, manifest, observe, places, secretfiles, staging, treestate
from deployer.agent.blobs import Blobs
from deployer.agent.refusal import Refusal

USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name
PATH = "/etc/deployer/secrets/shop.stripe"
MARKER = "planted-d00d"
NONCE = "12" * 32
AFTER = {"kind": "file", "mode": "0600", "owner": USER, "group": GROUP, "secret": True, "source": "x"}
EMPTY = Blobs(io.BytesIO())


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    (tmp_path / "etc/deployer/secrets").mkdir(parents=True)
    (tmp_path / "var/lib/deployer").mkdir(parents=True)
    return tmp_path


def deployed(host, value, name, before=None):
    """Bring a value as a transaction does, up to its commit."""
    secretfiles.make_key()
    record = journal.Journal.create(name, "me")
    entry = {"path": PATH, "before": before or treestate.state_of(PATH), "after": AFTER, "restarts": ["app.service"]}
    staging.compare([entry], packages_came=False)
    staging.stage([entry], EMPTY, record, {PATH: value})
    staging.keep(record)
    staging.swap(record)
    plan = {"files": [entry], "units": []}
    record.doc["manifest"] = manifest.after(plan, name, {})
    record.doc["standing"] = {"units": [], "validators": [], "probes": [], "gate_s": 0, "return_after_s": 9, "work": {}}
    record.doc["after"] = manifest.load()["last_transaction"]
    record.move("committed")
    staging.keep_former(record)
    manifest.save(record.doc["manifest"])
    staging.discard(record)
    record.close("committed")
    return record


def told(host, **more):
    # observe looks at the paths themselves: they are those of this directory here
    monkey = pytest.MonkeyPatch()
    monkey.setattr(places, "SECRETS", str(host / "etc/deployer/secrets"))
    try:
        path = f"{host}{PATH}"
        return observe.run({"nonce": NONCE, "files": [{"path": path, "kind": "absent", **more}]})["files"][path]
    finally:
        monkey.undo()


def test_a_secret_goes_live_0600_and_only_its_mark_is_written_down(host):
    deployed(host, MARKER, "t1")
    live = host / PATH[1:]
    assert live.read_text() == MARKER
    assert stat.S_IMODE(live.stat().st_mode) == 0o600
    assert stat.S_IMODE((host / "var/lib/deployer/secrets.key").stat().st_mode) == 0o600
    deployed(host, "another", "t2")
    written = "".join(
        file.read_text(errors="replace")
        for file in (host / "var/lib/deployer").rglob("*")
        if file.is_file() and "before" not in file.parts
    )
    for value in (MARKER, "another"):
        assert value not in written
        assert hashlib.sha256(value.encode()).hexdigest() not in written
    assert manifest.load()["owned"][PATH].startswith("mark:")
    assert sorted(file.name for file in (host / "etc/deployer/secrets").iterdir()) == ["shop.stripe"]
    [kept] = (host / "var/lib/deployer/transactions/t2/before").iterdir()
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == (MARKER, 0o600)
    assert not (host / "var/lib/deployer/former").exists()


def test_one_that_the_host_made_and_is_given_from_now_on_is_not_kept_for_good(host):
    (host / PATH[1:]).write_text("made here")
    deployed(host, MARKER, "t1")
    assert (host / PATH[1:]).read_text() == MARKER
    assert (host / "var/lib/deployer/transactions/t1/before/0").read_text() == "made here"
    assert not (host / "var/lib/deployer/former").exists()


def test_a_mark_is_of_this_host_this_path_and_this_value(host):
    assert secretfiles.mark(PATH, b"x") is None
    secretfiles.make_key()
    first = secretfiles.mark(PATH, b"x")
    assert first == secretfiles.mark(PATH, b"x")
    others = {secretfiles.mark(PATH, b"y"), secretfiles.mark(PATH + "2", b"x")}
    key = host / "var/lib/deployer/secrets.key"
    secretfiles.make_key()
    assert secretfiles.mark(PATH, b"x") == first, "the key is made once"
    key.unlink()
    secretfiles.make_key()
    assert len({first, *others, secretfiles.mark(PATH, b"x")}) == 4


def test_observe_tells_neither_text_nor_hash_whatever_it_is_asked(host):
    secretfiles.make_key()
    (host / PATH[1:]).write_text(MARKER)
    digest = hashlib.sha256(MARKER.encode()).hexdigest()
    for asked in ({}, {"secret": True}, {"secret": False, "kind": "file", "sha256": "0"}):
        state = told(host, **asked)
        assert MARKER not in json.dumps(state)
        assert digest not in json.dumps(state)
        assert "content" not in state
        assert state["proof"] == secretfiles.proof(NONCE, f"{host}{PATH}", MARKER.encode())
        assert state["settled"] is False


@pytest.mark.parametrize("nonce", [None, "", "12", "x" * 64, 7, "12" * 100])
def test_a_proof_with_a_nonce_that_could_be_guessed_is_not_given(nonce):
    assert secretfiles.proof(nonce, PATH, b"x") is None


def test_control_machine_and_host_prove_alike():
    from deployer.secretvalues import proof
    from deployer.transport import Secret

    assert secretfiles.proof(NONCE, PATH, "grüße".encode()) == proof(NONCE, PATH, Secret("grüße"))


def test_a_secret_that_moved_since_the_plan_is_an_outdated_plan_that_tells_no_hash(host):
    deployed(host, MARKER, "t1")
    before = treestate.state_of(PATH)
    (host / PATH[1:]).write_text("by hand")
    with pytest.raises(Refusal) as caught:
        deployed(host, "another", "t2", before)
    assert "another secret" in caught.value.detail
    assert hashlib.sha256(b"by hand").hexdigest()[:12] not in caught.value.detail


def test_a_value_changed_by_hand_is_drift(host):
    deployed(host, MARKER, "t1")
    assert list(drift._files(manifest.load()["owned"], {})) == []
    (host / PATH[1:]).write_text("by hand")
    [found] = drift._files(manifest.load()["owned"], {})
    assert found == {"kind": "file", "name": PATH, "what": "was changed by hand"}


@pytest.mark.parametrize("cut", ["before the swap", "after the swap"])
def test_a_return_brings_the_former_value_back(host, cut):
    deployed(host, MARKER, "t1")
    record = journal.Journal.create("t2", "me")
    entry = {"path": PATH, "before": treestate.state_of(PATH), "after": AFTER}
    staging.stage([entry], EMPTY, record, {PATH: "another"})
    staging.keep(record)
    if cut == "after the swap":
        staging.swap(record)
        assert (host / PATH[1:]).read_text() == "another"
    for _ in range(2):
        staging.put_back(journal.Journal.load("t2").doc["files"][0], record)
    assert (host / PATH[1:]).read_text() == MARKER
    assert [file.name for file in (host / "etc/deployer/secrets").iterdir()] == ["shop.stripe"]


def test_the_way_back_restarts_who_reads_it_and_tells_no_text(host, monkeypatch):
    first = deployed(host, MARKER, "t1")
    deployed(host, "another", "t2")
    unit = {"unit": "app.service", "ready": [], "restart_hash": "1", "reload_hash": "1"}
    for name in ("t1", "t2"):
        record = journal.Journal.load(name)
        record.doc["standing"]["units"] = [unit]
        record.save()
    states = {"app.service": {"active": "active"}}
    monkeypatch.setattr(back.unitstate, "show", lambda _units: states)
    answer = back.run({"to": first.identifier})
    assert MARKER not in json.dumps(answer)
    assert "another" not in json.dumps(answer)
    assert answer["texts"] == {}
    [entry] = answer["plan"]["activations"]
    assert (entry["unit"], entry["action"]) == ("app.service", "restart")
    [file] = answer["plan"]["files"]
    record = journal.Journal.create("t3", "me")
    staging.stage([file], EMPTY, record)
    staging.keep(record)
    staging.swap(record)
    assert (host / PATH[1:]).read_text() == MARKER
    file["after"]["kept"] = "t1/before/0"  # there is none: nothing was there before
    with pytest.raises(Refusal, match="no longer on the host"):
        staging.stage([file], EMPTY, journal.Journal.create("t4", "me"))


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ({}, {}),
        ({}, {PATH: ""}),
        ({}, {PATH: 7}),
        ({}, {PATH: MARKER * 10_000}),
        ({"path": "/etc/elsewhere"}, {"/etc/elsewhere": MARKER}),
        ({"after": {**AFTER, "mode": "0640"}}, {PATH: MARKER}),
    ],
)
def test_a_secret_without_a_value_or_out_of_its_place_or_open_to_others_is_refused(host, entry, values):
    whole = {"path": PATH, "before": {"kind": "absent"}, "after": AFTER, **entry}
    with pytest.raises((Refusal, KeyError)) as caught:
        staging.stage([whole], EMPTY, journal.Journal.create("t1", "me"), values)
    assert MARKER not in str(caught.value) + repr(vars(caught.value))
    assert not (host / "etc/elsewhere").exists()


def test_a_transaction_that_is_given_up_leaves_no_copy_of_what_was_judged(host, monkeypatch):
    monkeypatch.setattr(closing.work, "stop_all", lambda: None)
    monkeypatch.setattr(closing.returntimer, "disarm", lambda _journal: None)
    monkeypatch.setattr(closing.unitreturn, "disable_what_packages_enabled", lambda *_: None)
    record = journal.Journal.create("t1", "me")
    copies = host / "var/lib/deployer/transactions/t1/staged/0/secrets"
    copies.mkdir(parents=True)
    (copies / "shop.stripe").write_text(MARKER)
    closing.abandon(record, "killed")
    assert not copies.exists()
