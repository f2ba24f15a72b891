"""explain: names that people type, the way back, and what stands in the inventory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import MysqlSettings, app, gunicorn, host
from hypothesis import HealthCheck, assume, given, settings
from mixes import contradicts, hosts

from deployer.allocate import allocate
from deployer.errors import BudgetError, UsageError
from deployer.explain import Step, explain, resolve
from deployer.priors import PRIORS, prior
from deployer.report.explain import explain_document
from deployer.services.sqlite import SqliteSettings

ROOT = Path(__file__).parents[3]
TWO = {"a": app(), "b": app(server_names=("b.example",))}


def below(step: Step) -> set[str]:
    return {step.path}.union(*(below(one) for one in step.inputs))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("mysql.innodb_buffer_pool_size", "mysql.innodb_buffer_pool_size"),
        ("innodb_buffer_pool_size", "mysql.innodb_buffer_pool_size"),
        ("nginx.MemoryMax", "nginx.MemoryMax"),
        ("ledger.mysql", "ledger.mysql"),
        ("processor", "limits.processor"),
        ("journal", "disk.journal"),
    ],
)
def test_a_number_is_found_by_its_name_or_its_end(typed, meant):
    assert resolve(allocate(host()), typed) == meant


def test_a_name_of_several_numbers_is_refused_with_all_of_them():
    with pytest.raises(UsageError) as refused:
        resolve(allocate(host(memory_mib=4096, apps=TWO)), "workers")
    assert "a.workers, b.workers" in refused.value.next_step


@pytest.mark.parametrize("typed", ["mysql.inodb_buffer_pool_size", "inodb_buffer_pool_siz"])
def test_a_typing_error_is_told_the_nearest_name(typed):
    with pytest.raises(UsageError, match=r"did you mean mysql\.innodb_buffer_pool_size\?"):
        resolve(allocate(host()), typed)


@pytest.mark.parametrize(
    "typed", ["hardware.cores", "priors.nothing", "reserves.nothing", "services.nothing.x", "ledger.x"]
)
def test_a_name_that_leads_nowhere_is_the_user_s_error(typed):
    declaration = host()
    with pytest.raises(UsageError):
        explain(allocate(declaration), declaration, typed)


def test_the_way_back_of_a_grant_names_everything_that_it_comes_from():
    declaration = host()
    found = below(explain(allocate(declaration), declaration, "ledger.nginx"))
    assert {"hardware.cpu_cores", "target.connections", "priors.nginx_connection_tls_kib"} <= found
    found = below(explain(allocate(declaration), declaration, "ledger.mysql.share"))
    assert {"remainder_mib", "usable_mib", "hardware.memory_mib", "reserves.safety", "priors.safety_share"} <= found


def test_a_pool_is_made_for_the_workers_that_are_wanted_even_if_fewer_fit():
    """The link of the chain stands in the tree, and not the number that follows from the memory: no circle."""
    small = {"blog": app(gunicorn=gunicorn(worker_memory_mib=400))}
    declaration = host(cpu_cores=4, memory_mib=2048, apps=small)
    budget = allocate(declaration)
    assert budget.count("blog", "workers") < 4
    (workers,) = [one for one in explain(budget, declaration, "blog.pool_size").inputs if "workers" in one.path]
    assert (workers.path, workers.value) == ("chain.blog.workers", 4)


def test_a_pin_says_where_it_stands():
    declaration = host(mysql=MysqlSettings(innodb_buffer_pool_size_mib=64))
    step = explain(
        allocate(declaration), declaration, "innodb_buffer_pool_size", where=lambda path: f"x.yml:{len(path)}"
    )
    assert (step.provenance, step.value, step.where) == ("pinned", 64, "x.yml:3")
    assert [one.path for one in step.inputs] == ["services.mysql.innodb_buffer_pool_size_mib"]


def test_constants_have_their_source():
    declaration = host()
    step = explain(allocate(declaration), declaration, "priors.nginx_master_mib")
    assert (step.value, step.because) == (PRIORS.nginx_master_mib, prior("nginx_master_mib").source)
    assert step.because


def test_the_command_gives_one_document_with_lines_of_the_inventory():
    command = [sys.executable, "-m", "deployer", "explain", "--host", "shop1"]
    done = subprocess.run(
        [*command, "--setting", "limits.link", "--json"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    document = json.loads(done.stdout)
    assert document["schema"] == "deployer/explain/1"
    pages = document["step"]["inputs"][0]
    assert pages["path"] == "limits.link_pages"
    (link,) = [one for one in pages["inputs"] if one["path"] == "hardware.bandwidth_mbit_per_s"]
    file, line = link["where"].split(":")
    assert "bandwidth_mbit_per_s: 3" in (ROOT / file).read_text().splitlines()[int(line) - 1]
    wrong = subprocess.run([*command, "--setting", "lnk"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "did you mean limits.link" in wrong.stderr


def test_the_document_has_the_whole_tree():
    declaration = host()
    step = explain(allocate(declaration), declaration, "nginx.worker_rlimit_nofile")
    document = explain_document("test1", step)["step"]
    assert document["inputs"][0]["path"] == "nginx.worker_connections"
    assert {one["path"] for one in document["inputs"][0]["inputs"]} == {
        "target.connections",
        "hardware.cpu_cores",
        "nginx.requests_at_once",
    }


#: How a way back may end: at what the inventory says, at a constant of ours, at a part that has its number here.
ENDS = {"declared", "default", "prior", "part"}


def leaves(step: Step) -> Iterator[Step]:
    if not step.inputs:
        yield step
    for one in step.inputs:
        yield from leaves(one)


@given(hosts(idle_servers=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_every_floor_leads_back_to_what_is_declared_or_measured(declaration):
    assume(not contradicts(declaration))
    try:
        budget = allocate(declaration)
    except BudgetError:
        return
    for taker, claim in budget.claims.items():
        assert claim.inputs, taker
        step = explain(budget, declaration, f"ledger.{taker}.floor")
        assert {one.provenance for one in leaves(step)} <= ENDS, [one.path for one in leaves(step)]
        assert len(below(step)) > len(claim.parts) + 1
        app = declaration.apps.get(taker)
        # a pinned size is all of it: what visitors hold is in it, whatever it is
        if app is not None and app.websockets is not None and any("long-lived" in part for part in claim.parts):
            keys = {f"apps.{taker}.websockets.connections", f"apps.{taker}.websockets.memory_kib"}
            assert keys <= below(step)


@pytest.mark.parametrize(
    ("runner", "found"),
    [
        ({"go": {"program": "x"}}, {"priors.go_floor_mib", "priors.upload_mib"}),
        ({"go": {"program": "x", "memory_mib": 100}}, {"apps.blog.go.memory_mib"}),
        ({"node": {"script": "x.js", "pm2": True}}, {"priors.node_beside_mib", "priors.pm2_daemon_mib"}),
        ({"node": {"script": "x.js", "old_space_mib": 64}}, {"apps.blog.node.old_space_mib"}),
        ({"java": {"jar": "x.jar"}}, {"priors.java_heap_floor_mib", "priors.java_classes", "blog.code_cache"}),
        ({"java": {"jar": "x.jar", "classes": 3000}}, {"apps.blog.java.classes", "priors.java_headroom_share"}),
        ({"gunicorn": gunicorn()}, {"priors.gunicorn_master_mib", "priors.upload_mib"}),
    ],
)
def test_the_floor_of_whatever_runs_an_app_names_what_it_comes_from(runner, found):
    declaration = host(apps={"blog": app(**{"gunicorn": None, **runner})}, memory_mib=2048)
    assert found <= below(explain(allocate(declaration), declaration, "ledger.blog.floor"))


def test_pages_of_sqlite_lead_back_to_its_cache():
    declaration = host(apps={"blog": app(database={"server": "sqlite"})}, mysql=None)
    declaration = declaration.model_copy(update={"settings": {**declaration.settings, "sqlite": SqliteSettings()}})
    found = below(explain(allocate(declaration), declaration, "ledger.blog.floor"))
    assert "services.sqlite.cache_kib" in found
    assert any(path.endswith("blog.pool_size") for path in found)


def test_a_pin_that_is_the_usual_value_is_a_pin():
    budget = allocate(host(apps={"blog": app(gunicorn=gunicorn(timeout_s=30))}))
    assert budget.numbers["blog"]["timeout"].provenance == "pinned"
    assert allocate(host()).numbers["blog"]["timeout"].provenance == "default"
