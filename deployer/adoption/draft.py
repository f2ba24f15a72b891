"""A draft of an inventory entry for a host set up by hand: what was found, and a question where it is a guess."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deployer.adoption.found import Found
from deployer.adoption.sites import NAMELESS
from deployer.adoption.units import NOTEWORTHY_MIB
from deployer.app import HostPath, ServerName
from deployer.errors import UsageError
from deployer.hardware import Hardware
from deployer.inventory import Entry, Host, Ssh
from deployer.priors import PRIORS

ASK = "# QUESTION:"
#: Units of servers that become services of the inventory.
SERVERS = re.compile(r"(nginx|mariadb|mysql|postgresql(@.*)?|redis(-server)?|valkey(-server)?)\.service")
_NAMES: TypeAdapter[str] = TypeAdapter(ServerName)
_PATHS: TypeAdapter[str] = TypeAdapter(HostPath)


def entry_at(host: str) -> Entry:
    """Make an entry that only says how to log in, of ``USER@ADDRESS``.

    Raises:
        UsageError: It is none.
    """
    user, _, address = host.rpartition("@")
    try:
        ssh = Ssh(address=address, user=user)
    except ValidationError as error:
        raise UsageError(f"{host} is not USER@ADDRESS", where="--host") from error
    name = re.sub(r"[^a-z0-9-]+", "-", address.partition(".")[0].lower()).strip("-")
    least = Hardware(cpu_cores=1, memory_mib=512)
    return Entry(name if name[:1].isalpha() else "host1", Host(hardware=least, ssh=ssh), Path())


def draft(entry: Entry, facts: Mapping[str, Any], found: Found) -> str:
    """Write the draft: YAML that loads once its questions are answered.

    Args:
        entry: Says how to log in.
        facts: What the host says of itself.
        found: What runs there.
    """
    lines = [
        "# Drafted from what runs on the host. Answer what is marked QUESTION, then look at `deployer adopt`.",
        "hosts:",
        f"  {entry.name}:",
        *_indented(4, _hardware(facts, found)),
        "    ssh:",
        *_indented(6, (f"{key}: {json.dumps(value)}" for key, value in _ssh(entry).items())),
        *_indented(4, _services(found)),
        *_indented(4, _apps(found)),
        *_indented(4, _unmanaged(found)),
    ]
    return "\n".join(lines) + "\n"


def _ssh(entry: Entry) -> Mapping[str, Any]:
    said: dict[str, Any] = entry.host.ssh.model_dump(mode="json", exclude_unset=True)
    files = {key: str(entry.path(said[key])) for key in ("key_file", "known_hosts_file") if said.get(key)}
    return {**said, **files}  # the draft may lie in another folder


def _hardware(facts: Mapping[str, Any], found: Found) -> Iterator[str]:
    yield "hardware:"
    yield f"  cpu_cores: {int(facts.get('cpu_cores') or 1)}"
    yield f"  memory_mib: {sold_mib(int(facts.get('memory_mib') or 512))}"
    if facts.get("swap_mib"):
        yield f"  swap_mib: {int(facts['swap_mib'])}"
    yield f"  disk_gib: {max(4, int(found.told.get('disk_gib') or 20))}  {ASK} is it what you rent?"


def sold_mib(seen_mib: int) -> int:
    """Guess the memory that a provider sold, of what a kernel sees of it, MiB."""
    for step_mib in (1024, 512, 256):
        sold = ceil(seen_mib / step_mib) * step_mib
        if seen_mib >= PRIORS.usable_share * sold:
            return sold
    return max(512, seen_mib // 64 * 64)


def _services(found: Found) -> Iterator[str]:
    lines = []
    for server in found.told["databases"]:
        series = re.match(r"\d+\.\d+" if server["flavour"] != "postgresql" else r"\d+", server["version"])
        held = ", ".join(str(one["name"]) for one in server["databases"])
        version = f'version: "{series[0]}"' if series else ""
        if server["flavour"] == "postgresql":
            lines.append(f"  postgresql: {{{version}}}  # holds {held}")
        else:
            lines.append(f"  mysql: {{flavour: {server['flavour']}, {version}}}  # holds {held}")
    if found.told["sqlite"]:
        lines.append(f"  sqlite: {{}}  {ASK} is the database of an app in it?")
    redis = found.told.get("redis")
    if redis:
        kept = "rdb" if redis["answers"] and redis["keys"] else "none"
        lines.append(f"  redis: {{persistence: {kept}}}  {ASK} is it a cache (none), or has it to be kept (rdb)?")
    files = sorted({site["file"] for site in found.told["sites"] if not site["passes"] and site["roots"]})
    good = [path for path in files if _is(_PATHS, path)]
    if good:
        lines.append(f"  nginx: {{include: {json.dumps(good)}}}  {ASK} are these files' sites to go on as they are?")
    return iter(["services:", *lines] if lines else ["services: {}"])


def _apps(found: Found) -> Iterator[str]:
    places: dict[str, list[Mapping[str, Any]]] = {}
    for site in found.told["sites"]:
        for place in site["passes"]:
            places.setdefault(place, []).append(site)
    databases = [str(one["name"]) for server in found.told["databases"] for one in server["databases"]]
    lines: list[str] = []
    taken: set[str] = set()
    for number, (place, sites) in enumerate(places.items(), start=1):
        app = _app_name(_server_names(sites), number)
        app = f"app{number}" if app in taken else app
        taken.add(app)
        lines += _indented(2, _app(found, app, place, sites, databases))
    return iter(["apps:", *lines] if lines else [f"apps: {{}}  {ASK} which?"])


def _server_names(sites: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [name for site in sites for name in site["names"] if name not in NAMELESS and _is(_NAMES, name)]
    return list(dict.fromkeys(names))


def _app_name(names: Sequence[str], number: int) -> str:
    """Call an app by its first name that says something: www says nothing."""
    said = names[0].removeprefix("www.") if names else ""
    app = re.sub(r"[^a-z0-9]", "", said.partition(".")[0])[:16]
    return app if app[:1].isalpha() else f"app{number}"


def _app(
    found: Found, app: str, place: str, sites: Sequence[Mapping[str, Any]], databases: Sequence[str]
) -> Iterator[str]:
    names = _server_names(sites)
    unit, process = found.listener(place) or ("", "")
    module = next((one["module"] for one in found.told["units"] if one["unit"] == unit), "")
    yield f"# nginx passes it to {_comment(place)}, where {_comment(unit or process or 'nobody')} listens"
    yield f"{app}:"
    yield f"  source: {app}  {ASK} in which folder of this machine is its source?"
    yield f"  server_names: {json.dumps(names or ['example.org'])}" + ("" if names else f"  {ASK} which?")
    certificates = [one for site in sites for one in site["certificates"] if _is(_PATHS, one)]
    keys = [one for site in sites for one in site["keys"] if _is(_PATHS, one)]
    if certificates and keys:
        yield f"  tls: {{certificate_file: {json.dumps(certificates[0])}, key_file: {json.dumps(keys[0])}}}"
    asked = "is this the module, and is it an app of WSGI (worker_class: gthread) or ASGI?"
    yield f"  gunicorn: {{module: {json.dumps(module or 'app:app')}}}  {ASK} {asked} Or node, java, go?"
    yield f"  health_path: /  {ASK} which path answers 200 when all is well?"
    if databases:
        name = app if app in databases else databases[0]
        yield f"  database: {{name: {json.dumps(name)}}}  {ASK} is this its database?"
    for one in found.told["sqlite"]:
        if one["unit"] == unit and not databases:
            yield f"  # {_comment(one['file'])}: write database: {{server: sqlite}} {ASK} is this its database?"


def _unmanaged(found: Found) -> Iterator[str]:
    passed = {place for site in found.told["sites"] for place in site["passes"]}
    serving = {(found.listener(place) or ("", ""))[0] for place in passed}
    staying = [
        one
        for one in found.foreign_units(frozenset())
        if one["unit"] not in serving
        and not SERVERS.fullmatch(one["unit"])
        and (one["memory_mib"] or 0) >= NOTEWORTHY_MIB
    ]
    if staying:
        names = ", ".join(_comment(one["unit"]) for one in staying)
        yield f"unmanaged_mib: {ceil(sum(one['memory_mib'] for one in staying))}  # measured: {names}"


def _is(form: TypeAdapter[str], text: str) -> bool:
    try:
        form.validate_python(text)
    except ValidationError:
        return False
    return True


def _comment(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.:/@\[\]-]", "?", text)


def _indented(by: int, lines: Iterator[str]) -> list[str]:
    return [" " * by + line for line in lines]
