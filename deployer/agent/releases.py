"""An app's release: its tree, made aside and renamed into place when whole, after the environment that it needs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Sequence

from . import blobs, durable, environments, places
from .refusal import Refusal
from .work import Work

if TYPE_CHECKING:
    from .progress import Progress

KEPT = 3  # a way back, and the disk of a small host


def make(releases: Sequence[dict[str, Any]], packed: blobs.Blobs, work: Work, progress: Progress) -> list[str]:
    """Make the releases that are missing; one that is there is not touched. What a dead run left half made is removed.

    Everything belongs to root and can be read by all: an app cannot change its own code.

    Returns:
        The paths of what was made.

    Raises:
        Refusal: A damaged archive, or an environment that cannot be made; what was begun is removed.
    """
    made = []
    for entry in releases:
        path, environment = places.checked_path(entry["path"]), entry.get("environment")
        is_there = os.path.isdir(places.at(path))
        if environment:
            environments.check(environment, path)
            if not environments.is_whole(environment):
                missing = "its environment is missing" if is_there else "its environment"
                progress.enter("releases", f"{entry['app']}: {missing}")
                environments.make(environment, packed, work, progress)
                made.append(environment["path"])
        if not is_there:
            progress.enter("releases", f"{entry['app']}: {os.path.basename(path)}")
            _make_release(entry, path, packed, work=work, progress=progress)
            made.append(path)
    return made


def _make_release(entry: dict[str, Any], path: str, packed: blobs.Blobs, *, work: Work, progress: Progress) -> None:
    fresh = path + ".new"
    kind = (entry.get("environment") or {}).get("kind")
    blobs.remove_tree(places.at(fresh))
    durable.make_directories(places.at(os.path.dirname(path)))
    try:
        os.mkdir(places.at(fresh), 0o755)
        with packed.open(entry["blob"]) as tree:
            blobs.unpack(tree, places.at(fresh))
        if kind == "tree":
            _link_to_environment(entry, fresh)
        elif kind == "python":
            _compile(entry, fresh, work, progress)
    except BaseException:
        blobs.remove_tree(places.at(fresh))
        raise
    os.rename(places.at(fresh), places.at(path))
    durable.sync_directory(places.at(os.path.dirname(path)))


def touch(targets: Sequence[str]) -> None:
    """Make what links lead to now the newest of its folder, so that `prune` takes the way back to others first."""
    for path in targets:
        if os.path.isdir(places.at(path)):
            os.utime(places.at(path))


def demote(paths: Sequence[str]) -> None:
    """Make what never went live the oldest of its folder: `prune` takes it before any way back."""
    for path in paths:
        if os.path.isdir(places.at(path)):
            os.utime(places.at(path), (0, 0))


def prune(releases: Sequence[dict[str, Any]]) -> None:
    """Remove what was live longest ago of the apps that got a new release; the live ones are among the kept.

    Args:
        releases: The plan's list, once it is committed.
    """
    for entry in releases:
        live = [entry["path"]]
        if entry.get("environment"):
            live.append(entry["environment"]["path"])
        for path in live:
            # one that an app returned to is the newest again, else the next deploy would take the way back to it
            if os.path.isdir(places.at(path)):
                os.utime(places.at(path))
            folder = places.at(os.path.dirname(path))
            found = [one.path for one in os.scandir(folder) if one.is_dir(follow_symlinks=False)]
            others = [one for one in found if one != places.at(path)]
            others.sort(key=lambda one: os.stat(one).st_mtime)
            for old in others[: -(KEPT - 1)]:
                blobs.remove_tree(old)


def _link_to_environment(entry: dict[str, Any], fresh: str) -> None:
    """Let the release find its packages where its runtime looks for them: inside itself."""
    link = entry["environment"]["link"]
    target = f"{entry['environment']['path']}/{link}"
    if not os.path.lexists(places.at(target)):
        raise Refusal("preparation", f"{entry['app']}: the packages that came hold no {link}")
    try:
        os.symlink(target, f"{places.at(fresh)}/{link}")
    except FileExistsError:
        raise Refusal(
            "preparation",
            f"{entry['app']}: its source holds a {link} of its own",
            next=f"leave {link} out of the source: it is made from the lock file",
        ) from None


def _compile(entry: dict[str, Any], fresh: str, work: Work, progress: Progress) -> None:
    progress.say("compiling")
    python = f"{entry['environment']['path']}/bin/python"
    # a file that does not compile is the app's own business; it is named when it is imported
    work.run([python, "-m", "compileall", "-q", "-s", fresh, "-p", entry["path"], fresh], timeout_s=300)
