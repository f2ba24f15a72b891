"""What holds of an example on a Debian with newer servers: it runs as declared, under load, broken, and back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from example_on_vps import Example, ExampleVisitors, eventually
from site_on_vps import ROOT

from deployer import sandbox

#: Short and light: the bounds are those of a host that does not suffer.
LOAD = {
    "load": "allowed",
    "slo": {
        "cached_p95_ms": 3000,
        "uncached_p95_ms": 3000,
        "uncached_headers": {"Cookie": "blog_session=a-visitor; shop_session=a-visitor"},
        "phases": {
            "warmup_s": 0.5,
            "hold_s": 2,
            "request_every_s": 1,
            "closed_s": 1,
            "capacity_s": 1,
            "capacity_connections": 8,
            "open_s": 2,
        },
    },
}
BLOG = {
    "services": {"mysql": {}},
    "app": {
        "gunicorn": {"module": "blog.main:app"},
        "static": "blog/static",
        "session_cookie": "blog_session",
        "secrets": ["session_secret"],
        "database": {
            "migrate": ["python", "-m", "blog.migrate"],
            "seed": ["python", "-m", "blog.seed", "--posts", "100"],
        },
    },
}


COMPILED = ("shortener", "quotes")
#: What makes a release of an app in Python one that does not start.
PYTHON = b"raise RuntimeError('this release does not start')\n"
NGINX_LINE = ("nginx/nginx.conf.j2", "error_log /nonesuch/error.log;")


@dataclass(frozen=True, kw_only=True)
class Case:
    """An example on a Debian.

    `killed`: units that are killed one after the other. `refused`: a line added to a template that makes a config
    which the host's own binary refuses. `broken`: a file of the app, and what makes it a release that does not start.
    """

    app: str
    changes: dict[str, Any]
    killed: tuple[str, ...]
    refused: tuple[str, str]
    broken: tuple[str, bytes]
    memory_mib: int = 1024
    said: dict[str, Any] | None = None


@dataclass(frozen=True)
class Deployed:
    """A case on a host of its own."""

    case: Case
    site: Example


@contextmanager
def deployed_on(suite: str, case: Case, vps: Any, folder: Path, **changes: Any) -> Iterator[Deployed]:
    """Deploy a case once, with changes to every inventory of that Debian; each test leaves it as deployed."""
    if case.app in COMPILED:
        subprocess.run([ROOT / "scripts/build-examples"], check=True, timeout=280)
    host = vps(suite, memory_mib=case.memory_mib, suite=suite)
    site = Example(host, folder, app=case.app, said=case.said)
    site.changes = {**changes, **case.changes, **LOAD}
    site.write()
    site.deploy()
    yield Deployed(case, site)
    sandbox.down(host.name)


def assert_what_runs_is_what_was_declared(site: Example) -> None:
    """Nothing is experimental, nothing would change, and every server tells the numbers of the budget."""
    warnings = json.loads(site.run("plan", "--json").stdout)["warnings"]
    assert not [text for text in warnings if "experimental" in text or "is installed" in text], warnings
    assert "no change" in site.deploy().stdout
    agrees = site.run("doctor")
    assert agrees.returncode == 0, agrees.stdout


def assert_carries_the_load_of_its_slo(site: Example) -> None:
    done = site.run("verify", "--quick", "--json")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def assert_what_is_killed_comes_back(deployed: Deployed) -> None:
    site = deployed.site
    for unit in deployed.case.killed:
        before = site.main_pid(unit)
        site.sh(f"kill -KILL {before}")
        assert eventually(partial(is_another, site, unit, before)), unit
        assert eventually(lambda: site.status("/healthz") == 200), unit
    assert "no change" in site.deploy().stdout


def is_another(site: Example, unit: str, before: int) -> bool:
    return site.main_pid(unit) not in (0, before)


def assert_a_config_that_its_binary_refuses_is_refused(deployed: Deployed) -> None:
    """Visitors do not notice."""
    site, (template, line) = deployed.site, deployed.case.refused
    with site.overriding(template, line), ExampleVisitors(site) as visitors:
        site.deploy(code=4)
    visitors.assert_never_failed()
    assert "no change" in site.deploy().stdout
