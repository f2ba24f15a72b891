"""Wheels, fetched here for the host's Python, so that a small host compiles nothing and needs no way out.

What was fetched once is kept, by the requirements' content and the kind of host.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deployer.errors import PreparationFailed
from deployer.release import Release

FETCH_TIMEOUT_S = 900
#: Oldest C library that wheels are built for; manylinux names count up from it.
OLDEST_GLIBC_MINOR = 17
_FETCHING = threading.Lock()


def fetch_wheels(release: Release, facts: Mapping[str, Any], say: Callable[[str], None]) -> bytes:
    """Fetch the wheels of a release's requirements and pack them.

    Args:
        release: The release.
        facts: The host's: python, glibc, arch.
        say: Gets a line when something is fetched.

    Returns:
        A tar of wheels, nothing but wheels.

    Raises:
        PreparationFailed: pip is missing or cannot get them: no wheel for this host, a wrong hash, no way out.
    """
    python = ".".join(str(facts["python"]).split(".")[:2])
    platforms = _platforms(str(facts.get("glibc") or "2.17"), str(facts.get("arch") or "x86_64"))
    key = hashlib.sha256(repr((release.lock, python, platforms)).encode()).hexdigest()[:24]
    folder = _cache() / "wheels" / key
    with _FETCHING:  # hosts of one fleet often want the same
        if not folder.is_dir():
            say(f"fetching the Python packages of {release.app} for Python {python}")
            _download(release, python, platforms, folder)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for wheel in sorted(folder.glob("*.whl")):
            entry = tarfile.TarInfo(wheel.name)
            entry.size, entry.mode = wheel.stat().st_size, 0o644
            with wheel.open("rb") as file:
                archive.addfile(entry, file)
    return stream.getvalue()


def _download(release: Release, python: str, platforms: list[str], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".fetching-"))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += [
        "--only-binary=:all:",
        "--no-deps",
        "--require-hashes",
        "--implementation=cp",
        f"--python-version={python}",
    ]
    digits = python.replace(".", "")
    command += [f"--abi={abi}" for abi in (f"cp{digits}", "abi3", "none")]
    command += [f"--platform={platform}" for platform in platforms]
    command += [f"--dest={fresh}", f"--requirement={release.lock_path}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise PreparationFailed(
                f"the Python packages of {release.app} cannot be fetched:\n{_tail(done.stderr)}",
                where=str(release.lock_path),
                next_step="look at pip's message; `wheels: host` in the inventory lets the host fetch them itself",
            )
        fresh.rename(folder)
    except subprocess.TimeoutExpired as error:
        raise PreparationFailed(
            f"the Python packages of {release.app} could not be fetched within {FETCH_TIMEOUT_S} s",
            where=str(release.lock_path),
            next_step="look at this machine's way to the package index",
        ) from error
    except OSError as error:
        if not folder.is_dir():  # somebody else has fetched the same meanwhile
            raise PreparationFailed(f"the wheels cannot be kept: {error}", where=str(folder)) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _platforms(glibc: str, arch: str) -> list[str]:
    found = re.match(r"2\.(\d{1,2})(?!\d)", glibc)  # the host says it: nothing that makes a list without end
    minor = int(found[1]) if found else OLDEST_GLIBC_MINOR
    newest_first = [f"manylinux_2_{number}_{arch}" for number in range(minor, OLDEST_GLIBC_MINOR - 1, -1)]
    return [*newest_first, f"manylinux2014_{arch}", f"linux_{arch}"]


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "deployer"


def _tail(text: str) -> str:
    return "\n".join(f"  | {line}" for line in text.strip().splitlines()[-12:])
