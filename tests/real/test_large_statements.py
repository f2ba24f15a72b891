"""As many large statements at once as an app can send: the database holds them within its MemoryMax."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]

PACKET_MIB, POOL_SIZE, ROUNDS = 3, 8, 4
MAKE = f"""\
value = "x" * ({PACKET_MIB} * 1024 * 1024 - 200)
print(("INSERT INTO spare.large VALUES ('" + value + "');\\n") * {ROUNDS} + "SELECT length('" + value + "');")
"""


def test_the_database_is_not_ended_by_a_large_statement_in_each_connection(
    vps: Any, deployed: str, tmp_path: Path
) -> None:
    site = Site(vps("statements", snapshot=deployed), tmp_path)
    site.write(
        services__mysql={"max_allowed_packet_mib": PACKET_MIB, "innodb_buffer_pool_size_mib": 48},
        apps__blog__gunicorn__pool_size=POOL_SIZE,
    )
    site.deploy()
    running = site.host.sh("systemctl show -p MainPID,NRestarts mariadb")
    site.host.sh("mariadb -e 'CREATE DATABASE spare; CREATE TABLE spare.large (b LONGTEXT)'")
    site.host.sh(f"cat > /root/make.py <<'EOF'\n{MAKE}EOF\npython3 /root/make.py > /root/large.sql")
    client = "mariadb --max-allowed-packet=64M < /root/large.sql > /dev/null || echo failed"
    at_once = POOL_SIZE + 1
    said = site.host.sh(f"for n in $(seq {at_once}); do ({client}) & done; wait", timeout_s=200)
    assert "failed" not in said
    assert site.host.sh("mariadb -N -e 'SELECT COUNT(*) FROM spare.large'").strip() == str(at_once * ROUNDS)
    assert site.host.sh("systemctl show -p MainPID,NRestarts mariadb") == running
    assert site.get("/", Cookie="blog_session=x")[0].status == 200
