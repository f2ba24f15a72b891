"""An app's release: its tree and its virtual environment, made aside and renamed into place when whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Sequence

from . import blobs, durable, places
from .refusal import Refusal
from .work import Work, failure

if TYPE_CHECKING:
    from .progress import Progress

PIP_TIMEOUT_S = 900
KEPT = 3  # a way back, and the disk of a small host
WHOLE = ".whole"  # the mark of an environment that was finished


def make(releases: Sequence[dict[str, Any]], packed: blobs.Blobs, work: Work, progress: Progress) -> list[str]:
    """Make the releases that are missing; one that is there is not touched. What a dead run left half made is removed.

    Everything belongs to root and can be read by all: an app cannot change its own code.

    Returns:
        The paths of what was made.

    Raises:
        Refusal: A damaged archive, or pip failed; what was begun is removed.
    """
    made = []
    for entry in releases:
        path = places.checked_path(entry["path"])
        fresh = path + ".new"
        if os.path.isdir(places.at(path)):
            if entry.get("python_packages") and not _is_whole(entry["python_packages"]["venv"]):
                progress.enter("releases", f"{entry['app']}: its environment is missing")
                _make_environment(entry, fresh, packed, work, progress)
                made.append(entry["python_packages"]["venv"])
            continue
        progress.enter("releases", f"{entry['app']}: {os.path.basename(path)}")
        blobs.remove_tree(places.at(fresh))
        durable.make_directories(places.at(os.path.dirname(path)))
        try:
            os.mkdir(places.at(fresh), 0o755)
            with packed.open(entry["blob"]) as tree:
                blobs.unpack(tree, places.at(fresh))
            if entry.get("python_packages"):
                _make_environment(entry, fresh, packed, work, progress)
                _compile(entry, fresh, work, progress)
        except BaseException:
            blobs.remove_tree(places.at(fresh))
            raise
        os.rename(places.at(fresh), places.at(path))
        durable.sync_directory(places.at(os.path.dirname(path)))
        made.append(path)
    return made


def prune(releases: Sequence[dict[str, Any]]) -> None:
    """Remove the oldest releases and environments of the apps that got a new one; the live ones are among the kept.

    Args:
        releases: The plan's list, once it is committed.
    """
    for entry in releases:
        live = [entry["path"]]
        if entry.get("python_packages"):
            live.append(entry["python_packages"]["venv"])
        for path in live:
            folder = places.at(os.path.dirname(path))
            found = [one.path for one in os.scandir(folder) if one.is_dir(follow_symlinks=False)]
            others = [one for one in found if one != places.at(path)]
            others.sort(key=lambda one: os.stat(one).st_mtime)
            for old in others[: -(KEPT - 1)]:
                blobs.remove_tree(old)


def _make_environment(entry: dict[str, Any], fresh: str, packed: blobs.Blobs, work: Work, progress: Progress) -> None:
    """Make the virtual environment in its final place, for its scripts hold that path; a mark says that it is whole."""
    wanted = entry["python_packages"]
    venv = places.checked_path(wanted["venv"])
    if venv.startswith((entry["path"] + "/", fresh + "/")):
        raise Refusal("fault", "an environment cannot lie inside a release: it is made before the release has its name")
    if not _is_whole(venv):
        blobs.remove_tree(places.at(venv))
        durable.make_directories(places.at(os.path.dirname(venv)))
        aside = fresh + ".pip"
        blobs.remove_tree(places.at(aside))
        try:
            _install(venv, aside, wanted, packed, work=work, progress=progress)
        except BaseException:
            blobs.remove_tree(places.at(venv))
            raise
        finally:
            blobs.remove_tree(places.at(aside))


def _is_whole(venv: str) -> bool:
    return os.path.exists(f"{places.at(venv)}/{WHOLE}")


def _compile(entry: dict[str, Any], fresh: str, work: Work, progress: Progress) -> None:
    progress.say("compiling")
    python = f"{entry['python_packages']['venv']}/bin/python"
    # a file that does not compile is the app's own business; it is named when it is imported
    work.run([python, "-m", "compileall", "-q", "-s", fresh, "-p", entry["path"], fresh], timeout_s=300)


def _install(
    venv: str, aside: str, wanted: dict[str, Any], packed: blobs.Blobs, *, work: Work, progress: Progress
) -> None:
    os.mkdir(places.at(aside), 0o700)
    durable.write_new(places.at(f"{aside}/requirements.txt"), packed.read(wanted["requirements_blob"]), 0o600)
    source: list[str] = []
    if wanted.get("wheels_blob"):
        os.mkdir(places.at(f"{aside}/wheels"), 0o700)
        with packed.open(wanted["wheels_blob"]) as wheels:
            blobs.unpack(wheels, places.at(f"{aside}/wheels"))
        source = ["--no-index", "--find-links", f"{aside}/wheels"]
    # /tmp is memory on newer systems, and what a killed pip leaves there nobody removes
    space = {"TMPDIR": aside, "LC_ALL": "C.UTF-8"}
    progress.say("making the virtual environment")
    # in two steps, as venv says nothing of why its pip could not be installed
    for argv in (["python3", "-m", "venv", "--without-pip", venv], [f"{venv}/bin/python", "-m", "ensurepip"]):
        result = work.run(argv, timeout_s=120, environment=space)
        if not result.ok:
            raise failure("preparation", " ".join(argv[:3]), result, next="the packages need python3-venv")
    progress.say("installing the Python packages")
    pip = [f"{venv}/bin/python", "-m", "pip", "install", "--quiet", "--no-input", "--no-cache-dir"]
    pip += ["--disable-pip-version-check", "--require-hashes", *source]
    result = work.run([*pip, "-r", f"{aside}/requirements.txt"], timeout_s=PIP_TIMEOUT_S, cwd=aside, environment=space)
    if not result.ok:
        raise failure("preparation", "pip install", result)
    os.sync()
    durable.write_new(f"{places.at(venv)}/{WHOLE}", b"", 0o644)
