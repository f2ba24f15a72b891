"""Servers of given versions, started for real from Debian trees: what they accept, what they say, what they need.

The trees are :mod:`deployer.sandbox.trees`, the namespaces :mod:`deployer.sandbox.inside`. To ask a binary something by
hand::

    invoke sandbox.trees --make
    invoke sandbox.inside --tree trixie --command "mariadbd --help --verbose"
    invoke sandbox.inside --tree sid --command "mysqld --verbose --help"
    invoke sandbox.inside --tree trixie --command "/usr/lib/postgresql/17/bin/postgres --describe-config"
"""

from __future__ import annotations

from deployer.binaries.server import Allowed, Server, backlogs, limit_of, memory_mib

__all__ = ["Allowed", "Server", "backlogs", "limit_of", "memory_mib"]
