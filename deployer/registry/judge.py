"""The judge: every statement of a config against what the declared release knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from deployer.dialects import Statement
from deployer.dialects.gunicorn import VARIABLE
from deployer.dialects.mycnf import without_prefix
from deployer.dialects.nginx import TABLES
from deployer.registry.finding import Finding, Kind
from deployer.registry.forms import empty, misformed
from deployer.registry.groups import is_read_by_server
from deployer.registry.known import Registry, Setting, registry
from deployer.registry.names import begun, folders, like, sections
from deployer.registry.rules import RULES

__all__ = ["is_read_by_server", "judge"]

#: Modules of nginx that are not its own, by how their directives begin.
_NGINX_MODULES = (
    "brotli",
    "more_",
    "lua_",
    "js_",
    "modsecurity",
    "geoip",
    "passenger",
    "vhost_traffic",
    "pagespeed",
    "zstd",
)
#: Prefixes that make a number of a setting, whatever stands behind it; measured on MariaDB 10.11.19.
_SWITCHES = {"skip_": 0, "disable_": 0, "enable_": 1}
#: Forms of nginx's directives that are one word, but for those that take a second one.
_ONE_WORD = frozenset({"int", "size", "duration"})
_TWO_WORDS = frozenset({"keepalive_timeout"})
_NGINX_BLOCKS = frozenset({"http", "server", "location", "upstream", "events", "if", "limit_except", "stream", "mail"})


def judge(statements: Sequence[Statement], dialect: str, flavour: str = "", version: str = "") -> tuple[Finding, ...]:
    """Judge a config.

    Args:
        statements: What ``deployer.dialects.read`` gave.
        dialect: Its dialect.
        flavour: Which server; the dialect's first one if empty.
        version: Its release, ``10.11`` or ``10.11.18``; the newest one known if empty.

    Returns:
        What is wrong, in the order of the lines; nothing for a config that the server takes as it is meant.

    Raises:
        UsageError: There is no such dialect or flavour.
    """
    known = registry(dialect, flavour)
    release = version or known.versions[-1]
    top = frozenset(one.name for one in statements if not one.context)
    by_name = [found for one in statements for found in _of_one(one, top, known, release)]
    together = [found for rule in RULES.get(dialect, ()) for found in rule(statements, known, release)]
    return tuple(sorted((*by_name, *together), key=lambda found: found.line))


def _of_one(one: Statement, top: frozenset[str], known: Registry, version: str) -> Iterator[Finding]:
    wanted = _WANTED[known.dialect](one, top, known, version)
    if wanted is None:
        return
    if isinstance(wanted, Finding):
        yield wanted
        return
    setting, value = wanted
    if setting.is_deprecated_in(version):
        message = f"{known.flavour} {version} still takes it and warns"
        yield Finding(Kind.DEPRECATED, one.name, one.line, message, known.source(version))
    found = misformed(known, setting, value) or empty(known, setting, one.value)
    if found is not None:
        yield Finding(found[0], one.name, one.line, found[1], known.source(version), _better(setting, value))


def _better(setting: Setting, value: str) -> str:
    matched = re.fullmatch(r"(\d+)\s*([KMGT])(i?B?)\w*", value, re.IGNORECASE)
    return f"{setting.name} = {matched[1]}{matched[2].upper()}" if matched and setting.kind == "size" else ""


Wanted = Finding | tuple[Setting, str] | None
#: How a dialect finds the setting of a statement; the second is which names stand in no block of the file.
Look = Callable[[Statement, frozenset[str], Registry, str], Wanted]


def _looked_up(one: Statement, known: Registry, version: str, name: str = "") -> Wanted:
    """Find a setting, or say what becomes of a name that this release does not have."""
    name = name or one.name
    setting = known.settings.get(name)
    if setting is not None and setting.is_known_to(version):
        return setting, one.value or ""
    fate, message = known.unknown, f"{known.flavour} {version} knows no {name}"
    if setting is not None and setting.removed and not setting.is_known_to(f"{setting.removed}.0.0"):
        message = f"{name} is gone since {known.flavour} {setting.removed}"
    if setting is not None and setting.introduced and not setting.removed:
        message = f"{name} came with {known.flavour} {setting.introduced}, this is {version}"
    if setting is not None:
        fate = (setting.then if setting.removed else setting.before) or fate
    if fate == "ignored" and known.unknown == "fatal":
        message += "; it is accepted and does nothing"
    kind = Kind(fate)
    return Finding(kind, one.name, one.line, message, known.source(version), like(name, known, version))


def _mycnf(one: Statement, _top: frozenset[str], known: Registry, version: str) -> Wanted:
    if not one.context or not is_read_by_server(one, known.flavour, version):
        return None
    spelled = one.name.lower() if known.flavour == "mariadb" else one.name  # MySQL alone minds the case
    if spelled in known.settings:
        return _looked_up(one, known, version, spelled)
    prefix, name = without_prefix(spelled)
    if spelled.startswith(known.plugins) or name.startswith(known.plugins):
        return None
    setting = known.settings.get(name)
    if prefix == "loose_":
        return (setting, one.value or "") if setting is not None and setting.is_known_to(version) else None
    if prefix and setting is not None:
        return _prefixed(one, prefix, setting, known, version)
    whole = begun(spelled, known, version) if known.flavour == "mariadb" else ""
    if whole:
        message = f"the server completes it to {whole} as long as no other name begins so"
        return Finding(Kind.DEPRECATED, one.name, one.line, message, known.source(version), whole)
    return _looked_up(one, known, version)


def _prefixed(one: Statement, prefix: str, setting: Setting, known: Registry, version: str) -> Wanted:
    found = _looked_up(one, known, version, setting.name)
    if isinstance(found, tuple) and setting.kind in {"size", "int", "float"} and prefix in _SWITCHES:
        becomes = max(_SWITCHES[prefix], setting.least or 0)
        message = f"{prefix} in front makes {setting.name} {becomes}, whatever stands behind it"
        return Finding(Kind.MISREAD, one.name, one.line, message, known.source(version), setting.name)
    return found


def _nginx(one: Statement, top: frozenset[str], known: Registry, version: str) -> Wanted:
    heads = [head.split()[0] for head in one.context]
    if any(head in TABLES for head in heads):
        return None
    if one.name.startswith(_NGINX_MODULES) and one.name not in known.settings:
        if "load_module" in top:
            return None
        message = "nginx does not start with it unless a module that is not its own is loaded"
        return Finding(Kind.FATAL, one.name, one.line, message, known.source(version))
    found = _looked_up(one, known, version)
    if isinstance(found, Finding) or found is None:
        return found
    setting, value = found
    where = _nginx_context(heads)
    whole = bool(top & {"events", "http"})
    if where and setting.contexts and where not in setting.contexts and (heads or whole):
        wanted = ", ".join(setting.contexts)
        message = f"it cannot stand in {where}, only in {wanted}"
        return Finding(Kind.FATAL, one.name, one.line, message, known.source(version))
    if setting.kind == "bool" and len(one.words) > 1:
        message = f"it takes on or off, not {len(one.words)} words"
        return Finding(Kind.FATAL, one.name, one.line, message, known.source(version))
    if setting.kind in _ONE_WORD and len(one.words) > 1 and one.name not in _TWO_WORDS:
        message = f"it takes one word, not {len(one.words)}"
        return Finding(Kind.FATAL, one.name, one.line, message, known.source(version))
    return setting, value if len(one.words) == 1 else ""


def _nginx_context(heads: Sequence[str]) -> str:
    if not heads:
        return "main"
    if heads[-1] not in _NGINX_BLOCKS:
        return ""
    for outer in ("stream", "mail"):
        if outer in heads[:-1]:
            return f"{outer} {heads[-1]}"
    return heads[-1]


def _unit(one: Statement, _top: frozenset[str], known: Registry, version: str) -> Wanted:
    section = one.context[0] if one.context else ""
    if section.startswith("X-") or one.name.startswith("X-"):
        return None
    if not section or one.value is None:
        message = "it stands before the first section" if not section else "there is no = in this line"
        return Finding(Kind.IGNORED, one.name, one.line, message, known.source(version))
    if section not in sections(known.dialect, known.flavour):
        message = f"systemd knows no section [{section}] in a unit"
        return Finding(Kind.IGNORED, one.name, one.line, message, known.source(version))
    found = _looked_up(one, known, version)
    if isinstance(found, tuple) and section not in found[0].contexts:
        message = f"it does nothing in [{section}]; it belongs into [{'], ['.join(found[0].contexts)}]"
        return Finding(Kind.IGNORED, one.name, one.line, message, known.source(version))
    return found


def _gunicorn(one: Statement, _top: frozenset[str], known: Registry, version: str) -> Wanted:
    if one.name not in known.settings and (VARIABLE in one.context or one.name.startswith("_")):
        return None
    found = _looked_up(one, known, version)
    return (found[0], "") if isinstance(found, tuple) and one.value in {None, "None"} else found


def _postgresql(one: Statement, _top: frozenset[str], known: Registry, version: str) -> Wanted:
    if "." in one.name or one.name in {"include", "include_dir", "include_if_exists"}:
        return None
    return _looked_up(one, known, version)


def _redis(one: Statement, _top: frozenset[str], known: Registry, version: str) -> Wanted:
    found = _looked_up(one, known, version)
    if isinstance(found, tuple) and len(one.words) > 1:
        if found[0].kind in {"bool", "int", "size", "share"}:
            message = f"it takes one word, not {len(one.words)}; what stands behind a value is no comment"
            return Finding(Kind.FATAL, one.name, one.line, message, known.source(version))
        return found[0], ""
    return found


def _sysctl(one: Statement, _top: frozenset[str], known: Registry, version: str) -> Wanted:
    if one.value is None:
        return Finding(Kind.IGNORED, one.name, one.line, "there is no = in this line", known.source(version))
    folder = one.name.rpartition(".")[0]
    if "*" in one.name or folder not in folders(known.dialect, known.flavour):
        return None
    return _looked_up(one, known, version)


_WANTED: dict[str, Look] = {
    "mycnf": _mycnf,
    "nginx": _nginx,
    "unit": _unit,
    "gunicorn": _gunicorn,
    "postgresql": _postgresql,
    "redis": _redis,
    "sysctl": _sysctl,
}
