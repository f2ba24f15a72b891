"""Locust on a local VPS, where docs/journeys.md has it installed: the files that are here, as a venv there."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from importlib.metadata import distribution
from pathlib import Path

from deployer.sandbox import SandboxHost

HOME = "/home/deploy/.local/share/deployer/locust"


def install_locust(host: SandboxHost) -> None:
    """Make the environment of the user who logs in."""
    host.sh(f"runuser -u deploy -- python3 -m venv --without-pip {HOME}")
    unpack = f"tar -xf - -C {HOME}/lib/python3.11/site-packages"
    subprocess.run([*host.ssh_argv(), unpack], input=locust_and_what_it_needs(), check=True)


def locust_and_what_it_needs() -> bytes:
    """Pack the installed files of Locust and of all that it requires."""
    names, done = ["locust"], set()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        while names:
            name = re.sub(r"[-_.]+", "-", names.pop()).lower()
            if name in done:
                continue
            done.add(name)
            try:
                package = distribution(name)
            except ModuleNotFoundError:
                continue  # for another system
            names += [re.split(r"[ ;<>=!\[(~]", each)[0] for each in package.requires or () if "extra ==" not in each]
            for file in package.files or ():
                if ".." not in file.parts and "__pycache__" not in file.parts and Path(str(file.locate())).is_file():
                    tar.add(str(file.locate()), str(file))
    return buffer.getvalue()
