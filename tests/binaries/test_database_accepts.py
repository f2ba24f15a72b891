"""MariaDB of two Debians and MySQL take what is rendered, without a warning, and then have what the budget says."""

from __future__ import annotations

import pytest
from golden_hosts import GoldenHost, differing, having, in_bytes, size_of

from deployer.binaries import limit_of
from deployer.binaries.mysql import Flavour, database, log_findings, query, settings_in, variables
from deployer.sandbox import Inside

pytestmark = pytest.mark.real
FOLDER = "/etc/mysql/"
SECTIONS = {"mariadb": ["mariadbd"], "mysql": ["mysqld"]}
#: Numbers of the budget that the unit has, not the server.
OF_THE_UNIT = {"MemoryMax", "TasksMax", "LimitNOFILE", "MALLOC_ARENA_MAX"}
#: Settings that the server says by another word, or another name.
SAID_AS = {("query_cache_type", "0"): "OFF"}
CALLED = {("skip_log_bin", "ON"): ("log_bin", "OFF")}
#: An option that is no variable: MySQL shows it as a plugin.
NO_VARIABLES = {"mysqlx"}


@pytest.mark.parametrize(("release", "flavour"), [("bookworm", "mariadb"), ("trixie", "mariadb"), ("sid", "mysql")])
@pytest.mark.parametrize("name", having(FOLDER))
def test_it_warns_of_nothing_and_has_the_numbers_of_the_budget(place: Inside, host: GoldenHost, flavour: Flavour):
    numbers = host.budget.numbers["mysql"]
    (path,) = host.below(FOLDER)
    place.lay(host.files)
    with database(place, flavour, open_files=host.limit_nofile(f"{flavour}.service")) as server:
        has = variables(place, flavour)
        assert limit_of(server.main) == numbers["LimitNOFILE"].value
    assert log_findings(server) == []

    ledger = {name: in_bytes(one.value, one.unit) for name, one in numbers.items() if name not in OF_THE_UNIT}
    assert differing(ledger, has) == {}
    settings = settings_in(host.text(path), SECTIONS[flavour])
    assert settings
    said = dict(CALLED.get(one, one) for one in settings.items() if one[0] not in NO_VARIABLES)
    written = {
        name.removeprefix("loose_"): size_of(SAID_AS.get((name, value), value))
        for name, value in said.items()
        if not name.startswith("loose_") or name.removeprefix("loose_") in has  # it may be older than the setting
    }
    assert differing(written, has) == {}


@pytest.mark.parametrize("release", ["trixie"])
def test_the_binlog_stays_within_its_total_though_there_is_no_replica(place: Inside):
    said = {"version": "11.8", "binlog": "on"}
    host = GoldenHost.of("blog1", "trixie", mysql=said)
    place.lay(host.files)
    small = ["--max-binlog-size=1M", "--max-binlog-total-size=4M"]
    with database(place, "mariadb", options=small) as server:
        assert variables(place, "mariadb")["slave_connections_needed_for_purge"] == "0"
        query(place, "mariadb", "CREATE DATABASE d; CREATE TABLE d.t (b MEDIUMBLOB)")
        query(place, "mariadb", f"INSERT INTO d.t VALUES ('{'x' * 500_000}');\n" * 40)
        files = query(place, "mariadb", "SHOW BINARY LOGS")[1].splitlines()
    assert len(files) > 1
    assert sum(int(line.split("\t")[1]) for line in files) <= 6 * 1024 * 1024  # and a statement of half a MiB
    assert log_findings(server) == []


def test_a_removed_setting_is_a_finding_though_the_server_starts(place: Inside):
    place.lay({"/etc/mysql/mariadb.conf.d/90-deployer.cnf": b"[mariadbd]\ninnodb_file_format = Barracuda\n"})
    with database(place, "mariadb") as server:
        pass
    assert any("innodb-file-format" in line or "innodb_file_format" in line for line in log_findings(server))
