"""The host's own binaries judge the whole set of new files before any of it is live.

The directories that change are copied, the new files are put into the copies, and the copies are bound over
the originals in a mount namespace that only the validators see.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Sequence

from . import blobs, command
from .refusal import Refusal

if TYPE_CHECKING:
    from .journal import Journal
    from .progress import Progress

TIMEOUT_S = 90
MAX_COPY_MIB = 64
_BIND = 'while [ "$1" != -- ]; do mount --bind -- "$1" "$2" || exit 125; shift 2; done; shift; exec "$@"'


def possible() -> bool:
    """Say whether this host lets us have a mount namespace (containers of some providers do not)."""
    return command.run(_in_namespace([("/etc", "/etc")], ["true"]), timeout_s=20).ok


def staged(validators: Sequence[dict[str, Any]], journal: Journal, progress: Progress) -> None:
    """Run every validator with the staged files in the places of the live ones.

    Raises:
        Refusal: Kind `validation`: a status other than 0, or a line of output that is not allowed.
    """
    covers = _covers([recorded["path"] for recorded in journal.doc["files"]])
    copies = _copies(journal)
    try:
        pairs = _copy(covers, copies, journal)
        for validator in validators:
            progress.enter("validate", validator["name"])
            argv = _in_namespace(pairs, validator["argv"])
            _judge(validator, command.run(argv, timeout_s=TIMEOUT_S, check=progress.check, whole=True))
    finally:
        drop_copies(journal)


def drop_copies(journal: Journal) -> None:
    """Remove the copies that were judged, which a killed agent may have left: there are secrets among them."""
    blobs.remove_tree(_copies(journal))


def live(validators: Sequence[dict[str, Any]], progress: Progress) -> None:
    """Run every validator on the live files: after the swap, before any reload, for want of a namespace."""
    for validator in validators:
        progress.enter("validate", validator["name"] + " (files are in place, nothing is reloaded yet)")
        _judge(validator, command.run(validator["argv"], timeout_s=TIMEOUT_S, check=progress.check, whole=True))


def _copies(journal: Journal) -> str:
    return journal.directory + "/staged"


def _judge(validator: dict[str, Any], result: command.Result) -> None:
    allowed = [re.compile(pattern) for pattern in validator.get("allowed", ())]
    odd = [
        line
        for line in result.output.splitlines()
        if line.strip() and not any(pattern.fullmatch(line.strip()) for pattern in allowed)
    ]
    if result.ok and not odd:
        return
    detail = "\n".join(odd or result.output.splitlines())[-command.TAIL_BYTES :]
    if result.timed_out:
        message = f"{validator['name']}: no verdict on the new files within {TIMEOUT_S} s"
    elif result.ok:
        message = f"{validator['name']}: warns about the new files: {odd[0].strip()[:300]}"
    else:
        shown = (odd or ["no output"])[0].strip()[:300]
        message = f"{validator['name']}: refuses the new files (status {result.status}): {shown}"
    raise Refusal("validation", message, detail=detail, next="nothing went live; correct the template or the inventory")


def _covers(paths: Sequence[str]) -> list[str]:
    """Return the directories to copy and cover, none inside another: `/etc/<top>`, elsewhere the file's own.

    A program finds its other files from its top in /etc, and includes with globs; so that is covered whole.
    """
    tops = set()
    for path in paths:
        parts = path.split("/")[1:-1]
        depth = min(2, len(parts)) if parts[0] == "etc" else len(parts)
        top = "/" + "/".join(parts[:depth])
        while not os.path.isdir(top):
            top = os.path.dirname(top)
        if top != "/":
            tops.add(os.path.realpath(top))
    return sorted(top for top in tops if not any(top.startswith(other + "/") for other in tops))


def _copy(covers: Sequence[str], copies: str, journal: Journal) -> list[tuple[str, str]]:
    os.mkdir(copies, 0o700)
    pairs = []
    for number, cover in enumerate(covers):
        if _size_mib(cover) > MAX_COPY_MIB:
            continue  # data, not configuration: its validators see the live tree
        copy = f"{copies}/{number}"
        result = command.run(["cp", "-a", "--reflink=auto", "--", cover, copy], timeout_s=60)
        if command.says_disk_full(result.output):
            raise Refusal("disk_full", "the host's disk is full", detail=result.output)
        pairs.append((copy, cover))
    for recorded in journal.doc["files"]:
        target = os.path.join(os.path.realpath(os.path.dirname(recorded["path"])), os.path.basename(recorded["path"]))
        for copy, cover in pairs:
            if not target.startswith(cover + "/"):
                continue
            inside = copy + target[len(cover) :]
            if recorded["staged"]:
                companion = os.path.join(os.path.dirname(inside), os.path.basename(recorded["staged"]))
                os.replace(companion, inside)
            elif os.path.lexists(inside):
                os.unlink(inside)
    return pairs


def _size_mib(directory: str) -> float:
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                continue
        if total > MAX_COPY_MIB << 20:
            break
    return total / (1 << 20)


def _in_namespace(pairs: Sequence[tuple[str, str]], argv: Sequence[str]) -> list[str]:
    binds = [path for pair in pairs for path in pair]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _BIND, "sh", *binds, "--", *argv]
