"""Groups of my.cnf: which of them a server reads, which are other programs'."""

from __future__ import annotations

import re
from functools import lru_cache

from deployer.dialects import Statement

#: Groups by server; those with a ``-`` behind them have a sister for one release series, ``[mariadb-10.11]``.
_READ = {
    "mariadb": (("mysqld", "mariadb", "mariadbd"), ("server", "client-server", "galera")),
    "mysql": (("mysqld",), ("server",)),
}
_OTHERS = re.compile(
    r"""client(-server|-mariadb|\d)? | (mysql|mariadb)(-client)? | mysqld\d+ | mariadbd? | server | galera | embedded
        | (mysql|mariadbd?|mysqld)[-_](safe|multi|safe[-_]helper)
        | (mysql|mariadb)[-_]?(dump|dumpslow|admin|check|import|show|slap|binlog|upgrade|hotcopy|test|backup|router)
        | (mysql|mariadb)[-_]?(tzinfo-to-sql|install-db|plugin|conv|sh|pump|shell|local)
        | mysqlbackup | (my|aria)[_]?isam(chk|pack|log|_ftdump)|aria_(chk|pack|read_log|dump_log) | xtrabackup | sst
        | mysql_config_editor | perror | replication-manager | mytop | innotop | mycli | pma.* | php.* | python.*""",
    re.VERBOSE,
)


def is_read_by_server(one: Statement, flavour: str, version: str) -> bool:
    """Say whether a statement of my.cnf stands in a group that the server reads."""
    return not _read(flavour, version).isdisjoint(one.context)


@lru_cache(maxsize=64)
def _read(flavour: str, version: str) -> frozenset[str]:
    series = ".".join(version.split(".")[:2])
    own, others = _READ[flavour]
    return frozenset((*own, *others, *(f"{name}-{series}" for name in own)))


def is_known(group: str) -> bool:
    """Say whether some program reads a group; ``[mysqld-5.7]`` is one of another release."""
    return _OTHERS.fullmatch(re.sub(r"-\d+(\.\d+)*$", "", group)) is not None
