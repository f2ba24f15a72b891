"""Installing Debian packages without starting what they bring, and without stopping what runs."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Mapping, Sequence

from . import command, durable, places
from .refusal import Refusal
from .work import Work, failure

if TYPE_CHECKING:
    from .progress import Progress

LISTS = "/var/lib/apt/lists"
LISTS_FRESH_S = 86_400
POLICY = "/usr/sbin/policy-rc.d"
TIMEOUT_S = 1200
#: A package source that cannot be reached is an error for each of forty packages.
MOST_ERRORS = 6
TRY_APT = "see on the host what apt-get update says: it has to reach its package sources"

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_APT = [
    "apt-get",
    "--yes",
    "--quiet",
    "--no-install-recommends",
    "-o",
    "DPkg::Lock::Timeout=60",
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
]
_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "NEEDRESTART_MODE": "l"}


def install(names: Sequence[str], series: Mapping[str, str], work: Work, progress: Progress) -> list[str]:
    """Install the packages that are missing; those that are there are not touched, not even upgraded.

    A service start is suppressed by a policy that only the package tool sees: it is bound over policy-rc.d in the
    tool's own mount namespace, so nothing is left on the host if everything dies in the middle.

    Args:
        names: What shall be there.
        series: Package: the release series that it has to be of, where the plan holds for that one alone.
        work: Runs the package tool.
        progress: Is told of each step.

    Returns:
        What was installed.

    Raises:
        Refusal: A name that the package sources do not have, or only in another series; an installation that failed.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise Refusal("preparation", f"not a package's name: {name!r}")
    missing = [name for name in names if not _is_installed(name)]
    if not missing:
        return []
    if _lists_are_old() or _refusal(missing, series):
        progress.enter("packages", "reading the package lists again")
        result = work.run(["apt-get", "--quiet", "update", "-o", "DPkg::Lock::Timeout=60"], timeout_s=300)
        if not result.ok:
            raise _apt_failure("apt-get update", result)
        refusal = _refusal(missing, series)
        if refusal:
            raise refusal
    if _dpkg_was_interrupted():
        progress.enter("packages", "finishing an interrupted installation first")
        _with_policy(["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"], "dpkg --configure -a", work)
    progress.enter("packages", "installing " + " ".join(missing))
    _with_policy([*_APT, "install", "--", *missing], "apt-get install", work)
    return missing


def _with_policy(argv: Sequence[str], what: str, work: Work) -> None:
    policy = places.at(places.STATE) + "/policy-rc.d"
    durable.write_over(policy, b"#!/bin/sh\nexit 101\n", 0o755)
    was_there = os.path.lexists(POLICY)
    try:
        result = work.run(
            argv,
            timeout_s=TIMEOUT_S,
            environment=_ENVIRONMENT,
            properties=[f"BindReadOnlyPaths={policy}:{POLICY}"],
            may_be_cut=False,  # a package tool that is cut leaves a host that needs a person
        )
    finally:
        if not was_there and os.path.isfile(POLICY) and os.path.getsize(POLICY) == 0:
            os.unlink(POLICY)  # the empty file that systemd made to bind over; it says nothing
    if not result.ok:
        raise _apt_failure(what, result)


def _apt_failure(what: str, result: command.Result) -> Refusal:
    """Return the refusal of a package tool; of its many lines those that it calls errors, if there are any."""
    errors = [line for line in result.output.splitlines() if line.startswith(("E: ", "dpkg: error"))]
    if len(errors) > MOST_ERRORS:
        errors[MOST_ERRORS - 1 :] = [f"... and {len(errors) - MOST_ERRORS + 1} more"]
    refusal = failure("preparation", what, result, next=TRY_APT)
    if errors and refusal.kind != "disk_full":
        refusal.detail = "\n".join(errors)
    return refusal


def _is_installed(name: str) -> bool:
    result = command.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", name], timeout_s=30)
    return result.ok and result.output == "installed"


def _refusal(names: Sequence[str], series: Mapping[str, str]) -> Refusal | None:
    """Return why these cannot be installed as the lists are now, or nothing."""
    candidates = _candidates(names)
    unknown = [name for name in names if name not in candidates]
    if unknown:
        return Refusal(
            "preparation",
            f"the host's package sources have no {', '.join(unknown)}",
            detail=command.run([*_APT, "--simulate", "install", "--", *unknown], timeout_s=60).output,
            next="add the package source to the host; supported systems have them in their own archive",
        )
    for name in names:
        if name in series and not _is_of(candidates[name], series[name]):
            return Refusal(
                "preparation",
                f"the host's package sources have {name} {candidates[name]}, but {series[name]} is declared",
                next=f"declare the version that they have, or add a package source that has {series[name]} to the host",
            )
    return None


def _candidates(names: Sequence[str]) -> dict[str, str]:
    """Return the version that would come of each package; a virtual one has none."""
    listing = command.run(["apt-cache", "policy", "--", *names], timeout_s=60, whole=True).output
    found = {}
    name = ""
    for line in listing.splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip().startswith("Candidate:") and "(none)" not in line:
            found[name] = line.split()[1]
    return found


def _is_of(version: str, series: str) -> bool:
    """Say whether a package's version, as 5:8.0.6-3, is of a release series, as 8."""
    upstream = version.partition(":")[2] or version
    return re.match(rf"{re.escape(series)}([.+~-]|$)", upstream) is not None


def _lists_are_old() -> bool:
    try:
        times = [
            entry.stat().st_mtime
            for entry in os.scandir(LISTS)
            if entry.name.endswith(("InRelease", "_Packages", "Release"))
        ]
        # apt keeps a list's own date; the directory's change is when somebody last asked
        newest = max([*times, os.stat(LISTS + "/partial").st_mtime])
    except OSError:
        return True
    return not times or time.time() - newest > LISTS_FRESH_S


def _dpkg_was_interrupted() -> bool:
    try:
        return any(name.isdigit() for name in os.listdir("/var/lib/dpkg/updates"))
    except FileNotFoundError:
        return False
