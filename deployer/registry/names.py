"""Names of settings looked up otherwise than letter by letter; made once for each server, as a config may have many."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from functools import cache

from deployer.registry.known import Registry, registry


def like(name: str, known: Registry, version: str) -> str:
    """Offer the name that was probably meant: same letters but for case or the sign between words. Empty for none."""
    spelled = _spelled(known.dialect, known.flavour).get(_plain(name), ())
    return next((other for other in spelled if other != name and known.settings[other].is_known_to(version)), "")


def begun(name: str, known: Registry, version: str) -> str:
    """Give the one name of a release that begins so; empty if there is none, or more than one."""
    names = _sorted(known.dialect, known.flavour)
    found: list[str] = []
    for at in range(bisect_left(names, name), len(names)):
        if not names[at].startswith(name) or len(found) > 1:
            break
        if known.settings[names[at]].is_known_to(version):
            found.append(names[at])
    return found[0] if len(found) == 1 else ""


@cache
def sections(dialect: str, flavour: str) -> frozenset[str]:
    """Give the sections of which a server knows settings."""
    return frozenset(name for setting in registry(dialect, flavour).settings.values() for name in setting.contexts)


@cache
def folders(dialect: str, flavour: str) -> frozenset[str]:
    """Give what stands before the last dot of the names that are known."""
    return frozenset(name.rpartition(".")[0] for name in registry(dialect, flavour).settings)


@cache
def _sorted(dialect: str, flavour: str) -> tuple[str, ...]:
    return tuple(sorted(registry(dialect, flavour).settings))


@cache
def _spelled(dialect: str, flavour: str) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in registry(dialect, flavour).settings:
        found[_plain(name)] = (*found.get(_plain(name), ()), name)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_]", "", name).lower()
