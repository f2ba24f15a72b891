"""Stopping what is no longer wanted: its file is gone by then, and it may have been stopped before."""

import io
import time

import pytest

from deployer.agent import (
    activate,
    boot,
    database,
    journal,
    places,
    probes,
    returntimer,
    revert,
    staging,
    systemctl,
    unitreturn,
    unitstate,
)
from deployer.agent.blobs import Blobs
from deployer.agent.outcome import Attempt, Outcome
from deployer.agent.progress import Progress
from deployer.agent.refusal import Refusal

GONE = {"load": "not-found", "active": "inactive", "sub": "dead"}
RUNS = {"load": "not-found", "active": "active", "sub": "running"}
PACKAGED = {"load": "loaded", "active": "active", "sub": "running"}


@pytest.fixture
def wants(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    folder = tmp_path / "etc/systemd/system/multi-user.target.wants"
    folder.mkdir(parents=True)
    for name in ("a.service", "b.service"):
        (folder / name).symlink_to(f"/etc/systemd/system/{name}")
    return folder


def stopped(monkeypatch, state):
    """Stop a.service, which is in this state; return the orders that systemd got."""
    orders = []
    monkeypatch.setattr(unitstate, "show", lambda units: dict.fromkeys(units, state))
    monkeypatch.setattr(systemctl, "order", lambda *words, **_: orders.append(" ".join(words)))
    monkeypatch.setattr(systemctl, "forget_failures", lambda unit: None)
    activate._stop("a.service", Progress(lambda event: None, time.sleep))
    return orders


def test_a_unit_without_a_file_is_stopped_and_its_links_are_taken_away_by_hand(monkeypatch, wants):
    assert stopped(monkeypatch, RUNS) == ["stop a.service", "daemon-reload"]
    assert [path.name for path in wants.iterdir()] == ["b.service"]


def test_a_unit_that_somebody_stopped_and_disabled_before_is_no_error(monkeypatch, wants):
    (wants / "a.service").unlink()
    assert stopped(monkeypatch, GONE) == []


def test_a_service_that_waits_for_its_next_start_is_stopped(monkeypatch, wants):
    waits = {"load": "not-found", "active": "failed", "sub": "auto-restart"}
    assert stopped(monkeypatch, waits)[0] == "stop a.service"


def test_a_packages_unit_is_disabled_by_systemd_itself(monkeypatch, wants):
    assert stopped(monkeypatch, PACKAGED) == ["stop a.service", "disable --quiet a.service"]


@pytest.fixture
def cluster(wants, monkeypatch):
    folder = wants.parents[2] / "postgresql/15/main"
    folder.mkdir(parents=True)
    orders = []
    monkeypatch.setattr(unitstate, "show", lambda units: dict.fromkeys(units, PACKAGED))
    monkeypatch.setattr(systemctl, "order", lambda *words, **_: orders.append(" ".join(words)))
    return folder / "start.conf", orders


CLUSTER = "postgresql@15-main.service"


@pytest.mark.parametrize("before", ["# how it starts\n\nauto # at boot\n", None])
def test_a_cluster_that_is_not_wanted_is_not_started_by_its_generator_and_wanted_again_it_is(cluster, before):
    conf, orders = cluster
    if before is not None:
        conf.write_text(before)
    boot.off(CLUSTER)
    assert conf.read_text().splitlines()[-1] == "manual"
    assert orders == [f"disable --quiet {CLUSTER}", "daemon-reload"]
    boot.off(CLUSTER)
    boot.on(CLUSTER)
    assert conf.read_text() == "auto\n"
    assert orders[2:] == [f"disable --quiet {CLUSTER}", f"enable --quiet {CLUSTER}", "daemon-reload"]


def test_what_somebody_says_of_a_cluster_is_left_and_other_units_have_no_such_file(cluster):
    conf, orders = cluster
    conf.write_text("manual\n")
    for unit in (CLUSTER, "postgresql@15-gone.service", "postgresql@..-main.service", "a@15-main.service"):
        boot.off(unit)
        boot.on(unit)
    assert conf.read_text() == "manual\n"
    assert "daemon-reload" not in orders
    assert [path.name for path in conf.parent.iterdir()] == ["start.conf"]


def test_only_directories_of_ours_that_are_empty_go_with_their_files(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    gone = ["/etc/tool/app/file", "/srv/app/current/code", "/etc/full/app/file", "/etc/tool/file"]
    for path in [*gone, "/etc/full/app/other", "/etc/kept/app/file"]:
        (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path[1:]).write_bytes(b"x")
    record = journal.Journal.create("t1", "me")
    after = [{"path": path, "after": {"kind": "absent"}} for path in gone]
    after.append({"path": "/etc/kept/app/file", "after": {"kind": "link", "target": "/x"}})
    staging.stage(after, Blobs(io.BytesIO()), record)
    staging.keep(record)
    staging.swap(record)
    staging.discard(record)
    staging.remove_emptied_directories(record)
    left = sorted(str(path.relative_to(tmp_path)) for top in ("etc", "srv") for path in (tmp_path / top).rglob("*"))
    assert left == [
        "etc/full", "etc/full/app", "etc/full/app/other", "etc/kept", "etc/kept/app", "etc/kept/app/file",
        "etc/tool", "srv/app",
    ]  # fmt: skip


def test_a_return_starts_the_server_that_has_to_take_a_database_back(monkeypatch, wants):
    orders = []
    monkeypatch.setattr(systemctl, "order", lambda *words, **_: orders.append(" ".join(words)))
    monkeypatch.setattr(database, "undo", lambda note: orders.append(f"undo {note['name']}"))
    record = journal.Journal.create("t1", "me")
    record.doc["activations"] = [{"kind": "database", "server": "mariadb", "unit": "mariadb.service"}]
    record.doc["databases"] = [{"name": "blog"}]
    outcome = Outcome()
    revert._undo_databases(record, Attempt(outcome), outcome)
    assert orders == ["start mariadb.service", "undo blog"]
    assert outcome.problems == []


def test_the_record_of_an_older_deploy_is_still_read(monkeypatch, wants):
    assert activate.servers_of([{"kind": "database", "server": "mariadb.service"}]) == ["mariadb.service"]
    undone = []
    monkeypatch.setattr(
        database.SERVERS["mariadb"], "undo", lambda note: undone.append(note["name"]) or "", raising=False
    )
    database.undo({"name": "blog", "user": "blog", "made_database": True, "user_before": None})
    assert undone == ["blog"]


@pytest.mark.parametrize(
    ("state", "again"),
    [
        ({"type": "simple", "active": "active"}, True),
        ({"type": "notify", "active": "activating"}, True),
        ({"type": "oneshot", "active": "active"}, True),  # it remains after its end
        ({"type": "oneshot", "active": "activating"}, False),  # a job in the middle of its work
        ({"type": "simple", "active": "failed"}, False),
        ({"active": "activating"}, True),  # a record of an older deploy
    ],
)
def test_what_a_return_runs_again(state, again):
    assert unitreturn.ran(state) is again


@pytest.mark.parametrize(("was", "is_a_problem"), [("active", True), ("activating", False)])
def test_a_return_does_not_have_to_run_what_did_not_start_before_either(monkeypatch, wants, was, is_a_problem):
    def order(*words, **_):
        raise Refusal("activation", "it does not start")

    monkeypatch.setattr(systemctl, "order", order)
    monkeypatch.setattr(systemctl, "forget_failures", lambda unit: None)
    enabled = {"type": "notify", "enabled": "enabled"}
    monkeypatch.setattr(unitstate, "show", lambda units: {unit: {**GONE, **enabled} for unit in units})
    record = journal.Journal.create("t1", "me")
    record.doc["activations"] = [{"kind": "unit", "unit": "a.service", "action": "restart"}]
    record.doc["activated"] = [0]
    outcome, said = Outcome(), []
    before = {"a.service": {**RUNS, **enabled, "active": was}}
    unitreturn.start_what_ran(record, ["a.service"], before, Attempt(outcome), said.append)
    assert bool(outcome.problems) is is_a_problem
    assert unitreturn.is_to_run(before["a.service"]) is is_a_problem
    assert ("a.service does not start, as before" in said) is not is_a_problem


@pytest.mark.parametrize(
    ("now", "order"),
    [
        ({"type": "notify", "active": "inactive"}, "start"),
        ({"type": "notify", "active": "activating"}, "restart"),
        ({"type": "oneshot", "active": "activating"}, "start"),
    ],
)
def test_a_start_is_not_taken_for_one_that_is_under_way_with_what_was_there_before(monkeypatch, wants, now, order):
    orders = []
    monkeypatch.setattr(systemctl, "order", lambda *words, **_: orders.append(" ".join(words)))
    monkeypatch.setattr(unitstate, "show", lambda units: dict.fromkeys(units, now))
    record = journal.Journal.create("t1", "me")
    entries = [{"kind": "unit", "unit": "a.service", "action": "start", "enable": False}]
    activate.run(entries, [], record, work=None, progress=Progress(lambda event: None, lambda wait_s: False))
    assert orders == [f"{order} a.service"]


def test_the_next_process_waits_until_the_one_before_it_is_ready(monkeypatch, wants):
    seen = []
    monkeypatch.setattr(systemctl, "order", lambda *words, **_: seen.append(" ".join(words)))
    monkeypatch.setattr(probes, "gate", lambda wanted, gate_s, progress: seen.append((wanted, gate_s)))
    record = journal.Journal.create("t1", "me")
    entries = [
        {"kind": "unit", "unit": f"a@{number}.service", "action": "restart", "enable": False, "ready": [number]}
        for number in (1, 2)
    ]
    activate.run(entries, [], record, work=None, progress=Progress(lambda event: None, lambda wait_s: False))
    assert seen == ["restart a@1.service", ([1], 0.0), "restart a@2.service", ([2], 0.0)]


def test_the_return_at_boot_waits_for_the_units_of_the_plan(wants):
    record = journal.Journal.create("t1", "me")
    record.doc["activations"] = [
        {"kind": "database", "server": "mariadb", "unit": "mariadb.service"},
        {"kind": "stop", "unit": "old.service"},
    ]
    returntimer._arm_boot(record, "/copy")
    text = (wants.parent / "deployer-return.service").read_text()
    assert "\nAfter=network.target old.service mariadb.service\n" in text


@pytest.mark.parametrize(
    ("entry", "made", "counted"),
    [
        ({"once": "seed blog"}, False, ["blog"]),
        ({"once": None}, True, ["blog"]),
        ({"once": None}, False, []),  # a migration beside visitors: the server counts when it sees fit
        ({"once": "seed blog", "database": None}, False, []),
        ({"once": "seed blog", "database": {"server": "sqlite", "name": "", "path": "/x"}}, False, []),
        ({"once": "seed blog", "database": {"server": "mariadb", "name": "a'b"}}, False, []),
    ],
)
def test_tables_are_counted_that_a_command_filled_and_nobody_reads_yet(monkeypatch, wants, entry, made, counted):
    seen = []
    monkeypatch.setattr(database.SERVERS["mariadb"], "count", seen.append, raising=False)
    record = journal.Journal.create("t1", "me")
    record.doc["databases"] = [{"name": "blog", "made_database": made}]
    database.count_filled({"database": {"server": "mariadb", "name": "blog"}, **entry}, record)
    assert seen == counted


def test_a_server_that_does_not_count_fails_no_deploy(monkeypatch, wants):
    def refuses(_name):
        raise Refusal("activation", "the database server refused")

    monkeypatch.setattr(database.SERVERS["mariadb"], "count", refuses, raising=False)
    database.count_filled(
        {"once": "seed", "database": {"server": "mariadb", "name": "blog"}}, journal.Journal.create("t1", "me")
    )
