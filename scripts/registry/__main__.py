"""``python -m scripts.registry [SERVICE ...] KEY=FOLDER ...``: ask the servers and write their registries. As root.

A key is ``mariadb:10.11``, ``mysql:9.7``, ``nginx:1.22``, ``postgresql:15``, ``redis:7``, ``valkey:8``, ``systemd:252``
(folders: Debian trees with the server's packages unpacked), ``gunicorn:23`` (an unpacked wheel), ``source:nginx`` and
``source:systemd`` (git repositories). docs/lint.md says how such a tree is made.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.registry import gunicorn, mysql, nginx, postgresql, redis, sysctl, systemd
from scripts.registry.asked import write

SERVICES = Path(__file__).parents[2] / "deployer" / "services"
_ALL = ("mysql", "nginx", "postgresql", "redis", "systemd", "gunicorn", "sysctl")


def main(arguments: list[str]) -> None:
    """Ask what is named, or everything."""
    given = dict(one.split("=", 1) for one in arguments if "=" in one)
    trees = {key: Path(folder.partition("!")[0]) for key, folder in given.items()}
    folders = {key: folder.partition("!")[2] for key, folder in given.items() if "!" in folder}
    for name in [one for one in arguments if "=" not in one] or _ALL:
        if name == "mysql":
            write(SERVICES / "mysql/registry.json", "mycnf", mysql.registry(trees))
        elif name == "nginx":
            write(SERVICES / "nginx/registry.json", "nginx", nginx.registry(trees["source:nginx"], trees))
        elif name == "postgresql":
            write(SERVICES / "postgresql/registry.json", "postgresql", postgresql.registry(trees, folders))
        elif name == "redis":
            write(SERVICES / "redis/registry.json", "redis", redis.registry(trees))
        elif name == "systemd":
            write(SERVICES / "systemd/registry.json", "unit", systemd.registry(trees, trees["source:systemd"]))
        elif name == "gunicorn":
            write(SERVICES / "gunicorn/registry.json", "gunicorn", gunicorn.registry(trees))
        elif name == "sysctl":
            write(SERVICES / "kernel/registry.json", "sysctl", sysctl.registry())
        sys.stdout.write(f"{name}: asked\n")


if __name__ == "__main__":
    main(sys.argv[1:])
