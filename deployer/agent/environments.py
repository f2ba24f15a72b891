"""What a release needs besides its own code: a Python virtual environment, or a tree of packages that came ready made.

Both are named by the content of a lock file and shared by the releases that have the same one; a mark says that they
are whole.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Mapping

from . import blobs, durable, places
from .refusal import Refusal
from .work import Work, failure

if TYPE_CHECKING:
    from .progress import Progress

PIP_TIMEOUT_S = 900
WHOLE = ".whole"  # the mark of an environment that was finished
#: Where runtimes look for packages inside an app's own code.
LINKS = ("node_modules",)

_NEXT = "let the control machine fetch them (`wheels: control` in the inventory)"


def check(wanted: Mapping[str, Any], release: str) -> None:
    """Refuse an environment that cannot be made before its release.

    Raises:
        Refusal: Its kind or its link is not known, or it lies inside the release.
    """
    if wanted["kind"] not in ("python", "tree"):
        raise Refusal("fault", f"no such kind of environment: {wanted['kind']!r}")
    if wanted["kind"] == "tree" and wanted["link"] not in LINKS:
        raise Refusal("fault", f"no packages are looked for as {wanted['link']!r}")
    if places.checked_path(wanted["path"]).startswith((release + "/", release + ".new/")):
        raise Refusal("fault", "an environment cannot lie inside a release: it is made before the release has its name")


def is_whole(wanted: Mapping[str, Any]) -> bool:
    """Say whether the environment is there and was finished."""
    return os.path.exists(f"{places.at(wanted['path'])}/{WHOLE}")


def make(wanted: Mapping[str, Any], packed: blobs.Blobs, work: Work, progress: Progress) -> None:
    """Make an environment in its final place, for its programs may hold that path.

    Args:
        wanted: The plan's `environment`.
        packed: The plan's blobs.
        work: Where pip runs.
        progress: Looked at while it does.

    Raises:
        Refusal: pip failed, or the tree is damaged or did not come; what was begun is removed.
    """
    path = wanted["path"]
    aside = path + ".aside"
    blobs.remove_tree(places.at(path))
    blobs.remove_tree(places.at(aside))
    durable.make_directories(places.at(os.path.dirname(path)))
    try:
        os.mkdir(places.at(aside), 0o700)
        if wanted["kind"] == "python":
            _make_python(wanted, aside, packed, work=work, progress=progress)
        else:
            _unpack_tree(wanted, packed, progress)
        durable.write_new(f"{places.at(path)}/{WHOLE}", b"", 0o644)
        durable.sync_directory(places.at(os.path.dirname(path)))
    except BaseException:
        blobs.remove_tree(places.at(path))
        raise
    finally:
        blobs.remove_tree(places.at(aside))


def _unpack_tree(wanted: Mapping[str, Any], packed: blobs.Blobs, progress: Progress) -> None:
    if not wanted.get("blob"):
        raise Refusal("preparation", "the packages did not come with the plan, and a host makes none", next=_NEXT)
    progress.say("unpacking the packages")
    os.mkdir(places.at(wanted["path"]), 0o755)
    with packed.open(wanted["blob"]) as tree:
        blobs.unpack(tree, places.at(wanted["path"]))


def _make_python(wanted: Mapping[str, Any], aside: str, packed: blobs.Blobs, *, work: Work, progress: Progress) -> None:
    venv = wanted["path"]
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
