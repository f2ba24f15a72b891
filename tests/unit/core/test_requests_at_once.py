"""How much is in progress at once: bounded in nginx, priced there and in the apps whose workers take all of it."""

from __future__ import annotations

import re

import pytest
from hosts import MysqlSettings, app, gunicorn, host

from deployer.allocate import allocate
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.priors import PRIORS
from deployer.render import render
from deployer.services.gunicorn import SERVICE
from deployer.services.mysql.contradictions import contradictions


def blog(**settings: object) -> Declaration:
    return host(memory_mib=2048, apps={"blog": app(gunicorn=gunicorn(**settings))})


def text_of(declaration: Declaration, path: str) -> str:
    files = render(declaration, allocate(declaration)).files
    return next(file.content for file in files if file.path == path).decode()


@pytest.mark.parametrize("worker_class", ["uvicorn_worker.UvicornWorker", "asgi"])
def test_an_async_app_pays_for_every_request_that_nginx_lets_through(worker_class):
    budget = allocate(blog(worker_class=worker_class, worker_memory_mib=40, request_memory_kib=64))
    requests = budget.count("nginx", "requests_at_once")
    assert requests >= 1000
    assert budget.claims["blog"].parts[f"{requests} requests of 64 KiB"] == requests * 64 / 1024
    assert budget.grants["blog"].fixed_mib >= PRIORS.gunicorn_master_mib + 40 + requests * 64 / 1024


def test_more_workers_share_the_same_requests():
    one, three = (allocate(blog(workers=workers, worker_memory_mib=40)).claims["blog"] for workers in (1, 3))
    assert sum(three.parts.values()) - sum(one.parts.values()) == 2 * 40


@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_a_worker_with_a_request_for_each_thread_pays_for_none_beside(worker_class):
    parts = allocate(blog(worker_class=worker_class)).claims["blog"].parts
    assert not any("requests of" in part for part in parts)
    found = list(SERVICE.contradictions(blog(worker_class=worker_class, request_memory_kib=20)))
    assert any("request_memory_kib" in str(one) for one in found)


def test_nginx_lets_through_no_more_than_is_priced():
    declaration = blog()
    text = text_of(declaration, "/etc/nginx/nginx.conf")
    budget = allocate(declaration)
    assert f"limit_conn everyone {budget.count('nginx', 'requests_at_once')};" in text
    streams = int(re.search(r"http2_max_concurrent_streams (\d+);", text)[1])
    assert streams < budget.count("nginx", "connections_per_address")
    assert budget.count("nginx", "worker_connections") >= 1000 + budget.count("nginx", "requests_at_once")


def test_each_app_has_as_many_uploads_as_are_priced_and_keeps_the_limits_that_its_own_replace():
    apps = {
        name: app(server_names=(f"{name}.example",), uploads_at_once=number) for name, number in (("a", 3), ("b", 7))
    }
    declaration = host(memory_mib=4096, apps=apps)
    text = text_of(declaration, "/etc/nginx/nginx.conf")
    assert "limit_conn_zone $upload zone=uploads:64k;" in text
    above = re.findall(r"^ *limit_conn (.*);$", text, re.MULTILINE)
    for name, one in apps.items():
        own = re.findall(
            r"^ *limit_conn (.*);$", text_of(declaration, f"/etc/nginx/deployer/apps/{name}.conf"), re.MULTILINE
        )
        assert own == [*above, f"uploads {one.uploads_at_once}"]


@pytest.mark.parametrize(("visitors", "mib"), [(1000, 1), (12_000, 1), (12_001, 2), (50_000, 5)])
def test_every_address_of_the_target_is_counted(visitors, mib):
    declaration = host(memory_mib=65_536, connections=visitors)
    assert f"zone=connections:{mib}m;" in text_of(declaration, "/etc/nginx/nginx.conf")


def test_a_visitor_cannot_say_what_the_proxy_says():
    text = text_of(blog(), "/etc/nginx/deployer/proxy.conf")
    assert "proxy_set_header X-Forwarded-Host $host;" in text
    for name in ("Forwarded", "X-Forwarded-Prefix", "X-Original-URL", "X-Rewrite-URL", "Proxy"):
        assert f'proxy_set_header {name} "";' in text


@pytest.mark.parametrize(("cores", "arenas"), [(1, 2), (4, 5)])
def test_the_database_has_few_arenas(cores, arenas):
    unit = text_of(host(cpu_cores=cores), "/etc/systemd/system/mariadb.service.d/60-deployer.conf")
    assert f"Environment=MALLOC_ARENA_MAX={arenas}\n" in unit


def test_a_large_statement_in_each_connection_of_the_apps_is_priced_and_set():
    usual, large = host(), host(memory_mib=4096, mysql=MysqlSettings(max_allowed_packet_mib=64))
    idle_mib = (256 + 256 + 128 + 256 + 256 + 1024) / 1024  # what sorts and joins use, and no INSERT of a large value
    for declaration, mib, copies in ((usual, 1, 4.7), (large, 64, 5.3)):
        part = allocate(declaration).claims["mysql"].parts[f"4 statements of {mib} MiB in them"]
        assert part == pytest.approx(4 * (copies * mib - idle_mib))
    assert "max_allowed_packet = 64M\n" in text_of(large, "/etc/mysql/mariadb.conf.d/90-deployer.cnf")
    more = host(memory_mib=4096, apps={"blog": app(gunicorn=gunicorn(workers=2, pool_size=20))})
    assert "41 statements of 1 MiB in them" in allocate(more).claims["mysql"].parts


def test_smaller_statements_are_advised_where_larger_ones_do_not_fit():
    with pytest.raises(BudgetError, match=r"services.mysql.max_allowed_packet_mib: 1.*then it fits"):
        allocate(host(mysql=MysqlSettings(max_allowed_packet_mib=64)))


def test_a_session_of_mariadb_is_bounded_where_the_inventory_says_so():
    path = "/etc/mysql/mariadb.conf.d/90-deployer.cnf"
    assert "max_session_mem_used" not in text_of(host(), path)
    bounded = host(mysql=MysqlSettings(max_session_mem_used_mib=10))
    assert "\nmax_session_mem_used = 10M\n" in text_of(bounded, path)
    assert allocate(bounded).numbers["mysql"]["max_session_mem_used"].provenance == "pinned"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"flavour": "mysql", "version": "8.4", "max_session_mem_used_mib": 10}, "MySQL has no max_session_mem_used"),
        ({"max_session_mem_used_mib": 9, "max_allowed_packet_mib": 2}, "takes 11 MiB; write 11 or more"),
    ],
)
def test_a_bound_of_a_session_that_cannot_be_meant_is_refused(said, why):
    found = dict(contradictions(host(mysql=MysqlSettings(**said))))
    assert why in found["services", "mysql", "max_session_mem_used_mib"]
