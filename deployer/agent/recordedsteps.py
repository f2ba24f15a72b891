"""Where tools of migrations record the steps that are done, and how such a row is told."""

from __future__ import annotations

import re
from typing import Any, Iterable

#: Of Rails, golang-migrate, dbmate and this project's examples; Alembic; Django; Flyway; Liquibase; Prisma; Knex;
#: Sequelize; goose; Laravel and TypeORM; Doctrine; yoyo; node-pg-migrate.
TABLES = (
    "schema_migrations",
    "alembic_version",
    "django_migrations",
    "flyway_schema_history",
    "DATABASECHANGELOG",
    "databasechangelog",
    "_prisma_migrations",
    "knex_migrations",
    "SequelizeMeta",
    "goose_db_version",
    "migrations",
    "doctrine_migration_versions",
    "_yoyo_migration",
    "pgmigrations",
)
#: Rows that are looked at; longer texts of one are cut, characters.
MOST, LONGEST = 1000, 120
_SUM = re.compile(r"\b[0-9a-f]{32,}\b")


def told(fields: Iterable[Any]) -> str:
    """Tell a row in one line, without what only a program reads."""
    words = (_SUM.sub("", str(field)).strip() for field in fields if field is not None)
    return " ".join(word for word in words if word and word != "NULL").replace("\n", " ")[:LONGEST]
