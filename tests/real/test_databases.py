"""Databases and their users on real servers: made, seen, taken back, and kept as soon as they hold a table."""

from __future__ import annotations

from typing import Any

import pytest
from agent_client import Host, Plan

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

SECRET = "/var/lib/deployer/secrets/shop"
MARIADB = {"kind": "database", "server": "mariadb", "unit": "mariadb.service", "secret": SECRET}
POSTGRESQL = {"kind": "database", "server": "postgresql", "unit": "postgresql@15-main.service", "secret": None}
SHOP_IN_MARIADB = {**MARIADB, "name": "shop", "user": "shop"}
SHOP_IN_POSTGRESQL = {**POSTGRESQL, "name": "shop", "user": "app-shop"}
FAILS = {
    "kind": "command", "name": "fails", "argv": ["false"], "once": None, "user": "root", "cwd": "/",
    "credentials": {}, "environment": {}, "timeout_s": 60,
}  # fmt: skip


def shop(name: str, *activations: dict[str, Any]) -> Plan:
    plan = Plan(name, gate_s=0.2)
    plan.doc["secrets"] = [{"path": SECRET, "bytes": 32}]
    plan.doc["users"] = [{"name": name, "home": "/srv"} for name in ("app-shop", "app-other")]
    plan.doc["activations"] += activations
    return plan


@pytest.fixture(scope="module")
def host(vps: Any, with_servers: str) -> Host:
    """Both servers, started by a deploy."""
    found = vps("databases", snapshot=with_servers)
    host = Host(str(found.address), str(found.key_file))
    assert there(host) == {"mariadb": {"shop": None}, "postgresql": {"shop": None}}
    plan = shop("d02")
    for unit in ("mariadb.service", "postgresql@15-main.service"):
        plan.unit(unit, "start")
    answer = plan.apply(host)
    assert answer.get("ok"), answer
    return host


def there(host: Host) -> dict[str, Any]:
    asked = [{key: one[key] for key in ("server", "name", "user")} for one in (SHOP_IN_MARIADB, SHOP_IN_POSTGRESQL)]
    return dict(host.request({"op": "observe", "databases": asked})["ok"]["databases"])


def mariadb(host: Host, sql: str) -> str:
    return host.sh(f'mariadb -BN -e "{sql}"')


def psql(host: Host, sql: str, database: str = "postgres") -> str:
    return host.sh(f'cd /; runuser -u postgres -- psql -qAtd {database} -c "{sql}"')


def picture(host: Host) -> str:
    """All databases, users and rights of both servers."""
    return host.sh(
        "mariadb -BN -e 'SHOW DATABASES; SELECT * FROM mysql.db; SELECT User, authentication_string FROM mysql.user'; "
        "cd /; runuser -u postgres -- psql -qAt -c 'SELECT datname, datdba, datacl FROM pg_database ORDER BY 1' "
        "-c 'SELECT rolname, rolcanlogin, rolsuper FROM pg_roles ORDER BY 1'"
    )


def test_what_a_failed_deploy_made_is_gone_again(host: Host) -> None:
    before = picture(host)
    error = shop("d03", SHOP_IN_MARIADB, SHOP_IN_POSTGRESQL, FAILS).apply(host)["error"]
    assert (error["kind"], error["state"], "kept" in error["detail"]) == ("activation", "restored", False), error
    assert picture(host) == before


def test_each_app_gets_into_its_own_database_and_nobody_else_does(host: Host) -> None:
    answer = shop("d04", SHOP_IN_MARIADB, SHOP_IN_POSTGRESQL).apply(host)
    assert answer.get("ok"), answer
    assert there(host) == {"mariadb": {"shop": True}, "postgresql": {"shop": True}}
    login = f"mariadb --no-defaults -BN -u shop -p$(cat {SECRET}) -e"
    assert (
        host.sh(f"{login} 'CREATE TABLE shop.a (i int); DROP TABLE shop.a; SELECT CURRENT_USER()'") == "shop@localhost"
    )
    assert host.sh(f"{login} 'SHOW DATABASES'").split() == ["information_schema", "shop"]
    peer = "cd /; runuser -u app-shop -- psql -qAtd shop -c"
    assert host.sh(f"{peer} 'CREATE TABLE a (i int); DROP TABLE a; SELECT current_user'") == "app-shop"
    psql(host, 'CREATE ROLE \\"app-other\\" LOGIN')
    other = host.sh("cd /; runuser -u app-other -- psql -d shop -c 'SELECT 1' 2>&1; true")
    assert "permission denied for database" in other
    assert psql(host, "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'shop'") == "UTF8"
    assert host.sh(f"grep -rF -f {SECRET} /var/lib/deployer/transactions /var/log 2>/dev/null; true") == ""


def test_a_survey_tells_what_both_servers_hold_and_no_password(host: Host) -> None:
    told = host.request({"op": "survey", "settings": []})["ok"]["databases"]
    held = {one["flavour"]: one for one in told}
    assert [(one["name"], one["tables"]) for one in held["mariadb"]["databases"]] == [("shop", 0)]
    assert held["mariadb"]["users"] == ["shop@localhost"]
    assert (held["mariadb"]["version"][:5], held["mariadb"]["data"]) == ("10.11", "/var/lib/mysql/")
    assert [(one["name"], one["owner"]) for one in held["postgresql"]["databases"]] == [("shop", "app-shop")]
    assert set(held["postgresql"]["users"]) == {"app-shop", "app-other"}
    assert (held["postgresql"]["version"][:3], held["postgresql"]["data"]) == ("15.", "/var/lib/postgresql/15/main")


def test_who_had_a_password_by_hand_keeps_it_beside_the_apps(host: Host) -> None:
    mariadb(host, "ALTER USER shop@localhost IDENTIFIED BY 'of-somebody-before'")
    before = picture(host)
    taken = {**SHOP_IN_MARIADB, "keep_login": True}
    assert shop("d31", taken, FAILS).apply(host)["error"]["state"] == "restored"
    assert picture(host) == before
    assert shop("d32", taken).apply(host).get("ok")
    for password in ("of-somebody-before", f"$(cat {SECRET})"):
        assert host.sh(f"mariadb --no-defaults -BN -u shop -p{password} -e 'SELECT 1'").strip() == "1"
    assert shop("d33", SHOP_IN_MARIADB).apply(host).get("ok")  # without that word, the app's alone counts
    assert "denied" in host.sh("mariadb --no-defaults -u shop -pof-somebody-before -e 'SELECT 1' 2>&1; true")


def test_again_is_no_error_and_a_return_takes_away_nothing_that_was_there(host: Host) -> None:
    mariadb(host, "ALTER USER shop@localhost IDENTIFIED BY 'of-somebody-before'")
    psql(host, 'ALTER ROLE \\"app-shop\\" NOLOGIN')
    assert there(host)["postgresql"] == {"shop": False}
    before = picture(host)
    error = shop("d05", SHOP_IN_MARIADB, SHOP_IN_POSTGRESQL, FAILS).apply(host)["error"]
    assert (error["kind"], error["state"]) == ("activation", "restored"), error
    assert picture(host) == before
    assert shop("d06", SHOP_IN_MARIADB, SHOP_IN_POSTGRESQL).apply(host).get("ok")
    assert there(host) == {"mariadb": {"shop": True}, "postgresql": {"shop": True}}


@pytest.mark.parametrize("wanted", [SHOP_IN_MARIADB, SHOP_IN_POSTGRESQL], ids=["mariadb", "postgresql"])
def test_a_database_that_holds_a_table_is_never_dropped(host: Host, wanted: dict[str, Any]) -> None:
    name = f"held_{wanted['server']}"
    user = f"app-{wanted['server'][:8]}" if wanted["server"] == "postgresql" else "held"
    wanted = {**wanted, "name": name, "user": user}
    sql = "CREATE TABLE held (i int)"
    script = f"mariadb {name} -e '{sql}'"
    if wanted["server"] == "postgresql":
        script = f"runuser -u postgres -- psql -d {name} -c '{sql}'"
    makes = {**FAILS, "name": "makes a table", "argv": ["sh", "-c", script]}
    error = shop(f"d07-{wanted['server']}", wanted, makes, FAILS).apply(host)["error"]
    assert (error["kind"], error["state"]) == ("activation", "restored"), error
    assert f"database {name} and its" in error["detail"]
    assert "it holds tables now" in error["detail"]
    assert name in picture(host)


def test_a_database_of_somebody_else_is_not_taken(host: Host) -> None:
    psql(host, "CREATE DATABASE theirs")
    error = shop("d08", {**SHOP_IN_POSTGRESQL, "name": "theirs"}).apply(host)["error"]
    assert (error["kind"], error["state"]) == ("activation", "restored"), error
    assert "belongs to the role postgres, not to app-shop" in error["message"]
    assert 'ALTER DATABASE "theirs" OWNER TO "app-shop"' in error["next"]


def test_an_app_that_is_connected_does_not_keep_its_database_from_being_taken_back(host: Host) -> None:
    before = picture(host)
    hold = "systemd-run -q --unit=holder runuser -u app-holder -- psql -d holder -c 'SELECT pg_sleep(60)'; sleep 1"
    plan = shop("d09", {**SHOP_IN_POSTGRESQL, "name": "holder", "user": "app-holder"})
    plan.doc["users"].append({"name": "app-holder", "home": "/srv"})
    plan.doc["activations"] += [{**FAILS, "name": "hold", "argv": ["sh", "-c", hold]}, FAILS]
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"]) == ("activation", "restored"), error
    assert picture(host) == before


@pytest.mark.parametrize("name", ["postgres", "x; DROP", "template1", 'a"b', "", "-x"])
def test_a_name_that_is_the_servers_own_or_not_plain_is_refused(host: Host, name: str) -> None:
    for key in ("name", "user"):
        error = shop(f"d10-{key}-{abs(hash(name))}", {**SHOP_IN_POSTGRESQL, key: name}).apply(host)["error"]
        assert (error["kind"], error["state"]) == ("fault", "restored"), error
        assert "refused as a database's or its user's name" in error["message"]


def test_a_server_that_was_stopped_is_started_to_take_its_database_back(host: Host) -> None:
    before = picture(host)
    stops = {**FAILS, "name": "stop", "argv": ["sh", "-c", "systemctl stop postgresql@15-main mariadb; exit 3"]}
    mine = [{**SHOP_IN_POSTGRESQL, "name": "late"}, {**SHOP_IN_MARIADB, "name": "late"}]
    error = shop("d11", *mine, stops).apply(host)["error"]
    assert (error["kind"], error["state"]) == ("activation", "restored"), error
    assert picture(host) == before
