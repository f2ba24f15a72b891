"""The command line as a process: exit codes, what goes to which stream, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from invoke.context import Context

from deployer.apply import Applied
from deployer.errors import ConnectError
from deployer.inventory import load_inventory
from deployer.plan import Plan
from deployer.tasks import demo, deploying, namespace, verification

ROOT = Path(__file__).parents[3]
#: What takes not a byte.
FULL = Path("/dev/full")
DEPLOYER = [sys.executable, "-m", "deployer"]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEPLOYER, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "100", **environment},
    )


@pytest.mark.parametrize(("said", "widest"), [("80", 80), ("", 118), ("wide", 118), ("1", 40)])
def test_what_goes_into_a_pipe_is_as_wide_as_columns_says(said, widest):
    done = run("budget", "--host", "shop1", "--numbers", COLUMNS=said)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= widest
    assert widest - max(map(len, lines)) < 20


def test_a_budget_is_a_table_for_people():
    done = run("budget", "--host", "blog1")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "sum of MemoryMax" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_budget_is_one_document_for_programs():
    done = run("budget", "--host", "shop1", "--json")
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert document["schema"] == "deployer/budget/1"
    whole = sum(one["mib"] for one in document["reserves"]) + document["granted_mib"] + document["spare_mib"]
    assert whole == document["usable_mib"]


@pytest.mark.parametrize("task", ["budget", "plan", "deploy", "verify"])
def test_a_missing_host_is_an_error_of_use(task):
    done = run(task)
    assert done.returncode == 2
    assert "--host is missing" in done.stderr
    assert "blog1, mini1, shop1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [["nosuch"], ["budget", "--nope"], ["budget", "--host"], ["--nope"], ["history", "--limit", "many"]]
)
def test_a_task_or_an_option_that_does_not_exist_ends_with_2(words):
    done = run(*words)
    assert done.returncode == 2
    assert "--help TASK" in done.stderr
    assert done.stdout == ""


def test_an_unknown_host_ends_with_2():
    done = run("deploy", "--host", "blgo1")
    assert done.returncode == 2
    assert "did you mean blog1?" in done.stderr
    assert "not contacted" in done.stderr
    assert done.stdout == ""


def test_a_wrong_inventory_ends_with_2_and_says_where(tmp_path):
    (tmp_path / "hosts.yml").write_text("hosts:\n  a:\n    hardware: {cpu_cores: 0}\n  b: []\n")
    done = run("budget", "--host", "a", "--inventory", str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path}/hosts.yml:3: hosts.a.hardware.cpu_cores" in done.stderr
    assert "hosts.yml:4" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_what_does_not_fit_ends_with_3(tmp_path):
    text = (ROOT / "inventories/example.yml").read_text().replace("connections: 1000", "connections: 90000")
    (tmp_path / "hosts.yml").write_text(text)
    done = run("budget", "--host", "blog1", DEPLOYER_INVENTORY=str(tmp_path))
    assert done.returncode == 3
    assert "what would help" in done.stderr


def test_a_host_that_may_not_be_loaded_is_not():
    done = run("verify", "--host", "shop1")
    assert done.returncode == 2
    assert "does not allow load tests" in done.stderr


def test_rendering_writes_the_files(tmp_path):
    done = run("render", "--host", "blog1", "--out", str(tmp_path))
    assert done.returncode == 0
    golden = ROOT / "tests/golden/blog1/etc/nginx/nginx.conf"
    assert (tmp_path / "etc/nginx/nginx.conf").read_bytes() == golden.read_bytes()


@pytest.mark.parametrize("task", namespace.task_names)
def test_every_task_explains_itself_and_has_no_short_options(task):
    found = namespace[task]
    assert found.__doc__
    for option in found.get_arguments():
        assert min(map(len, option.names)) > 1
        assert not option.positional


@pytest.mark.parametrize("task", ["deploy", "drift", "sandbox.up"])
def test_an_explanation_stays_within_the_terminal(task):
    done = run(task, "--help", COLUMNS="80")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_and_the_list_import_no_ssh():
    probe = "import sys; import deployer.tasks; print([m for m in ('fabric', 'paramiko') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_load_test_that_cannot_run_does_not_deny_a_deploy_that_is_live(monkeypatch, capsys):
    def refuse(*_words, **_options):
        raise ConnectError("nobody answers", where="blog1")

    monkeypatch.setattr(verification, "run_verify", refuse)
    entry = load_inventory([ROOT / "inventories"]).entry("blog1")
    applied = Applied("t-1", ({"step": "commit", "message": "", "duration_ms": 1},))
    code = deploying._report(entry, Plan("blog1", (), {}), applied, json=True, verify=True, rollback_on_fail=False)
    said = capsys.readouterr()
    assert code == 9
    assert json.loads(said.out)["outcome"] == "live"
    assert "nobody answers" in said.err
    assert "untouched" not in said.err


def test_a_machine_without_local_vpses_shows_the_plan_and_says_why(monkeypatch, capsys):
    monkeypatch.setattr(demo.sandbox, "missing_requirements", lambda: ("there is no bridge",))
    demo.demo(Context(), inventory=str(ROOT / "inventories"))  # ends without an exit code: nothing failed
    said = capsys.readouterr()
    assert "+ file      /etc/nginx/nginx.conf" in said.out
    assert "sum of MemoryMax" in said.out
    assert "cannot host a local VPS: there is no bridge" in said.err


@pytest.mark.parametrize("words", [["--json"], ["--numbers"]])
def test_results_that_cannot_be_written_are_no_fault_of_ours(words):
    with FULL.open("w") as full:
        done = subprocess.run(
            [*DEPLOYER, "budget", "--host", "shop1", *words],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: all is done, but what came of it cannot be written: No space left on device\n"


def test_a_full_disk_behind_stderr_ends_no_work():
    with FULL.open("w") as full:
        done = subprocess.run(
            [*DEPLOYER, "budget", "--host", "nosuch", "--json"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert json.loads(done.stdout)["exit_code"] == 2


def test_a_terminal_that_lacks_a_sign_is_shown_its_number():
    done = run("budget", "--host", "shop1", "--numbers", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\\u" in done.stdout
    document = run("budget", "--host", "shop1", "--json", PYTHONIOENCODING="ascii")
    assert json.loads(document.stdout) == json.loads(run("budget", "--host", "shop1", "--json").stdout)


@pytest.mark.parametrize("words", [["budget", "--host", "shop1", "--json"], ["budget", "--host", "shop1", "--numbers"]])
def test_a_reader_who_has_had_enough_is_no_fault(words):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*DEPLOYER, *words], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(writing)
    assert done.returncode == 141
    assert done.stderr == ""


def test_talk_that_nobody_hears_does_not_end_the_work():
    reading, writing = os.pipe()
    os.close(reading)
    program = (
        "from deployer.report.terminal import talk_console\n"
        "console = talk_console()\nconsole.print('a')\nconsole.print('b')\nprint('done')"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=writing, text=True, check=False
        )
    finally:
        os.close(writing)
    assert done.stdout == "done\n"


def test_an_error_is_a_document_where_one_was_asked_for():
    done = run("budget", "--host", "blog2", "--json")
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert (document["schema"], document["kind"], document["exit_code"]) == ("deployer/error/1", "UsageError", 2)
    assert "did you mean blog1?" in document["message"]
    assert document["message"] in done.stderr
    assert run("budget", "--host", "blog2").stdout == ""
