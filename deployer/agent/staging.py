"""The new files, put beside their targets where a rename is atomic, and the old ones, kept so that one brings it back.

The kept file is a hard link to the old one: putting it back needs no space on a full disk and restores mode, owner,
times and attributes at once. A copy of its bytes in the transaction's directory is the second string.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from . import durable, manifest, places, secretfiles, treestate
from .refusal import Refusal

if TYPE_CHECKING:
    from .blobs import Blobs
    from .journal import Journal

_KEPT = re.compile(places.IDENTIFIER.pattern + r"/before/[0-9]{1,6}")
#: /etc/nginx and the like are not ours to remove, whoever emptied them.
SYSTEM_DEPTH = 3


def beside(path: str, transaction: str, what: str) -> str:
    """Return the name of a companion of `path`: a dot file with an ending that config directories skip."""
    head, tail = os.path.split(path)
    return f"{head}/.{tail}.{transaction}.{what}"


def compare(files: Sequence[dict[str, Any]], *, packages_came: bool) -> None:
    """Refuse if the host moved since the plan was made.

    Args:
        files: The plan's files.
        packages_came: Packages were installed since; then a file that was absent may have come with one of them.

    Raises:
        Refusal: Kind `outdated`, naming every path that differs.
    """
    moved = []
    for entry in files:
        found = treestate.state_of(places.checked_path(entry["path"]))
        if packages_came and entry["before"].get("kind") == "absent" and found["kind"] in ("file", "link"):
            continue
        if not treestate.agrees(found, entry["before"]):
            moved.append(f"{entry['path']}: the plan saw {entry['before'].get('kind')}, now {_short(found)}")
    if moved:
        raise Refusal(
            "outdated",
            f"{len(moved)} of {len(files)} files changed on the host since the plan was made",
            detail="\n".join(moved),
            next="make the plan again and look at it",
        )


def stage(
    files: Sequence[dict[str, Any]], blobs: Blobs, journal: Journal, secrets: Mapping[str, Any] | None = None
) -> None:
    """Write every new file and link beside its target, with its owner and mode, on the disk.

    What will be made stands in the journal before it is made.

    Args:
        files: The plan's files.
        blobs: Their bytes.
        journal: The transaction's record.
        secrets: Values of the plan's secrets, by their paths; they are in no blob, which may lie on a disk.
    """
    for entry in files:
        path = places.checked_path(entry["path"])
        wanted = entry["after"]
        staged = None if wanted["kind"] == "absent" else beside(path, journal.identifier, "new")
        recorded: dict[str, Any] = {"path": path, "staged": staged, "before": None, "kept": None, "former": None}
        # for a later way back: what must be restarted for it, and whether its text is shown to nobody
        recorded.update({"restarts": entry.get("restarts", []), "secret": secretfiles.is_secret(path)})
        recorded["target"] = wanted.get("target")
        journal.doc["files"].append(recorded)
        journal.doc["made_directories"] += _missing_parents(path, journal.doc["made_directories"])
    journal.save()
    for directory in journal.doc["made_directories"]:
        durable.make_directories(places.at(directory))
    for entry, recorded in zip(files, journal.doc["files"]):
        wanted, staged = entry["after"], recorded["staged"]
        if wanted["kind"] == "link":
            os.symlink(wanted["target"], places.at(staged))
        elif wanted["kind"] == "file":
            data = _bytes(entry, blobs, secrets or {})
            uid, gid = treestate.user_id(wanted["owner"]), treestate.group_id(wanted["group"])
            durable.write_new(places.at(staged), data, treestate.octal(wanted["mode"]), uid, gid)
    for directory in directories(journal):
        durable.sync_directory(directory)


def _bytes(entry: dict[str, Any], blobs: Blobs, secrets: Mapping[str, Any]) -> bytes:
    path, wanted = entry["path"], entry["after"]
    if secretfiles.is_secret(path) and not wanted.get("kept"):
        if treestate.octal(wanted["mode"]) & 0o077:
            raise Refusal("fault", f"the secret {path} would be readable by others")
        return secretfiles.given(entry, secrets)
    data = kept_bytes(wanted["kept"]) if wanted.get("kept") else blobs.read(wanted["blob"])
    named = secretfiles.mark(path, data) if secretfiles.is_secret(path) else hashlib.sha256(data).hexdigest()
    if named != wanted["mark" if secretfiles.is_secret(path) else "sha256"]:
        raise Refusal("fault", f"the bytes for {path} are not those of the plan")
    return data


def kept_bytes(name: str) -> bytes:
    """Return what an earlier transaction took the place of.

    Args:
        name: `ID/before/NUMBER`, as a plan of the way back names it.

    Raises:
        Refusal: That is no such name, or the record is gone.
    """
    if not _KEPT.fullmatch(name):
        raise Refusal("fault", f"not the name of a kept file: {name!r}")
    try:
        return treestate.read(f"{places.at(places.TRANSACTIONS)}/{name}")
    except FileNotFoundError:
        raise Refusal("outdated", f"the record {name} is no longer on the host") from None


def keep(journal: Journal) -> None:
    """Keep what is there now: a hard link beside it and a copy of its bytes in the transaction's directory."""
    os.mkdir(f"{journal.directory}/before", 0o700)
    owned = manifest.load()["owned"]
    for number, recorded in enumerate(journal.doc["files"]):
        before = treestate.state_of(recorded["path"])
        recorded["before"] = before
        if before["kind"] == "other":
            raise Refusal("unsupported", f"{recorded['path']} is neither a file nor a link on the host")
        if before["kind"] == "absent":
            continue
        recorded["kept"] = beside(recorded["path"], journal.identifier, "dpkg-old")
        if recorded["path"] not in owned and not recorded["secret"]:  # what is kept for good would outlive a rotation
            recorded["former"] = _unused(places.FORMER + recorded["path"])
        if before["kind"] == "file":
            recorded["copy"] = f"before/{number}"
            data = treestate.read(places.at(recorded["path"]))
            durable.write_new(f"{journal.directory}/{recorded['copy']}", data, 0o600)
    journal.save()
    for recorded in journal.doc["files"]:
        if recorded["kept"]:
            _link(places.at(recorded["path"]), places.at(recorded["kept"]))
    durable.sync_directory(f"{journal.directory}/before")


def swap(journal: Journal) -> None:
    """Make the new files live: each by one rename, all of them before the directories are flushed."""
    for recorded in journal.doc["files"]:
        if recorded["staged"]:
            os.replace(places.at(recorded["staged"]), places.at(recorded["path"]))
        else:
            durable.unlink_quietly(places.at(recorded["path"]))
    for directory in directories(journal):
        durable.sync_directory(directory)


def keep_former(journal: Journal) -> None:
    """Keep for good what was somebody else's and has been replaced: records are pruned, and nobody has it else."""
    for recorded in journal.doc["files"]:
        former, before = recorded.get("former"), recorded["before"]
        if not former or os.path.lexists(places.at(former)):
            continue  # ours, or kept before the clean-up was cut short
        durable.make_directories(places.at(places.FORMER), 0o700)
        durable.make_directories(places.at(os.path.dirname(former)))
        if before["kind"] == "link":
            os.symlink(before["target"], places.at(former))
        else:
            data = treestate.read(f"{journal.directory}/{recorded['copy']}")
            fresh = places.at(former) + ".tmp"  # half of a file under its own name would be taken for all of it
            durable.unlink_quietly(fresh)
            durable.write_new(fresh, data, before["mode"], before["uid"], before["gid"])
            os.replace(fresh, places.at(former))
            durable.sync_directory(os.path.dirname(fresh))


def discard(journal: Journal) -> None:
    """Remove what was staged or kept beside the targets.

    Raises:
        OSError: One of them cannot be removed; the others are.
    """
    problems = []
    for recorded in journal.doc["files"]:
        for companion in filter(None, (recorded["staged"], recorded["kept"])):
            try:
                durable.unlink_quietly(places.at(companion))
            except OSError as error:
                problems.append(error)
    if problems:
        raise problems[0]


def remove_made_directories(journal: Journal) -> None:
    """Remove the directories that this transaction made, if they are empty."""
    for directory in reversed(journal.doc["made_directories"]):
        try:
            os.rmdir(places.at(directory))
        except OSError:
            continue  # not made yet, or it holds something: then it stays


def remove_emptied_directories(journal: Journal) -> None:
    """Remove the directories that the removal of our files left empty, but for those that belong to the system."""
    for recorded in journal.doc["files"]:
        parent = os.path.dirname(recorded["path"])
        if recorded["staged"] or parent.count("/") < SYSTEM_DEPTH:
            continue
        try:
            os.rmdir(places.at(parent))
        except OSError:
            continue  # it holds something, or went with the file before


def put_back(recorded: dict[str, Any], journal: Journal) -> None:
    """Bring one path back to what it was; may be done again."""
    target, before = places.at(recorded["path"]), recorded["before"]
    if recorded["staged"]:
        durable.unlink_quietly(places.at(recorded["staged"]))
    if before is None:
        return  # it never came to the swap
    if before["kind"] == "absent":
        durable.unlink_quietly(target)
        return
    kept = places.at(recorded["kept"])
    if os.path.lexists(kept):
        os.replace(kept, target)
        durable.unlink_quietly(kept)  # two names of one file: then the rename did nothing, for nothing was swapped
    if not treestate.agrees(treestate.state_of(recorded["path"]), before):
        _rebuild(recorded, before, journal)
    durable.sync_directory(os.path.dirname(target))


def directories(journal: Journal) -> list[str]:
    """Return the directories that hold the transaction's files, as they really are, each once."""
    return sorted({os.path.dirname(places.at(recorded["path"])) for recorded in journal.doc["files"]})


def _rebuild(recorded: dict[str, Any], before: dict[str, Any], journal: Journal) -> None:
    fresh = places.at(beside(recorded["path"], journal.identifier, "new"))
    durable.unlink_quietly(fresh)
    if before["kind"] == "link":
        os.symlink(before["target"], fresh)
        os.lchown(fresh, before["uid"], before["gid"])
    else:
        data = treestate.read(f"{journal.directory}/{recorded['copy']}")
        durable.write_new(fresh, data, before["mode"], before["uid"], before["gid"])
    os.replace(fresh, places.at(recorded["path"]))


def _link(path: str, second: str) -> None:
    try:
        os.link(path, second, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise  # a file system without hard links: then the copy of the bytes has to do


def _unused(path: str) -> str:
    number, found = 1, path
    while os.path.lexists(places.at(found)):
        number += 1
        found = f"{path}.{number}"
    return found


def _missing_parents(path: str, known: Sequence[str]) -> list[str]:
    missing: list[str] = []
    parent = os.path.dirname(path)
    while parent != "/" and parent not in known and not os.path.isdir(places.at(parent)):
        missing.append(parent)
        parent = os.path.dirname(parent)
    return missing[::-1]


def _short(found: dict[str, Any]) -> str:
    if "mark" in found:
        return f"another secret, or {found['mode']:04o} {found['owner']}:{found['group']}"
    if found["kind"] == "file":
        return f"a file {found['sha256'][:12]} {found['mode']:04o} {found['owner']}:{found['group']}"
    return f"a link to {found['target']}" if found["kind"] == "link" else str(found["kind"])
