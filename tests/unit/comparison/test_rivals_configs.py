"""What rivals set, and the files that it becomes."""

from pathlib import Path

import pytest

from deployer.comparison.contenders import subject_of
from deployer.comparison.rival import Subject, mariadb_cnf, nginx_conf, rivals, site_conf, unit
from deployer.comparison.trials import CLAIMED_RATE_PER_S, LARGE, SMALL
from deployer.errors import UsageError
from deployer.inventory import load_inventory

ROOT = Path(__file__).parents[3]
PACKAGED = """user www-data;
worker_processes auto;
events {
\tworker_connections 768;
\t# multi_accept on;
}
"""
BLOG = Subject(
    app="blog",
    module="blog.main:app",
    worker_class="uvicorn_worker.UvicornWorker",
    server_name="blog.example",
    certificate_file="/etc/ssl/cert.pem",
    key_file="/etc/ssl/key.pem",
    static="blog/static",
    session_cookie="blog_session",
    cache_s=5,
    database="blog",
    packages=("nginx",),
)


def test_debian_s_defaults_set_nothing():
    debian = rivals()["debian"]
    assert not debian.nginx
    assert not debian.mariadb


def test_articles_set_what_the_issue_names():
    articles = rivals()["articles"]
    assert articles.nginx["worker_connections"] == 65535
    assert articles.mariadb == {
        "innodb_buffer_pool_size": "512M",
        "max_connections": 100,
        "query_cache_type": 1,
        "query_cache_size": "32M",
    }
    assert 10 <= articles.pool_size <= 30
    assert articles.workers * articles.pool_size <= articles.mariadb["max_connections"]


def test_a_directive_takes_the_place_of_the_package_s_and_others_come_first():
    changed = nginx_conf(PACKAGED, {"worker_connections": 65535, "worker_rlimit_nofile": 65535})
    assert "\tworker_connections 65535;" in changed
    assert "768" not in changed
    assert changed.startswith("worker_rlimit_nofile 65535;\nuser www-data;")
    assert nginx_conf(PACKAGED, {}) == PACKAGED


def test_the_server_s_settings_are_a_group():
    assert mariadb_cnf({"max_connections": 100, "query_cache_size": "32M"}) == (
        "[mariadbd]\nmax_connections = 100\nquery_cache_size = 32M\n"
    )


def test_all_rivals_have_the_same_site_with_our_cache():
    site = site_conf(BLOG)
    assert "proxy_cache_valid 200 301 5s;" in site
    assert "proxy_cache_bypass $cookie_blog_session;" in site
    assert "alias /srv/blog/current/code/blog/static/;" in site


def test_a_rival_s_unit_has_its_processes_and_pool():
    text = unit(rivals()["articles"], BLOG)
    assert "--workers 3 --worker-class uvicorn_worker.UvicornWorker" in text
    assert "DB_POOL_SIZE=30" in text
    assert "/srv/blog/current/venv/bin/gunicorn" in text


def test_advice_comes_on_top():
    rival = rivals()["mysqltuner"]
    assert rival.advised({"table_open_cache": 4000}).mariadb == {"table_open_cache": 4000}
    assert not rival.mariadb


def test_every_claim_has_a_trial():
    from deployer.comparison.claims import CLAIMS

    assert {claim.key for claim in CLAIMS} == {*SMALL, *LARGE, "folklore"}
    assert CLAIMED_RATE_PER_S == 500


def test_only_what_all_can_run_is_compared():
    entries = load_inventory([ROOT / "inventories"])
    assert subject_of(entries.entry("blog1")).code == "/srv/blog/current/code"
    with pytest.raises(UsageError, match="not one app"):
        subject_of(entries.entry("mini1"))
