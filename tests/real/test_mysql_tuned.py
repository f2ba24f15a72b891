"""tune-mysql on a real server: spoiled by hand, told, set while it runs, kept over a start, or returned."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from example_on_vps import eventually
from site_on_vps import Site
from tuned_server import SCAN, assert_a_spoiled_server_is_mended, spoil, variable

from deployer.deploy import session
from deployer.errors import RolledBack
from deployer.inventory import load_inventory

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

CONFIG = "/etc/mysql/mariadb.conf.d/90-deployer.cnf"


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(vps("tuned", snapshot=deployed), tmp_path_factory.mktemp("tuned"))
    found.write()
    return found


def tuned(site: Site, *options: str) -> dict[str, Any]:
    done = site.run("tune-mysql", "--window", "1", "--json", *options)
    assert done.returncode in (0, 7), done.stderr
    return dict(json.loads(done.stdout))


def test_a_spoiled_server_is_mended_without_a_restart_and_then_with_one(site: Site) -> None:
    assert_a_spoiled_server_is_mended(site, CONFIG, "mariadb.service")


@pytest.mark.slow
def test_looking_changes_nothing(site: Site) -> None:
    site.host.sh("mariadb -e 'SET GLOBAL sort_buffer_size = 8388608'")
    before = site.host.sh(f"cat {CONFIG}; ls /run")
    [change] = tuned(site)["changes"]
    assert (change["setting"], change["from"], change["dynamic"]) == ("sort_buffer_size", "8388608", True)
    assert tuned(site)["changes"] == [change]
    words = site.argv("tune-mysql", "--window", "1", "--apply")
    dry = subprocess.run([*words[:3], "--dry", *words[3:]], env=site.environment(), check=False)
    assert dry.returncode == 0
    assert site.host.sh(f"cat {CONFIG}; ls /run") == before
    assert not tuned(site, "--apply")["applied"]["left"]


def test_a_setting_that_the_server_does_not_do_gives_all_their_former_values_back(site: Site) -> None:
    entry = load_inventory([site.folder / "hosts.yml"]).entry("web1")
    former = variable(site, "sort_buffer_size"), variable(site, "innodb_buffer_pool_size")
    settings = [{"name": "sort_buffer_size", "value": "131072"}, {"name": "innodb_buffer_pool_size", "value": "4096"}]
    with session(entry) as host, pytest.raises(RolledBack, match="former value"):
        host.agent.call({"op": "mysqlset", "settings": settings, "who": "a test"})
    assert (variable(site, "sort_buffer_size"), variable(site, "innodb_buffer_pool_size")) == former
    told = json.loads(site.host.sh("tail -n 1 /var/lib/deployer/audit.jsonl"))
    assert (told["outcome"], told["who"], told["login"]) == ("restored", "a test", site.user)
    assert "innodb_buffer_pool_size" in told["settings"]


def test_what_was_set_without_a_transaction_stands_in_the_history(site: Site) -> None:
    site.host.sh("mariadb -e 'SET GLOBAL sort_buffer_size = 8388608'")
    assert not tuned(site, "--apply")["applied"]["left"]
    told = site.run("history", "--json")
    newest = json.loads(told.stdout)["transactions"][0]
    assert (newest["outcome"], newest["transaction"], newest["live"]) == ("set", "", False)
    assert newest["settings"] == [f"sort_buffer_size 8388608 -> {variable(site, 'sort_buffer_size')}"]
    assert "sort_buffer_size 8388608" in site.run("history").stdout


def test_a_file_that_is_read_later_is_named_and_not_pretended_away(site: Site) -> None:
    tips = "/etc/mysql/mariadb.conf.d/99-tips.cnf"
    site.host.sh(f"printf '[mysqld]\\njoin_buffer_size = 4M\\n' > {tips}; systemctl restart mariadb")
    try:
        document = tuned(site, "--apply")
        [change] = document["changes"]
        assert (change["setting"], change["outranked_by"]) == ("join_buffer_size", tips)
        assert variable(site, "join_buffer_size") == str(256 << 10)
        assert document["applied"]["at_next_start"] == {"join_buffer_size": tips}
    finally:
        site.host.sh(f"rm {tips}")


def test_a_full_scan_is_told_with_its_explain_and_without_its_values(site: Site) -> None:
    site.host.sh(SCAN)
    assert eventually(lambda: "big" in site.host.sh("mariadb -e 'SHOW FULL PROCESSLIST'"))
    document = tuned(site)
    [advice] = document["advice"]
    assert (advice["database"], advice["explained"]) == ("blog", "as it was run")
    assert advice["digest"] == "SELECT COUNT(*), MAX(note) FROM big WHERE email = ? AND note LIKE ?"
    assert [(step["table"], step["type"], step["key"]) for step in advice["explain"]] == [("big", "ALL", None)]
    assert advice["candidates"] == ["email", "note"]
    assert "x.example" not in json.dumps(document)
    site.host.sh("systemctl stop scan; mariadb blog -e 'DROP TABLE big'")
    assert not site.host.sh("ls -d /run/deployer-* 2>/dev/null; true").strip()


@pytest.mark.slow
def test_other_changes_are_for_a_deploy(site: Site, tmp_path: Path) -> None:
    spoil(site, CONFIG, "mariadb.service")
    site.write(target__connections=500)
    try:
        done = site.run("tune-mysql", "--window", "1", "--apply")
        assert done.returncode == 2, done.stdout
        assert "deploy" in done.stderr
        assert variable(site, "sort_buffer_size") == str(4 << 20)
    finally:
        site.write()
        assert not tuned(site, "--apply", "--restart-allowed")["applied"]["left"]
