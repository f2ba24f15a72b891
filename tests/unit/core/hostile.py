"""An inventory with every text field there is, values that try to leave their field, and readers that would notice."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from deployer.inventory.models import InventoryFile

#: What shells, Jinja, systemd, YAML, nginx, SQL and terminals take for more than text.
TRICKS = (
    'a" b', "a' b", "a' b\" c", '"', "'", '""',
    "{{ 7*7 }}", "{% for x in y %}", "{# x #}", "%n", "%%", "%", "50%", "%(x)s", "%(",
    "$(id)", "`id`", "$HOME", "${HOME}", "$$", "$", ";", "; rm -rf /", "&& id", "| id", "> /etc/x", "#x", "a #x",
    "\\", "a\\", "\\n", "\\x41", '\\"', " a ", "}", "{", "};", "*", "?", "[a]", "~root", "=", "a=b", ",",
    "x; }\nserver {", "a\nExecStart=/bin/sh", "a\n[Service]\nUser=root", "a\r\nX-Evil: 1", "a\0b", "a\tb", "\x1b[2J",
    "'; DROP TABLE x; --", "../../etc/passwd", "-rf", "--exec=/bin/sh", "@/bin/sh", "+/bin/sh", "!/bin/sh",
    "!!python/object:x", "<<: *x", "a\u2028b", "a\u0085b", "\ufeffa", "a\u202eb", "grüße 🦄", "x" * 900,
)  # fmt: skip

_JOBS = {
    "background": {"mail": {"command": ["tool", "x"]}},
    "timers": {"clean": {"command": ["tool", "x"], "on_calendar": "daily"}},
}
_SOURCE = {"env": "X"}
_LOGIN = {"address": "192.0.2.1", "user": "deploy", "key_file": "k", "known_hosts_file": "h"}
_PIN = "SHA256:" + "A" * 43
DOCUMENT: dict[str, Any] = {
    "templates": "own",
    "groups": {"all": ["web1"]},
    "hosts": {
        "web1": {
            "hardware": {"cpu_cores": 8, "memory_mib": 32_768, "disk_gib": 200},
            "ssh": {
                **_LOGIN,
                "config": "c",
                "host_key": _PIN,
                "sudo_password_env": "PW",
                "jump": {"address": "gate", "user": "gate", "key_file": "k", "host_key": _PIN},
            },
            "services": {"mysql": {}, "redis": {}, "nginx": {"include": ["/etc/nginx/own/*.conf"]}},
            "slo": {
                "app": "py",
                "cached_path": "/",
                "uncached_paths": ["/x"],
                "uncached_headers": {"Cookie": "session=x"},
                "must": ["errors == 0"],
                "should": ["r1000.p95 < 200ms"],
                "abort": ["host.mem > 90% for 3s"],
                "valid": ["gen.cpu < 80%"],
                "body": "</html>",
            },
            "load_from": ["192.0.2.7"],
            "apps": {
                "py": {
                    "source": "src",
                    "gunicorn": {"module": "a:b", "requirements": "r.lock"},
                    "server_names": ["py.example", "www.py.example"],
                    "tls": {"certificate_file": "/etc/ssl/c.pem", "key_file": "/etc/ssl/k.pem"},
                    "static": "static",
                    "health_path": "/healthz",
                    "session_cookie": "session",
                    "login_path": "/login",
                    "websockets": {"path": "/live", "connections": 10},
                    "database": {"server": "mysql", "name": "db", "migrate": ["tool", "x"], "seed": ["tool", "x"]},
                    "uses": ["redis"],
                    "environment": {"COLOUR": "blue"},
                    "secrets": [
                        "own",
                        {"name": "a", **_SOURCE},
                        {"name": "b", "file": "f"},
                        {"name": "c", "command": ["tool", "x"]},
                        {"name": "d", "age": "f", "identity_file": "i"},
                        {"name": "e", "sops": "f", "key": ["k"]},
                    ],
                    **_JOBS,
                },
                "py2": {
                    "source": "src",
                    "gunicorn": {"module": "a:b", "worker_class": "sync"},
                    "server_names": ["py2.example"],
                },
                "js": {"source": "src", "node": {"script": "s.js", "lock": "l.json"}, "server_names": ["js.example"]},
                "jar": {
                    "source": "src",
                    "java": {"jar": "a.jar", "options": ["-Dx=y"]},
                    "server_names": ["jar.example"],
                },
                "gopher": {
                    "source": "src",
                    "go": {"program": "bin/x", "arguments": ["x"], "memory_mib": 100},
                    "server_names": ["go.example"],
                },
            },
        },
        "web2": {
            "hardware": {"cpu_cores": 1, "memory_mib": 1024},
            "ssh": {
                **_LOGIN,
                "sudo_password": {"env": "X"},
                "jump": {"address": "gate", "user": "gate"},
            },
        },
        **{
            f"web{number}": {
                "hardware": {"cpu_cores": 1, "memory_mib": 1024},
                "ssh": {**_LOGIN, "sudo_password": source},
            }
            for number, source in enumerate(
                (
                    {"file": "f"},
                    {"command": ["tool", "x"]},
                    {"age": "f", "identity_file": "i"},
                    {"sops": "f", "key": ["k"]},
                ),
                start=3,
            )
        },
    },
}

Path = tuple[str | int, ...]


def text_places(value: Any, path: Path = ()) -> Iterator[tuple[Path, bool]]:
    """Find every text of a document, and every key that the user chooses; True: it is a key."""
    if isinstance(value, str):
        yield path, False
    elif isinstance(value, dict):
        for key, one in value.items():
            if form((*path, key)) != (*form(path), key):
                yield (*path, key), True
            yield from text_places(one, (*path, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from text_places(one, (*path, number))


#: Mappings whose keys are the user's own.
_OWN_KEYS = ("groups", "hosts", "apps", "background", "timers", "environment", "uncached_headers")


def form(path: Path) -> tuple[str, ...]:
    """Give a path with `*` for what the user chose: the field, whoever has it."""
    found: list[str] = []
    for place, part in enumerate(path):
        chosen = isinstance(part, int) or (place and path[place - 1] in _OWN_KEYS)
        found.append("*" if chosen else str(part))
    return tuple(found)


def fields_of_the_schema() -> set[tuple[str, ...]]:
    """Find every text field of the models, but for those that are a choice between words, and every chosen key."""
    schema = InventoryFile.model_json_schema()
    found: set[tuple[str, ...]] = set()

    def walk(one: dict[str, Any], path: tuple[str, ...]) -> None:
        if "$ref" in one:
            walk(schema["$defs"][one["$ref"].rpartition("/")[2]], path)
        for part in (*one.get("anyOf", ()), *one.get("oneOf", ()), *one.get("prefixItems", ())):
            walk(part, path)
        if one.get("type") == "string" and "enum" not in one and "const" not in one:
            found.add(path)
        for name, part in one.get("properties", {}).items():
            walk(part, (*path, name))
        for part in (one.get("additionalProperties"), *one.get("patternProperties", {}).values()):
            if isinstance(part, dict):
                found.add((*path, "*", "key"))
                walk(part, (*path, "*"))
        if isinstance(one.get("items"), dict):
            walk(one["items"], (*path, "*"))

    walk(schema, ())
    return found


def with_value(document: dict[str, Any], path: Path, value: str, *, is_key: bool) -> dict[str, Any]:
    """Give a copy of a document with another text, or another key, at one place."""
    changed = copy.deepcopy(document)
    place: Any = changed
    for part in path[:-1]:
        place = place[part]
    if is_key:
        place[value] = place.pop(path[-1])
    else:
        place[path[-1]] = value
    return changed


def cut_to(path: Path) -> dict[str, Any]:
    """Give the document with no other host and no other app than those of a path: it is judged faster."""
    if path[0] != "hosts":
        return {**DOCUMENT, "hosts": {}}
    host = DOCUMENT["hosts"][path[1]]
    if len(path) > 3 and path[2] == "apps":
        host = {**host, "apps": {path[3]: host["apps"][path[3]]}}
    else:
        host = {name: one for name, one in host.items() if name != "apps"}
    return {"hosts": {path[1]: host}}


def is_taken(document: dict[str, Any]) -> bool:
    """Say whether the models take a document."""
    try:
        InventoryFile.model_validate_json(json.dumps(document))
    except ValidationError:
        return False
    return True


def systemd_words(text: str) -> list[str]:
    """Split a value of a unit as systemd does: at blanks, with quotes and backslashes."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    place = 0
    while place < len(text):
        char = text[place]
        if char == "\\":
            escaped = text[place + 1]
            assert escaped in "\\\"'", f"an escape that is none of ours: {text[place : place + 4]!r}"
            word, place = (word or "") + escaped, place + 1
        elif quote:
            if char == quote:
                quote = ""
            else:
                word = (word or "") + char
        elif char in "\"'":
            quote, word = char, word or ""
        elif char.isspace() and char.isascii():
            if word is not None:
                words.append(word)
            word = None
        else:
            assert char != ";" or word is not None, "a bare semicolon separates commands"
            word = (word or "") + char
        place += 1
    assert not quote, f"a quote is left open: {text!r}"
    return words if word is None else [*words, word]


def expanded(word: str, *, variables: bool) -> str:
    """Undo the doubling of what systemd expands; a single one of them would be expanded, and fails."""
    for sign in "%$" if variables else "%":
        assert sign not in word.replace(sign * 2, ""), f"{sign} would be expanded in {word!r}"
        word = word.replace(sign * 2, sign)
    return word
