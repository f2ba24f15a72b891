"""The generator against a server of known behaviour."""

import json
import os
import ssl
import subprocess
import sys
import time

import pytest
from tiny_server import TinyServer

from deployer.errors import Inconclusive
from deployer.verify import generator, vantage
from deployer.verify.generator import generate


@pytest.fixture
def server():
    with TinyServer() as running:
        yield running


def job(server, path="/ok", **parts):
    base = {"address": "127.0.0.1", "port": server.port, "path": path, "mode": "closed", "connections": 4}
    return {**base, "duration_s": 0.5, "timeout_s": 2.0, "opened_per_s": 1000, "drain_s": 0.5, **parts}


def test_known_delays_give_the_right_percentiles(server):
    found = generate("delays", job(server, "/delays", connections=20, duration_s=2.0))
    assert 19 <= found.p50_ms <= 35
    assert 199 <= found.p95_ms <= 250
    assert not found.errors
    assert found.done == server.requests


def test_throughput_is_answers_over_time(server):
    found = generate("delays", job(server, "/delays", connections=10, duration_s=2.0))
    # 10 connections, 38 ms each in the mean: 263 a second
    assert 190 <= found.req_per_s <= 270


def test_a_stall_is_seen_by_those_who_could_not_even_ask(server):
    server.stall(after_s=1.5, for_s=1.0)
    rate = {"mode": "open", "rate_per_s": 200}
    found = generate("stall", job(server, "/stall", duration_s=4.0, drain_s=3.0, timeout_s=5, **rate))
    # a quarter of the arrivals waits up to 1 s, evenly: a fifth of these, 5 % of all, more than 0.8 s
    assert 700 <= found.p95_ms <= 900
    assert 950 <= found.max_ms <= 1200
    assert found.service_p95_ms < 100, "only four were sent into the stall: the closed view does not see it"
    assert found.planned == 800
    assert not found.errors


def test_all_arrivals_are_counted_even_when_none_is_answered_in_time(server):
    server.stall(after_s=0.0, for_s=30.0)
    found = generate("stall", job(server, "/stall", mode="open", rate_per_s=100, duration_s=1.0, timeout_s=20))
    assert found.planned == 100
    assert found.errors == {"unfinished": 100}
    assert found.p50_ms > 500, "what never came counts with its age"


def test_a_timeout_is_an_error_and_takes_at_least_its_time(server):
    server.stall(after_s=0.0, for_s=30.0)
    found = generate("stall", job(server, "/stall", connections=2, duration_s=1.0, timeout_s=0.4))
    assert found.errors["timeout"] >= 2
    assert found.p50_ms >= 400
    assert found.done == 0


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/500", "status"), ("/reset", "reset"), ("/short", "short_body"), ("/nothing", "closed_busy")],
)
def test_each_kind_of_failure_is_counted_as_what_it_is(server, path, kind):
    found = generate("bad", job(server, path))
    assert set(found.errors) == {kind}
    # an answer that was on its way at the end is counted on neither side
    assert server.requests - 4 <= found.errors[kind] <= server.requests
    assert found.done == 0
    assert found.p95_ms is None, "a failure is not a fast answer"


def test_a_refused_connection_is_an_error_and_is_not_hammered(server):
    with TinyServer() as gone:
        pass
    found = generate("gone", job(gone, connections=3))
    assert set(found.errors) == {"connect_refused"}
    assert 3 <= found.error_count <= 20


def test_an_announced_close_is_no_error_and_the_connection_is_opened_again(server):
    found = generate("close", job(server, "/close"))
    assert found.done > 8
    assert not found.errors
    assert found.reopened >= found.done - 8


def test_what_was_due_is_asked_after_the_end_though_each_answer_closes_its_connection(server):
    rate = {"mode": "open", "rate_per_s": 8000, "duration_s": 0.1, "drain_s": 8.0}
    found = generate("close", job(server, "/close", connections=1, opened_per_s=5000, **rate))
    assert not found.errors
    assert found.done == found.planned == 800


@pytest.mark.parametrize("path", ["/interim", "/no-number"])
def test_an_absurd_answer_is_an_error_and_not_the_end_of_the_generator(server, path):
    found = generate("absurd", job(server, path, connections=1))
    assert "protocol" in found.errors
    assert not found.done


@pytest.mark.parametrize("path", ["/ok", "/chunked", "/gzip"])
def test_bodies_are_checked_however_they_are_encoded(server, path):
    good = generate("good", job(server, path, expect={"body": "</html>"}))
    assert good.done > 10
    assert not good.errors
    bad = generate("bad", job(server, path, expect={"body": "something else"}))
    assert set(bad.errors) == {"body"}
    assert bad.done == 0


def test_a_wrong_body_among_good_ones_of_the_same_length_is_found(server):
    found = generate("sometimes", job(server, "/sometimes", connections=1, max_requests=60, expect={"body": "</html>"}))
    assert found.errors == {"body": 20}
    assert found.done == 40


def test_a_missing_header_and_a_small_body_are_errors(server):
    assert set(generate("h", job(server, "/ok", expect={"headers": {"X-Cache": "HIT"}})).errors) == {"header"}
    assert not generate("h", job(server, "/hit", expect={"headers": {"x-cache": "hit"}})).errors
    assert set(generate("b", job(server, "/ok", expect={"body_min_bytes": 2000})).errors) == {"body"}


def test_requests_carry_host_and_own_headers(server):
    generate("h", job(server, host="blog.example", headers={"Cookie": "session=1"}, max_requests=1))
    assert "\r\nHost: blog.example\r\n" in server.headers[0]
    assert "\r\nCookie: session=1\r\n" in server.headers[0]
    assert server.requests == 1


def test_held_connections_are_all_open_at_the_same_time_and_all_ask(server):
    found = generate("hold", job(server, mode="hold", connections=50, duration_s=1.0, request_every_s=0.5))
    assert server.most_open == 50
    assert (found.established, found.alive_min, found.reopened) == (50, 50, 0)
    assert found.planned == found.done == 100
    assert not found.errors


def test_a_server_that_holds_fewer_is_found_out():
    with TinyServer(most=20) as server:
        found = generate("hold", job(server, mode="hold", connections=30, duration_s=1.0, request_every_s=0.5))
    assert found.alive_min <= 20
    assert found.errors["closed_idle"] >= 10


def test_a_held_connection_that_the_server_closes_while_idle_is_lost():
    with TinyServer(idle_s=0.3) as server:
        held = generate("hold", job(server, mode="hold", connections=5, duration_s=1.5, request_every_s=5))
        assert held.errors["closed_idle"] >= 4
        assert held.alive_min < 5
        opened = generate("open", job(server, mode="open", connections=5, duration_s=1.5, rate_per_s=2))
        assert "closed_idle" not in opened.errors, "only a held connection has to stay"


def test_poisson_arrivals_come_at_the_rate_but_not_evenly(server):
    found = generate("p", job(server, mode="open", rate_per_s=300, arrivals="poisson", duration_s=1.0))
    assert 220 < found.planned < 380
    assert found.planned != 300
    again = generate("p", job(server, mode="open", rate_per_s=300, arrivals="poisson", duration_s=1.0))
    assert again.planned == found.planned, "the same seed gives the same arrivals"


def test_bursts_come_at_once(server):
    arrivals = []
    server.on_request = lambda: arrivals.append(time.monotonic())
    generate("b", job(server, mode="open", connections=20, rate_per_s=40, burst=20, duration_s=1.0))
    assert len(arrivals) == 40
    assert arrivals[19] - arrivals[0] < 0.25
    assert arrivals[20] - arrivals[19] > 0.25


def test_a_generator_that_cannot_keep_up_says_so(server):
    found = generate("late", job(server, mode="open", rate_per_s=2_000_000, duration_s=0.5, timeout_s=0.5))
    assert found.late_p99_ms > 20
    assert found.cpu_share + (found.cpu_wait_share or 0) > 0.5


def test_it_works_without_epoll(server):
    found = generate("plain", job(server, plain_poll=True))
    assert found.done > 100
    assert not found.errors


def test_tls_with_a_name_and_a_certificate_that_is_checked_or_not(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=blog.example", "-addext", "subjectAltName=DNS:blog.example", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    names = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with TinyServer(tls=context) as server:
        blind = {"server_name": "blog.example", "verify": False}
        found = generate("tls", job(server, "/chunked", tls=blind))
        assert found.done > 20
        assert not found.errors
        assert found.tls.startswith("TLSv1.3")
        assert set(names) == {"blog.example"}
        trusted = generate("tls", job(server, tls={**blind, "verify": True, "ca_file": str(cert)}))
        assert trusted.done > 20
        refused = generate("tls", job(server, tls={**blind, "verify": True}))
        assert set(refused.errors) == {"tls_certificate"}


def test_several_processes_share_the_work_and_their_results_add_up(server):
    cpus = sorted(__import__("os").sched_getaffinity(0))[:2] * 2
    found = generate("two", job(server, mode="open", rate_per_s=200, connections=10, duration_s=1.0), cpus=cpus[:2])
    assert server.most_open == 10
    assert found.established == 10
    assert found.planned == found.done == server.requests == 200


def test_an_alarm_ends_the_load_though_no_second_is_over(server):
    began = time.monotonic()
    alarmed = began + 0.5
    found = generate(
        "long",
        job(server, mode="open", rate_per_s=100, duration_s=60),
        alarm=lambda: "it burns" if time.monotonic() > alarmed else "",
    )
    assert time.monotonic() - alarmed < 1.5
    assert found.stopped


def test_an_alarm_ends_the_opening_of_connections(server):
    began = time.monotonic()
    generate("long", job(server, connections=400, opened_per_s=10, duration_s=60), alarm=lambda: "it burns")
    assert time.monotonic() - began < 3


def test_a_generator_that_does_not_stop_is_not_waited_for(server, monkeypatch, tmp_path):
    deaf = tmp_path / "deaf.py"
    deaf.write_text("import json, time\nprint(json.dumps({'event': 'ready'}), flush=True)\ntime.sleep(60)\n")
    monkeypatch.setattr(vantage, "PROGRAM", deaf)
    began = time.monotonic()
    with pytest.raises(Inconclusive, match="no generator gave a result"):
        generate("deaf", job(server, duration_s=60), alarm=lambda: "it burns")
    assert time.monotonic() - began < 8


def test_each_second_of_a_load_is_told_the_last_too(server):
    for mode in ("open", "closed", "hold"):
        every = {"rate_per_s": 50} if mode == "open" else {"request_every_s": 0.5} if mode == "hold" else {}
        found = generate("n", job(server, mode=mode, connections=2, duration_s=2, **every))
        assert len(found.seconds) == 2, mode
        assert sum(second["done"] for second in found.seconds) == pytest.approx(found.done, abs=4)


def test_progress_can_end_it(server):
    seconds = []

    def stop(second):
        seconds.append(second)
        return "enough"

    began = time.monotonic()
    found = generate("long", job(server, mode="open", rate_per_s=100, duration_s=60), progress=stop)
    assert time.monotonic() - began < 4
    assert found.stopped
    assert 90 <= seconds[0]["done"] <= 110
    assert seconds[0]["p95_ms"] > 0


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("raise SystemExit(3)", "died"),
        ("print('no json', flush=True); input(); input()", "nonsense"),
        ('print(\'{"event": "error", "message": "no files left"}\', flush=True); input()', "no files left"),
    ],
)
def test_a_generator_that_fails_says_nothing_about_the_host(server, tmp_path, monkeypatch, program, says):
    fake = tmp_path / "fake.py"
    fake.write_text(program)
    monkeypatch.setattr(vantage, "PROGRAM", fake)
    with pytest.raises(Inconclusive, match=says):
        generate("broken", job(server))


def test_a_generator_that_hangs_is_killed(server, tmp_path, monkeypatch):
    fake = tmp_path / "fake.py"
    fake.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(vantage, "PROGRAM", fake)
    monkeypatch.setattr(generator, "PATIENCE_S", -3.0)
    began = time.monotonic()
    with pytest.raises(Inconclusive, match="did not end"):
        generate("hung", job(server))
    assert time.monotonic() - began < 6


def test_a_generator_that_nobody_listens_to_ends_quietly(server):
    process = subprocess.Popen(
        [sys.executable, str(vantage.PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(json.dumps(job(server)).encode() + b"\ngo\n")
    process.stdin.flush()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(5) == 3
    process.stdin.close()
    process.stderr.close()


def test_ctrl_c_is_not_for_the_generator(server, monkeypatch):
    sessions = []
    started = subprocess.Popen

    def spy(*arguments, **options):
        process = started(*arguments, **options)
        sessions.append(os.getsid(process.pid))
        return process

    monkeypatch.setattr(vantage.subprocess, "Popen", spy)
    generate("short", job(server, duration_s=0.1))
    assert sessions
    assert os.getsid(0) not in sessions


def test_a_job_that_makes_no_sense_is_refused(server):
    with pytest.raises(Inconclusive, match="line break"):
        generate("x", job(server, headers={"X": "a\r\nY: b"}))
    with pytest.raises(Inconclusive, match="open files"):
        generate("x", job(server, connections=50_000_000))
