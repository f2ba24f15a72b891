"""System users, directories and secrets: what is made once and then kept."""

from __future__ import annotations

import base64
import os
import pwd
import re
import stat
from typing import TYPE_CHECKING, Any, Sequence

from . import command, durable, places, treestate
from .refusal import Refusal

if TYPE_CHECKING:
    from .journal import Journal

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}")


def make_users(users: Sequence[dict[str, Any]]) -> list[str]:
    """Create the missing system users, each with a group of its own and no login; return their names."""
    made = []
    for user in users:
        name, home = user["name"], places.checked_path(user["home"])
        if not _NAME.fullmatch(name):
            raise Refusal("preparation", f"not a user's name: {name!r}")
        if _exists(name):
            continue
        call = ["useradd", "--system", "--user-group", "--home-dir", home, "--no-create-home"]
        result = command.run([*call, "--shell", "/usr/sbin/nologin", "--", name], timeout_s=60)
        if not result.ok:
            raise Refusal("preparation", f"the user {name} cannot be made", detail=result.output)
        made.append(name)
    return made


def make_directories(directories: Sequence[dict[str, Any]], journal: Journal) -> None:
    """Create the directories that are missing.

    One that is there with another owner or mode is noted: that is a change to what is live, and waits for the swap.
    """
    for entry in directories:
        path, mode = places.checked_path(entry["path"]), treestate.octal(entry["mode"])
        uid, gid = treestate.user_id(entry["owner"]), treestate.group_id(entry["group"])
        real = places.at(path)
        if not os.path.lexists(real):
            made = durable.make_directories(real)
            os.chown(real, uid, gid)
            os.chmod(real, mode)
            journal.doc["made_directories"] += [one[len(places.ROOT) :] for one in made]
            journal.save()
            continue
        found = os.stat(real)
        if not stat.S_ISDIR(found.st_mode):
            raise Refusal("preparation", f"{path} is to be a directory, but something else is there")
        before = {"mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid}
        after = {"mode": mode, "uid": uid, "gid": gid}
        if before != after:
            journal.doc["directories"].append({"path": path, "before": before, "after": after})


def settle_directories(journal: Journal, which: str) -> None:
    """Give the noted directories the owner and mode of `before` or `after`."""
    for entry in journal.doc["directories"]:
        real, wanted = places.at(entry["path"]), entry[which]
        os.chown(real, wanted["uid"], wanted["gid"])
        os.chmod(real, wanted["mode"])


def make_secrets(secrets: Sequence[dict[str, Any]]) -> list[str]:
    """Make the secrets that are missing, on the host, from its own randomness; return their paths.

    A secret is 0600 root, URL-safe text, and is kept for ever: a database may know it already.
    """
    made = []
    for entry in secrets:
        path, count = places.checked_path(entry["path"]), int(entry["bytes"])
        if not 16 <= count <= 1024:
            raise Refusal("fault", f"a secret of {count} bytes is refused: 16 to 1024")
        real = places.at(path)
        if os.path.lexists(real):
            if os.path.getsize(real) == 0:
                raise Refusal("preparation", f"the secret {path} is there and empty", next=f"rm {path}")
            continue
        directory = os.path.dirname(real)
        if not os.path.isdir(directory):
            durable.make_directories(os.path.dirname(directory))  # what lies above may hold things for others
            durable.make_directories(directory, 0o700)
        text = base64.urlsafe_b64encode(os.urandom(count)).rstrip(b"=")
        fresh = real + ".new"  # a name with a half-written secret behind it would be kept for ever
        durable.unlink_quietly(fresh)
        durable.write_new(fresh, text, 0o600)
        os.rename(fresh, real)
        durable.sync_directory(os.path.dirname(real))
        made.append(path)
    return made


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
