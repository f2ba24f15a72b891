"""Files of dumps: whole or not there, readable by root alone, a few kept of each app within the room that it has."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from . import durable, journal, places
from .refusal import Refusal
from .work import Work, failure

if TYPE_CHECKING:
    from .dumper import Dumper

#: Of each kind, for each app.
KEPT = 3
#: As the database stood before a migration; as it stood when it was put back.
BEFORE, FAILED = "before", "failed"
TIMEOUT_S = 240.0
#: What is kept of a dump's beginning and end, to judge whether it is whole, bytes.
HEAD_BYTES, TAIL_BYTES = 128, 4096
MIB = 1 << 20
#: So much is unpacked at a time, bytes: of data that repeat themselves it becomes a thousand times as much.
CHUNK_BYTES = 16 << 10

Document = dict[str, Any]


def check_room(place: Mapping[str, Any], size_bytes: int) -> None:
    """Refuse where the dumps would not fit: one before, one of what failed, and as much while it is put back.

    A dump is packed, so that it needs less than the data nearly always: the data's size is taken for it.

    Raises:
        Refusal: Kind `disk_full`, with the numbers and the two ways out.
    """
    app, room_mib = place["app"], int(place["room_mib"])
    size_mib = size_bytes // MIB + 1
    keys = f"apps.{app}.database"
    if 2 * size_mib > room_mib:
        raise Refusal(
            "disk_full",
            f"the database {place['name']} holds {size_mib} MiB: a dump before its migration, and another one if it "
            f"has to be put back, may need {2 * size_mib} MiB, and dump_room_mib is {room_mib}",
            next=f"write {keys}.dump_room_mib: {2 * size_mib}, or {keys}.before_migration: steps if every step of its "
            "migrations leaves a database that the release before can serve",
        )
    free_mib = _free_bytes() // MIB
    if 3 * size_mib > free_mib:
        raise Refusal(
            "disk_full",
            f"the database {place['name']} holds {size_mib} MiB: to dump it before its migration, and to put it back, "
            f"may need {3 * size_mib} MiB of the disk, which has {free_mib} MiB left",
            next=f"make room on the host (df -h {places.STATE}), or write {keys}.before_migration: steps",
        )


def take(dumper: Dumper, place: Mapping[str, Any], transaction: str, kind: str, work: Work) -> Document:
    """Dump a database into a file that is whole and on the disk when it has its name.

    Returns:
        `file`, `bytes`, `taken` (UTC).

    Raises:
        Refusal: It cannot be dumped; nothing of it is left.
    """
    folder = places.at(places.DUMPS)
    durable.make_directories(folder, 0o700)
    path = f"{places.DUMPS}/{place['app']}.{transaction}.{kind}.gz"
    fresh = places.at(path) + ".new"
    try:
        durable.unlink_quietly(fresh)
        run(dumper.dump(place, fresh), f"the dump of the database {place['name']}", work)
        check_whole(dumper, fresh, place["name"])
        handle = os.open(fresh, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(fresh, places.at(path))
        durable.sync_directory(folder)
    except BaseException:
        durable.unlink_quietly(fresh)
        raise
    return {"file": path, "bytes": os.stat(places.at(path)).st_size, "taken": journal.timestamp()}


def run(pipeline: Sequence[str], what: str, work: Work) -> None:
    """Run a pipeline of the shell, which fails as a whole if one of its programs does.

    Args:
        pipeline: Its text, then its arguments; no secret in them.
        what: For people.
        work: Where it runs, within the memory of the deploy's work.
    """
    argv = ["bash", "-o", "pipefail", "-c", pipeline[0], "deployer", *pipeline[1:]]
    result = work.run(argv, timeout_s=TIMEOUT_S, properties=("UMask=0077",))
    if not result.ok:
        raise failure("activation", what, result)


def trim(app: str, room_bytes: int) -> None:
    """Remove the oldest dumps of an app until so much room is left for them."""
    found = [one for one in _files() if _app(one) == app]
    sizes = {one: os.stat(f"{places.at(places.DUMPS)}/{one}").st_size for one in found}
    while found and sum(sizes[one] for one in found) > room_bytes:
        durable.unlink_quietly(f"{places.at(places.DUMPS)}/{found.pop(0)}")


def prune() -> None:
    """Keep the last three dumps of each kind of each app."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for one in _files():
        kinds.setdefault((_app(one), one.split(".")[-2]), []).append(one)
    for names in kinds.values():
        for old in names[:-KEPT]:
            durable.unlink_quietly(f"{places.at(places.DUMPS)}/{old}")


def drop_unfinished() -> None:
    """Remove what a dead transaction began to dump."""
    folder = places.at(places.DUMPS)
    for one in os.listdir(folder) if os.path.isdir(folder) else ():
        if one.endswith(".new"):
            durable.unlink_quietly(f"{folder}/{one}")


def listed() -> list[Document]:
    """List the dumps that there are, oldest first."""
    return [
        {
            "app": _app(one),
            "file": f"{places.DUMPS}/{one}",
            "bytes": os.stat(f"{places.at(places.DUMPS)}/{one}").st_size,
        }
        for one in _files()
    ]


def _files() -> list[str]:
    folder = places.at(places.DUMPS)
    found = [one for one in os.listdir(folder) if one.endswith(".gz")] if os.path.isdir(folder) else []
    return sorted(found, key=lambda one: (os.stat(f"{folder}/{one}").st_mtime, one))


def _app(name: str) -> str:
    return name.partition(".")[0]


def _free_bytes() -> int:
    path = places.at(places.STATE)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def check_whole(dumper: Dumper, path: str, name: str) -> None:
    """Unpack a dump, which checks its sum, and look at its beginning and end.

    Raises:
        Refusal: It is damaged or not whole.
        OSError: It cannot be read.
    """
    unpacking, head, tail, total = zlib.decompressobj(31), b"", b"", 0
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            try:
                data = unpacking.decompress(chunk)
            except zlib.error as error:
                raise Refusal("fault", f"the dump of the database {name} is damaged: {error}") from error
            head, tail, total = (head + data)[:HEAD_BYTES], (tail + data)[-TAIL_BYTES:], total + len(data)
    if not unpacking.eof or not dumper.is_whole(head, tail, total):
        raise Refusal("fault", f"the dump of the database {name} is not whole")
