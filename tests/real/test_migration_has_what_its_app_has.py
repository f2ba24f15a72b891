"""A migration that needs what the app has: Redis behind its socket, the pools' variables, which release it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(400), pytest.mark.slow]

#: Brings the tables up to date, then forgets what the release before it kept in Redis, and notes that it did.
MIGRATION = """\
import os
import socket
import sys

from blog import migrate

DONE = "*3\\r\\n$3\\r\\nSET\\r\\n$8\\r\\nmigrated\\r\\n$12\\r\\n{}\\r\\n"

code = migrate.main()
with socket.socket(socket.AF_UNIX) as redis:
    redis.connect(os.environ["REDIS_SOCKET"])
    redis.sendall(b"FLUSHALL\\r\\n" + DONE.format(os.environ["RELEASE"]).encode())
    with redis.makefile("rb") as answers:
        said = [answers.readline(), answers.readline()]
print(*said, os.environ["DB_POOL_SIZE"], os.environ["REDIS_POOL_SIZE"])
sys.exit(code or said != [b"+OK\\r\\n", b"+OK\\r\\n"])
"""
CLI = "redis-cli -s /run/redis/redis-server.sock"


def test_a_migration_talks_to_redis_as_its_app_does(vps: Any, deployed: str, tmp_path: Path) -> None:
    site = Site(vps("migrates", snapshot=deployed), tmp_path)
    site.write()
    (site.source / "migrate_all.py").write_text(MIGRATION)
    site.write(
        services__redis={},
        apps__blog__uses=["redis"],
        apps__blog__database__migrate=["python", "migrate_all.py"],
    )
    site.deploy()
    (release,) = site.host.sh("readlink /srv/blog/current/code | xargs basename").split()
    assert site.host.sh(f"{CLI} get migrated").strip() == release
    assert site.host.sh("systemctl show -p SupplementaryGroups --value app-blog").strip() == "redis"
    assert site.get("/")[0].status == 200
    assert "no change" in site.deploy().stdout
