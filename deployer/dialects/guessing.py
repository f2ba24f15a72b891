"""Which dialect a file is in, by its name and then by its text."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_UNITS = (".service", ".socket", ".timer", ".slice", ".mount", ".path", ".target", ".scope", ".swap", ".automount")
_NAMES = (
    (r"(.*/)?(gunicorn[^/]*|[^/]*\.conf)\.py", "gunicorn"),
    (r"(.*/)?(\.my\.cnf|[^/]*\.cnf|my\.ini)", "mycnf"),
    (r"(.*/)?postgresql[^/]*\.conf", "postgresql"),
    (r"(.*/)?(redis|valkey)[^/]*\.conf", "redis"),
    (r"(.*/)?(sysctl[^/]*\.conf|sysctl\.d/[^/]*\.conf)", "sysctl"),
    (r"(.*/)?(nginx[^/]*\.conf|sites-(available|enabled)/[^/]*)", "nginx"),
    (r".*\.(service|socket|timer|slice)\.d/[^/]*\.conf", "unit"),
)
_SIGNS = (
    (r"^\s*\[(mysqld?|mariadbd?|server|client|client-server)[^\]]*\]", "mycnf"),
    (r"^\s*\[(Unit|Service|Socket|Timer|Slice|Install|Manager)\]", "unit"),
    (r"^\s*(events|http|server|upstream\s+\S+|location\s+[^{;]+)\s*\{", "nginx"),
    (r"^\s*(shared_buffers|work_mem|max_wal_size|listen_addresses)\s*=", "postgresql"),
    (r"^\s*(maxmemory|maxmemory-policy|appendonly|save)\s+\S", "redis"),
    (r"^\s*-?(net|vm|fs|kernel)[./][\w./-]+\s*=", "sysctl"),
    (r"^(bind|workers|worker_class|timeout|threads)\s*=", "gunicorn"),
)


def guess(filename: str, text: str) -> str | None:
    """Name the dialect of a file, or None if neither its name nor its text tells."""
    if PurePosixPath(filename).suffix in _UNITS:
        return "unit"
    for pattern, dialect in _NAMES:
        if re.fullmatch(pattern, filename):
            return dialect
    for pattern, dialect in _SIGNS:
        if re.search(pattern, text, re.MULTILINE):
            return dialect
    return None
