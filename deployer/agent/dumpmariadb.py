"""Dumps of MariaDB and MySQL, which cannot undo CREATE or ALTER: a database is made anew from its dump."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from typing import Any, Mapping

from . import command, recordedsteps
from .mariadb import LOOK_TIMEOUT_S, SOCKET, MariaDB
from .mysql import MySQL
from .refusal import Refusal

TIMEOUT_S = 60.0
_IS_THERE = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{name}'"
_SIZE = "SELECT COALESCE(SUM(DATA_LENGTH), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}'"
_KNOWN = """\
SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}' AND TABLE_NAME IN ('{known}')
"""
_ROWS = "SELECT * FROM `{name}`.`{table}` LIMIT {most}"
#: Sessions in the database that are in a transaction or at work, but for our own.
_BUSY = """\
SELECT p.ID FROM information_schema.PROCESSLIST p
LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID
WHERE p.DB = '{name}' AND p.ID <> CONNECTION_ID() AND (t.trx_id IS NOT NULL OR p.COMMAND NOT IN ('Sleep', 'Daemon'));
"""


class MariaDBDumper(MariaDB):
    """The server's side of `dumper.Dumper`; names were checked, and may stand in a statement."""

    programs: tuple[str, ...] = ("mariadb-dump", "mysqldump")
    options: tuple[str, ...] = ()
    #: What a schema is compared without: the next number comes with rows.
    passing = re.compile(rb" AUTO_INCREMENT=\d+")

    def check(self, place: Mapping[str, Any]) -> None:
        """Raise Refusal if its name is not plain."""
        name = place["name"]
        if not isinstance(name, str) or not self.names.fullmatch(name) or name.lower() in self.reserved:
            raise Refusal("fault", f"refused as a database's name: {name!r}")

    def is_there(self, place: Mapping[str, Any]) -> bool:
        """Say whether there is such a database."""
        if not self._is_there():
            return False
        try:
            return self._query(_IS_THERE.format(name=place["name"]), timeout_s=LOOK_TIMEOUT_S).strip() == "1"
        except Refusal:
            return False

    def size_bytes(self, place: Mapping[str, Any]) -> int:
        """Say how much its tables hold, without their indexes."""
        return int(float(self._query(_SIZE.format(name=place["name"])).strip()))

    def picture(self, place: Mapping[str, Any]) -> dict[str, Any]:
        """Tell its schema as the server's own dump writes it, and the recorded steps."""
        argv = [*self._dump_call(place), "--no-data", "--skip-comments", place["name"]]
        result = command.run(argv, timeout_s=TIMEOUT_S, whole=True)
        if not result.ok:
            raise Refusal("activation", f"the schema of {place['name']} cannot be read", detail=result.output[-2000:])
        schema = hashlib.sha256(self.passing.sub(b"", result.output.encode())).hexdigest()[:16]
        return {"schema": schema, "recorded": self._recorded(place["name"])}

    def dump(self, place: Mapping[str, Any], path: str) -> list[str]:
        """Dump it with what makes it anew; InnoDB's tables all of one moment."""
        call = [*self._dump_call(place), "--single-transaction", "--quick", "--hex-blob"]
        call += ["--add-drop-database", "--databases", place["name"]]
        return [f'{shlex.join(call)} | gzip -1 > "$1"', path]

    def is_whole(self, _head: bytes, tail: bytes, _total_bytes: int) -> bool:
        """Look for the line that the program writes last."""
        return b"\n-- Dump completed" in tail

    def restore(self, _place: Mapping[str, Any], path: str) -> list[str]:
        """Drop it, make it and fill it; the rights of its user stay."""
        client = self._client() or self.clients[0]
        call = [client, "--no-defaults", "--protocol=socket", f"--socket={SOCKET}", "--user=root", "--batch"]
        call += ["--default-character-set=utf8mb4"]
        # what the program writes first makes the database anew: nothing that came since is left in it
        return [f'gzip -dc "$1" | {shlex.join(call)}', path]

    def is_busy(self, place: Mapping[str, Any]) -> bool:
        """Say whether somebody is in a transaction there."""
        return bool(self._query(_BUSY.format(name=place["name"])).split())

    def end_sessions(self, place: Mapping[str, Any]) -> None:
        """End those sessions; a statement that is being taken back may need its time."""
        for number in self._query(_BUSY.format(name=place["name"])).split():
            self._query(f"KILL {int(number)}")

    def by_hand(self, _place: Mapping[str, Any], path: str) -> str:
        """Say what a person types; the dump itself names the database."""
        return f"gzip -dc {path} | {self.clients[0]}"

    def _dump_call(self, _place: Mapping[str, Any]) -> list[str]:
        found = (shutil.which(one, path=command.ENVIRONMENT["PATH"]) for one in self.programs)
        program = next(filter(None, found), self.programs[0])
        call = [program, "--no-defaults", "--protocol=socket", f"--socket={SOCKET}", "--user=root"]
        call += ["--default-character-set=utf8mb4", "--routines", "--triggers", "--events", *self.options]
        return call

    def _recorded(self, name: str) -> list[str] | None:
        tables = self._query(_KNOWN.format(name=name, known="', '".join(recordedsteps.TABLES))).split()
        if not tables:
            return None
        answers = [self._query(_ROWS.format(name=name, table=one, most=recordedsteps.MOST)) for one in sorted(tables)]
        return [recordedsteps.told(line.split("\t")) for answer in answers for line in answer.splitlines()]


class MySQLDumper(MariaDBDumper, MySQL):
    """As MariaDB, but for sizes that are kept for a day, and notes on replication that only root of all may load."""

    programs = ("mysqldump",)
    options = ("--set-gtid-purged=OFF", "--no-tablespaces")
    #: A column that was made anew from its collation is told with the character set that the collation is of, too.
    passing = re.compile(rb" AUTO_INCREMENT=\d+| CHARACTER SET \w+(?= COLLATE )")
    prelude = MySQL.prelude + "SET SESSION information_schema_stats_expiry = 0;\n"
