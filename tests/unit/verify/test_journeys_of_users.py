"""Journeys by Locust: a process of its own that speaks as the load generator does, and reports by name."""

import json
import time
import tomllib
from pathlib import Path

import pytest
from samples_of_load import SLO, TARGET, host, measured
from tiny_server import TinyServer

from deployer.errors import Inconclusive, UsageError
from deployer.report.junit import junit
from deployer.report.page import page, tables
from deployer.report.verdicts import Run
from deployer.verify import Findings, journeys as of_users, report
from deployer.verify.generator import generate
from deployer.verify.journeys import Journeys, journeys_of, travelling
from deployer.verify.judge import judge
from deployer.verify.loadgen import Histogram
from deployer.verify.locustdriver import LOCUST
from deployer.verify.measured import Step, merge
from deployer.verify.target import VerifyTarget

ROOT = Path(__file__).parents[3]
USERS = """
from locust import FastHttpUser, HttpUser, constant, task
from beside import PATH

class Slow(HttpUser):
    wait_time = constant(0.05)

    @task
    def ask(self):
        print("this is talk, and no line of the result")
        self.client.get(PATH, name="fine")
        self.client.get("/500", name="bad")
        raise ValueError("a fault of the script")

class Fast(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def ask(self):
        self.client.get("/gzip", name="fast")
        self.client.get("http://example.com/", name="elsewhere")
        with self.client.get("/ok", name="half", catch_response=True) as answer:
            answer.failure("half a page")
"""
STEP = Step(
    name="front <page>",
    done=9,
    errors=1,
    req_per_s=3.0,
    p50_ms=5.0,
    p95_ms=9.0,
    p99_ms=None,
    max_ms=12.0,
    first_error="x",
)


@pytest.fixture
def server():
    with TinyServer() as running:
        yield running


def made(source, tmp_path, users=4, duration_s=2.0):
    file = tmp_path / "users.py"
    file.write_text(source)
    (tmp_path / "beside.py").write_text('PATH = "/ok"\n')
    return journeys_of(str(file), users=users, duration_s=duration_s)


def ran(journeys, server, cpus=(), **how):
    target = VerifyTarget(address="127.0.0.1", port=server.port, tls=False, server_name="blog.example")
    job = target.job(timeout_s=5, **journeys.job())
    return generate("journeys", job, vantages=travelling((), journeys, cpus), **how)


def test_users_of_several_processes_are_one_result_by_name(server, tmp_path):
    seconds = []
    found = ran(made(USERS, tmp_path), server, (0, 1), progress=lambda second: seconds.append(second) or "")
    steps = {step.name: step for step in found.steps}
    assert set(steps) == {"fine", "bad", "fast", "elsewhere", "half", "(the script)"}
    assert (found.mode, found.connections_wanted, found.established, found.alive_min) == ("closed", 4, 4, 4)
    assert found.errors.keys() == {"status", "connect", "script", "journey"}
    assert found.done == steps["fine"].done + steps["fast"].done > 20
    assert found.planned == found.done + found.error_count
    assert steps["bad"].errors == found.errors["status"] > 5
    assert steps["half"].first_error == "half: half a page"
    assert "a fault of the script" in steps["(the script)"].first_error
    assert 0 < steps["fine"].p50_ms <= steps["fine"].p95_ms <= steps["fine"].max_ms
    assert len(seconds) == len(found.seconds) == 2
    assert {second["alive"] for second in seconds} == {4}
    assert sum(second["errors"] for second in seconds) == pytest.approx(found.error_count, rel=0.2)


def test_load_goes_to_the_target_alone(server, tmp_path):
    found = ran(made(USERS, tmp_path), server)
    [elsewhere] = [step for step in found.steps if step.name == "elsewhere"]
    assert elsewhere.done == 0
    assert "journeys may ask blog.example alone, not example.com" in elsewhere.first_error


def test_an_alarm_ends_it(server, tmp_path):
    found = ran(made(USERS, tmp_path, duration_s=60), server, progress=lambda _second: "it burns")
    assert found.stopped
    assert found.duration_s < 4


def test_many_names_are_told_as_one(server, tmp_path):
    source = """
from itertools import count
from locust import HttpUser, task
numbers = count()
class One(HttpUser):
    @task
    def ask(self):
        self.client.get("/ok", name=f"page {next(numbers)}")
"""
    found = ran(made(source, tmp_path), server)
    assert found.done > 110
    assert len(found.steps) == 101
    assert found.steps[-1].name == "(other names)"
    assert sum(step.done for step in found.steps) == found.done


def test_what_journeys_start_ends_with_them(server, tmp_path):
    source = """
import subprocess
from locust import HttpUser, task
class One(HttpUser):
    def on_start(self):
        subprocess.Popen(["sleep", "4712"])
    @task
    def ask(self):
        self.client.get("/ok")
"""
    found = ran(made(source, tmp_path, users=2), server)
    assert found.done > 10
    eventually(lambda: not running("sleep 4712"))


def test_one_that_nobody_listens_to_ends_itself_even_if_it_computes(server, tmp_path):
    source = """
from locust import HttpUser, task
class One(HttpUser):
    @task
    def compute(self):
        while True:
            pass
"""
    journeys = made(source, tmp_path, duration_s=60)
    target = VerifyTarget(address="127.0.0.1", port=server.port, tls=False, server_name="blog.example")
    [vantage] = travelling((), journeys, ())
    process = vantage.start()
    try:
        process.tell(json.dumps({**target.job(timeout_s=5, **journeys.job()), "silence_s": 1.0}))
        began = time.monotonic()
        process._process.wait(15)
        assert time.monotonic() - began > 1
    finally:
        process.close()


def running(words):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            found += [argv] if argv.startswith(words) else []
    return found


def eventually(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1\n", "has no class of users"),
        ("from locust import HttpUser\n", "has no class of users"),
        ("raise KeyError('x')\n", "users.py cannot be read: KeyError: 'x'"),
        ("import sys\nsys.exit(3)\n", "users.py cannot be read: SystemExit: 3"),
        ("import not_there\n", "No module named 'not_there'"),
    ],
)
def test_a_script_that_is_no_good_is_said_to_be(server, tmp_path, source, says):
    with pytest.raises(Inconclusive) as caught:
        ran(made(source, tmp_path), server)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"def x(:\n", "invalid syntax"),
        (b"\xff\xfe", "utf-8"),
        (b"a\0b", "null bytes"),
        (b"#" * (2 << 20), "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, content, says):
    file = tmp_path / "x.py"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        journeys_of(str(file), users=1, duration_s=10)
    assert says in caught.value.message


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no journeys can be read"):
        journeys_of(str(tmp_path / "none.py"), users=1, duration_s=10)


def test_without_locust_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(of_users, "find_spec", lambda _name: None)
    with pytest.raises(UsageError) as caught:
        journeys_of(str(tmp_path / "x.py"), users=1, duration_s=10)
    assert "not installed here" in caught.value.message
    assert "pip install 'deployer[locust]'" in caught.value.next_step


def test_the_version_is_pinned_in_one_way():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["optional-dependencies"]["locust"] == [LOCUST]
    assert f"\n{LOCUST} \\\n" in (ROOT / "requirements-dev.lock").read_text()


def test_nothing_of_deployer_imports_locust():
    importing = [
        path.name
        for path in (ROOT / "deployer").rglob("*.py")
        if any(line.strip().startswith(("import locust", "from locust")) for line in path.read_text().splitlines())
    ]
    assert importing == ["locustdriver.py"]
    assert not any("import locustdriver" in path.read_text() for path in (ROOT / "deployer").rglob("*.py"))


def judged(*must, should=(), **over):
    slo = SLO.model_copy(update={"must": must, "should": should})
    phase = measured("journeys", steps=(STEP,), latency=Histogram().document(), **over)
    return judge([phase], host(), TARGET, slo, findings=Findings(journeys=True))


def test_it_is_judged_by_its_errors_the_host_and_its_own_lines():
    found = judged("journeys.p95 < 200ms", "errors == 0", "hold.p95 < 1ms", "knee.rps > 3", should=("r1000.p95 < 1ms",))
    assert [line.objective.metric for line in found.lines] == [
        "errors", "memory_peak_share", "oom_kills", "restarts", "journeys_p95_ms", "every_phase_errors",
    ]  # fmt: skip
    assert found.outcome == "kept"
    assert any("has no phase for: hold.p95 < 1ms; knee.rps > 3; r1000.p95 < 1ms" in note for note in found.notes)
    assert any("closed model" in note and "coordinated omission" in note for note in found.notes)
    assert judged("journeys.p95 < 20ms").outcome == "missed"
    assert judged(errors={"status": 5}).outcome == "missed"
    assert judged(errors={"status": 5}, cpu_share=0.95).outcome == "inconclusive", "Locust had no core to itself"


def test_the_other_tests_set_lines_about_journeys_aside():
    slo = SLO.model_copy(update={"must": ("journeys.p95 < 1ms",)})
    found = judge([], host(), TARGET, slo, findings=Findings(whole=True))
    assert not any("journeys" in line.objective.metric for line in found.lines)


def test_every_report_has_each_name_and_the_model():
    document = report.document(judged(), started_at="2026-01-01T00:00:00+00:00", host="web1")
    assert document["phases"][0]["steps"][0]["name"] == "front <page>"
    text = report.text(judged())
    assert "journeys, closed model" in text
    assert "front <page>" in text
    run = Run.of(document)
    assert tables.steps([run]).rows[0][:4] == ("front <page>", "3.0", "5.0", "9.0")
    html = page([document])
    assert "front &lt;page&gt;" in html
    assert "sent, as in any closed model" in html
    assert 'name="front &lt;page&gt;"' in junit(run)
    assert "closed model" in junit(run)


def test_steps_of_several_generators_are_added_and_their_histograms_too(tmp_path):
    fast, slow = Histogram(), Histogram()
    fast.record(0.001)
    slow.record(1.0)
    nothing = Histogram().document()
    result = {
        "mode": "closed", "planned": 1, "done": 1, "done_in_time": 1, "http_bytes_in": 1, "errors": {},
        "first_errors": {}, "header_values": {}, "connections": {}, "latency": nothing, "service": nothing,
        "late": nothing, "duration_s": 2.0, "cpu_share": 0.1, "cpu_wait_share": None, "rss_mib": 1.0, "tls": None,
        "stopped": False, "seconds": [],
    }  # fmt: skip
    parts = [
        {**result, "steps": {"a": {"done": 1, "errors": errors, "first_error": told, "latency": latency.document()}}}
        for errors, told, latency in ((0, "", fast), (2, "why", slow))
    ]
    found = merge("journeys", {"mode": "closed"}, [*parts, result], began_s=0.0)
    [step] = found.steps
    assert (step.name, step.done, step.errors, step.req_per_s, step.first_error) == ("a", 2, 2, 1.0, "why")
    assert (step.p50_ms, step.max_ms) == (pytest.approx(1.0, rel=0.01), 1000.0)


def test_the_example_s_journeys_are_journeys():
    found = journeys_of(str(ROOT / "examples/journeys/blog.py"), users=3, duration_s=10)
    assert isinstance(found, Journeys)
    assert found.job()["connections"] == 3
