"""The packed agent as a process of its own, isolated as on a host, talking frames over pipes."""

import hashlib
import os
import signal
import time

import pytest
from transport_wires import ProcessWire, local_agent

from deployer import errors, packing
from deployer.transport.client import Agent
from deployer.transport.startup import Start


@pytest.fixture
def agent():
    with local_agent() as running:
        yield running


def observe(**parts):
    return {"op": "observe", **parts}


def test_it_tells_the_facts(agent):
    found = agent.call(observe())["facts"]
    assert found["memory_mib"] > 100
    assert found["cpu_cores"] == len(os.sched_getaffinity(0))
    assert found["kernel"] == os.uname().release
    assert found["hostname"] == os.uname().nodename
    assert found["cgroup"] in ("v1", "v2")
    assert found["nofile_hard"] > 0
    assert found["somaxconn"] > 0
    assert found["disk_free_mib"] > 0
    assert set(found) >= {"swap_mib", "os_id", "os_version", "os_name", "arch", "systemd", "python", "glibc"}


def test_it_answers_one_request_after_the_other_over_the_same_channel(agent, tmp_path):
    file = tmp_path / "nginx.conf"
    for content in (b"one", b"two"):
        file.write_bytes(content)
        wanted = {"path": str(file), "kind": "file", "sha256": hashlib.sha256(b"one").hexdigest()}
        state = agent.call(observe(files=[wanted]))["files"][str(file)]
        assert state["sha256"] == hashlib.sha256(content).hexdigest()
        assert ("content" in state) == (content == b"two")


def test_an_unknown_request_is_a_fault_of_ours_and_the_agent_lives_on(agent):
    with pytest.raises(errors.AgentError, match="no operation 'destroy'"):
        agent.call({"op": "destroy"})
    assert agent.call(observe(paths=["/"]))["paths"] == {"/": True}


def test_a_broken_request_is_answered_with_the_place_of_the_fault(agent):
    with pytest.raises(errors.AgentError, match="KeyError") as caught:
        agent.call(observe(files=[{"kind": "file"}]))
    assert "deployer.agent.observe" in caught.value.message


def test_a_blob_of_some_mib_goes_through(agent):
    with pytest.raises(errors.AgentError, match="no operation"):
        agent.call({"op": "nothing"}, b"z" * (3 << 20))


def test_the_agent_ends_with_its_stdin():
    agent = local_agent()
    agent.call(observe())
    agent.close()
    assert agent._wire.process.returncode == 0


def test_a_killed_agent_is_noticed_at_once():
    with local_agent() as agent:
        agent.call(observe())
        agent._wire.process.send_signal(signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(errors.ConnectError):
            agent.call(observe())
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("argv", "expected", "word"),
    [
        (["sh", "-c", "exec env python3.nowhere"], errors.AgentError, "no python3"),
        (["sh", "-c", "echo closed for maintenance; exit 1"], errors.AgentError, "closed for maintenance"),
        (["sh", "-c", "echo 'sudo: a password is required' >&2; exit 1"], errors.SudoError, "password"),
        (
            ["python3", "-c", "import sys; sys.version_info=(3,6,9);" + packing.LOADER],
            errors.AgentError,
            "3.6",
        ),
    ],
)
def test_a_start_that_fails_says_why(argv, expected, word):
    with (
        Agent(ProcessWire(argv), Start("x"), packing.agent_program(), place="h") as agent,
        pytest.raises(expected, match=word),
    ):
        agent.call(observe())


def test_a_child_of_the_agent_can_neither_read_nor_write_frames():
    sources = packing.module_sources("deployer.agent")
    sources["observe"] = (
        "import subprocess\ndef run(request):\n"
        "    out = subprocess.run(['sh', '-c', 'cat; echo noise'], check=True).returncode\n"
        "    return {'status': out}\n"
    )
    program = packing.pack(sources, package="deployer.agent", entry="main")
    wire = ProcessWire(["python3", "-I", "-S", "-c", packing.LOADER])
    with Agent(wire, Start("x"), program, place="h") as agent:
        assert agent.call(observe(), timeout_s=10) == {"status": 0}
        assert agent.call(observe(), timeout_s=10) == {"status": 0}


def test_a_slow_step_shows_signs_of_life_and_a_stop_reaches_it():
    sources = packing.module_sources("deployer.agent")
    sources["main"] = sources["main"].replace("ALIVE_EVERY_S = 10.0", "ALIVE_EVERY_S = 0.1")
    sources["sample"] = (
        "import time\ndef run(request, emit, stopped):\n    time.sleep(0.8)\n    emit({'event': 'sample'})\n"
        "    return {'stopped': stopped(30.0)}\n"
    )
    program = packing.pack(sources, package="deployer.agent", entry="main")
    wire = ProcessWire(["python3", "-I", "-S", "-c", packing.LOADER])
    # the limit of silence is shorter than the step
    with Agent(wire, Start("x"), program, place="h", silence_s=0.5) as agent:
        with agent.stream({"op": "sample"}) as stream:
            for event in stream:
                assert event == {"event": "sample"}
                stream.stop()
        assert stream.answer == {"stopped": True}
        agent.send_stop()  # a stop that comes too late is no request
        assert "facts" in agent.call(observe())


class NeverSent(packing.Program):
    """A program whose bytes nobody may want."""

    @property
    def wire(self) -> bytes:
        raise AssertionError("the host has a copy")


def test_an_agent_that_the_host_has_kept_starts_from_its_copy(tmp_path):
    program = packing.agent_program()
    copy = tmp_path / f"{program.sha256}.py"
    with local_agent(f"{tmp_path}/") as agent:
        sent_whole = agent.call(observe())
    copy.write_text(program.text, encoding="utf-8")
    with local_agent(f"{tmp_path}/") as agent:
        agent._program = NeverSent(program.text)
        kept = agent.call(observe())
        again = agent.call(observe())
    assert sent_whole.keys() == kept.keys() == again.keys()
