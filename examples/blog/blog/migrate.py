"""Brings the database's tables up to date: `python -m blog.migrate`.

Applies `migrations/NNNN_name.sql` in order, each once, and records each when all of it is done.
MariaDB cannot undo CREATE or ALTER, so a step that stopped half-way runs again from its start:
write its statements so that they may. Two migrations at once wait for each other.
"""

import asyncio
import sys

from asyncmy.connection import Connection
from asyncmy.errors import MySQLError

from blog.db import Row, connect, is_connection_error
from blog.settings import DatabaseSettings, SettingsError, database_settings
from blog.steps import MigrationError, Step, pending, read_steps

#: Seconds to wait for another migration of the same database.
LOCK_WAIT_S = 60
RECORD_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version INT UNSIGNED NOT NULL PRIMARY KEY,
    name VARCHAR(120) NOT NULL,
    sha256 CHAR(64) CHARACTER SET ascii NOT NULL,
    applied_at DATETIME NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
"""


async def migrate(settings: DatabaseSettings) -> tuple[Step, ...]:
    """Apply what is missing and return it.

    Raises:
        MigrationError: See `pending`; or a statement failed; or the lock was not free in time.
    """
    steps = read_steps()
    connection = await connect(settings)
    try:
        lock = f"{settings.name}.migrate"[-64:]
        if await _rows(connection, "SELECT GET_LOCK(%s, %s)", lock, LOCK_WAIT_S) != [(1,)]:
            raise MigrationError(f"another migration has been running for {LOCK_WAIT_S} s")
        await _rows(connection, "SET sql_notes = 0")  # "exists already" is what IF NOT EXISTS expects
        await _rows(connection, RECORD_TABLE)
        recorded = await _rows(connection, "SELECT version, name, sha256 FROM schema_migrations")
        missing = pending(steps, {version: (name, sha256) for version, name, sha256 in recorded})
        for step in missing:
            await _apply(connection, step)
        return missing
    finally:
        connection.close()  # which frees the lock


async def _apply(connection: Connection, step: Step) -> None:
    for number, statement in enumerate(step.statements, 1):
        try:
            await _rows(connection, statement)
        except MySQLError as error:
            raise MigrationError(f"{step.name}, statement {number}: {error}") from error
    await _rows(
        connection,
        "INSERT INTO schema_migrations (version, name, sha256, applied_at) VALUES (%s, %s, %s, UTC_TIMESTAMP())",
        step.version,
        step.name,
        step.sha256,
    )


async def _rows(connection: Connection, sql: str, *args: object) -> list[Row]:
    async with connection.cursor() as cursor:
        await cursor.execute(sql, args or None)
        return list(await cursor.fetchall())


def main() -> int:
    """Run the command; 0 done or nothing to do, 1 not possible."""
    try:
        done = asyncio.run(migrate(database_settings()))
    except (MigrationError, SettingsError) as error:
        sys.stderr.write(f"migrate: {error}\n")
        return 1
    except Exception as error:
        if not is_connection_error(error) and not isinstance(error, MySQLError):
            raise
        sys.stderr.write(f"migrate: the database refuses or does not answer: {error}\n")
        return 1
    lines = [f"migrate: applied {step.name}" for step in done] or ["migrate: nothing to do"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
