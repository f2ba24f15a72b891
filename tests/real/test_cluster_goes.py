"""A PostgreSQL cluster that the inventory no longer names: its own generator does not start it at the next boot."""

from __future__ import annotations

import time
from typing import Any

import pytest
from example_on_vps import Example, eventually

from deployer.sandbox.boot import start_host, stop_host
from deployer.sandbox.lifecycle import known_shape
from deployer.sandbox.places import places

pytestmark = [pytest.mark.real, pytest.mark.timeout(400), pytest.mark.slow]

UNIT = "postgresql@15-main.service"


@pytest.fixture(scope="module")
def notes(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Example:
    found = Example(vps("cluster"), tmp_path_factory.mktemp("notes"), app="notes")
    found.write()
    found.deploy()
    return found


def reboot(notes: Example) -> None:
    stop_host(places(), notes.host.name, gracefully=True)
    start_host(known_shape(places(), notes.host.name), places())
    assert eventually(lambda: notes.sh("systemctl is-system-running --wait; true") != "")


def state(notes: Example) -> str:
    return notes.sh(f"systemctl is-active postgresql.service {UNIT}; true").replace("\n", " ")


def test_it_stays_off_at_boot_and_wanted_again_it_comes_at_boot(notes: Example) -> None:
    assert notes.request("POST", "/notes", b'{"text": "kept"}', **{"Content-Type": "application/json"})[0].status == 201
    notes.write(apps={}, services={})
    notes.deploy()
    assert state(notes).endswith(" inactive")
    reboot(notes)
    assert state(notes) == "active inactive"
    # as an upgrade of the package does
    notes.sh("systemctl restart postgresql.service")
    time.sleep(1)
    assert state(notes) == "active inactive"
    assert "no change" in notes.deploy().stdout
    notes.write()
    notes.deploy()
    reboot(notes)
    assert state(notes) == "active active"
    assert eventually(lambda: b"kept" in notes.get("/")[1])
    assert notes.sh("cat /etc/postgresql/15/main/start.conf") == "auto"
    assert "no change" in notes.deploy().stdout
