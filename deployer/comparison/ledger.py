"""The numbers that articles repeat, held against the budget of a host, and their configs as ``lint`` judges them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deployer.allocate import allocate
from deployer.comparison.claims import Finding
from deployer.comparison.rival import mariadb_cnf, nginx_conf, rivals
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.inventory import Entry
from deployer.lint import Kind, lint

#: Each of them alone, and all together, as pins of the inventory: of the database and of the app.
PINS: Mapping[str, tuple[Mapping[str, int], Mapping[str, int]]] = {
    "buffer pool of 512 MiB": ({"innodb_buffer_pool_size_mib": 512}, {}),
    "100 connections of the database": ({"max_connections": 100}, {}),
    "3 processes with pools of 10": ({}, {"workers": 3, "pool_size": 10}),
    "3 processes with pools of 30": ({}, {"workers": 3, "pool_size": 30}),
    "all of it, pools of 30": (
        {"innodb_buffer_pool_size_mib": 512, "max_connections": 100},
        {"workers": 3, "pool_size": 30},
    ),
}


def ledger_findings(entry: Entry) -> list[Finding]:
    """Ask the budget of a host for each of these numbers: what it lacks for it, MiB."""
    found = []
    for what, (database, app) in PINS.items():
        missing_mib = missing(pinned(entry, database, app))
        found.append(
            Finding(
                claim="folklore",
                what=f"{what}: missing in the ledger",
                value=missing_mib,
                unit="MiB",
                sign="<=",
                bound=0,
            )
        )
    return found


def lint_findings(entry: Entry) -> list[Finding]:
    """Ask ``lint`` what the articles' own configs may take at their worst, beside what the ledger grants, MiB."""
    declaration, articles = entry.declaration, rivals()["articles"]
    budget = allocate(declaration)
    nginx = nginx_conf("events { worker_connections 768; }\nhttp { }\n", articles.nginx)
    found = []
    for dialect, text in (("mycnf", mariadb_cnf(articles.mariadb)), ("nginx", nginx)):
        for one in lint(text, dialect, declaration, budget):
            said = re.match(r"at its worst it takes (\d+) MiB; \S+ grants \S+ (\d+) MiB: (.*)", one.message)
            if one.kind is Kind.OVER_BUDGET and said:
                what = f"the same as {dialect}, at its worst by `lint`"
                worst_mib, granted_mib = float(said[1]), float(said[2])
                found.append(
                    Finding(
                        claim="folklore",
                        what=what,
                        value=worst_mib,
                        unit="MiB",
                        sign="<=",
                        bound=granted_mib,
                        note=said[3],
                    )
                )
    return found


def missing(declaration: Declaration) -> float:
    """Say how much memory a host lacks for what it declares, MiB; 0 when all fits."""
    try:
        allocate(declaration)
    except BudgetError as error:
        found = re.search(r"(\d+) MiB are missing", error.message)
        return float(found[1]) if found else float("nan")
    return 0.0


def pinned(entry: Entry, database: Mapping[str, Any], app: Mapping[str, Any]) -> Declaration:
    """Give a host's declaration with settings of its database and of its app pinned."""
    host = entry.host
    apps = {
        name: one.model_copy(update={key: run.model_copy(update=app)})
        for name, one in host.apps.items()
        for key in one.runners
        if (run := one.run_by(key)) is not None
    }
    mysql = getattr(host.services, "mysql", None)
    services = host.services.model_copy(update={"mysql": mysql.model_copy(update=database)} if mysql else {})
    return replace(entry, host=host.model_copy(update={"apps": apps, "services": services})).declaration
