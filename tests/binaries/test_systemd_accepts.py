"""systemd of two Debians reads every rendered unit without a word, and finds no service exposed."""

from __future__ import annotations

import pytest
from golden_hosts import NAMES, GoldenHost

from deployer.binaries.systemd import exposure, prepare, units_of, verify
from deployer.sandbox import Inside

pytestmark = pytest.mark.real
#: The most that `systemd-analyze security` may say of an app's unit, and of a server's.
APP_EXPOSURE, SERVER_EXPOSURE = 2.0, 2.5


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
@pytest.mark.parametrize("name", [*NAMES, "cache1", "kept1", "notes1"])
def test_it_says_nothing_of_any_unit(place: Inside, host: GoldenHost):
    prepare(place, host.files)
    units = units_of(host.files)
    assert {"nginx.service", "deployer.slice"} < set(units)
    assert verify(place, units) == []
    services = {unit: exposure(place, unit) for unit in units if unit.endswith(".service")}
    assert any(unit.startswith("app-") for unit in services)
    most = {unit: APP_EXPOSURE if unit.startswith("app-") else SERVER_EXPOSURE for unit in services}
    assert {unit: value for unit, value in services.items() if value > most[unit]} == {}


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
@pytest.mark.parametrize("line", ["MemoryMaxx=100M", "MemoryMax=100 apples", "Restart=sometimes"])
def test_what_systemd_ignores_is_a_finding(place: Inside, line: str):
    files = {"/etc/systemd/system/broken.service": f"[Service]\nExecStart=/bin/true\n{line}\n".encode()}
    prepare(place, files)
    assert any("ignor" in said or "Failed" in said for said in verify(place, units_of(files)))
