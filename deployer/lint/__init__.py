"""Lint: what is wrong with a config that somebody already has, for the host that its inventory entry declares.

Besides what the registry knows of names and values: habits that do harm, each with its reason and with what this host's
budget says instead; and what the file lets its server take at its worst, beside what the ledger grants.
"""

from __future__ import annotations

from pathlib import Path

from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.dialects import DIALECTS, DialectError, guess
from deployer.lint.beside import beside
from deployer.lint.costs import over_budget
from deployer.lint.folklore import dangerous
from deployer.lint.host import Host, taker_of
from deployer.lint.included import Included
from deployer.readers import reader_of
from deployer.registry import Finding, Kind, judge, split
from deployer.registry.groups import is_read_by_server

__all__ = ["Finding", "Kind", "lint", "reader_for"]

_ORDER = list(Kind)


def reader_for(filename: str, text: str, declaration: Declaration, dialect: str = "") -> str:
    """Name who reads a file: its dialect as it is said or guessed, and the release that the host declares.

    Raises:
        DialectError: Neither the name nor the text tells what the file is.
    """
    found = dialect or guess(filename, text)
    if not found or found.partition("/")[0] not in DIALECTS:
        what = f"there is no dialect {dialect!r}" if dialect else f"nobody can tell what {filename} is"
        raise DialectError(f"{what}; --dialect names one of {', '.join(DIALECTS)}")
    return reader_of(declaration, found)


def lint(
    text: str,
    dialect: str,
    declaration: Declaration,
    budget: HostBudget,
    *,
    filename: str = "",
    given: Path | None = None,
) -> tuple[Finding, ...]:
    """Find what is wrong with a config on a host.

    Args:
        text: The config.
        dialect: Who reads it: ``mycnf/mariadb/10.11``; the dialect alone means the release that the host declares.
        declaration: The host.
        budget: Its budget, from ``allocate``.
        filename: Name of the file, if it has one; a unit's tells whose grant it is.
        given: Where the text lies: what it includes is read with it where that lies beside it; None reads nothing else.

    Returns:
        The findings, the worst first, then by file and line; nothing for a config that the host can carry as it is.

    Raises:
        DialectError: The text cannot be read.
        UsageError: There is no such dialect or flavour.
    """
    name, flavour, version = split(reader_of(declaration, dialect))
    included = Included(name, given)
    statements = included.statements(text)
    host = Host(declaration, budget, taker_of(name, filename, declaration), name, flavour, version)
    # in a my.cnf other programs have groups of their own; what they say is nothing to the server
    ours = [one for one in statements if name != "mycnf" or is_read_by_server(one, host.registry.flavour, host.release)]
    found = [
        *included.findings,
        *judge(statements, name, flavour, version),
        *over_budget(ours, host),
        *dangerous(ours, host),
        *beside(ours, host),
    ]
    judged = {(one.name, one.line) for one in found if one.kind in {Kind.FATAL, Kind.IGNORED}}
    kept = [one for one in found if one.kind is not Kind.DANGEROUS or (one.name, one.line) not in judged]
    in_order = sorted(dict.fromkeys(kept), key=lambda one: (_ORDER.index(one.kind), one.line, one.name))
    return tuple(dict.fromkeys(map(included.placed, in_order)))
