"""MariaDB of two Debians takes what is rendered, without a warning, and then has what the budget says."""

from __future__ import annotations

import pytest
from golden_hosts import GoldenHost, having, in_bytes, size_of

from deployer.binaries import limit_of
from deployer.binaries.mysql import database, log_findings, settings_in, variables
from deployer.sandbox import Inside

pytestmark = pytest.mark.real
FOLDER = "/etc/mysql/mariadb.conf.d/"
#: Numbers of the budget that the unit has, not the server.
OF_THE_UNIT = {"MemoryMax", "TasksMax", "LimitNOFILE"}
#: Settings that the server says by another word.
SAID_AS = {"query_cache_type": {"0": "OFF"}}


def as_said(name: str, written: str) -> str:
    if written in SAID_AS.get(name, {}):
        return SAID_AS[name][written]
    return str(size_of(written)) if written[:1].isdigit() else written


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
@pytest.mark.parametrize("name", having("/etc/mysql/"))
def test_it_warns_of_nothing_and_has_the_numbers_of_the_budget(place: Inside, host: GoldenHost):
    numbers = host.budget.numbers["mysql"]
    (path,) = host.below(FOLDER)
    place.lay(host.files)
    with database(place, "mariadb", open_files=host.limit_nofile("mariadb.service")) as server:
        has = variables(place, "mariadb")
        assert limit_of(server.main) == numbers["LimitNOFILE"].value
    assert log_findings(server) == []

    ledger = {name: str(in_bytes(one.value, one.unit)) for name, one in numbers.items() if name not in OF_THE_UNIT}
    assert {name: has.get(name) for name in ledger} == ledger
    written = {name: as_said(name, value) for name, value in settings_in(host.text(path), ["mariadbd"]).items()}
    assert written
    assert {name: has.get(name) for name in written} == written


@pytest.mark.parametrize("release", ["bookworm"])
def test_a_removed_setting_is_a_finding_though_the_server_starts(place: Inside):
    place.lay({f"{FOLDER}90-deployer.cnf": b"[mariadbd]\ninnodb_file_format = Barracuda\n"})
    with database(place, "mariadb") as server:
        pass
    assert any("innodb-file-format" in line or "innodb_file_format" in line for line in log_findings(server))
