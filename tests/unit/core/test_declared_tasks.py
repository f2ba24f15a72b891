"""Tasks are listed without being imported, and what is listed is what runs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from deployer.tasks import COLLECTIONS, PLAIN
from deployer.tasks.declared import INTERRUPTED, declared

ROOT = Path(__file__).parents[3]
MODULES = [*PLAIN, *(module for modules in COLLECTIONS.values() for module in modules)]
#: What a running task needs, and a list or a help text does not.
NEEDED_BY_TASKS = {"fabric", "paramiko", "cryptography", "jinja2", "pydantic", "rich"}


@pytest.mark.parametrize("module", MODULES)
def test_what_is_declared_is_what_runs(module):
    real = import_module(f"deployer.tasks.{module}")
    found = declared(module)
    assert found, "a module without tasks need not be named"
    for name, task in found.items():
        ours = getattr(real, name)
        assert task.__doc__ == inspect.getdoc(ours.body)
        assert task.help == ours.help
        assert [(one.names, one.default, one.kind) for one in task.get_arguments()] == [
            (one.names, one.default, one.kind) for one in ours.get_arguments()
        ]


def test_an_interrupt_before_a_task_is_there_is_an_interrupt(monkeypatch):
    def interrupt(_module):
        raise KeyboardInterrupt

    task = declared("configs")["lint"]
    monkeypatch.setattr(sys.modules[declared.__module__], "import_module", interrupt)
    with pytest.raises(Exit) as ended:
        task(Context())
    assert ended.value.code == INTERRUPTED


def test_every_task_is_declared():
    folder = ROOT / "deployer/tasks"
    with_tasks = {path.stem for path in folder.glob("*.py") if "\n@task\n" in path.read_text()}
    assert with_tasks == set(MODULES)


@pytest.mark.parametrize(
    "words", [("--list",), ("--help",), ("--help", "deploy"), ("deploy", "--help"), ("--version",)]
)
def test_lists_and_help_import_nothing_that_only_a_task_needs(words):
    probe = (
        "import sys\n"
        "from deployer.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "ours = [name for name in sys.modules if name.startswith('deployer')]\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), '|', *ours, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe, *words], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout
    top, _, ours = done.stderr.partition("|")
    assert not NEEDED_BY_TASKS & set(top.split())
    allowed = {"deployer", "deployer.cli", "deployer.errors"}
    allowed |= {"deployer.tasks", "deployer.tasks.declared", "deployer.tasks.options"}
    assert set(ours.split()) == allowed


def test_a_deploy_without_a_change_imports_nothing_that_only_a_change_needs():
    probe = "import sys, deployer.tasks.deploying\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    ours = {name for name in done.stdout.split() if name.startswith("deployer.")}
    assert "deployer.deploy" in ours
    needed_by_a_change = ("verify", "proof", "sandbox", "adoption", "npm", "wheels", "report.reports", "report.page")
    assert not [name for name in ours for part in needed_by_a_change if f"{name}.".startswith(f"deployer.{part}.")]


def test_a_task_that_says_nothing_of_itself_is_refused(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda _path, **_options: "@task\ndef bare(_context):\n    return 0\n")
    with pytest.raises(ValueError, match="a task of hosts cannot be read"):
        declared("hosts")
