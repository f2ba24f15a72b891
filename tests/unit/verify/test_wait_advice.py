"""Advice on a page whose path the cached page has too: each is held against its own figures."""

from dataclasses import replace

from samples_of_load import TARGET, host, measured

from deployer.allocate import allocate
from deployer.app import AppDatabase
from deployer.declaration import Declaration
from deployer.hardware import Hardware
from deployer.inventory.models import AppForm
from deployer.services.gunicorn import GunicornSettings
from deployer.services.mysql import MysqlSettings
from deployer.services.nginx import NginxSettings
from deployer.slo import Slo
from deployer.verify.advice import advise
from deployer.verify.judge import judge
from deployer.verify.target import AppLimits


def test_a_page_that_is_cached_too_is_not_taken_for_quick():
    """All eight threads are taken, four connections to the database are open and idle, and each page takes 600 ms."""
    run = GunicornSettings(module="blog.main:app", worker_class="gthread", workers=1, threads=8, pool_size=4)
    app = AppForm(source="src", gunicorn=run, server_names=("blog.example",), database=AppDatabase())
    declaration = Declaration(
        host="test1",
        hardware=Hardware(cpu_cores=1, memory_mib=1024),
        apps={"blog": app},
        settings={"nginx": NginxSettings(), "mysql": MysqlSettings()},
    )
    server = {"users": {"blog": {"connections": 4, "busy": 0, "in_transaction": 0, "waiting_for_lock": 0}}}
    seen = host(busy=0.2, servers={"mariadb": server}, apps={"blog": {"queue": 24}})
    limits = AppLimits(app="blog", at_once=8, database="mariadb", user="blog", pool_connections=4)
    page = {"path": "/", "cpu_share": 0.1}
    phases = [
        measured("cached"),
        measured("r100", mode="open", p50_ms=0.4),
        measured("capacity /", **page, req_per_s=13.0, connections_wanted=32),
        measured("open /", **page, p50_ms=600.0),
    ]
    target = replace(TARGET, uncached_paths=("/",), limits=limits)
    verdict = judge(phases, seen, target, Slo())
    changes = [one.change for one in advise(declaration, allocate(declaration), verdict, "blog")]
    assert [change.partition(": ")[0] for change in changes if "gunicorn" in change] == ["apps.blog.gunicorn.threads"]
