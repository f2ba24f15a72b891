"""Redis and Valkey: ``CONFIG GET *`` of a running server, and ``CONFIG SET`` of each for whether it can change.

The directives that only a file can have are tried each in a file of its own.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from scripts.registry.asked import Asked, flavour, in_tree

#: How a refusal tells the form of a value.
_FORMS = (
    ("argument must be 'yes' or 'no'", "bool"),
    ("argument must be a memory or percent value", "share"),
    ("argument must be a memory value", "size"),
    ("argument couldn't be parsed into an integer", "int"),
    ("argument couldn't be parsed as an octal number", "text"),
)
_CHOICE = re.compile(r"argument\(s\) must be one of the following: (.+)")
_BOUNDS = re.compile(r"argument must be between (-?\d+) and (\d+) inclusive")
_SCRATCH = "tmp/registry"
#: Directives that CONFIG GET does not show, with words that make sense of them.
_OF_FILES = {
    "include": "/dev/null",
    "loadmodule": "/nonexistent.so",
    "rename-command": 'CONFIG ""',
    "user": "nobody on",
    "replicaof": "127.0.0.1 1",
    "slaveof": "127.0.0.1 1",
    "io-threads-do-reads": "no",
    "list-max-ziplist-entries": "512",
    "dynamic-hz": "yes",
    "vm-enabled": "no",
    "appendfsync": "everysec",
    "lua-enable-deprecated-api": "no",
    "gopher-enabled": "no",
}
_SIZES = (
    "maxmemory",
    "client-query-buffer-limit",
    "proto-max-bulk-len",
    "repl-backlog-size",
    "auto-aof-rewrite-min-size",
)
#: Defaults of what the server is started with another value of.
_STARTED_WITH = {"port": "6379", "save": "3600 1 300 100 60 10000"}
_SECRET = ("requirepass", "masterauth", "primaryauth", "masteruser", "primaryuser")


def _command(words: tuple[str, ...], stream: Any) -> list[str] | str:
    stream.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in words))
    stream.flush()
    head = stream.readline().decode().strip()
    if not head.startswith("*"):
        return head
    answer = []
    for _ in range(int(head[1:])):
        length = int(stream.readline()[1:])
        answer.append(stream.read(length + 2)[:-2].decode())
    return answer


def ask(name: str, version: str, tree: Path) -> Asked:
    """Start a server without network in a tree, ask it and end it."""
    program = f"/usr/bin/{name}-server"
    scratch = tree / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    release = in_tree(tree, program, "--version").stdout.split("v=")[1].split()[0]
    place = f"/{_SCRATCH}/socket"
    argv = ["chroot", str(tree), program, "--port", "0", "--unixsocket", place, "--save", "", "--dir", f"/{_SCRATCH}"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(100):
                if (tree / place.lstrip("/")).exists():
                    break
                time.sleep(0.1)
            settings = _of_server(tree / place.lstrip("/"))
        finally:
            server.terminate()
    for directive in settings:
        settings[directive] |= form_of(partial(_refusal, tree, program, directive))
    for directive, words in _OF_FILES.items():
        (scratch / "a.conf").write_text(f"{directive} {words}\nport -1\n")
        said = in_tree(tree, program, f"/{_SCRATCH}/a.conf")
        refused = "Bad directive" in said.stdout + said.stderr and "line 2" not in (said.stdout + said.stderr).lower()
        if directive not in settings and not (refused and f">>> '{directive}" in said.stdout + said.stderr):
            settings[directive] = {"kind": "text", "dynamic": False}
    shutil.rmtree(scratch)
    return Asked(name, version, f"{name}-server {release} of Debian", proven=True, settings=settings)


def _of_server(place: Path) -> dict[str, dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(place))
        with link.makefile("rwb") as stream:
            said = _command(("CONFIG", "GET", "*"), stream)
            pairs = dict(zip(said[::2], said[1::2], strict=True))
            settings = {}
            for name, value in pairs.items():
                answer = _command(("CONFIG", "SET", name, value), stream)
                settings[name] = _attributes(name, value, str(answer))
    return settings


def _refusal(tree: Path, program: str, name: str, value: str) -> str:
    """Give what a server says of a value in a file; nothing if it takes it and stops at the line after it."""
    (tree / _SCRATCH / "a.conf").write_text(f"{name} {value}\nport -1\n")
    said = in_tree(tree, program, f"/{_SCRATCH}/a.conf")
    lines = (said.stderr + said.stdout).strip().splitlines()
    return "" if not lines or any("at line 2" in line for line in lines) else lines[-1]


def form_of(refusal: Callable[[str], str]) -> dict[str, Any]:
    """Tell the form of a setting's values from what the server says of values that are none.

    Args:
        refusal: Gives the server's words about a value.
    """
    said = refusal("nonsense")
    choice = _CHOICE.search(said)
    if choice:
        return {"kind": "enum", "values": choice[1].split(", ")}
    kind = next((kind for words, kind in _FORMS if words in said), "")
    if not kind:
        return {}
    found: dict[str, Any] = {"kind": kind}
    bounds = _BOUNDS.search(refusal("-999999999999999" if kind == "int" else "0")) if kind in {"int", "size"} else None
    if bounds:
        found |= {"min": int(bounds[1]), "max": int(bounds[2])}
    return found


def _attributes(name: str, value: str, answer: str) -> dict[str, Any]:
    kind = "text"
    if value in {"yes", "no"}:
        kind = "bool"
    elif value.lstrip("-").isdigit():
        kind = "size" if name in _SIZES else "int"
    found: dict[str, Any] = {"kind": kind, "dynamic": "immutable" not in answer and "protected" not in answer}
    if _SCRATCH not in value and name not in _SECRET:
        found["default"] = _STARTED_WITH.get(name, value)
    return found


def registry(trees: dict[str, Path]) -> dict[str, Any]:
    """Ask every tree; keys are ``redis:7`` and ``valkey:8`` and the like."""
    answers = {
        name: [ask(name, key.partition(":")[2], trees[key]) for key in sorted(trees) if key.startswith(f"{name}:")]
        for name in ("redis", "valkey")
    }
    return {name: flavour(one, unknown="fatal") for name, one in answers.items() if one}
