"""What was deployed to this host, when, by whom, and how it ended: from the audit log, which nothing prunes."""

from __future__ import annotations

import json
import os
from typing import Any

from . import journal, lock, manifest, places, standing

#: Lines that are told at most, and the part of the log that is read for them, bytes.
MOST = 200
TAIL_BYTES = 4 << 20

Document = dict[str, Any]


def run(request: Document) -> Document:
    """Answer a `history` request; changes nothing.

    Args:
        request: `limit`: how many transactions, the newest first.
    """
    limit = max(1, min(MOST, int(request.get("limit") or 20)))
    last = manifest.load()["last_transaction"]
    ways = {one.identifier: standing.is_whole(one.doc.get("standing")) for one in journal.committed()}
    told = []
    for line in reversed(_tail()[-limit:]):
        identifier = line.get("transaction")
        told.append({**line, "live": identifier == last, "on_record": bool(ways.get(str(identifier)))})
    return {
        "transactions": told,
        "last_transaction": last,
        "open": [one.identifier for one in journal.recorded() if one.state != "closed"],
        "lock": lock.holder(),
    }


def _tail() -> list[Document]:
    try:
        with open(places.at(places.AUDIT), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - TAIL_BYTES))
            lines = stream.read(TAIL_BYTES).splitlines()
    except FileNotFoundError:
        return []
    return [found for found in map(_parsed, lines[1:] if size > TAIL_BYTES else lines) if found]


def _parsed(line: bytes) -> Document:
    try:
        found = json.loads(line)
    except ValueError:
        return {}  # a line that a power cut left half written
    return found if isinstance(found, dict) else {}
