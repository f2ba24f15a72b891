"""The example blog on a real host with MariaDB and gunicorn; the checks themselves are in blog_checks.py."""

import ast
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from deployer.sandbox import SandboxHost

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("blog_checks.py")
DIRECTORY = "/srv/blog-checks"
PACKAGES = "mariadb-server python3-venv"
CHECKS = [
    node.name.removeprefix("check_")
    for node in ast.parse(PROGRAM.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")
]


def packed() -> bytes:
    """Pack the example and the program for the host."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(
            ROOT / "examples" / "blog",
            ".",
            filter=lambda entry: None if "__pycache__" in entry.name else entry,
        )
        archive.add(PROGRAM, PROGRAM.name)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def results(vps: Any) -> dict[str, str]:
    """Run all checks once, on a host of their own."""
    host: SandboxHost = vps("blog")
    command = (
        f"set -e; mkdir -p {DIRECTORY}; tar xz --no-same-owner -C {DIRECTORY}; "
        f"DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends {PACKAGES} >&2; "
        f"python3 {DIRECTORY}/{PROGRAM.name} {DIRECTORY}"
    )
    done = subprocess.run([*host.ssh_argv(), command], input=packed(), capture_output=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", CHECKS)
def test_blog(results: dict[str, str], name: str) -> None:
    assert results[name] == "ok", results[name]
