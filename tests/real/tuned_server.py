"""A database server that somebody spoiled by hand, and what tune-mysql has to make of it, whatever its release."""

from __future__ import annotations

import json
from typing import Any

from site_on_vps import Site

#: What the articles say: of the file, so that the next start has it.
SPOILED = {
    "innodb_buffer_pool_size": "16M",
    "sort_buffer_size": "4M",
    "join_buffer_size": "4M",
    "max_connections": "150",
    "innodb_flush_log_at_trx_commit": "2",
    "table_open_cache_instances": "4",
}
#: A statement that reads all of a table, again and again, in the background.
SCAN = """\
mariadb blog -e "CREATE TABLE big (id INT PRIMARY KEY, email VARCHAR(40), note VARCHAR(100)); \
INSERT INTO big SELECT seq, CONCAT('u', seq, '@x.example'), MD5(seq) FROM seq_1_to_60000"
seq 1 5000 | sed "s/.*/SELECT COUNT(*), MAX(note) FROM big WHERE email = 'u&@x.example' AND note LIKE '%a&%';/" \
> /var/tmp/scan.sql
systemd-run --quiet --unit=scan --collect sh -c 'mariadb blog < /var/tmp/scan.sql > /dev/null'"""


def variable(site: Site, name: str) -> str:
    client = "$(command -v mariadb || command -v mysql)"
    return site.host.sh(f"{client} -BNe \"SHOW GLOBAL VARIABLES LIKE '{name}'\"").split()[1]


def spoil(site: Site, config: str, unit: str) -> None:
    changes = " ".join(f"-e 's/^{name} = .*/{name} = {value}/'" for name, value in SPOILED.items())
    site.host.sh(f"sed -i {changes} {config} && systemctl restart {unit}")


def started(site: Site, unit: str) -> str:
    return site.host.sh(f"systemctl show -p MainPID --value {unit}")


def tuned(site: Site, *options: str, code: int) -> dict[str, Any]:
    done = site.run("tune-mysql", "--window", "1", "--json", *options)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return dict(json.loads(done.stdout))


def assert_a_spoiled_server_is_mended(site: Site, config: str, unit: str) -> None:
    """Set what is dynamic without a restart, write the file, and restart for the rest once that is allowed."""
    spoil(site, config, unit)
    before = started(site, unit)
    applied = tuned(site, "--apply", code=7)["applied"]
    assert started(site, unit) == before
    assert not applied["restarted"]
    assert applied["transaction"]
    assert {one["setting"] for one in applied["set"]} == {*SPOILED} - {"table_open_cache_instances"}
    assert [(one["setting"], one["dynamic"]) for one in applied["left"]] == [("table_open_cache_instances", False)]
    assert variable(site, "innodb_flush_log_at_trx_commit") == "1"
    # the restart is owed, and a deploy would do it too
    assert [one["verb"] for one in site.plan()["changes"]] == ["restart"]
    document = tuned(site, "--apply", "--restart-allowed", code=0)
    assert document["applied"]["restarted"]
    assert started(site, unit) != before
    assert not document["applied"]["left"]
    assert document["worst_after_mib"] <= document["slice_mib"]
    assert not site.plan()["changes"]
    doctor = json.loads(site.run("doctor", "--json").stdout)["settings"]
    assert all(one["state"] != "differs" for one in doctor if one["server"] in {"mariadb", "mysql"})
