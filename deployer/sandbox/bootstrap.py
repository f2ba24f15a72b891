"""Making a Debian tree from packages, fetched through the caching proxy on the bridge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from deployer.sandbox.network import PROXY
from deployer.sandbox.programs import run
from deployer.sandbox.sources import Sources


def bootstrap(
    tree: Path,
    release: str,
    sources: Sources,
    packages: Sequence[str],
    *,
    variant: str,
    arguments: Sequence[str] = (),
) -> None:
    """Install a Debian release into a new folder.

    Args:
        tree: The folder; it must not be there or be empty.
        release: Debian's name of it, such as ``trixie``.
        sources: Where the packages come from.
        packages: What to install besides the variant's own; what they only recommend is left out.
        variant: mmdebstrap's name of a basic set of packages.
        arguments: More options of mmdebstrap.

    Raises:
        SandboxError: It failed, or took longer than 15 minutes.
    """
    settings = [line.rstrip(";") for line in sources.apt_settings.splitlines()]
    argv = ["mmdebstrap", "--quiet", "--mode=root", f"--variant={variant}", f"--include={','.join(packages)}"]
    argv += [f"--aptopt={setting}" for setting in (f'Acquire::http::Proxy "{PROXY}"', *settings)]
    with NamedTemporaryFile("w", suffix=".sources") as listing:
        listing.write(sources.apt)
        listing.flush()
        # a mount namespace of its own: what a killed build had mounted in the tree goes with it
        run(
            ["unshare", "--mount", *argv, *arguments, release, str(tree), listing.name],
            doing=f"making a tree of Debian {release}",
            timeout_s=900,
        )
