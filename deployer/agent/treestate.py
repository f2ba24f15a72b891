"""The state of one path on the host: what it is, what it holds, whose it is."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
from typing import Any

from . import places, secretfiles
from .refusal import Refusal


def octal(mode: object) -> int:
    """Return permission bits from the protocol's text (`"0644"`) or number."""
    try:
        bits = int(mode, 8) if isinstance(mode, str) else int(str(mode))
    except ValueError:
        bits = -1
    if not 0 <= bits <= 0o7777:
        raise Refusal("fault", f"not permission bits: {mode!r}")
    return bits


def user_id(name: str) -> int:
    """Return a user's number; a name that is not there is a Refusal."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise Refusal("preparation", f"the host has no user {name!r}") from None


def group_id(name: str) -> int:
    """Return a group's number; a name that is not there is a Refusal."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise Refusal("preparation", f"the host has no group {name!r}") from None


def user_name(uid: int) -> str:
    """Return a user's name, or the number as text if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """Return a group's name, or the number as text if it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def read(path: str) -> bytes:
    """Return a file's bytes; a link in the file's own place is not followed."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with open(handle, "rb") as stream:
        return stream.read()


def is_directory(path: str) -> bool:
    """Say whether a path of the host is a directory."""
    return os.path.isdir(places.at(path))


def state_of(path: str) -> dict[str, Any]:
    """Return the protocol's STATE of a path of the host, with `uid`, `gid` and `mode` as numbers added.

    A secret has its `mark` in the place of `sha256`.
    A file that becomes something else while it is read is reported as it was found last.
    """
    real = places.at(path)
    try:
        found = os.lstat(real)
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "absent"}
    owner = {"uid": found.st_uid, "gid": found.st_gid}
    if stat.S_ISLNK(found.st_mode):
        return {"kind": "link", "target": os.readlink(real), **owner}
    if not stat.S_ISREG(found.st_mode):
        return {"kind": "other"}
    data = read(real)
    content = (
        {"mark": secretfiles.mark(path, data)}
        if secretfiles.is_secret(path)
        else {"sha256": hashlib.sha256(data).hexdigest()}
    )
    return {
        "kind": "file",
        **content,
        "mode": stat.S_IMODE(found.st_mode),
        "owner": user_name(found.st_uid),
        "group": group_name(found.st_gid),
        **owner,
    }


def agrees(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Say whether a found state is the one that the plan was made for."""
    if found["kind"] != expected.get("kind"):
        return False
    if found["kind"] == "link":
        return bool(found["target"] == expected["target"])
    if found["kind"] == "file":
        return bool(
            _same_content(found, expected)
            and found["mode"] == octal(expected.get("mode", found["mode"]))
            and found["owner"] == expected.get("owner", found["owner"])
            and found["group"] == expected.get("group", found["group"])
        )
    return bool(found["kind"] == "absent")


def _same_content(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    if "mark" in found:  # the first plan with a secret is made before the host can mark any
        return expected.get("mark") is None or bool(found["mark"] == expected["mark"])
    return bool(found["sha256"] == expected.get("sha256"))
