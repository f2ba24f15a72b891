"""Whom the agent is to ask on a host, and what the budget lets its app do at the same time."""

from __future__ import annotations

import pytest

from deployer.allocate import allocate
from deployer.app import AppDatabase, BackgroundWorker
from deployer.declaration import Declaration
from deployer.hardware import Hardware
from deployer.inventory.models import AppForm
from deployer.render import render
from deployer.services.gunicorn import GunicornSettings
from deployer.services.mysql import MysqlSettings
from deployer.services.nginx import NginxSettings
from deployer.services.postgresql import PostgresqlSettings
from deployer.services.redis import RedisSettings
from deployer.verify import watched
from deployer.verify.target import AppLimits


def rendered(settings=None, *, database="mysql", uses=(), background=None, **form):
    app = AppForm(
        source="src",
        server_names=("blog.example",),
        gunicorn=GunicornSettings(module="blog.main:app", **form),
        database=AppDatabase(server=database) if database else None,
        uses=uses,
        background=background or {},
    )
    declaration = Declaration(
        host="test1",
        hardware=Hardware(cpu_cores=1, memory_mib=2048),
        apps={"blog": app},
        settings={"nginx": NginxSettings(), **(settings or {"mysql": MysqlSettings()})},
    )
    return render(declaration, allocate(declaration))


def test_servers_are_those_that_run_there():
    assert watched.servers(rendered()) == {"nginx": {}, "mariadb": {}}
    stores = {"postgresql": PostgresqlSettings(), "redis": RedisSettings()}
    found = watched.servers(rendered(stores, database="postgresql", uses=("redis",)))
    assert found == {"nginx": {}, "postgresql": {}, "redis": {"socket": "/run/redis/redis-server.sock"}}
    assert watched.apps(rendered()) == {"blog": {"user": "app-blog", "sockets": ["/run/app-blog.sock"]}}


@pytest.mark.parametrize(
    ("form", "limits"),
    [
        ({"workers": 2, "pool_size": 3}, {"at_once": None, "pool_connections": 6}),
        (
            {"workers": 2, "worker_class": "gthread", "threads": 4, "pool_size": 4},
            {"at_once": 8, "pool_connections": 8},
        ),
        ({"workers": 3, "worker_class": "sync", "pool_size": 1}, {"at_once": 3, "pool_connections": 3}),
    ],
)
def test_places_are_counted_over_all_processes(form, limits):
    assert watched.limits(rendered(**form), "blog") == AppLimits(app="blog", database="mariadb", user="blog", **limits)


def test_workers_in_the_background_are_the_same_user_to_the_database():
    mail = {"mail": BackgroundWorker(command=("mail",), processes=2, pool_size=2)}
    found = watched.limits(rendered(background=mail, workers=1, pool_size=3), "blog")
    assert found.pool_connections == 3 + 4


def test_postgresql_knows_the_app_by_its_system_user_and_an_app_without_a_database_has_none():
    stores = {"postgresql": PostgresqlSettings()}
    found = watched.limits(rendered(stores, database="postgresql"), "blog")
    assert (found.database, found.user) == ("postgresql", "app-blog")
    none = watched.limits(rendered({"redis": RedisSettings()}, database=None, uses=("redis",)), "blog")
    assert (none.database, none.pool_connections) == ("", None)


def test_of_two_databases_it_is_the_apps_own():
    both = {"mysql": MysqlSettings(), "postgresql": PostgresqlSettings()}
    found = {server: watched.limits(rendered(both, database=server), "blog") for server in ("mysql", "postgresql")}
    assert (found["mysql"].database, found["mysql"].user) == ("mariadb", "blog")
    assert (found["postgresql"].database, found["postgresql"].user) == ("postgresql", "app-blog")
