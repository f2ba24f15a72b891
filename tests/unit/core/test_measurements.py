"""The file of measurements beside an inventory: a layer under what users say, seen in every view, gone when deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.allocate import allocate
from deployer.errors import InventoryError, UsageError
from deployer.explain import Step, explain
from deployer.inventory import Entry, load_inventory
from deployer.report.budget import budget_document
from deployer.tasks.calibration import measured_of

ENTRY = """\
hosts:
  web1:
    hardware: {{cpu_cores: 1, memory_mib: 1024, disk_gib: 16}}
    ssh: {{address: 192.0.2.1, user: deploy}}
    services: {{mysql: {{}}}}
    apps:
      blog:
        source: src
        gunicorn: {{module: "blog:app"{pins}}}
        server_names: [blog.example]
        database: {{}}
"""
MEASURED = """\
version: 1
host: web1
date: "2026-11-22"
runs:
  blog: "gunicorn uvicorn_worker.UvicornWorker"
values:
  apps.blog.gunicorn.worker_memory_mib:
    value: 48
    because: "a worker held 37 MiB"
  apps.blog.gunicorn.compute_ms:
    value: 2.5
    because: "it computed"
  priors.cached_req_per_s_per_core:
    value: 9000
    because: "it carried 11000"
"""
WORKER = "apps.blog.gunicorn.worker_memory_mib"


def entry(folder: Path, measured: str | None = MEASURED, pins: str = "") -> Entry:
    (folder / "hosts.yml").write_text(ENTRY.format(pins=pins))
    if measured is not None:
        (folder / "measured").mkdir(exist_ok=True)
        (folder / "measured/web1.yml").write_text(measured)
    return load_inventory([folder]).entry("web1")


def refusal(folder: Path, old: str, new: str, pins: str = "") -> str:
    assert old in MEASURED
    with pytest.raises(InventoryError) as caught:
        entry(folder, MEASURED.replace(old, new), pins)
    assert "measure again (deployer calibrate --host web1), or delete the file" in caught.value.next_step
    return caught.value.diagnostics()


def steps(step: Step) -> dict[str, Step]:
    return {step.path: step} | {path: one for below in step.inputs for path, one in steps(below).items()}


def test_without_the_file_constants_count(tmp_path: Path) -> None:
    plain = entry(tmp_path, None)
    assert plain.measured is None
    assert plain.declaration.measured is None


def test_with_it_the_host_has_its_own_and_deleting_it_brings_constants_back(tmp_path: Path) -> None:
    before = allocate(entry(tmp_path, None).declaration)
    own = allocate(entry(tmp_path).declaration)
    assert own.grants["blog"].memory_mib < before.grants["blog"].memory_mib
    assert own.limits["processor"].value == 9000 * 30
    assert own.limits["computing"].value == 400 * 30
    (tmp_path / "measured/web1.yml").unlink()
    assert allocate(load_inventory([tmp_path]).entry("web1").declaration) == before


def test_what_a_user_pinned_outranks_it(tmp_path: Path) -> None:
    found = entry(tmp_path, pins=", worker_memory_mib: 80")
    assert found.declaration.measured is not None
    assert WORKER not in found.declaration.measured.values
    below = steps(explain(allocate(found.declaration), found.declaration, "ledger.blog"))
    assert below[WORKER].provenance == "declared"
    assert below[WORKER].value == 80


def test_explain_says_measured_and_when(tmp_path: Path) -> None:
    declaration = entry(tmp_path).declaration
    below = steps(explain(allocate(declaration), declaration, "ledger.blog"))
    assert (below[WORKER].value, below[WORKER].unit) == (48, "MiB")
    assert below[WORKER].provenance == "measured, 2026-11-22"
    assert below[WORKER].because == "a worker held 37 MiB"
    assert below[WORKER].where == "measured/web1.yml"
    prior = steps(explain(allocate(declaration), declaration, "limits.processor"))["priors.cached_req_per_s_per_core"]
    assert (prior.value, prior.provenance) == (9000, "measured, 2026-11-22")


def test_the_budget_document_has_it(tmp_path: Path) -> None:
    declaration = entry(tmp_path).declaration
    assert budget_document(declaration, allocate(declaration))["measured"] == {
        "date": "2026-11-22",
        "values": {
            WORKER: 48,
            "apps.blog.gunicorn.compute_ms": 2.5,
            "priors.cached_req_per_s_per_core": 9000,
        },
    }
    (tmp_path / "measured/web1.yml").unlink()
    plain = entry(tmp_path, None).declaration
    assert budget_document(plain, allocate(plain))["measured"] is None


def test_a_value_below_half_of_its_constant_is_not_believed(tmp_path: Path) -> None:
    assert "8 is not within 32 and 1024" in refusal(tmp_path, "value: 48", "value: 8")


def test_a_request_cheaper_than_its_constant_is_not_believed(tmp_path: Path) -> None:
    told = refusal(tmp_path, "gunicorn.compute_ms", "gunicorn.request_memory_kib")
    assert "2.5 is not within 32 and 512" in told


def test_with_another_worker_class_measurements_mean_nothing(tmp_path: Path) -> None:
    told = refusal(tmp_path, "value: 48", "value: 49", ", worker_class: gthread")
    assert "measured with gunicorn uvicorn_worker.UvicornWorker; the inventory has gunicorn gthread now" in told
    assert "web1.yml:5" in told


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("host: web1", "host: web2", "these are measurements of web2"),
        ("  blog: ", "  shop: ", "the inventory has no such app now"),
        ("apps.blog.gunicorn.worker", "apps.shop.gunicorn.worker", "this is no number that can be measured here"),
        ("cached_req_per_s_per_core", "usable_share", "this is no number that can be measured here"),
        ("version: 1", "version: 2", "version"),
        ("value: 48", "value: -48", "value"),
        ("version: 1", "version: 1\nworker: 3", "worker"),
        ('because: "it computed"', "because: [x]", "because"),
    ],
)
def test_what_calibrate_does_not_write_is_refused_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    told = refusal(tmp_path, old, new)
    assert said in told
    assert "measured/web1.yml:" in told.replace("\\", "/")


def test_capacity_of_a_host_that_was_not_calibrated_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="web1 was not calibrated") as caught:
        measured_of(entry(tmp_path, None))
    assert caught.value.next_step == "deployer calibrate --host web1"
    assert measured_of(entry(tmp_path)).date == "2026-11-22"


def test_it_is_no_inventory_file_of_its_own(tmp_path: Path) -> None:
    entry(tmp_path)
    assert list(load_inventory([tmp_path]).entries) == ["web1"]
