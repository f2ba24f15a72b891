"""What the documentation says, held against what is there: links, commands, options, exit codes, JSON examples."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec, patch

import pytest
from hosts import host

import deployer
from deployer import errors
from deployer.adoption import Adoption
from deployer.agent import places, status
from deployer.allocate import allocate
from deployer.calibration import Learned
from deployer.climb import Outcome
from deployer.compare import compare, sizes_of
from deployer.doctor import Diagnosis
from deployer.explain import explain
from deployer.fleet import WORST_FIRST
from deployer.inventory import load_inventory
from deployer.measured import Measured
from deployer.mysqltuning import Tuning, tune
from deployer.oomkills import Found
from deployer.plan import Change, Plan
from deployer.record import History
from deployer.render import render
from deployer.report import (
    adoption as adoption_report,
    budget as budget_report,
    capacity as capacity_report,
    climb as climb_report,
    compare as compare_report,
    condition as condition_report,
    doctor as doctor_report,
    error as error_report,
    explain as explain_report,
    fleet as fleet_report,
    lint as lint_report,
    oom as oom_report,
    plan as plan_report,
    record as record_report,
    tunemysql as tunemysql_report,
)
from deployer.tasks import namespace
from deployer.tasks.declared import INTERRUPTED
from deployer.tasks.deploying import CHANGES_PENDING
from deployer.tasks.ending import TERMINATED
from deployer.tasks.shell import READER_GONE
from deployer.verify import HostSamples, Verdict, VerifyTarget, report as verify_report

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
JSON_PAGE = (ROOT / "docs/json.md").read_text()
TASKS = dict(namespace.task_names)
#: A command as it is written in running text or at the beginning of an indented line, up to its end.
COMMAND = re.compile(
    r"(?:^ {2,}|`|\$ )(?:\.venv/bin/)?(?:deployer|invoke) ((?:--?\w[^`\n]*|[a-z][a-z.]*)[^`\n]*)", re.MULTILINE
)
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
#: Options of invoke itself.
CORE_OPTIONS = {"list", "help", "dry", "version"}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(text: str) -> list[list[str]]:

    return [re.split(r"\s{2,}|#", found)[0].split() for found in COMMAND.findall(text)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_that_are_named_exist(page):
    for words in commands(page.read_text()):
        plain = [word for word in words if not word.startswith("-")]
        options = set(OPTION.findall(" ".join(words)))
        if options & {"list", "help", "version"} or "TASK" in plain:
            continue
        assert plain, f"{name_of(page)}: {words}"
        assert plain[0] in TASKS, f"{name_of(page)} names {plain[0]}, which is no task"
        known = {argument.name.strip("_").replace("_", "-") for argument in namespace[plain[0]].get_arguments()}
        assert options <= known | CORE_OPTIONS, f"{name_of(page)}: {plain[0]} has no option {options - known}"


def test_the_commands_of_the_pages_are_found_at_all():
    found = {words[0] for page in PAGES for words in commands(page.read_text()) if words}
    assert {"budget", "plan", "deploy", "verify", "dev.golden", "bench.work"} <= found


def test_the_library_s_example_does_what_it_says(monkeypatch, capsys):
    chapter = (ROOT / "README.md").read_text().partition("## As a library")[2].partition("\n## ")[0]
    offline, deploys = re.findall(r"^```python\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    monkeypatch.chdir(ROOT)
    exec(offline, names)
    printed = capsys.readouterr().out
    assert f"{names['budget'].grants['mysql'].memory_mib} MiB for the database: " in printed
    assert "\n/etc/nginx/nginx.conf " in printed
    done = []
    host = SimpleNamespace(plan=lambda: SimpleNamespace(is_empty=False), apply=done.append)
    verdict = SimpleNamespace(outcome="kept")
    exec(
        deploys,
        names
        | {
            "session": create_autospec(names["session"], return_value=nullcontext(host)),
            "prove": create_autospec(names["prove"], return_value=verdict),
        },
    )
    assert len(done) == 1
    assert capsys.readouterr().out == "kept\n"


def test_the_package_offers_what_it_names():
    assert all(getattr(deployer, name) for name in deployer.__all__)
    assert set(deployer.__all__) - {"__version__"} == set(deployer._HOMES)
    with pytest.raises(ImportError, match="sesion"):
        exec("from deployer import sesion")


def test_the_tasks_that_give_documents_are_those_of_the_page():
    said = re.findall(r"`([\w-]+)`", JSON_PAGE.partition("With `--json`, ")[2].partition(" print exactly one")[0])
    given = {name for name in TASKS if "json" in {one.name for one in namespace[name].get_arguments()}}
    assert set(said) == given


def test_every_exit_code_stands_in_the_table():
    kinds = [errors.DeployerError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    codes = {kind.exit_code for kind in kinds} | {0, CHANGES_PENDING, INTERRUPTED, TERMINATED, READER_GONE}
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", JSON_PAGE, re.MULTILINE)}
    assert rows == codes


def examples() -> dict[str, dict[str, object]]:
    found = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", JSON_PAGE, re.MULTILINE | re.DOTALL)]
    return {document["schema"]: document for document in found}


def test_every_schema_has_a_chapter_and_an_example():
    schemas = {budget_report.SCHEMA, plan_report.PLAN_SCHEMA, plan_report.DEPLOY_SCHEMA, verify_report.SCHEMA}
    schemas |= {error_report.SCHEMA, lint_report.SCHEMA, compare_report.SCHEMA, explain_report.SCHEMA}
    schemas |= {doctor_report.SCHEMA, condition_report.STATUS_SCHEMA, condition_report.DRIFT_SCHEMA}
    schemas |= {record_report.HISTORY_SCHEMA, record_report.RECOVER_SCHEMA}
    schemas |= {fleet_report.SCHEMA, oom_report.SCHEMA, adoption_report.SCHEMA, tunemysql_report.SCHEMA}
    schemas |= {capacity_report.CALIBRATION_SCHEMA, capacity_report.CAPACITY_SCHEMA, climb_report.SCHEMA}
    assert set(examples()) == schemas
    assert set(re.findall(r"^## (deployer/\S+)", JSON_PAGE, re.MULTILINE)) == schemas


def tuning_of_nothing() -> Tuning:
    counters = {"seconds": 1.0, "looks": 4, "first": {}, "last": {}}
    nothing = {"version": "", "variables": {}, "counters": counters, "sizes": [], "units": {}, "at_next_start": {}}
    declaration = host()
    return tune(render(declaration, allocate(declaration)), {**nothing, "statements": {"source": "looks", "found": []}})


def documents() -> dict[str, dict[str, object]]:
    """What the code prints, as small as it can be."""
    declaration = host()
    plan = Plan("test1", (Change("unit", "reload", "nginx.service"),), {})
    verdict = Verdict(
        lines=(),
        capacity=(),
        phases=(),
        host=HostSamples(),
        target=VerifyTarget(address="::1", server_name="a.example"),
    )
    measured = Measured(version=1, host="test1", date="2026-11-22")
    calibrated = Learned(measured, declaration, allocate(declaration), allocate(declaration))
    with patch.object(places, "ROOT", "/there-is-no-such-host"):
        told = status.run({})
    found = [
        budget_report.budget_document(declaration, allocate(declaration)),
        compare_report.comparison_document(declaration, compare(declaration, sizes_of("1c1g"))),
        explain_report.explain_document("test1", explain(allocate(declaration), declaration, "limits.processor")),
        plan_report.plan_document(plan),
        plan_report.deploy_document(plan, None, None),
        adoption_report.adoption_document(Adoption("test1", {"cron": []}, (), (), (), (), (), (), plan)),
        verify_report.document(verdict),
        lint_report.lint_document("test1", "nginx.conf", "nginx/1.22", ()),
        doctor_report.diagnosis_document("test1", Diagnosis((), ())),
        condition_report.status_document("test1", told),
        condition_report.drift_document("test1", (), ()),
        oom_report.oom_document("test1", Found(kills=(), uncounted={}, has_kernel_log=True)),
        tunemysql_report.tuning_document("test1", tuning_of_nothing(), None),
        record_report.history_document("test1", History((), (), None)),
        record_report.recover_document("test1", ()),
        fleet_report.fleet_document(fleet_report.FleetReport("status", ())),
        capacity_report.calibration_document(calibrated, "measured/test1.yml", ()),
        capacity_report.capacity_document(calibrated.measured, (), "2026-11-22T00:00:00+00:00"),
        climb_report.tuning_document("test1", Outcome(), started_at="2026-11-22T00:00:00+00:00", duration_s=1.0),
        error_report.error_document(errors.UsageError("there is no such host")),
    ]
    return {str(document["schema"]): document for document in found}


@pytest.mark.parametrize("schema", list(documents()))
def test_every_field_is_described_and_in_the_example(schema):
    document = documents()[schema]
    assert list(examples()[schema]) == list(document)
    chapter = JSON_PAGE.split(f"## {schema}\n")[1].split("\n## ")[0].split("```json")[0]
    for field in document:
        assert f"`{field}`" in chapter, f"{schema} does not describe {field}"


def test_every_field_of_a_host_of_a_fleet_is_described_and_in_the_example():
    report = fleet_report.FleetReport("status", (fleet_report.HostOutcome(host="web1", state="not begun"),))
    fields = list(fleet_report.fleet_document(report)["hosts"][0])
    assert [list(one) for one in examples()[fleet_report.SCHEMA]["hosts"]] == [fields] * 3
    chapter = JSON_PAGE.split(f"## {fleet_report.SCHEMA}\n")[1].split("\n## ")[0]
    for field in fields:
        assert f"`hosts[].{field}`" in chapter
    order = re.search(r"worst first: ([\d, ]+\d)", JSON_PAGE)
    assert order
    assert tuple(int(code) for code in order[1].split(", ")) == WORST_FIRST


def test_the_worked_example_is_the_budget_of_today():
    found = allocate(load_inventory([ROOT / "inventories"]).entry("blog1").declaration)
    page = re.sub(r" {2,}", " ", (ROOT / "docs/budget.md").read_text())
    together = " + ".join(f"{taker} {grant.memory_mib}" for taker, grant in found.grants.items())
    assert f"MemoryMax {together} {found.granted_mib}\n" in page
    kept = " + ".join(str(reserve.mib) for reserve in found.reserves)
    assert f"together {found.granted_mib} + {kept} + {found.spare_mib} {found.usable_mib}\n" in page
    chain = found.numbers["nginx"]
    assert f"= {chain['worker_connections'].value} -> " in page
    assert f"-> `max_connections` {found.count('mysql', 'max_connections')};" in page
    assert f"= {found.count('mysql', 'innodb_buffer_pool_size')}; redo log" in page


def test_the_example_of_a_refusal_is_that_of_today():
    declaration = load_inventory([ROOT / "inventories"]).entry("blog1").declaration
    small = declaration.hardware.model_copy(update={"memory_mib": 512})
    with pytest.raises(errors.BudgetError) as refused:
        allocate(declaration.model_copy(update={"hardware": small}))
    first, advice = refused.value.message.split("\n")[0], refused.value.message.split("left\n\n")[1]
    page = (ROOT / "docs/budget.md").read_text()
    for line in (first.partition(": ")[2], *advice.splitlines()):
        assert f" {line.strip()}\n" in page
