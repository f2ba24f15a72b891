"""PostgreSQL 15 and 17 take every line that is rendered, and then have what the budget says."""

from __future__ import annotations

import pytest
from golden_hosts import GoldenHost, differing, having, in_bytes

from deployer.binaries.postgresql import faults_of_files, log_findings, postgresql, set_by, settings
from deployer.sandbox import Inside

pytestmark = pytest.mark.real
#: Numbers of the budget that the unit has, not the server.
OF_THE_UNIT = {"MemoryMax", "TasksMax"}
RELEASES = [("bookworm", "15"), ("trixie", "17")]


@pytest.mark.parametrize(("release", "version"), RELEASES)
@pytest.mark.parametrize("name", ["notes1", *having("/etc/postgresql/")])
def test_it_takes_every_line_and_has_the_numbers_of_the_budget(place: Inside, name: str, release: str, version: str):
    host = GoldenHost.of(name, release, postgresql={"version": version})
    numbers = host.budget.numbers["postgresql"]
    (path,) = host.below("/etc/postgresql/")
    place.lay(host.files)
    with postgresql(place, version) as server:
        has = settings(place)
        assert faults_of_files(place) == []
        taken = set_by(place, path)
    assert log_findings(server) == []
    lines = [line for line in host.text(path).splitlines() if line and not line.startswith("#")]
    assert {line.split(" = ")[0] for line in lines} == taken
    ledger = {name: in_bytes(one.value, one.unit) for name, one in numbers.items() if name not in OF_THE_UNIT}
    assert differing(ledger, has) == {}


@pytest.mark.parametrize(("release", "version"), RELEASES)
def test_a_value_that_waits_or_is_refused_is_a_fault_of_the_file(place: Inside, version: str):
    path = f"/etc/postgresql/{version}/main/conf.d/90-deployer.conf"
    with postgresql(place, version) as server:
        place.lay({path: b"work_mem = '4 apples'\n"})
        assert any("work_mem" in fault for fault in faults_of_files(place))
    assert log_findings(server) == []
