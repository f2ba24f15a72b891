"""The journal, the manifest, the lock and what is made once: the host's record of deploys."""

import errno
import json
import resource
import shutil
import stat
import threading
import time

import pytest

from deployer.agent import accounts, command, durable, journal, lock, manifest, places
from deployer.agent.refusal import Refusal


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    return tmp_path


def test_the_manifest_after_a_plan_holds_what_is_ours_now(host):
    manifest.durable.make_directories(places.at(places.STATE))
    before = {
        "units": {"a.service": {"restart_hash": "1"}, "old.service": {}},
        "owned": {"/etc/a": "x", "/etc/old": "y"},
        "modes": {"/etc/a": "0644 root:root", "/etc/old": "0644 root:root"},
        "done": ["seed"],
        "sysctls": {"vm.ours": {"value": "2", "former": "1"}, "vm.gone": {"value": "2", "former": "1"}},
        "refused_sysctls": {"vm.taken_now": "1", "vm.other": "1"},
        "last_transaction": "t1",
    }
    manifest.save(before)
    plan = {
        "files": [
            {
                "path": "/etc/a",
                "after": {"kind": "file", "sha256": "z", "mode": "0640", "owner": "root", "group": "adm"},
            },
            {"path": "/etc/l", "after": {"kind": "link", "target": "/t"}},
            {"path": "/etc/old", "after": {"kind": "absent"}},
        ],
        "activations": [
            {"kind": "stop", "unit": "old.service"},
            {"kind": "command", "once": "fill"},
            {"kind": "command", "once": "seed"},
            {"kind": "command", "once": None},
        ],
        "units": [{"unit": "b.service", "ready": [], "restart_hash": "2", "reload_hash": "3"}],
        "sysctls": [
            {"name": "vm.taken_now", "value": "2"},
            {"name": "vm.new", "value": "2"},
            {"name": "vm.ours", "value": "3"},
            {"name": "vm.gone", "value": "1"},
        ],
        "sysctls_wanted": ["vm.taken_now", "vm.new", "vm.ours", "vm.enough"],
    }
    noted = [{"name": name, "before": "0"} for name in ("vm.taken_now", "vm.new", "vm.ours", "vm.gone")]
    assert manifest.after(plan, "t2", {"vm.new": "2"}, noted_sysctls=noted) == {
        "units": {"a.service": {"restart_hash": "1"}, "b.service": {"restart_hash": "2", "reload_hash": "3"}},
        "owned": {"/etc/a": "z", "/etc/l": "link:/t"},
        "modes": {"/etc/a": "0640 root:adm"},
        "done": ["seed", "fill"],
        # the first deploy that set it knows what it was before, a later one does not
        "sysctls": {"vm.ours": {"value": "3", "former": "1"}, "vm.taken_now": {"value": "2", "former": "0"}},
        "refused_sysctls": {"vm.other": "1", "vm.new": "2"},
        "last_transaction": "t2",
    }
    assert manifest.load() == before


def test_the_manifest_after_a_way_back_is_what_it_was_but_for_what_was_done(host):
    manifest.durable.make_directories(places.at(places.STATE))
    now = {"units": {"b.service": {}}, "owned": {"/etc/b": "y"}, "modes": {}, "done": ["seed", "later"]}
    settings = {"vm.y": {"value": "2", "former": "1"}}
    manifest.save({**now, "sysctls": settings, "refused_sysctls": {"vm.x": "1"}, "last_transaction": "t2"})
    then = {"units": {"a.service": {}}, "owned": {"/etc/a": "x"}, "modes": {"/etc/a": "0644 root:root"}, "sysctls": {}}
    found = manifest.after({"files": [], "units": []}, "t3", {}, {**then, "done": ["seed"], "last_transaction": "t1"})
    assert found == {**then, "done": ["seed", "later"], "refused_sysctls": {"vm.x": "1"}, "last_transaction": "t3"}


def test_a_plan_from_before_the_last_deploy_is_refused(host):
    manifest.durable.make_directories(places.at(places.STATE))
    manifest.save({"units": {}, "owned": {}, "done": [], "refused_sysctls": {}, "last_transaction": "t2"})
    manifest.compare({"last_transaction": "t2"})
    with pytest.raises(Refusal, match="t1 was the last deploy; now it is t2") as caught:
        manifest.compare({"last_transaction": "t1"})
    assert (caught.value.kind, caught.value.state) == ("outdated", "untouched")


def test_a_damaged_manifest_is_refused_and_never_taken_for_none(host):
    (host / "var/lib/deployer").mkdir(parents=True)
    (host / "var/lib/deployer/manifest.json").write_text("{")
    with pytest.raises(Refusal, match="cannot be read"):
        manifest.load()


def test_a_journal_is_closed_once_and_audited_once(host):
    record = journal.Journal.create("t1", "me@here")
    assert [open_one.identifier for open_one in journal.open_journals()] == ["t1"]
    assert journal.open_transaction() is None  # it is not live yet
    record.move("armed")
    assert journal.open_transaction() == "t1"
    record.close("restored", "because")
    record.close("restored", "because")
    assert journal.open_journals() == []
    lines = (host / "var/lib/deployer/audit.jsonl").read_text().splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["problem"] == "because"
    with pytest.raises(Refusal, match="has a transaction t1 already"):
        journal.Journal.create("t1", "me")


def test_a_record_that_could_not_be_saved_behind_its_audit_line_is_closed_without_a_second_one(host, monkeypatch):
    record = journal.Journal.create("t1", "me@here")
    record.move("armed")
    with monkeypatch.context() as full:
        full.setattr(journal.durable, "write_document", no_room)
        with pytest.raises(OSError, match="full"):
            record.close("restored", "because")
    (again,) = journal.open_journals()
    again.close("restored", "because")
    assert journal.open_journals() == []
    assert len((host / "var/lib/deployer/audit.jsonl").read_text().splitlines()) == 1


def no_room(*_):
    raise OSError(errno.ENOSPC, "the disk is full")


def test_a_line_of_the_audit_log_is_there_whole_or_not_at_all(tmp_path):
    log = tmp_path / "audit.jsonl"
    durable.append_line(str(log), "one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (7, hard))  # as on a disk that gets full, a part of it is taken
    try:
        with pytest.raises(OSError, match="large"):
            durable.append_line(str(log), "two and more")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.read_text() == "one\n"
    log.write_text("one\ntw")  # a power cut
    durable.append_line(str(log), "three")
    assert log.read_text() == "one\ntw\nthree\n"


def test_the_last_ten_records_are_kept_and_open_ones_always(host):
    journal.Journal.create("a-open", "me")
    for number in range(13):
        record = journal.Journal.create(f"t{number:02}", "me")
        record.doc["began"] = f"2030-01-01T00:00:{number:02}"
        record.close("committed")
    journal.prune()
    left = sorted(path.name for path in (host / "var/lib/deployer/transactions").iterdir())
    assert left == ["a-open", *(f"t{number:02}" for number in range(3, 13))]


def test_deploys_that_fail_push_no_way_back_off_the_record(host):
    journal.Journal.create("a-live", "me").close("committed")
    for number in range(13):
        journal.Journal.create(f"t{number:02}", "me").close("untouched", "no room")
    journal.prune()
    left = sorted(path.name for path in (host / "var/lib/deployer/transactions").iterdir())
    assert left == ["a-live", *(f"t{number:02}" for number in range(3, 13))]


def test_a_second_deploy_is_told_who_holds_the_lock():
    held = lock.Lock.acquire("ann@desk", "t1")
    with pytest.raises(Refusal, match="ann@desk") as caught:
        lock.Lock.acquire("bob@desk", "t2", wait_s=0.1)
    assert (caught.value.kind, caught.value.state) == ("lock", "untouched")
    assert lock.holder()["transaction"] == "t1"
    held.release()
    assert lock.holder() is None
    lock.Lock.acquire("bob@desk", "t2", wait_s=0.1).release()


def test_a_lock_waits_as_long_as_it_is_told():
    held = lock.Lock.acquire("ann@desk", "t1")
    timer = threading.Timer(0.4, held.release)
    timer.start()
    lock.Lock.acquire("bob@desk", "t2", wait_s=5).release()
    timer.join()


def test_a_secret_is_made_once_closed_to_others_and_closes_nothing_above_it(host):
    (host / "etc").mkdir()
    wanted = [{"path": "/etc/deployer/secrets/blog", "bytes": 32}]
    assert accounts.make_secrets(wanted) == ["/etc/deployer/secrets/blog"]
    path = host / "etc/deployer/secrets/blog"
    first = path.read_text()
    assert len(first) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o755
    assert accounts.make_secrets(wanted) == []
    assert path.read_text() == first
    path.write_text("")
    with pytest.raises(Refusal, match="is there and empty"):
        accounts.make_secrets(wanted)


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path):
    began = time.monotonic()
    mark = tmp_path / "late"
    result = command.run(["sh", "-c", f"echo before; (sleep 3; touch {mark}) & sleep 60"], timeout_s=0.5)
    assert result.timed_out
    assert not result.ok
    assert result.output.startswith("before")
    assert time.monotonic() - began < 3
    time.sleep(3.2)
    assert not mark.exists()


def test_a_programs_output_is_bounded_and_its_environment_is_not_ours(monkeypatch):
    monkeypatch.setenv("MARKER_SECRET", "x")
    result = command.run(["sh", "-c", "env; yes | head -c 10000000"], timeout_s=20)
    assert len(result.output) <= command.TAIL_BYTES
    assert "MARKER" not in command.run(["env"], timeout_s=20, whole=True).output


def test_a_signal_is_told_apart_from_a_status():
    assert command.run(["sh", "-c", "exit 9"], timeout_s=20).status == 9
    assert command.run(["sh", "-c", "kill -9 $$"], timeout_s=20).status == -9


def test_a_state_that_does_not_reach_the_disk_is_not_entered(host):
    record = journal.Journal.create("t1", "me@here")
    record.move("armed")
    shutil.rmtree(record.directory)  # as a full disk would, it keeps the record from being written
    with pytest.raises(OSError, match="journal"):
        record.move("committed")
    assert record.state == "armed"  # so the host is returned, as the timer would, which reads the disk
