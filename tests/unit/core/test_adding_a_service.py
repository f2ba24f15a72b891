"""docs/adding-a-service.md, followed to the letter: its files make a package outside ours, and the package works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from page_as_package import installed_from_the_page

INVENTORY = """
hosts:
  web1:
    hardware: {cpu_cores: 1, memory_mib: 1024}
    ssh: {address: 192.0.2.1}
    services:
      memcached: {}
    apps:
      shop:
        source: src
        gunicorn: {module: "shop:app"}
        server_names: [shop.example]
        uses: [memcached]
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed_from_the_page(tmp_path_factory.mktemp("package"))


def deployer(package: Path, folder: Path, *words: str, inventory: str = INVENTORY) -> subprocess.CompletedProcess[str]:
    (folder / "hosts.yml").write_text(inventory)
    return subprocess.run(
        [sys.executable, "-c", "from deployer.cli import main; main()", *words, "--host", "web1"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(package), "DEPLOYER_INVENTORY": str(folder / "hosts.yml")},
    )


def test_the_package_s_service_is_in_the_ledger_and_its_files_are_rendered(package, tmp_path):
    done = deployer(package, tmp_path, "budget", "--json")
    assert done.returncode == 0, done.stderr
    budget = json.loads(done.stdout)
    grant = budget["grants"]["memcached"]
    assert grant["elastic_mib"] > 0
    cache = budget["numbers"]["memcached"]["cache"]["value"]
    assert cache == int(16 + grant["elastic_mib"] * 6 / 7)
    assert budget["numbers"]["memcached"]["connections"]["value"] == 2 + 1 + 16  # 3 of the only worker's pool
    assert budget["numbers"]["memcached"]["descriptors"]["value"] == 2 + 1 + 16 + 23

    done = deployer(package, tmp_path, "render", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert f"-m {cache}\n" in (tmp_path / "out/etc/memcached.conf").read_text()
    unit = (tmp_path / "out/etc/systemd/system/app-shop.service").read_text()
    assert 'Environment="MEMCACHED_SOCKET=/run/memcached/memcached.sock"' in unit
    assert "SupplementaryGroups=memcache" in unit
    assert re.search(r"^After=.* memcached.service$", unit, re.MULTILINE)


def test_what_the_package_refuses_has_its_line_in_the_inventory(package, tmp_path):
    done = deployer(
        package, tmp_path, "budget", inventory=INVENTORY.replace("memcached: {}", "memcached: {cache_mib: 2000}")
    )
    assert done.returncode == 2
    assert "hosts.yml:7: hosts.web1.services.memcached.cache_mib: more than the memory of the host" in done.stderr


def test_its_remedy_is_offered_when_the_host_does_not_fit(package, tmp_path):
    done = deployer(
        package, tmp_path, "budget", inventory=INVENTORY.replace("memcached: {}", "memcached: {cache_mib: 900}")
    )
    assert done.returncode == 3
    assert re.search(r"\+ ?\d+ MiB  leave out memcached.cache_mib", done.stderr)


def test_without_the_package_the_name_is_unknown(tmp_path):
    done = deployer(tmp_path, tmp_path, "budget")
    assert done.returncode == 2
    assert "memcached" in done.stderr
