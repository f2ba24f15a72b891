"""nginx: its directives with their contexts from its source; whether a release knows one is asked of its binary."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from scripts.registry.asked import Asked, flavour, in_tree

_COMMAND = re.compile(
    r'\{\s*ngx_string\("(\w+)"\),\s*((?:[A-Z0-9_|\s]|/\*.*?\*/)*(?:CONF|TAKE)[A-Z0-9_|\s]*),\s*(\w+|NULL)', re.DOTALL
)
_CONTEXTS = {
    "NGX_MAIN_CONF": "main",
    "NGX_EVENT_CONF": "events",
    "NGX_HTTP_MAIN_CONF": "http",
    "NGX_HTTP_SRV_CONF": "server",
    "NGX_HTTP_LOC_CONF": "location",
    "NGX_HTTP_UPS_CONF": "upstream",
    "NGX_HTTP_LIF_CONF": "if",
    "NGX_HTTP_SIF_CONF": "if",
    "NGX_HTTP_LMT_CONF": "limit_except",
    "NGX_MAIL_MAIN_CONF": "mail",
    "NGX_MAIL_SRV_CONF": "mail server",
    "NGX_STREAM_MAIN_CONF": "stream",
    "NGX_STREAM_SRV_CONF": "stream server",
    "NGX_STREAM_UPS_CONF": "stream upstream",
    "NGX_MGMT_CONF": "mgmt",
}
_KINDS = {
    "ngx_conf_set_flag_slot": "bool",
    "ngx_conf_set_num_slot": "int",
    "ngx_conf_set_size_slot": "size",
    "ngx_conf_set_off_slot": "size",
    "ngx_conf_set_msec_slot": "duration",
    "ngx_conf_set_sec_slot": "duration",
    "ngx_conf_set_enum_slot": "enum",
    "ngx_conf_set_bufs_slot": "buffers",
}
SERIES = ("1.18", "1.20", "1.22", "1.24", "1.26", "1.28", "1.30")
_CONFIG = "tmp/registry.conf"
_UNKNOWN = "unknown directive"


def _git(repository: Path, *argv: str) -> str:
    done = subprocess.run(
        ["/usr/bin/git", "-C", str(repository), *argv], capture_output=True, text=True, errors="replace", check=True
    )
    return done.stdout


def of_source(repository: Path, series: str) -> Asked:
    """Read the command tables of a series' last release."""
    tags = _git(repository, "tag", "--list", f"release-{series}.*").split()
    tag = max(tags, key=lambda one: int(one.rsplit(".", 1)[1]))
    known: dict[str, dict[str, Any]] = {}
    kinds: dict[str, set[str]] = {}
    for line in _git(repository, "grep", "-l", 'ngx_string("', tag, "--", "src").splitlines():
        if "/os/win32/" in line or not line.endswith(".c"):
            continue
        for name, flags, setter in _COMMAND.findall(_git(repository, "show", line)):
            words = set(re.findall(r"[A-Z0-9_]+", flags))
            one = known.setdefault(name, {"in": []})
            one["anywhere"] = one.get("anywhere", False) or "NGX_ANY_CONF" in words
            one["in"] = sorted({*one["in"], *(_CONTEXTS[word] for word in words if word in _CONTEXTS)})
            kinds.setdefault(name, set()).add(_KINDS.get(setter, ""))
            if setter == "ngx_conf_deprecated":
                one["deprecated"] = True
    for name, found in kinds.items():
        if len(found) == 1 and "" not in found:  # http and stream may have a directive each, of two forms
            known[name]["kind"] = found.pop()
    known = {name: one for name, one in known.items() if one.pop("anywhere") or one["in"]}
    return Asked("nginx", series, f"source of nginx {tag.removeprefix('release-')}", proven=False, settings=known)


def ask(tree: Path, asked: Asked) -> Asked:
    """Ask a binary of each directive that its source has: one that it does not know is of a module that it lacks."""
    version = in_tree(tree, "/usr/sbin/nginx", "-v").stderr.strip().rpartition("/")[2]
    config = tree / _CONFIG
    config.parent.mkdir(exist_ok=True)
    for name, one in asked.settings.items():
        config.write_text(f"{name};\n" if not one["in"] or "main" in one["in"] else f"events {{ {name}; }}\n")
        if _UNKNOWN in in_tree(tree, "/usr/sbin/nginx", "-t", "-c", f"/{_CONFIG}").stderr:
            one["module"] = "not built in"
    config.unlink()
    return Asked("nginx", asked.version, f"nginx {version} of Debian", proven=True, settings=asked.settings)


def registry(repository: Path, trees: dict[str, Path]) -> dict[str, Any]:
    """Read every series, and ask the binaries that there are; keys are ``nginx:1.22`` and the like."""
    answers = []
    for series in SERIES:
        answer = of_source(repository, series)
        tree = trees.get(f"nginx:{series}")
        answers.append(ask(tree, answer) if tree else answer)
    return {"nginx": flavour(answers, unknown="fatal")}
