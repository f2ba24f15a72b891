"""What the machine itself uses to get packages: a host in the sandbox gets the same, through the proxy.

No address of a package source stands in this project; a machine without sources of its own cannot build a host.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import run

_FORMAT = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
#: Debian's name of an archive: the suites of it that a release uses. What is called unstable has no others.
_SUITES = {"Debian": "{release} {release}-updates", "Debian-Security": "{release}-security"}
_UNSTABLE = "sid"
#: Settings of apt that say how the machine's sources are to be trusted in time.
_APT_SETTINGS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
#: Settings of pip that name an index. A directory of the machine is of no use inside a host.
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host")
CERTIFICATES = Path("/usr/local/share/ca-certificates")


@dataclass(frozen=True, slots=True)
class Sources:
    """Package sources of this machine.

    Attributes:
        apt: Text of a ``.sources`` file for the release asked for.
        apt_settings: Lines of ``apt.conf`` that the sources need.
        pip_settings: Lines of ``pip.conf`` besides the proxy.
        certificates: Certificate authorities that the machine's administrator added.
    """

    apt: str
    apt_settings: str
    pip_settings: str
    certificates: tuple[Path, ...]


def machine_sources(release: str) -> Sources:
    """Read the machine's configuration of apt, pip and its own certificate authorities.

    Args:
        release: Debian's name of the release whose packages are wanted; the machine's own may be another.

    Raises:
        SandboxError: apt knows no Debian archive.
    """
    listed = run(
        ["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"],
        doing="reading the machine's package sources",
    )
    return Sources(
        apt=apt_sources(listed, release),
        apt_settings=apt_settings(run(["apt-config", "dump"], doing="reading apt's settings")),
        pip_settings=pip_settings(_pip_config()),
        certificates=tuple(sorted(CERTIFICATES.glob("**/*.crt"))),
    )


def apt_sources(index_targets: str, release: str) -> str:
    """Write the ``.sources`` text of a release from apt's list of ``origin|label|address`` lines.

    Raises:
        SandboxError: None of the lines is a Debian archive.
    """
    archives = {"Debian": _UNSTABLE} if release == _UNSTABLE else _SUITES
    found: dict[tuple[str, str], None] = {}
    for line in index_targets.splitlines():
        origin, label, address = [*line.split("|", 2), "", ""][:3]
        if origin == "Debian" and label in archives:
            found[label, address] = None
    if not any(label == "Debian" for label, _ in found):
        raise SandboxError(
            "apt on this machine knows no Debian archive, from which a host could be built",
            where="/etc/apt/sources.list, /etc/apt/sources.list.d",
            next_step="run apt-get update; the sandbox needs a Debian machine",
        )
    return "\n".join(
        f"Types: deb\nURIs: {address}\nSuites: {archives[label].format(release=release)}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        for label, address in found
    )


def apt_settings(dump: str) -> str:
    """Keep those lines of ``apt-config dump`` without which the machine's sources would be refused in a host."""
    return "".join(f"{line}\n" for line in dump.splitlines() if line.split(" ", 1)[0] in _APT_SETTINGS)


def pip_settings(config_list: str) -> str:
    """Keep the settings of ``pip config list`` that name an index on the network."""
    kept: dict[str, str] = {}
    for line in config_list.splitlines():
        key, _, quoted = line.partition("=")
        name = key.rpartition(".")[2]
        if name not in _PIP_SETTINGS:
            continue
        words = str(ast.literal_eval(quoted)).split()
        wanted = [word for word in words if name == "trusted-host" or word.startswith(("http://", "https://"))]
        if wanted:
            kept[name] = " ".join(wanted)
    return "".join(f"{name} = {value}\n" for name, value in sorted(kept.items()))


def _pip_config() -> str:
    try:
        return run([sys.executable, "-m", "pip", "config", "list"], doing="reading pip's settings")
    except SandboxError:
        return ""  # this Python has no pip, so the machine has no settings for it either
