"""Brings the database up to date: `python -m guestbook.migrate`. Safe to repeat, and safe twice at once."""

import os
import sqlite3
import sys
from pathlib import Path

from guestbook.entries import Entries


def main() -> int:
    """Run the command; 0 done or nothing to do, 1 not possible."""
    path = Path(os.environ.get("DATABASE_PATH", ""))
    try:
        is_new = Entries(path).migrate()
    except sqlite3.Error as error:
        sys.stderr.write(f"migrate: DATABASE_PATH={path}: {error}\n")
        return 1
    sys.stderr.write("migrate: done\n" if is_new else "migrate: nothing to do\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
