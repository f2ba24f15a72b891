"""What becomes of a site by hand: each fate once, and nothing that nobody decided."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from adoptions import PORT, REDIS, SERVER, SHOP, SITE, UNIT, adopted, lacks, order, rendered, survey
from hosts import app, host

from deployer.adoption import Found, draft, entry_at, question
from deployer.allocate import allocate
from deployer.app import AppDatabase
from deployer.errors import UsageError
from deployer.render import render
from deployer.services.nginx import NginxSettings
from deployer.services.redis import RedisSettings


def test_what_serves_the_site_until_now_is_a_question_and_no_guess():
    found = adopted(survey())
    assert [one.fate for one in found.units] == ["undecided"]
    assert "--stop myblog.service (it comes back if the takeover fails), or --leave" in lacks(found)
    assert "myblog.service" not in order(found)
    left = adopted(survey(), leave=("myblog.service",))
    assert left.is_ready
    assert "write unmanaged_mib: 30" in " ".join(left.advice)


@pytest.mark.parametrize("place", ["10.0.0.9:8000", "backend.example:8000", "127.0.0.1:8001", "/run/other.sock"])
def test_who_listens_elsewhere_is_not_taken_for_the_site(place):
    found = adopted(survey(sites=[{**SITE, "passes": [place]}]))
    assert [one.fate for one in found.units] == ["stays"]
    assert found.is_ready


@pytest.mark.parametrize("place", ["localhost:8000", "[::1]:8000", "127.0.1.1:8000"])
def test_one_of_this_host_is(place):
    assert not adopted(survey(sites=[{**SITE, "passes": [place]}])).is_ready


def test_the_old_site_stops_after_nginx_has_turned_unless_there_is_a_migration_or_no_room():
    stop = ("myblog.service",)
    found = adopted(survey(), stop=stop)
    assert found.is_ready
    assert order(found)[-2:] == ["nginx.service", "myblog.service"]
    assert found.plan.changes[-1].name == "myblog.service"
    assert order(adopted(survey(), migrates=True, stop=stop))[0] == "myblog.service"
    large = {**UNIT, "memory_mib": 900.0}
    assert order(adopted(survey(units=[large]), stop=stop))[0] == "myblog.service"


def test_what_starts_it_again_is_stopped_with_it():
    by_socket = {**UNIT, "started_by": ["myblog.socket"]}
    found = adopted(survey(units=[by_socket]), stop=("myblog.service",))
    assert order(found)[-3:] == ["nginx.service", "myblog.socket", "myblog.service"]


def test_who_holds_a_port_stops_just_before_nginx_starts_and_cannot_be_left():
    apache = {**UNIT, "unit": "apache2.service", "by_hand": False}
    told = survey(
        units=[apache],
        ports=[{**PORT, "port": 80, "process": "apache2", "unit": "apache2.service"}],
        sites=[],
        web=None,
    )
    assert "apache2.service holds port 80, which nginx needs" in lacks(adopted(told))
    assert "it cannot be left" in lacks(adopted(told, leave=("apache2.service",)))
    found = adopted(told, stop=("apache2.service",))
    assert order(found)[-2:] == ["apache2.service", "nginx.service"]
    session = adopted(survey(ports=[{**PORT, "unit": "session-3.scope"}], units=[]))
    assert "session-3.scope serves blog.example until now" in lacks(session)
    assert "is no service that could be stopped" in lacks(session)


@pytest.mark.parametrize("unit", ["ssh.service", "systemd-journald.service", "nginx.service", "never.service"])
def test_the_system_the_inventorys_own_and_nobody_are_not_stopped(unit):
    web = {**UNIT, "unit": "nginx.service", "by_hand": False}
    found = adopted(survey(units=[UNIT, web]), stop=("myblog.service", unit))
    assert f"leave out --stop {unit}" in lacks(found)


def test_a_site_that_nobody_would_serve_has_to_be_named():
    told = survey(sites=[SITE, SHOP], web_files=[*survey()["web_files"], SHOP["file"]])
    stop = ("myblog.service",)
    assert "site shop.example in /etc/nginx/sites-enabled/shop, files of /srv/shop, is served by nobody" in lacks(
        adopted(told, stop=stop)
    )
    assert adopted(told, stop=stop, drop=("shop.example",)).is_ready
    kept = rendered(nginx=NginxSettings(include=("/etc/nginx/sites-enabled/shop",)))
    found = adopted(told, kept, stop=stop)
    assert found.is_ready
    assert {one.name: one.fate for one in found.sites} == {"blog.example": "taken over", "shop.example": "kept"}
    assert [one.path for one in found.files if one.fate == "not read"] == ["/etc/nginx/sites-enabled/default"]
    both = rendered(nginx=NginxSettings(include=("/etc/nginx/sites-enabled/*",)))
    assert "blog.example would be served twice" in lacks(adopted(told, both, stop=stop))


def test_a_site_without_a_name_is_the_same_site_if_what_it_passes_to_is_stopped():
    nameless = {**SITE, "names": ["_"], "listens": ["80"]}
    other = {**SHOP, "names": [], "listens": ["8080"]}
    found = adopted(survey(sites=[SITE, nameless, other]), stop=("myblog.service",))
    assert {one.name: one.fate for one in found.sites} == {
        "blog.example": "taken over", "_:80": "dropped", "_:8080": "lost"
    }  # fmt: skip
    assert adopted(survey(sites=[SITE, other]), stop=("myblog.service",), drop=("_:8080",)).is_ready


def test_data_are_used_as_they_are_and_no_seed_is_run_on_them():
    found = adopted(survey(), stop=("myblog.service",))
    assert "2 tables, 1.5 MiB; used as it is" in found.data[0].what
    assert "besides its own, which stays valid" in found.data[0].what
    seeded = rendered(apps={"blog": app(database=AppDatabase(seed=("python", "-m", "blog.seed")))})
    assert "the seed of app blog would be run on the data that are there" in lacks(adopted(survey(), seeded))
    moved = survey(databases=[{**SERVER, "data": "/data/mysql/"}])
    assert "the database's data lie in /data/mysql/" in lacks(adopted(moved))
    other = survey(databases=[{**SERVER, "flavour": "mysql", "version": "8.0.40"}])
    assert "write services.mysql.flavour: mysql" in lacks(adopted(other))


def test_a_database_server_that_lets_nobody_in_is_no_empty_one():
    units = [UNIT, {**UNIT, "unit": "mariadb.service", "by_hand": False}]
    assert "mariadb.service runs and does not say what it holds" in lacks(adopted(survey(databases=[], units=units)))
    assert "does not say" not in lacks(adopted(survey(units=units)))


@pytest.mark.parametrize(
    ("file", "after_include", "counts"),
    [
        ("/etc/mysql/my.cnf", True, True),
        ("/etc/mysql/my.cnf", False, False),
        ("/etc/mysql/mariadb.conf.d/50-server.cnf", False, False),
        ("/etc/mysql/mariadb.conf.d/99-mine.cnf", False, True),
        ("/etc/mysql/conf.d/zz.cnf", False, False),
    ],
)
def test_a_setting_of_theirs_that_is_read_after_ours_has_to_go(file, after_include, counts):
    line = {"file": file, "line": 3, "name": "max_connections", "value": "500", "after_include": after_include}
    found = adopted(survey(settings=[line]), stop=("myblog.service",))
    assert ("max_connections = 500" in lacks(found)) is counts
    assert any(one.fate == "shadowed" and one.path == file for one in found.files) is not counts
    assert "max_connections" in question(rendered())["settings"]


@pytest.mark.parametrize(
    ("persistence", "held", "said"),
    [
        ("none", {}, "the inventory's forgets at each restart"),
        ("rdb", {}, ""),
        ("aof", {}, "does not read"),
        ("rdb", {"appendonly": True}, "keeps a log of writes"),
        ("rdb", {"dir": "/data"}, "keeps its data in /data/dump.rdb"),
        ("rdb", {"mib": 900.0}, "lets it hold"),
        ("none", {"keys": 0}, ""),
        ("none", {"answers": False}, "does not say what it holds"),
    ],
)
def test_what_redis_holds_is_kept_or_given_up_by_name(persistence, held, said):
    with_redis = host(apps={"blog": app(database=AppDatabase(), uses=("redis",))}, connections=100)
    settings = {**with_redis.settings, "redis": RedisSettings(persistence=persistence)}
    with_redis = with_redis.model_copy(update={"settings": settings})
    of = render(with_redis, allocate(with_redis))
    told = survey(redis={**REDIS, **held})
    found = adopted(told, of, stop=("myblog.service",))
    assert (said in lacks(found)) if said else found.is_ready
    assert adopted(told, of, stop=("myblog.service",), drop=("redis",)).is_ready


def test_what_a_hostile_host_says_of_itself_is_short_and_printable():
    evil = "\x1b[2J" + "x" * 9999
    found = adopted(survey(sites=[{**SITE, "names": [evil]}], units=[{**UNIT, "unit": evil}]))
    text = json.dumps([str(one) for one in (*found.sites, *found.units, *found.lacking)])
    assert "\\u001b" not in text
    assert max(len(one.name) for one in found.sites) <= 200


def test_a_draft_is_yaml_whatever_the_host_says(tmp_path):
    evil = "a\n  evil: true # '\"{{ 7 }}"
    sites = [SITE, {**SITE, "names": [evil, "_"], "passes": ["unix:/run/x"]}, {**SHOP, "file": evil}]
    told = survey(sites=sites, redis=REDIS, units=[UNIT, {**UNIT, "unit": evil, "memory_mib": 99.0}])
    text = draft(entry_at("root@192.0.2.7"), {"cpu_cores": 2, "memory_mib": 1990}, Found.of(told))
    entry = next(iter(yaml.safe_load(text)["hosts"].values()))
    assert "evil" not in entry
    assert entry["hardware"] == {"cpu_cores": 2, "memory_mib": 2048, "disk_gib": 20}
    assert entry["apps"]["blog"]["gunicorn"] == {"module": "app:app"}
    assert entry["unmanaged_mib"] == 99
    assert entry["ssh"] == {"address": "192.0.2.7", "user": "root"}
    (tmp_path / "draft.yml").write_text(text)
    assert Path(tmp_path / "draft.yml").exists()


def test_apps_of_a_draft_have_names_of_their_own():
    names = [["www.a.example"], ["www.b.example"], ["a.example.org"], ["www.example"]]
    sites = [{**SITE, "names": one, "passes": [f"unix:/run/{number}"]} for number, one in enumerate(names)]
    told = survey(sites=sites, units=[UNIT])
    text = draft(entry_at("root@192.0.2.7"), {"cpu_cores": 2, "memory_mib": 1990}, Found.of(told))
    apps = next(iter(yaml.safe_load(text)["hosts"].values()))["apps"]
    assert {name: app["server_names"] for name, app in apps.items()} == {
        "a": names[0],
        "b": names[1],
        "app3": names[2],
        "example": names[3],
    }


@pytest.mark.parametrize("host", ["@", "root@", "root@a b", "Root;@a"])
def test_where_to_log_in_has_to_be_plain(host):
    with pytest.raises(UsageError, match="is not USER@ADDRESS"):
        entry_at(host)
