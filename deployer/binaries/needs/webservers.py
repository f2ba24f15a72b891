"""What nginx and gunicorn need: their masters, their workers, and each slot of worker_connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deployer.binaries import gunicorn as gunicorn_server, nginx as nginx_server
from deployer.binaries.needs.figure import Figure, version
from deployer.binaries.python import packages_of
from deployer.binaries.server import memory_mib, settled_mib
from deployer.sandbox import Inside
from deployer.sandbox.progress import Say

_KIB_PER_MIB: Final = 1024
_FEW, _MANY = 64, 8_064
_LOCK: Final = Path("examples/blog/requirements.lock")
_WORKERS: Final = 2
_REQUESTS: Final = 200
#: What a worker is called here: the options that make it.
_CLASSES: Final = {
    "sync worker": ("--worker-class=sync",),
    "gthread worker, 8 threads": ("--worker-class=gthread", "--threads=8"),
    "asgi worker": ("--worker-class=asgi",),
    "uvicorn worker": ("--worker-class=uvicorn_worker.UvicornWorker",),
}
_ASYNC: Final = ("asgi worker", "uvicorn worker")
#: Requests in progress at once.
_WAITING: Final = 800
_NGINX: Final = """user www-data;
worker_processes 1;
worker_rlimit_nofile 8192;
error_log {log} warn;
events {{ worker_connections {slots}; }}
http {{
    server {{
        listen 443 ssl;
        ssl_certificate /etc/ssl/measured.pem;
        ssl_certificate_key /etc/ssl/measured.key;
        location / {{ return 200 hi; }}
    }}
}}
"""


def nginx(place: Inside) -> Iterator[Figure]:
    """Measure nginx with TLS, with few and with many slots."""
    name = f"nginx {version(place, ['nginx', '-v'])}"
    workers_mib = {}
    for slots in (_FEW, _MANY):
        config = _NGINX.format(log=nginx_server.ERROR_LOG, slots=slots)
        nginx_server.prepare(place, {"/etc/nginx/nginx.conf": config.encode()})
        with nginx_server.nginx(place) as server:
            nginx_server.visit(place, "measured.example")
            workers = nginx_server.workers(server)
            workers_mib[slots] = settled_mib(workers)
            if slots == _FEW:
                yield Figure(f"{name}: master", memory_mib([server.main]))
                yield Figure(f"{name}: worker of {slots} slots", workers_mib[slots])
    slot_kib = (workers_mib[_MANY] - workers_mib[_FEW]) * _KIB_PER_MIB / (_MANY - _FEW)
    yield Figure(f"{name}: a slot of worker_connections", slot_kib, "KiB")


def packages(say: Say) -> Path:
    """Give the packages of the example blog, gunicorn and uvicorn among them."""
    return packages_of(_LOCK, say)


def gunicorn(place: Inside) -> Iterator[Figure]:
    """Measure gunicorn's master and its kinds of workers with an app that says hi."""
    release = version(place, ["sh", "-c", "ls /srv/packages | grep -E '^gunicorn-'"])
    for kind, options in _CLASSES.items():
        with gunicorn_server.gunicorn(place, "", [*options, f"--workers={_WORKERS}"]) as server:
            for _ in range(_REQUESTS):
                gunicorn_server.ask(place)
            if kind == "sync worker":
                yield Figure(f"gunicorn {release}: master", settled_mib([server.main]))
            idle_mib = memory_mib(server.children)
            yield Figure(f"gunicorn {release}: {kind}", idle_mib / _WORKERS)
            if kind in _ASYNC:
                with gunicorn_server.waiting(place, _WAITING):
                    grown_mib = settled_mib(server.children) - idle_mib
                name = f"gunicorn {release}: {kind}, a request that waits"
                yield Figure(name, grown_mib * _KIB_PER_MIB / _WAITING, "KiB")
