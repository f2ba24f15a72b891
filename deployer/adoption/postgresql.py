"""PostgreSQL that is there: whose its databases are, who gets in, and which of its own lines would count more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from deployer.adoption.fates import Lacking
from deployer.adoption.found import Found
from deployer.render import Rendered
from deployer.service import DatabaseWanted
from deployer.wishes import wishes

FLAVOUR = "postgresql"
#: How a role proves itself at the socket without a password.
WITHOUT_PASSWORD = ("peer", "trust")


def settings(rendered: Rendered) -> Mapping[str, str]:
    """Give its settings that the inventory decides."""
    return {setting: value for server, _, setting, value in wishes(rendered) if server == FLAVOUR}


def login(wanted: DatabaseWanted, there: Mapping[str, Any], server: Mapping[str, Any]) -> str:
    """Say as whom the app comes to a database that is there, and how its owner does from then on."""
    owner = there["owner"]
    if owner == wanted.user:
        return f"it belongs to role {owner}, which logs in by its system user"
    acts = f"role {wanted.user} is made, logs in by its system user, and acts as role {owner}, to whom it belongs"
    rule = _first_rule(server.get("rules") or (), wanted.name, owner)
    if rule and rule["method"] in WITHOUT_PASSWORD:
        line = f"local {wanted.name} {owner} scram-sha-256"
        return (
            f"{acts}; {owner} itself gets in at the socket alone, where pg_hba.conf asks for {rule['method']}: for "
            f"programs that have its password write before its line {rule['line']}: {line}"
        )
    return f"{acts}; {owner} itself gets in at the socket, by its password"


def lacking(rendered: Rendered, found: Found) -> Iterator[Lacking]:
    """Say what would keep the app out, or the budget's settings."""
    server = next((one for one in found.told["databases"] if one["flavour"] == FLAVOUR), None)
    databases = {one.name: one for one in rendered.wanted.databases if one.server == FLAVOUR}
    if server is None or FLAVOUR not in rendered.declaration.settings:
        return
    series = next(iter(_files(rendered))).parts[3]
    if server["version"].partition(".")[0] != series:
        major = server["version"].partition(".")[0]
        yield Lacking(
            f"the host has PostgreSQL {server['version']}, the inventory {series}",
            f'write services.postgresql.version: "{major}"',
        )
    elif server["data"].rstrip("/") != f"/var/lib/postgresql/{series}/main":
        yield Lacking(
            f"PostgreSQL's data lie in {server['data']}, and its unit will use /var/lib/postgresql/{series}/main",
            "move them there",
        )
    for one in server["databases"]:
        wanted = databases.get(one["name"])
        if wanted and one["owner"] != wanted.user and one["owner_may_all"]:
            name, owner = one["name"], one["owner"]
            yield Lacking(
                f"the database {name} belongs to role {owner}, which may do everything: no app acts as that one",
                f"give it and its tables to a role of its own: psql -d {name} -c 'CREATE ROLE {name}_owner' "
                f"-c 'ALTER DATABASE {name} OWNER TO {name}_owner', and ALTER TABLE ... OWNER TO for each table",
            )
    for wanted in databases.values():
        rule = _first_rule(server.get("rules") or (), wanted.name, wanted.user)
        if rule and rule["method"] not in WITHOUT_PASSWORD:
            yield Lacking(
                f"pg_hba.conf, line {rule['line']}, wants {rule['method']} of role {wanted.user}, which proves itself "
                "by its system user",
                f"write before that line: local {wanted.name} {wanted.user} peer",
            )


def outranks(rendered: Rendered, one: Mapping[str, Any]) -> bool:
    """Say whether a line of theirs is read after ours."""
    ours = _files(rendered)
    path = PurePosixPath(one["file"])
    return bool(ours) and (bool(one["after_include"]) or (path.parent == ours[0].parent and path.name > ours[0].name))


def is_its(one: Mapping[str, Any]) -> bool:
    """Say whether a setting that was found is this server's."""
    return str(one["file"]).startswith(("/etc/postgresql/", "/var/lib/postgresql/"))


def _files(rendered: Rendered) -> list[PurePosixPath]:
    return [PurePosixPath(one.path) for one in rendered.files if one.wanted.dialect.startswith(f"{FLAVOUR}/")]


def _first_rule(rules: Any, database: str, user: str) -> Mapping[str, Any] | None:
    for rule in rules:
        databases, users = rule["databases"].split(","), rule["users"].split(",")
        if {"all", database} & set(databases) and {"all", user} & set(users):
            return dict(rule)
    return None
