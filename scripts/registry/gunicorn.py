"""gunicorn: its own table of settings, from the wheel of each release."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.registry.asked import Asked, flavour

_KINDS = {"validate_pos_int": "int", "validate_bool": "bool", "validate_string": "text", "validate_callable": "hook"}
#: Their defaults are those of the asking process.
_OF_THE_PROCESS = ("chdir", "control_socket", "group", "user", "bind", "proc_name", "workers")
_PROGRAM = """
import sys, types, json
sys.modules.setdefault("pkg_resources", types.ModuleType("pkg_resources"))
import gunicorn, gunicorn.config as config
def kind(one):
    validator = vars(one).get("validator")
    validator = getattr(validator, "__func__", validator)
    return getattr(validator, "__qualname__", "").split(".")[0]
def default(one):
    value = one.default
    return value if isinstance(value, (str, int, float, bool)) or value is None else ""
table = {one.name: [kind(one), default(one), one.cli or []] for one in config.KNOWN_SETTINGS}
print(json.dumps([gunicorn.__version__, table]))
"""


def ask(version: str, folder: Path) -> Asked:
    """Ask a release that lies unpacked in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    release, table = json.loads(done.stdout)
    settings: dict[str, dict[str, Any]] = {}
    for name, (validator, default, flags) in table.items():
        kind = _KINDS.get(validator, "hook" if "callable" in validator else "text")
        settings[name] = {"kind": kind, **({"flags": flags} if flags else {})}
        if default not in {None, ""} and kind != "hook" and name not in _OF_THE_PROCESS:
            settings[name]["default"] = str(default)
    return Asked("gunicorn", version, f"gunicorn {release} from PyPI", proven=True, settings=settings)


def registry(folders: dict[str, Path]) -> dict[str, Any]:
    """Ask every release; keys are ``gunicorn:23`` and the like."""
    keys = sorted(key for key in folders if key.startswith("gunicorn:"))
    answers = [ask(key.partition(":")[2], folders[key]) for key in keys]
    return {"gunicorn": flavour(answers, unknown="ignored")}
