"""Awake: a process for each core that yields to everything, ends with whoever asked, and is not counted."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deployer.agent import awake, cgroups, textfiles, unitstate, usage


@pytest.fixture
def keeper(monkeypatch):
    """A keeper whose unit is a child of ours, told by a file as a group would."""
    children = []
    real = subprocess.Popen

    def start(call, **options):
        if call[0] != "systemd-run":
            return real(call, **options)
        program = call[call.index("-c") + 1]
        children.append(real([sys.executable, "-I", "-S", "-c", program], **options))
        return children[-1]

    def told(_group):
        if not children or children[-1].poll() is not None:
            return []
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(children[-1].pid)], capture_output=True, check=False)
        return [children[-1].pid, *(int(word) for word in listed.stdout.split())]

    monkeypatch.setattr(awake.os, "sched_getaffinity", lambda _pid: {0, 1})
    monkeypatch.setattr(awake.subprocess, "Popen", start)
    monkeypatch.setattr(unitstate, "properties", lambda units, _names: {unit: {"ControlGroup": "/x"} for unit in units})
    monkeypatch.setattr(cgroups.Group, "pids", told)
    found = awake._Keeper()
    yield found
    found.end()


def test_each_core_gets_a_process_that_yields_to_all_others(keeper):
    assert keeper.begin() == 2
    pids = keeper._group.pids()
    assert len(pids) == 2
    until = time.monotonic() + 5
    while {os.sched_getscheduler(pid) for pid in pids} != {os.SCHED_IDLE} and time.monotonic() < until:
        time.sleep(0.02)
    assert {os.sched_getscheduler(pid) for pid in pids} == {os.SCHED_IDLE}


def test_it_ends_when_its_stdin_does(keeper):
    keeper.begin()
    pids = keeper._group.pids()
    process = keeper._running
    keeper.end()
    assert process.returncode == 0
    until = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_what_it_spent_is_known_also_when_it_has_ended(keeper):
    keeper.begin()
    time.sleep(0.3)
    running = keeper.spent_ms()
    assert running > 0
    keeper.end()
    assert keeper.spent_ms() >= running


def test_a_kernel_that_does_not_count_exactly_counts_in_ticks(keeper, monkeypatch):
    read = textfiles.read
    monkeypatch.setattr(textfiles, "read", lambda path, *rest: "" if path.endswith("schedstat") else read(path, *rest))
    keeper.begin()
    until = time.monotonic() + 5
    while not keeper.spent_ms() and time.monotonic() < until:
        time.sleep(0.05)
    assert keeper.spent_ms() > 0


def test_a_host_whose_systemd_does_not_start_it_is_measured_as_it_is(monkeypatch):
    def refused(*_call, **_options):
        raise FileNotFoundError("systemd-run")

    monkeypatch.setattr(awake.subprocess, "Popen", refused)
    assert awake._Keeper().begin() == 0


def test_one_that_ends_at_once_keeps_nothing_awake(monkeypatch):
    real = subprocess.Popen
    monkeypatch.setattr(awake.subprocess, "Popen", lambda _call, **options: real(["/bin/false"], **options))
    monkeypatch.setattr(unitstate, "properties", lambda units, _names: {unit: {"ControlGroup": ""} for unit in units})
    assert awake._Keeper().begin() == 0


def test_usage_leaves_it_out(monkeypatch):
    monkeypatch.setattr(cgroups, "in_container", lambda: True)
    monkeypatch.setattr(textfiles, "read", lambda path, *_: "5000000000\n" if path.endswith("cpuacct.usage") else "")
    monkeypatch.setattr(awake, "spent_ms", lambda: 4000.0)
    assert usage.run({})["cpu_ms"] == 1000.0
