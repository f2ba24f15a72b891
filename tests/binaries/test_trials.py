"""What judges a config of Redis, Valkey or PostgreSQL before it is live: it passes ours, and says what is wrong."""

from __future__ import annotations

import re

import pytest
from golden_hosts import GoldenHost, inventory

from deployer.sandbox import SUITES, Inside
from deployer.service import Validator
from deployer.services import postgresql, redis

pytestmark = pytest.mark.real


def findings(place: Inside, validator: Validator) -> list[str]:
    """Lines that the agent would take for a finding; with them what it ended with, if that is not 0."""
    done = place.run(validator.argv)
    allowed = [re.compile(pattern) for pattern in validator.allowed]
    lines = [line.strip() for line in done.text.splitlines() if line.strip()]
    odd = [line for line in lines if not any(pattern.fullmatch(line) for pattern in allowed)]
    return [*odd, *([f"ended with {done.code}"] if done.code else [])]


def trial(service: str, host: GoldenHost, name: str, release: str, declared: dict[str, str]) -> Validator:
    declaration = inventory().entry(name).declaration
    changed = declaration.settings[service].model_copy(update=declared)
    declaration = declaration.model_copy(update={"settings": {**declaration.settings, service: changed}})
    offered = {"redis": redis.SERVICE, "postgresql": postgresql.SERVICE}[service]
    return offered.wanted(declaration, host.budget).validators[0]


@pytest.mark.parametrize("name", ["cache1", "kept1"])
@pytest.mark.parametrize(
    ("release", "flavour"),
    [("bookworm", "redis"), ("trixie", "redis"), ("trixie", "valkey"), ("sid", "redis"), ("sid", "valkey")],
)
def test_redis_passes_what_is_rendered_and_refuses_what_it_cannot_read(
    place: Inside, name: str, release: str, flavour: str
):
    declared = {"flavour": flavour, "version": SUITES[release].packages[f"{flavour}-server"]}
    host = GoldenHost.of(name, release, redis=declared)
    validator = trial("redis", host, name, release, declared)
    place.lay(host.files)
    assert findings(place, validator) == []
    (path,) = host.below(f"/etc/{flavour}/")
    for line, why in (("maxmemory-policy whoever", "maxmemory-policy whoever"), ("loadmodule /nowhere.so", "nowhere")):
        place.lay({path: f"{host.text(path)}\n{line}\n".encode()})
        found = findings(place, validator)
        assert any(why in one for one in found), found
        assert found[-1] == "ended with 1"
    assert place.run(["ls", f"/run/{flavour}"]).code != 0  # it left the place of the real one alone


@pytest.mark.parametrize(("release", "version"), [("bookworm", "15"), ("trixie", "17")])
def test_postgresql_passes_what_is_rendered_and_refuses_what_it_cannot_use(place: Inside, release: str, version: str):
    host = GoldenHost.of("notes1", release, postgresql={"version": version})
    validator = trial("postgresql", host, "notes1", release, {"version": version})
    (path,) = host.below("/etc/postgresql/")
    place.lay(host.files)
    assert findings(place, validator) == []
    for line, why in (
        ("work_memm = 4MB", "unrecognized configuration parameter"),
        ("work_mem = 1GBX", "Valid units for this parameter"),
        ("superuser_reserved_connections = 500", "must be less than"),
        ("shared_preload_libraries = 'nonesuch'", "could not access file"),
    ):
        place.lay({path: f"{host.text(path)}\n{line}\n".encode()})
        found = findings(place, validator)
        assert any(why in one for one in found), found
        assert found[-1] == "ended with 1"
