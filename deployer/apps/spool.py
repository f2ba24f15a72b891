"""Where apps put what is too large for their memory, and what would put it into memory again.

Debian 13 keeps /tmp in memory, where an upload that was spooled out of the way counts as the app's own; /dev/shm is
memory everywhere. PrivateTmp gives each unit a writable /var/tmp of its own, on the disk.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from deployer.apps.places import AppPlaces

SPOOL = "/var/tmp"  # noqa: S108 - each unit has its own, and a migration makes names that nobody guesses
#: Variables that say where temporary files go, to C libraries, Python, Node.js, Go and SQLite.
TEMPORARY = frozenset({"TMPDIR", "TMP", "TEMP", "SQLITE_TMPDIR"})
#: The same for Java, as an option.
JAVA_TEMPORARY = "-Djava.io.tmpdir="
#: A path in memory, alone, in a list, or at the end of an address such as sqlite:////tmp/blog.db.
_IN_MEMORY = re.compile(r"(?:^|[:,=\s]|//)(/tmp|/dev/shm)(?![^/:,?\s])")


def spools_into_memory(app: str, name: str, value: str) -> str:
    """Say why a variable, or an option of a runtime, would fill memory with files; empty if it would not.

    Args:
        app: The app that is given it.
        name: Its name.
        value: What the user says.
    """
    if name in TEMPORARY or name == JAVA_TEMPORARY:
        path, state = PurePosixPath(value), AppPlaces(app).state
        if ".." in path.parts or not (path.is_relative_to(SPOOL) or path.is_relative_to(state)):
            return (
                f"temporary files in {value or 'no folder'} are in memory, or cannot be written at all; "
                f"leave it out ({SPOOL} is on the disk), or write a folder below {state}"
            )
        return ""
    found = _IN_MEMORY.search(value)
    return f"{found[1]} may be memory, which has its price; write {SPOOL} instead" if found else ""
