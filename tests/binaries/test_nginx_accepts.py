"""nginx of three Debians takes what is rendered, without a word, and then has what the budget says."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from answering import app_at
from golden_hosts import NAMES, GoldenHost, inventory
from uploading import uploads

from deployer.binaries import backlogs, limit_of
from deployer.binaries.nginx import (
    ERROR_LOG,
    dump,
    log_findings,
    nginx,
    prepare,
    test as nginx_test,
    visit,
    workers,
)
from deployer.sandbox import Inside

pytestmark = pytest.mark.real
#: Each number of the budget: the directive that carries it, and how it is written there.
WRITTEN = {
    "worker_processes": ("worker_processes", "{}"),
    "worker_connections": ("worker_connections", "{}"),
    "worker_rlimit_nofile": ("worker_rlimit_nofile", "{}"),
    "keepalive_timeout": ("keepalive_timeout", "{}s"),
    "client_max_body_size": ("client_max_body_size", "{}m"),
    "proxy_read_timeout": ("proxy_read_timeout", "{}s"),
    "upstream_keepalive": ("keepalive", "{}"),
    "connections_per_address": ("limit_conn", "connections {}"),
    "requests_per_s": ("limit_req_zone", "$visitor zone=requests:1m rate={}r/s"),
}


@pytest.mark.parametrize("release", ["bookworm", "trixie", "sid"])
@pytest.mark.parametrize("name", NAMES)
def test_it_says_nothing_serves_and_has_the_numbers_of_the_budget(place: Inside, host: GoldenHost, name: str):
    apps = inventory().entry(name).declaration.apps.values()
    numbers = host.budget.numbers["nginx"]
    text = "".join(host.text(path) for path in host.below("/etc/nginx/"))
    prepare(place, host.files)

    assert nginx_test(place) == []
    read = dump(place)
    for number, (directive, form) in WRITTEN.items():
        assert form.format(numbers[number].value) in read[directive], number

    with ExitStack() as running, nginx(place, open_files=host.limit_nofile("nginx.service")) as server:
        for upstream in sorted(set(re.findall(r"^\s*server (unix:\S+|127\S+) max_fails", text, re.MULTILINE))):
            running.enter_context(app_at(place, upstream))
        server.wait(lambda: len(workers(server)) >= numbers["worker_processes"].value, timeout_s=10)
        assert len(workers(server)) == numbers["worker_processes"].value
        assert {limit_of(pid) for pid in workers(server)} == {numbers["worker_rlimit_nofile"].value}
        waiting = backlogs(place)
        assert {port: waiting[port] for port in (80, 443)} == dict.fromkeys((80, 443), numbers["backlog"].value)
        for app in apps:
            canonical, *aliases = app.server_names
            if app.tls:
                plain = dict.fromkeys(app.server_names, (301, "-"))
                assert {each: visit(place, each, tls=False) for each in app.server_names} == plain
            protocol = "h2" if app.tls else "-"
            assert visit(place, canonical, tls=bool(app.tls)) == (200, protocol)
            assert {visit(place, each, tls=bool(app.tls)) for each in aliases} <= {(301, protocol)}
    assert log_findings(server) == []


@pytest.mark.parametrize("release", ["bookworm", "trixie", "sid"])
def test_one_more_upload_than_the_app_takes_is_told_so_and_nobody_else_is(place: Inside, host: GoldenHost):
    app = inventory().entry("blog1").declaration.apps["blog"]
    prepare(place, host.files)
    upstream = "unix:/run/app-blog.sock"
    with nginx(place, open_files=host.limit_nofile("nginx.service")) as server, app_at(place, upstream):
        said = uploads(place, app.server_names[0], app.uploads_at_once)
    taken = dict.fromkeys(("a page", "a form", "no body", "an upload, once another has gone"), 200)
    assert said == {"one more upload": 429, "one of unknown length": 429, **taken}
    assert log_findings(server) == []


@pytest.mark.parametrize(
    ("release", "broken", "said"),
    [
        ("bookworm", "worker_connections 2064;\n    multi_acept on;", "unknown directive"),
        ("sid", "worker_connections 2064;\n}\nhttp {\n    server { listen 81 http2; }\n", "deprecated"),
    ],
)
def test_a_directive_that_the_version_does_not_take_is_a_finding(place: Inside, broken: str, said: str):
    text = f"events {{\n    {broken}\n}}\n"
    prepare(place, {"/etc/nginx/nginx.conf": text.encode()})
    assert any(said in line for line in nginx_test(place))


@pytest.mark.parametrize("release", ["trixie"])
def test_more_connections_than_files_is_a_finding_only_of_the_running_server(place: Inside):
    text = f"user www-data;\nerror_log {ERROR_LOG} warn;\nevents {{ worker_connections 5000; }}\nhttp {{ }}\n"
    prepare(place, {"/etc/nginx/nginx.conf": text.encode()})
    assert nginx_test(place) == []
    with nginx(place, open_files=1024) as server:
        pass
    assert any("exceed open file resource limit" in line for line in log_findings(server))
