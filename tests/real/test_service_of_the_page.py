"""The outside package of docs/adding-a-service.md on a real local VPS: memcached, and an app with a value in it."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from example_on_vps import Example, answers_under_load, eventually
from page_as_package import installed_from_the_page
from site_on_vps import ROOT

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]

UNIT = "memcached.service"
SAID = {
    "services": {"memcached": {}},
    "app": {
        "gunicorn": {"module": "tally:app", "worker_class": "gthread", "worker_memory_mib": 64},
        "uses": ["memcached"],
    },
}
#: POST sets what GET gives; / counts its visitors. memcached's text protocol needs no package.
TALLY = """
import os
import socket


def ask(command, *, until=b"\\r\\n"):
    with socket.socket(socket.AF_UNIX) as cache:
        cache.settimeout(2)
        cache.connect(os.environ["MEMCACHED_SOCKET"])
        cache.sendall(command + b"\\r\\n")
        answer = b""
        while not answer.endswith(until):
            block = cache.recv(65536)
            if not block:
                raise OSError("the cache has hung up")
            answer += block
    return answer


def app(request, respond):
    status, body = "200 OK", b"ok\\n"
    try:
        if request["REQUEST_METHOD"] == "POST":
            value = request["wsgi.input"].read(int(request["CONTENT_LENGTH"]))
            body = ask(b"set kept 0 0 %d\\r\\n%s" % (len(value), value))
        elif request["PATH_INFO"] == "/kept":
            body = ask(b"get kept", until=b"END\\r\\n")
        else:
            ask(b"version")
    except OSError as error:
        status, body = "503 Service Unavailable", f"{error}\\n".encode()
    respond(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
SOCKET = "/run/memcached/memcached.sock"
#: More than the cache holds: first the smallest items, which need the largest hash table, then values of all sizes, as
#: memcached takes a page for each class of them though it is full.
FILL = """
import socket
cache = socket.socket(socket.AF_UNIX)
cache.connect("{socket}")
for first in range(0, {items}, 1000):
    cache.sendall(b"".join(b"set %d 0 0 1 noreply\\r\\nx\\r\\n" % number for number in range(first, first + 1000)))
left, size = {sized_bytes}, 64
while left > 0:
    cache.sendall(b"set n%d 0 0 %d noreply\\r\\n%s\\r\\n" % (left, size, b"x" * size))
    left, size = left - size, size * 5 // 4 if size < 800_000 else 64
cache.sendall(b"stats\\r\\n")
answer = b""
while not answer.endswith(b"END\\r\\n"):
    answer += cache.recv(65536)
print(answer.decode())
"""
#: What the smallest item takes.
ITEM_BYTES = 96


@dataclass
class Follower(Example):
    """Who installed the page's package beside deployer."""

    package: Path = Path()

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PYTHONPATH": str(self.package)}


@pytest.fixture(scope="module")
def tally(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Follower:
    """One host for this module; each test leaves it as deployed."""
    package = installed_from_the_page(tmp_path_factory.mktemp("package"))
    of_the_test, vps.cleanup = vps.cleanup, vps.of_the_module
    host = vps(memory_mib=768)
    vps.cleanup = of_the_test
    found = Follower(host, tmp_path_factory.mktemp("tally"), app="tally", said=SAID, package=package)
    found.source.mkdir()
    (found.source / "tally.py").write_text(TALLY)
    shutil.copy(ROOT / "examples/guestbook/requirements.lock", found.source)
    found.write()
    found.deploy()
    return found


def asking(command: str) -> str:
    """Give a command line that asks memcached and prints its answer."""
    program = (
        "import socket; cache = socket.socket(socket.AF_UNIX); "
        f"cache.connect({SOCKET!r}); cache.sendall({command!r}.encode() + bytes([13, 10])); "
        "print(cache.recv(65536).decode())"
    )
    return f"python3 -c {shlex.quote(program)}"


def stats(answer: str) -> dict[str, str]:
    words = (line.split() for line in answer.splitlines())
    return {line[1]: line[2] for line in words if len(line) == 3 and line[0] == "STAT"}


def test_the_app_keeps_a_value_and_again_nothing_changes(tally: Follower) -> None:
    assert tally.request("POST", "/", b"hello")[1] == b"STORED\r\n"
    assert b"hello" in tally.get("/kept")[1]
    before = tally.main_pid(UNIT)
    assert "no change" in tally.deploy().stdout
    assert tally.run("plan", "--detailed-exitcode").returncode == 0
    assert tally.main_pid(UNIT) == before
    assert tally.sh("ss -Hltn | grep -v ':22 \\|:80 '; true") == ""


def test_memcached_has_what_the_budget_says(tally: Follower) -> None:
    numbers = tally.numbers("memcached")
    assert tally.limits(UNIT, "MemoryMax") == [numbers["MemoryMax"] << 20]
    shown = stats(tally.sh(asking("stats settings")))
    assert int(shown["maxbytes"]) == numbers["cache"] << 20
    assert int(shown["maxconns"]) == numbers["descriptors"]
    assert tally.sh(f"ls /proc/{tally.main_pid(UNIT)}/fd | wc -l") == str(
        numbers["descriptors"] - numbers["connections"]
    )


def test_only_its_users_get_at_it(tally: Follower) -> None:
    assert tally.sh(f"runuser -u nobody -- {asking('version')} 2>&1; true").endswith("Permission denied")
    assert tally.sh(f"runuser -u app-tally -G memcache -- {asking('version')}").startswith("VERSION 1.6")


def test_it_answers_under_load(tally: Follower) -> None:
    assert answers_under_load(tally, for_s=3.0) > 100
    assert tally.sh(f"systemctl show -p NRestarts --value {UNIT} app-tally").split() == ["0", "0"]


def test_a_full_cache_stays_within_its_limit(tally: Follower) -> None:
    numbers, before = tally.numbers("memcached"), tally.main_pid(UNIT)
    cache_bytes = numbers["cache"] << 20
    fill = FILL.format(socket=SOCKET, items=cache_bytes * 11 // 10 // ITEM_BYTES, sized_bytes=cache_bytes // 2)
    said = stats(tally.host.sh(f"python3 - <<'EOF'{fill}EOF", timeout_s=120))
    assert int(said["evictions"]) > 0
    assert tally.main_pid(UNIT) == before
    assert tally.peak_mib(UNIT) < numbers["MemoryMax"]


def test_a_killed_server_comes_back_and_the_app_with_it(tally: Follower) -> None:
    before = tally.main_pid(UNIT)
    tally.sh(f"kill -KILL {before}")
    assert eventually(lambda: tally.main_pid(UNIT) not in (0, before))
    assert eventually(lambda: tally.status("/healthz") == 200)
    assert tally.request("POST", "/", b"again")[1] == b"STORED\r\n"
