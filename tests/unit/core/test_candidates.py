"""A new release's candidate: where it may run, what it is told, and when a plan asks for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from runtime_hosts import go_app, host_of, java_app, node_app, rendered

from deployer.allocate import allocate
from deployer.apps.ports import candidate_port
from deployer.errors import BudgetError
from deployer.render import Rendered
from deployer.services.gunicorn import GunicornSettings

UNITS = "/etc/systemd/system"


def text_of(result: Rendered, path: str) -> str:
    return next(file.content.decode() for file in result.files if file.path == f"{UNITS}/{path}")


def served_by(one: Any) -> str:
    """What nginx is told of the app."""
    return next(file.content.decode() for file in rendered(host_of(one)).files if file.path.endswith("shop.conf"))


def of_all_kinds() -> Iterator[Any]:
    yield node_app()
    yield node_app(port=3000)
    yield node_app(pm2=True)
    yield go_app()
    yield go_app(port=8090)
    yield java_app()
    yield java_app(processes=2)


@settings(max_examples=60, deadline=None)
@given(worker_mib=st.integers(24, 400), memory_mib=st.integers(1024, 8192))
def test_two_copies_are_never_in_memory_unless_they_fit(worker_mib: int, memory_mib: int) -> None:
    one = node_app().model_copy(
        update={"node": None, "gunicorn": GunicornSettings(module="a:b", worker_memory_mib=worker_mib)}
    )
    declaration = host_of(one, memory_mib=memory_mib)
    try:
        budget = allocate(declaration)
    except BudgetError:
        return
    numbers, free_mib = budget.numbers["shop"], budget.grants["deploy"].memory_mib
    is_beside = numbers["switch"].value == "beside"
    assert is_beside == (worker_mib + 18 <= free_mib)
    assert numbers["candidate"].value == (free_mib if is_beside else budget.grants["shop"].memory_mib)
    held = next(one.holds for one in rendered(declaration).wanted.candidates)
    assert held == ("" if is_beside else "app-shop.service")


@pytest.mark.parametrize("one", list(of_all_kinds()))
def test_nobody_is_led_to_a_candidate_and_it_ends_by_itself(one: Any) -> None:
    declaration = host_of(one)
    result = rendered(declaration)
    drop_in = text_of(result, "app-shop@candidate.service.d/60-candidate.conf")
    assert "\nRestart=no\n" in drop_in
    assert "\nRuntimeMaxSec=" in drop_in
    assert "\nExecStartPre=\n" in drop_in  # it does not wait for itself
    assert 'PROCESS_NUMBER=0"' in drop_in
    (wanted,) = result.wanted.candidates
    nginx = "".join(file.content.decode() for file in result.files if file.path.startswith("/etc/nginx/"))
    if wanted.socket_unit:
        assert "SocketMode=0600\n" in text_of(result, wanted.socket_unit)
        assert wanted.probe.socket
        assert wanted.probe.socket not in nginx
    else:
        assert wanted.probe.port == candidate_port(declaration)
        assert f":{wanted.probe.port}" not in nginx
        assert f"PORT={wanted.probe.port}" in drop_in
    assert wanted.unit not in {unit.unit for unit in result.wanted.units}
    held = bool(wanted.holds)
    template = text_of(result, "app-shop.service" if "@" not in wanted.before[0] else "app-shop@.service")
    assert ("test -e /run/deployer-held/%n" in template) == held


def test_visitors_of_one_process_on_a_port_wait_elsewhere_while_it_restarts() -> None:
    nginx = served_by(java_app())
    # twice in each of both upstreams
    assert nginx.count("server unix:/run/app-shop-hold.sock max_fails=0 backup;") == 4
    for several in (java_app(processes=2), go_app()):
        files = rendered(host_of(several)).files
        assert not [file for file in files if "hold" in file.path or b"hold.sock" in file.content]


def test_what_must_not_be_sent_twice_has_connections_of_its_own() -> None:
    nginx = served_by(go_app())
    once = nginx.split("upstream app_shop_once {")[1].split("}")[0]
    assert "keepalive" not in once
    assert "proxy_pass http://app_shop$once;" in nginx


def test_a_candidate_of_gunicorn_s_ends_with_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    one = node_app().model_copy(update={"node": None, "gunicorn": GunicornSettings(module="a:b")})
    files = rendered(host_of(one)).files
    config: dict[str, Any] = {}
    exec(next(file.content for file in files if file.path.endswith("gunicorn.conf.py")), config)
    ended: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: ended.append((pid, number)))
    server = SimpleNamespace(pid=4711)
    monkeypatch.delenv("PROCESS_NUMBER", raising=False)
    config["child_exit"](server, None)
    assert ended == []
    monkeypatch.setenv("PROCESS_NUMBER", "0")
    config["child_exit"](server, None)
    assert ended == [(4711, signal.SIGTERM)]
