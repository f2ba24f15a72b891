"""Python packages of an app's lock, for the Python of the tree `bookworm`: fetched once, kept beside the trees."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Final

from deployer.sandbox.places import places
from deployer.sandbox.programs import remove_tree, run
from deployer.sandbox.progress import Say, silent

#: What `python3` of the tree is.
PYTHON: Final = "3.11"
#: Where the packages are seen inside.
PACKAGES: Final = "/srv/packages"
_FETCH_TIMEOUT_S: Final = 600


def packages_of(lock: Path, say: Say = silent) -> Path:
    """Give a folder with what a requirements lock pins, each package checked by its hash.

    Args:
        lock: A file that pip-compile wrote with hashes.
        say: Gets a line when something is fetched.

    Raises:
        SandboxError: pip cannot get one of them.
    """
    here = places()
    here.make()
    kept = here.root / "python-packages"
    kept.mkdir(exist_ok=True)
    folder = kept / f"{hashlib.sha256(PYTHON.encode() + lock.read_bytes()).hexdigest()[:12]}"
    with here.lock(f"python-{folder.name}", say, waiting_for="fetches Python packages"):
        if not folder.is_dir():
            part = folder.with_name(f"{folder.name}.part")
            if part.exists():
                remove_tree(part)
            say(f"fetching the Python packages of {lock.parent.name} (once)")
            argv = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "-q",
                "--target",
                str(part),
                "--no-deps",
                "--require-hashes",
            ]
            argv += ["--only-binary=:all:", f"--python-version={PYTHON}", "--no-compile", "-r", str(lock)]
            run(argv, doing="fetching Python packages", timeout_s=_FETCH_TIMEOUT_S)
            part.rename(folder)
    return folder
