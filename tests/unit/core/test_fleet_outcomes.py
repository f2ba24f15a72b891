"""Many hosts in threads and as one report: a failure is its host's own, and the worst is what the process says."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console
from test_command_line import run

from deployer import errors, render
from deployer.apply import Applied
from deployer.deploy import desired
from deployer.errors import ConnectError, HostUnknown, InventoryError, RolledBack, UsageError
from deployer.fleet import WORST_FIRST, Deployed, Fleet, worst
from deployer.inventory import load_inventory
from deployer.plan import Change, Plan
from deployer.report.fleet import deploys_report, fleet_document, print_fleet
from deployer.report.hostlines import HostLines
from deployer.rollout import AT_ONCE, Colour, Rollout, read_share
from deployer.tasks import namespace
from deployer.tasks.declared import INTERRUPTED
from deployer.turns import Ended, Told, Turns, take_turns

ROOT = Path(__file__).parents[3]
EXAMPLE = (ROOT / "inventories/example.yml").read_text()


class Silent:
    """A watch that only keeps what it was told."""

    def __init__(self):
        self.seen = []

    def began(self, host):
        self.seen.append(f"{host} began")

    def told(self, told):
        self.seen.append(f"{told.host} {told.step} {told.message}")

    def ended(self, ended):
        self.seen.append(f"{ended.host} {ended.colour}")


def green(_value):
    return Colour.GREEN


def test_a_failure_is_its_hosts_own(monkeypatch):
    told_by_threads = []
    monkeypatch.setattr(threading, "excepthook", told_by_threads.append)

    def work(host, tell):
        tell("plan", f"for {host}")
        if host == "down":
            raise ConnectError("nobody answers")
        if host == "red":
            raise RolledBack("it did not start")
        if host == "fault":
            raise KeyError("oops")
        return host.upper()

    watch = Silent()
    turns = take_turns(Rollout.survey(["a", "down", "red", "fault", "b"], at_once=2), work, green, watch)
    assert {host: str(ended.colour) for host, ended in turns.ended.items()} == {
        "a": "green",
        "down": "down",
        "red": "red",
        "fault": "red",
        "b": "green",
    }
    assert turns.ended["b"].value == "B"
    assert turns.ended["fault"].error.exit_code == 1
    assert "KeyError: 'oops'" in turns.ended["fault"].error.message
    assert watch.seen.index("red plan for red") < watch.seen.index("red red")
    assert not told_by_threads  # no traceback between the lines


def test_no_more_threads_than_were_allowed_and_really_at_once():
    lock, now, most = threading.Lock(), set(), []
    met = threading.Barrier(3, timeout=20)

    def work(host, _tell):
        with lock:
            now.add(host)
            most.append(len(now))
        met.wait()  # passes only if three are under way together
        with lock:
            now.discard(host)

    take_turns(Rollout.survey([f"web{number}" for number in range(6)], at_once=3), work, green, Silent())
    assert max(most) == 3


def test_ctrl_c_says_who_was_under_way_and_waits_for_nobody():
    hold = threading.Event()

    class Impatient(Silent):
        def told(self, told):
            raise KeyboardInterrupt

    def work(host, tell):
        if host == "b":
            tell("swap", "")
            hold.wait(20)
        return host

    rollout = Rollout.of(["a", "b", "c"], at_once=1)
    turns = take_turns(rollout, work, green, Impatient())
    hold.set()
    assert turns.interrupted
    assert list(turns.ended) == ["a"]
    assert turns.rollout.running == {"b"}
    assert turns.rollout.not_begun == ("c",)
    report = deploys_report(Fleet(Turns(turns.rollout, {}, interrupted=True)))
    assert report.exit_code == INTERRUPTED
    assert [one.state for one in report.hosts] == ["not begun", "interrupted", "not begun"]
    assert "returns by itself" in printed(report)


def test_every_exit_code_of_a_host_has_its_place_in_the_order():
    kinds = [errors.DeployerError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert {kind.exit_code for kind in kinds} | {0, 10} == set(WORST_FIRST)
    assert len(set(WORST_FIRST)) == len(WORST_FIRST)
    assert worst([0, 4, 10]) == 4
    assert worst([4, 7, 5]) == 5
    assert worst([5, 6, 1]) == 6
    assert worst([10, 0]) == 10
    assert worst([]) == 0


def deployed(host, transaction):
    plan = Plan(host, (Change("unit", "reload", "nginx.service"),), {})
    return Ended(host, Deployed(plan, Applied(transaction, ())), None, Colour.GREEN, 3.21)


def failed(host, error, colour=Colour.RED):
    return Ended(host, None, error, colour, 1.0)


def rolled(*ended, hosts="abcd", returns=None):
    rollout = Rollout.of(list(hosts))
    for one in ended:
        rollout = rollout.end(one.host, one.colour)
    return deploys_report(Fleet(Turns(rollout, {one.host: one for one in ended}), returns))


@pytest.mark.parametrize(
    ("code", "fails"),
    [(7, True), (9, False)],
    ids=["missed", "inconclusive"],
)
def test_a_load_test_that_could_not_tell_stops_a_rollout_and_takes_nothing_back(code, fails):
    rollout = Rollout.of(["a", "b"], canary=read_share("1", option="--canary")).end("a", Colour.RED)
    ended = Ended("a", Deployed(Plan("a", (), {}), None, {}, code), None, Colour.RED, 1.0)
    fleet = Fleet(Turns(rollout, {"a": ended}))
    assert rollout.stopped_by == "a"
    assert fleet.failed == fails


def test_a_host_that_could_not_be_deployed_is_a_failure():
    rollout = Rollout.of(["a", "b"]).end("a", Colour.RED)
    ended = Ended("a", None, errors.RolledBack("it did not start"), Colour.RED, 1.0)
    assert Fleet(Turns(rollout, {"a": ended})).failed
    assert not Fleet(Turns(Rollout.of(["a"]), {})).failed


def printed(report):
    console = Console(file=io.StringIO(), width=118, no_color=True)
    print_fleet(console, report)
    return console.file.getvalue()


def test_the_report_has_every_host_and_the_worst_code():
    report = rolled(
        deployed("a", "t-1"),
        failed("b", ConnectError("nobody answers", where="b"), Colour.DOWN),
        failed("c", RolledBack("it did not start")),
    )
    document = fleet_document(report)
    assert document["exit_code"] == 5
    assert document["stopped_by"] == "c"
    assert [one["state"] for one in document["hosts"]] == ["green", "down", "red", "not begun"]
    assert [one["exit_code"] for one in document["hosts"]] == [0, 4, 5, None]
    schemas = [one["document"] and one["document"]["schema"] for one in document["hosts"]]
    assert schemas == ["deployer/deploy/1", "deployer/error/1", "deployer/error/1", None]
    json.dumps(document)
    text = printed(report)
    assert "live, 1 change, transaction t-1" in text
    assert "host:  restored" in text
    assert "stopped by c: 1 host was not begun" in text


def test_what_was_taken_back_is_restored_and_what_was_not_is_live_but_not_wanted():
    went = [deployed(host, f"t-{host}") for host in "abc"]
    back = {
        "a": Ended("a", Applied("t-back", ()), None, Colour.GREEN, 1.0),
        "b": failed("b", ConnectError("nobody answers")),
        "c": failed("c", HostUnknown("the link was lost")),
    }
    returns = Turns(Rollout.survey(list("abc")), back)
    report = rolled(*went, failed("d", errors.ValidationFailed("nginx -t")), returns=returns)
    assert [(one.state, one.exit_code) for one in report.hosts] == [
        ("taken back", 5),
        ("not taken back", 7),
        ("not taken back", 6),
        ("red", 4),
    ]
    assert report.exit_code == 6
    assert report.hosts[0].way_back == {"transaction": "t-back", "error": None}
    assert report.hosts[1].way_back["error"]["kind"] == "ConnectError"
    assert report.hosts[0].document["transaction"] == "t-a"


def test_a_pipe_gets_a_line_for_each_change_with_the_host_in_front():
    console = Console(file=io.StringIO(), width=118)
    with HostLines(["web1", "w2"], console) as lines:
        lines.began("web1")
        lines.told(Told("web1", "stage", "12 files"))
        lines.told(Told("web1", "gate", ""))
        lines.told(Told("w2", "", "a new host key"))
        lines.ended(deployed("web1", "t-1"))
        lines.ended(failed("w2", ConnectError("nobody answers\nat all"), Colour.DOWN))
    said = [line.split(" s  ")[1] for line in console.file.getvalue().splitlines()]
    assert said == [
        "web1  begins",
        "web1  stage          12 files",
        "w2                   a new host key",
        "web1  green          in 3.2 s",
        "w2    down           nobody answers",
    ]


def test_a_terminal_has_one_moving_line_for_each_host_which_goes_in_the_end():
    console = Console(file=io.StringIO(), width=100, height=20, force_terminal=True, color_system=None)
    with HostLines(["web1", "web2"], console) as lines:
        lines.began("web1")
        lines.told(Told("web1", "stage", "12 files"))
        lines.told(Told("web2", "", "a remark"))
        shown = Console(file=io.StringIO(), width=100)
        shown.print(lines._table())
    rows = [line.split() for line in shown.file.getvalue().splitlines()]
    assert [row[1] for row in rows] == ["web1", "web2"]
    assert rows[0][-3:] == ["stage", "12", "files"]
    assert rows[1][-1] == "waits"
    written = console.file.getvalue()
    assert "web2: a remark" in written
    assert written.count("begins") == 0
    assert written.endswith("\x1b[2K")  # the lines are wiped: the report has it all


@pytest.fixture
def inventory(tmp_path):
    text = EXAMPLE.replace("../examples", str(ROOT / "examples")) + "\ngroups:\n  all: [shop1, blog1]\n  one: [mini1]\n"
    (tmp_path / "hosts.yml").write_text(text)
    return tmp_path / "hosts.yml"


def test_names_and_groups_are_mixed_and_each_host_counts_once(inventory):
    found = load_inventory([inventory])
    assert [entry.name for entry in found.chosen("mini1, all,one,blog1,")] == ["mini1", "shop1", "blog1"]
    assert [entry.name for entry in found.chosen("one")] == ["mini1"]
    with pytest.raises(UsageError) as refused:
        found.chosen("blgo1,all,oen")
    assert refused.value.message == (
        "the inventory has no host or group 'blgo1' (did you mean blog1?), 'oen' (did you mean one?)"
    )
    assert "blog1, mini1, shop1, all, one" in refused.value.next_step


def test_a_group_of_strangers_or_with_a_hosts_name_is_refused_with_its_line(inventory):
    text = inventory.read_text().replace("all: [shop1, blog1]", "blog1: [shop1, blgo1]")
    inventory.write_text(text)
    line = text.splitlines().index("  blog1: [shop1, blgo1]") + 1
    with pytest.raises(InventoryError) as refused:
        load_inventory([inventory])
    assert refused.value.problems == (
        f"{inventory}:{line}: groups.blog1: a host has this name; --host could mean either",
        f"{inventory}:{line}: groups.blog1[1]: there is no host 'blgo1'; did you mean blog1?",
    )


def test_no_host_is_begun_where_one_does_not_fit(inventory):
    inventory.write_text(inventory.read_text().replace("connections: 1000", "connections: 90000", 1))
    done = run(
        "deploy", "--inventory", str(inventory), "--host", "shop1,blog1,mini1", "--json", MINI1_SUDO_PASSWORD="x"
    )
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert [one["state"] for one in document["hosts"]] == ["not begun", "red", "not begun"]
    assert document["hosts"][1]["document"]["kind"] == "BudgetError"


def test_no_host_is_begun_where_a_password_is_missing(inventory):
    inventory.write_text(inventory.read_text().replace("192.0.2.20", "127.0.0.1"))
    done = run("deploy", "--inventory", str(inventory), "--host", "blog1,mini1", "--json", MINI1_SUDO_PASSWORD="")
    assert done.returncode == 2
    assert [one["state"] for one in json.loads(done.stdout)["hosts"]] == ["not begun", "red"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deploy", "--host", "blog1,nobody"], "no host or group 'nobody'"),
        (["deploy", "--host", ",,"], "--host is missing"),
        (["deploy", "--host", "all", "--canary", "none"], "'none' is no share"),
        (["deploy", "--host", "all", "--parallel", "0"], "--parallel must be 1 to 64"),
        (["deploy", "--host", "all", "--wait", "-1"], "--wait must be 0 to 3000"),
        (["history", "--host", "all", "--limit", "0"], "--limit must be 1 to 200"),
        (["logs", "--host", "blog1", "--lines", "5001"], "--lines must be 1 to 5000"),
        (["bench.fleet", "--hosts", "1"], "--hosts must be 2 to 64"),
        (["deploy", "--host", "all", "--plan", "p.json"], "a kept plan is one host's"),
        (["plan", "--host", "all", "--out", "p.json"], "a kept plan is one host's"),
        (["rollback", "--host", "all", "--to", "t-1"], "a transaction is one host's"),
        (["verify", "--host", "all"], "does not allow load tests of shop1"),
        (["budget", "--host", "all"], "about one host, --host names 2"),
    ],
)
def test_what_cannot_be_meant_for_many_is_an_error_of_use(inventory, words, said):
    done = run(*words, "--inventory", str(inventory))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_the_number_at_once_is_the_same_everywhere():
    for task in ("deploy", "rollback"):
        defaults = {argument.name: argument.default for argument in namespace[task].get_arguments()}
        assert defaults["parallel"] == AT_ONCE


def test_hosts_are_made_ready_at_the_same_time_as_they_are_one_by_one(inventory):
    entries = load_inventory([inventory]).chosen("blog1,mini1,shop1")
    alone = [desired(entry).rendered.files for entry in entries]
    render._shipped_environment.cache_clear()
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda entry: desired(entry).rendered.files, entries * 4))
    assert together == alone * 4
