"""Validators and the gate: what counts as a yes."""

import http.server
import socketserver
import threading
import time

import pytest

from deployer.agent import command, probes, systemctl, unitstate, validate
from deployer.agent.progress import Progress
from deployer.agent.refusal import Refusal

NGINX = {"name": "nginx -t", "argv": [], "allowed": [r"nginx: \S+ syntax is ok"]}


def judged(output, status=0):
    validate._judge(NGINX, command.Result(status, output, timed_out=False))


def test_silence_and_allowed_lines_pass():
    judged("")
    judged("nginx: /etc/x syntax is ok\n\n")


def test_a_line_that_is_not_allowed_fails_even_with_status_0():
    with pytest.raises(Refusal, match="warns about the new files: conflicting"):
        judged("nginx: /etc/x syntax is ok\nconflicting server name")
    with pytest.raises(Refusal, match="warns"):
        judged("nginx: /etc/x syntax is ok but not really")  # a pattern has to match the whole line


def test_a_status_fails_even_with_allowed_lines():
    with pytest.raises(Refusal, match="refuses the new files") as caught:
        judged("nginx: /etc/x syntax is ok", 1)
    assert (caught.value.kind, caught.value.state) == ("validation", "untouched")


class Systemd:
    """Units whose states a test sets, by the time since the gate began."""

    def __init__(self, monkeypatch, changes):
        self.began = time.monotonic()
        self.changes = changes
        monkeypatch.setattr(unitstate, "show", self.show)
        monkeypatch.setattr(systemctl, "last_words", lambda unit: f"log of {unit}")

    def show(self, units):
        now_s = time.monotonic() - self.began
        state = {"active": "active", "sub": "running", "main_pid": 7, "restarts": 3}
        for after_s, change in sorted(self.changes.items()):
            if now_s >= after_s:
                state |= change
        return {unit: dict(state) for unit in units}


def gate(monkeypatch, changes, gate_s=0.6):
    Systemd(monkeypatch, changes)
    progress = Progress(lambda event: None, time.sleep)
    probes.gate([{"kind": "unit", "unit": "a.service"}], gate_s, progress)


def test_a_unit_that_stays_passes(monkeypatch):
    began = time.monotonic()
    gate(monkeypatch, {})
    assert time.monotonic() - began >= 0.6


def test_a_unit_that_starts_slowly_passes(monkeypatch):
    gate(monkeypatch, {0: {"active": "activating", "sub": "start", "main_pid": 0}, 0.4: {"active": "active"}})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"active": "failed", "sub": "failed", "main_pid": 0}, "it is failed"),
        ({"active": "activating", "sub": "auto-restart", "main_pid": 0}, "it is activating"),
        ({"main_pid": 8, "restarts": 4}, "restarted by systemd"),
        ({"main_pid": 8}, "process 7 is gone"),
        ({"active": "inactive", "sub": "dead", "main_pid": 0}, "it is inactive"),
    ],
)
@pytest.mark.parametrize("after_s", [0.3, 0.55])
def test_a_unit_that_dies_fails_the_gate(monkeypatch, change, word, after_s):
    with pytest.raises(Refusal, match=word) as caught:
        gate(monkeypatch, {after_s: change})
    assert caught.value.kind == "probe"
    assert "log of a.service" in caught.value.detail


@pytest.fixture
def site():
    """A site that answers what it is told to."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append((self.path, self.headers["Host"]))
            self.send_response(self.server.status)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *words):
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Answer) as server:
        server.status, server.asked = 200, []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def probe(server, **more):
    port = server.server_address[1]
    fixed = {"kind": "http", "address": "127.0.0.1", "port": port, "tls": False, "host": "blog.test", "path": "/p"}
    return {**fixed, "status": [200], "contains": None, **more}


def test_an_answer_is_held_against_status_and_words(site):
    assert probes.answer(probe(site)) == ""
    assert site.asked == [("/p", "blog.test")]
    assert probes.answer(probe(site, contains="ell")) == ""
    assert "does not contain 'bye'" in probes.answer(probe(site, contains="bye"))
    assert "status 200, expected 301 or 302" in probes.answer(probe(site, status=[301, 302]))
    assert "https 127.0.0.1:" in probes.answer(probe(site, tls=True))
    assert isinstance(probes.answer(probe(site, status=[301])), probes.Wrong)
    assert isinstance(probes.answer(probe(site, contains="bye")), probes.Wrong)
    assert not isinstance(probes.answer(probe(site, tls=True)), probes.Wrong)


def test_a_place_where_nobody_is_is_told(tmp_path):
    assert "No such file" in probes.answer({"socket": f"{tmp_path}/none", "path": "/", "status": [200]})


def test_the_gate_fails_when_the_answer_changes(monkeypatch, site):
    Systemd(monkeypatch, {})
    threading.Timer(0.4, setattr, (site, "status", 500)).start()
    progress = Progress(lambda event: None, time.sleep)
    with pytest.raises(Refusal, match=r"it was ready, and then: .* status 500"):
        probes.gate([probe(site)], 1.5, progress)


def test_an_answer_that_is_wrong_is_not_waited_for_longer_than_was_said(monkeypatch, site):
    Systemd(monkeypatch, {})
    began = time.monotonic()
    with pytest.raises(Refusal, match=r"not ready: .*status 200, expected 301"):
        probes.gate([probe(site, status=[301])], 0.1, Progress(lambda event: None, time.sleep), wrong_for_s=0.5)
    assert 0.5 < time.monotonic() - began < 5


def test_the_gate_ends_when_the_control_machine_is_gone(monkeypatch):
    Systemd(monkeypatch, {})
    with pytest.raises(Refusal, match="control machine is gone"):
        probes.gate([{"kind": "unit", "unit": "a.service"}], 60, Progress(lambda event: None, lambda wait_s: True))
