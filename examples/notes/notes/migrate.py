"""Brings the tables up to date: `python -m notes.migrate`. Safe to repeat, and safe twice at once: the second waits.

Each file of migrations/ is applied once, in order, in a transaction with its record: whole or not at all.
"""

import asyncio
import sys
from pathlib import Path

import asyncpg

from notes.settings import SettingsError, settings

MIGRATIONS = Path(__file__).with_name("migrations")
#: Any number, the same for all migrations of this app.
LOCK = 7_305_001
LOCK_TIMEOUT_S = 60


async def migrate() -> list[str]:
    """Apply what is missing and return its names."""
    told = settings()
    connection = await asyncpg.connect(host=told.socket_folder, database=told.name, user=told.user, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=LOCK_TIMEOUT_S)
        is_there = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
        if not is_there:
            await connection.execute("CREATE TABLE schema_migrations (name text PRIMARY KEY)")
        applied = {row[0] for row in await connection.fetch("SELECT name FROM schema_migrations")}
        missing = [path for path in sorted(MIGRATIONS.glob("*.sql")) if path.name not in applied]
        for path in missing:
            async with connection.transaction():
                await connection.execute(path.read_text(encoding="utf-8"))
                await connection.execute("INSERT INTO schema_migrations (name) VALUES ($1)", path.name)
        return [path.name for path in missing]
    finally:
        await connection.close()  # which frees the lock


def main() -> int:
    """Run the command; 0 done or nothing to do, 1 not possible."""
    try:
        done = asyncio.run(migrate())
    except (SettingsError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        sys.stderr.write(f"migrate: {error}\n")
        return 1
    sys.stderr.write(f"migrate: {', '.join(done) or 'nothing to do'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
