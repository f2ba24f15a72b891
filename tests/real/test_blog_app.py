"""The example blog on a real host with MariaDB and gunicorn; the checks themselves are in blog_checks.py."""

import ast
import io
import json
import os
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest

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
def results() -> dict[str, str]:
    """Run all checks once; BLOG_CHECKS_SSH is the ssh command line that reaches a throw-away host as root."""
    ssh = os.environ.get("BLOG_CHECKS_SSH")
    if not ssh:
        pytest.skip("BLOG_CHECKS_SSH names no host")
    command = (
        f"set -e; mkdir -p {DIRECTORY}; tar xz --no-same-owner -C {DIRECTORY}; "
        f"dpkg -s {PACKAGES} >/dev/null 2>&1 || {{ apt-get update -qq; "
        f"DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends {PACKAGES}; }} >&2; "
        f"python3 {DIRECTORY}/{PROGRAM.name} {DIRECTORY}"
    )
    done = subprocess.run([*shlex.split(ssh), command], input=packed(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", CHECKS)
def test_blog(results: dict[str, str], name: str) -> None:
    assert results[name] == "ok", results[name]
