"""A SQLite file by hand becomes an app's own: copied by those two users, never by root; the old one stays."""

from __future__ import annotations

import os
import re
from typing import Any, Mapping

from . import dumps, dumpsqlite, places, treestate
from .refusal import Refusal
from .work import Work

_USERS = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
#: What lies there is from a takeover that failed, or from before a way back: it is put aside, not lost.
_ARRIVE = """\
import os, shutil, sqlite3, sys, time
path = sys.argv[1]
fresh = path + ".new"
os.umask(0o077)
if os.path.lexists(fresh):
    os.unlink(fresh)
with open(fresh, "xb") as stream:
    shutil.copyfileobj(sys.stdin.buffer, stream)
    stream.flush()
    os.fsync(stream.fileno())
copy = sqlite3.connect(fresh)
assert copy.execute("PRAGMA quick_check").fetchall() == [("ok",)], "the copy is damaged"
copy.close()
for end in ("", "-wal", "-shm"):
    if os.path.lexists(path + end):
        os.rename(path + end, f"{path}.before-{time.time_ns()}{end}")
os.rename(fresh, path)
"""
_PIPELINE = """\
install -d -m 700 -o "$4" -g "$4" "$(dirname "$3")"
runuser -u "$2" -- python3 -I -c "$5" "$1" | runuser -u "$4" -- python3 -I -c "$6" "$3"
"""


def copy(entry: Mapping[str, Any], work: Work) -> None:
    """Copy the file of a service that has stopped to where its new app looks for it.

    Args:
        entry: The plan's activation: `from`, `owner` (who may write it), `to` (below /var/lib/app-NAME), `user`.
        work: Where it runs.

    Raises:
        Refusal: A path or a user is not plain, or the copy failed; the old file is as it was.
    """
    old, new = places.checked_path(entry["from"]), places.checked_path(entry["to"])
    owner, user = entry["owner"], entry["user"]
    for one in (owner, user):
        if not isinstance(one, str) or not _USERS.fullmatch(one):
            raise Refusal("fault", f"refused as a user's name: {one!r}")
        treestate.user_id(one)
    if os.path.dirname(new) != f"/var/lib/{user}":
        raise Refusal("fault", f"refused as a place of {user}'s: {new}")
    words = [places.at(old), owner, places.at(new), user, dumpsqlite.DUMP, _ARRIVE]
    dumps.run([f"set -e\n{_PIPELINE}", *words], f"the copy of {old}", work)
