"""Data that are there: what keeps each, and what would lose it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from deployer.adoption import postgresql
from deployer.adoption.fates import Choices, DataFate, FileFate, Lacking
from deployer.adoption.found import Found
from deployer.render import Rendered
from deployer.services.redis.settings import RedisSettings
from deployer.wishes import wishes

MYSQL = ("mariadb", "mysql")
MYSQL_DATA = "/var/lib/mysql"
REDIS_DATA = {"redis": "/var/lib/redis", "valkey": "/var/lib/valkey"}
_SERVERS = (
    (re.compile(r"(mariadb|mysql)\.service"), frozenset(MYSQL)),
    (re.compile(r"postgresql@.+\.service"), frozenset(["postgresql"])),
)
#: Read after all folders if something follows the lines that name those.
MAIN_FILES = ("/etc/mysql/my.cnf", "/etc/mysql/mariadb.cnf", "/etc/mysql/mysql.cnf")


def mysql_settings(rendered: Rendered) -> Mapping[str, str]:
    """Give the settings of the database server that the inventory decides, as they are spelled in files."""
    return {setting.removeprefix("loose_"): value for server, _, setting, value in wishes(rendered) if server in MYSQL}


def settings_of(rendered: Rendered, one: Mapping[str, Any]) -> Mapping[str, str]:
    """Give the inventory's settings of the server in whose file a setting was found."""
    return postgresql.settings(rendered) if postgresql.is_its(one) else mysql_settings(rendered)


def data_fates(rendered: Rendered, found: Found) -> Iterator[DataFate]:
    """Say what keeps the databases and what Redis holds."""
    wanted = {database.name: database for database in rendered.wanted.databases}
    for server in found.told["databases"]:
        users = {str(user) for user in server["users"]}
        for one in server["databases"]:
            size = f"{_tables(one)}{one['mib']:g} MiB"
            database = wanted.get(one["name"])
            if database is None or server["flavour"] != database.server:
                yield DataFate(f"{server['flavour']} {one['name']}", f"{size}; stays, no app of the inventory uses it")
                continue
            login = (
                postgresql.login(database, one, server)
                if server["flavour"] == postgresql.FLAVOUR
                else _login(database.user, users, server.get("alone") or ())
            )
            yield DataFate(f"{server['flavour']} {one['name']}", f"{size}; used as it is, no table is touched; {login}")
    held = found.told.get("redis")
    if held and held["answers"]:
        yield DataFate("redis", f"{held['keys']} keys, {held['mib']:g} MiB; {held['dir']}/{held['dbfilename']} stays")
    for path in sorted({str(root) for site in found.told["sites"] for root in site["roots"]}):
        yield DataFate(path, "a folder that nginx serves; stays as it is")


def _tables(one: Mapping[str, Any]) -> str:
    count = one["tables"]
    return "" if count is None else f"{count} table{'' if count == 1 else 's'}, "


def _login(user: str, users: Container[str], alone: Container[str]) -> str:
    if f"{user}@localhost" not in users:
        return f"user {user}@localhost is made for the app"
    if f"{user}@localhost" in alone:
        return (
            f"user {user}@localhost gets the app's password in the place of its own, which only a failure brings back"
        )
    return f"user {user}@localhost gets the app's password besides its own, which stays valid"


def lacking(rendered: Rendered, found: Found, choices: Choices) -> Iterator[Lacking]:
    """Say what would lose data, or would not use it."""
    servers = {database.server for database in rendered.wanted.databases}
    yield from _silent(found)
    there = {database["name"] for server in found.told["databases"] for database in server["databases"]}
    for server in found.told["databases"]:
        flavour = server["flavour"]
        if flavour in MYSQL and servers & set(MYSQL) and flavour not in servers:
            yield Lacking(f"the host has {flavour} {server['version']}", f"write services.mysql.flavour: {flavour}")
        elif flavour in servers & set(MYSQL) and server["data"].rstrip("/") != MYSQL_DATA:
            yield Lacking(
                f"the database's data lie in {server['data']}, and its unit will write to {MYSQL_DATA} alone",
                f"move them to {MYSQL_DATA}, or allow the folder in a drop-in of mariadb.service of your own",
            )
    for name, app in rendered.declaration.apps.items():
        if app.database and app.database.seed and (app.database.name or name) in there:
            yield Lacking(
                f"the seed of app {name} would be run on the data that are there",
                f"leave out apps.{name}.database.seed",
            )
    yield from _redis_lacking(rendered, found, choices)
    yield from postgresql.lacking(rendered, found)
    for one in found.told["settings"]:
        if one["name"] == "include_dir":
            yield Lacking(
                f"{one['file']} does not read the folder conf.d beside it, where the budget's settings go",
                "write include_dir = 'conf.d' at its end",
            )
        elif _outranks(rendered, one):
            yield Lacking(
                f"{one['name']} = {one['value']} in {one['file']}, line {one['line']}, counts more than the budget's",
                "take that line out; the budget gives it a value of its own",
            )


def _silent(found: Found) -> Iterator[Lacking]:
    """Name database servers that run and let nobody in: what they hold is not known then."""
    told = {server["flavour"] for server in found.told["databases"]}
    for one in found.told["units"]:
        flavours = next((flavours for pattern, flavours in _SERVERS if pattern.fullmatch(one["unit"])), frozenset())
        if one["runs"] and flavours and not flavours & told:
            yield Lacking(
                f"{one['unit']} runs and does not say what it holds",
                "let root in by its socket, as Debian does (mariadb -e 'SELECT 1', or psql as postgres)",
            )


def _redis_lacking(rendered: Rendered, found: Found, choices: Choices) -> Iterator[Lacking]:
    held, settings = found.told.get("redis"), rendered.declaration.settings.get("redis")
    if not held or not isinstance(settings, RedisSettings) or "redis" in choices.drop:
        return
    where = "services.redis.persistence"
    if not held["answers"]:
        yield Lacking(f"Redis at {held['place']} does not say what it holds (a password?)", "--drop redis if it may go")
    elif held["keys"] and settings.persistence == "none":
        yield Lacking(
            f"Redis holds {held['keys']} keys, and the inventory's forgets at each restart",
            f"write {where}: rdb to keep them, or say --drop redis",
        )
    elif held["keys"] and settings.persistence == "aof" and not held["appendonly"]:
        yield Lacking(
            f"Redis holds {held['keys']} keys in {held['dbfilename']}, which one with a log of writes does not read",
            f"write {where}: rdb for the takeover",
        )
    elif held["keys"] and settings.persistence == "rdb" and held["appendonly"]:
        yield Lacking("Redis keeps a log of writes, which rdb does not read", f"write {where}: aof")
    if held["answers"] and held["keys"]:
        data = REDIS_DATA[settings.flavour]
        if (held["dir"].rstrip("/"), held["dbfilename"]) != (data, "dump.rdb"):
            place = f"{held['dir']}/{held['dbfilename']}"
            yield Lacking(f"Redis keeps its data in {place}", f"let it save to {data}/dump.rdb, or say --drop redis")
        most = next(
            (value for server, _, name, value in wishes(rendered) if server == "redis" and name == "maxmemory"), ""
        )
        if most.endswith("mb") and held["mib"] > float(most.removesuffix("mb")):
            yield Lacking(
                f"Redis holds {held['mib']:g} MiB, the budget lets it hold {most}", "pin services.redis.maxmemory_mib"
            )


def file_fates(rendered: Rendered, found: Found) -> Iterator[FileFate]:
    """Give the database server's files with words that count no more, and the config that Redis reads no more."""
    by_file: dict[str, list[str]] = {}
    for one in found.told["settings"]:
        if not _outranks(rendered, one):
            value = settings_of(rendered, one).get(one["name"], "")
            by_file.setdefault(one["file"], []).append(f"{one['name']} = {one['value']} (now {value})")
    for path, words in by_file.items():
        yield FileFate(path, "shadowed", path, ", ".join(words))
    settings = rendered.declaration.settings.get("redis")
    if found.told.get("redis") and isinstance(settings, RedisSettings):
        path = f"/etc/{settings.flavour}/{settings.flavour}.conf"
        yield FileFate(path, "not read", path, "the server is started with another one")


def _outranks(rendered: Rendered, one: Mapping[str, Any]) -> bool:
    """Say whether a line of theirs is read after ours."""
    if postgresql.is_its(one):
        return postgresql.outranks(rendered, one)
    ours = [PurePosixPath(file.path) for file in rendered.files if file.wanted.dialect == "mycnf"]
    if not ours:
        return False
    path = PurePosixPath(one["file"])
    if str(path) in MAIN_FILES:
        return bool(one["after_include"])
    return path.parent == ours[0].parent and path.name > ours[0].name


def advice(rendered: Rendered, found: Found) -> Iterator[str]:
    """Say who loses a way to the servers, and what a migration may do."""
    servers = {3306: "mysql", 5432: "postgresql", 6379: "redis"}
    for one in found.told["ports"]:
        service = servers.get(one["port"])
        if service in rendered.declaration.settings and one["process"] not in ("", "systemd"):
            servers.pop(one["port"])
            yield f"{one['process']} listens on port {one['port']} now, and only on its socket after this"
    there = {database["name"] for server in found.told["databases"] for database in server["databases"]}
    for name, app in rendered.declaration.apps.items():
        if app.database and app.database.migrate and (app.database.name or name) in there:
            yield f"the migration of app {name} runs on the data that are there: make a dump before"
    for one in found.told["cron"]:
        yield f"{one['file']}, line {one['line']}, goes on: {one['when']} {one['user']} {one['program']}"
