"""A host by hand as values: what it says of itself, and what becomes of it."""

from __future__ import annotations

from typing import Any

from hosts import app, host

from deployer.adoption import Adoption, Choices, adoption_of
from deployer.allocate import allocate
from deployer.app import AppDatabase
from deployer.plan import Plan
from deployer.render import Rendered, render

SITE = {"file": "/etc/nginx/sites-enabled/default", "names": ["blog.example"], "listens": ["443"], "roots": [],
        "certificates": [], "keys": [], "passes": ["127.0.0.1:8000"]}  # fmt: skip
SHOP = {
    **SITE,
    "file": "/etc/nginx/sites-enabled/shop",
    "names": ["shop.example"],
    "passes": [],
    "roots": ["/srv/shop"],
}
UNIT = {"unit": "myblog.service", "by_hand": True, "is_ours": False, "file": "/etc/systemd/system/myblog.service",
        "enabled": "enabled", "runs": True, "memory_mib": 30.0, "started_by": [],
        "module": "app:app"}  # fmt: skip
PORT = {"port": 8000, "address": "127.0.0.1", "path": "", "process": "python", "unit": "myblog.service"}
SERVER = {"flavour": "mariadb", "version": "10.11.6", "data": "/var/lib/mysql/", "users": ["blog@localhost"],
          "databases": [{"name": "blog", "tables": 2, "mib": 1.5}]}  # fmt: skip
REDIS = {"place": "127.0.0.1:6379", "answers": True, "version": "7.0.15", "keys": 3, "mib": 0.9, "appendonly": False,
         "dir": "/var/lib/redis", "dbfilename": "dump.rdb"}  # fmt: skip
POSTGRESQL = {"flavour": "postgresql", "version": "15.14 (Debian 15.14-0)", "data": "/var/lib/postgresql/15/main",
              "users": ["blog"], "rules": [{"line": 90, "databases": "all", "users": "all", "method": "peer"}],
              "databases": [{"name": "blog", "tables": None, "mib": 8.0, "owner": "blog",
                             "owner_may_all": False}]}  # fmt: skip
FILE = {"file": "/srv/x/data/blog.db", "mib": 3.0, "unit": "myblog.service", "owner": "www-data"}


def survey(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"units": [UNIT], "ports": [PORT], "web": {"is_read": True}, "sites": [SITE]}
    told |= {"web_files": ["/etc/nginx/nginx.conf", "/etc/nginx/sites-enabled/default"], "databases": [SERVER]}
    told |= {"redis": None, "settings": [], "cron": [], "disk_gib": 20, "last_transaction": None, "cut": []}
    return {**told, **changes}


def rendered(*, settings: dict[str, Any] | None = None, **changes: Any) -> Rendered:
    plain = {"blog": app(database=AppDatabase())}
    declaration = host(**{"apps": plain, **changes})
    more = {**declaration.settings, **(settings or {})}
    declaration = declaration.model_copy(update={"settings": more})
    return render(declaration, allocate(declaration))


ACTIVATIONS = [
    {"kind": "unit", "unit": "mariadb.service", "action": "restart"},
    {"kind": "unit", "unit": "app-blog.service", "action": "start"},
    {"kind": "unit", "unit": "nginx.service", "action": "restart"},
]


def adopted(told: dict[str, Any], of: Rendered | None = None, *, migrates: bool = False, **choices: Any) -> Adoption:
    migration = [{"kind": "command", "name": "migrate blog"}] if migrates else []
    document = {"files": [], "activations": [*ACTIVATIONS[:1], *migration, *ACTIVATIONS[1:]]}
    return adoption_of(of or rendered(), Plan("test1", (), document), {}, told, Choices(**choices))


def lacks(adoption: Adoption) -> str:
    return "\n".join(f"{one.what}: {one.next_step}" for one in adoption.lacking)


def order(adoption: Adoption) -> list[str]:
    return [one.get("unit") or one["name"] for one in adoption.plan.document["activations"]]
