"""The base trees: Debian as a provider's minimal image has it, each suite built once and never written to again.

One holds sshd, sudo and python3 and no service of ours; python3-venv, nginx, MariaDB and the like are for a deploy
to install, as on a rented server.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deployer.sandbox.bootstrap import bootstrap
from deployer.sandbox.network import GATEWAY, PROXY
from deployer.sandbox.newer import newer_servers
from deployer.sandbox.places import Places
from deployer.sandbox.programs import remove_tree, run
from deployer.sandbox.progress import Say
from deployer.sandbox.sources import Sources, machine_sources
from deployer.sandbox.suites import SUITES

#: Raised when the steps below change, so that older trees are not used any more.
_RECIPE: Final = 1
_PACKAGES: Final = (
    *("systemd-sysv", "dbus", "libpam-systemd", "udev", "kmod", "cron", "logrotate"),
    *("openssh-server", "sudo", "python3", "ca-certificates", "gnupg"),
    *("curl", "procps", "iproute2", "iputils-ping", "less", "vim-tiny"),
)
#: Timers would download packages in the middle of a measurement; sysctl.d is refused in a shared kernel.
_UNWANTED: Final = (
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/ssh/ssh_host_*",
    "etc/systemd/system/timers.target.wants/apt-daily*",
    "etc/systemd/system/timers.target.wants/e2scrub*",
    "etc/systemd/system/*/e2scrub_reap.service",
    "etc/sysctl.d/*",
    "usr/lib/sysctl.d/*",
    "usr/sbin/policy-rc.d",
    "var/lib/dbus/machine-id",
)


def ensure_tree(suite: str, places: Places, say: Say) -> str:
    """Give the name of the layer of a suite's base tree, building it if this machine has none for its present sources.

    Takes about a minute when it builds. What an interrupted build left is removed first.

    Raises:
        SandboxError: The machine has no Debian sources, or the build failed.
    """
    sources = machine_sources(SUITES[suite].host or suite)
    newer = newer_servers(suite)
    ensure_key(places)
    layer = f"base-{suite}-{_fingerprint(sources, newer, places)}"
    final = places.layers / layer
    if final.is_dir():
        return layer
    with places.lock(f"tree-{suite}", say, waiting_for="builds the base tree"):
        if final.is_dir():
            return layer
        part = places.layers / f"{layer}.part"
        if part.exists():
            remove_tree(part)
        say(f"building the base tree, Debian {SUITES[suite].number} (once; about a minute)")
        release = SUITES[suite].host or suite
        bootstrap(part, release, sources, _PACKAGES, variant="important", arguments=["--skip=cleanup/apt/lists"])
        say("setting the base tree up")
        _furnish(part, sources, newer, places)
        if newer:
            run(["chroot", part, "apt-get", "--quiet", "update"], doing=f"reading the package lists of {suite}")
        part.rename(final)
    return layer


def ensure_key(places: Places) -> None:
    """Make the key pair that logs in to every host, if there is none."""
    places.make()
    if not places.key_file.exists():
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "deployer-sandbox", "-f"]
        run([*argv, places.key_file], doing="making the sandbox's key")


def _fingerprint(sources: Sources, newer: Mapping[str, str], places: Places) -> str:
    digest = hashlib.sha256(f"{_RECIPE} {_PACKAGES} {_UNWANTED} {PROXY}".encode())
    for text in (sources.apt, sources.apt_settings, sources.pip_settings, _public_key(places), *newer.values()):
        digest.update(text.encode() + b"\0")
    for certificate in sources.certificates:
        digest.update(certificate.read_bytes())
    return digest.hexdigest()[:12]


def _public_key(places: Places) -> str:
    return places.key_file.with_suffix(".pub").read_text()


def _furnish(tree: Path, sources: Sources, newer: Mapping[str, str], places: Places) -> None:
    for pattern in _UNWANTED:
        for path in tree.glob(pattern):
            path.unlink()
    for path in (tree / "etc/apt/sources.list.d").iterdir():
        path.unlink()
    texts = {
        "etc/apt/sources.list.d/debian.sources": sources.apt,
        "etc/apt/apt.conf.d/90sandbox": f'Acquire::http::Proxy "{PROXY}";\n{sources.apt_settings}',
        "etc/pip.conf": _pip_conf(sources),
        "etc/default/locale": "LANG=C.UTF-8\n",
        "etc/fstab": "",
        "etc/hostname": "vps\n",
        "etc/machine-id": "",
        "etc/resolv.conf": f"nameserver {GATEWAY}\n",
        "etc/ssh/sshd_config.d/10-sandbox.conf": "UseDNS no\n",
        **newer,
    }
    for name, text in texts.items():
        path = tree / name
        path.unlink(missing_ok=True)
        path.write_text(text)
    _trust(tree, sources.certificates)
    _make_users(tree, _public_key(places))
    tree.chmod(0o755)


def _pip_conf(sources: Sources) -> str:
    return (
        f"[global]\nproxy = {PROXY}\ncert = /etc/ssl/certs/ca-certificates.crt\ntimeout = 60\n"
        f"disable-pip-version-check = true\n{sources.pip_settings}"
    )


def _trust(tree: Path, certificates: tuple[Path, ...]) -> None:
    if not certificates:
        return
    directory = tree / "usr/local/share/ca-certificates"
    directory.mkdir(parents=True, exist_ok=True)
    for certificate in certificates:
        shutil.copyfile(certificate, directory / certificate.name)
    run(["chroot", tree, "update-ca-certificates"], doing="trusting the machine's own certificate authorities")


def _make_users(tree: Path, public_key: str) -> None:
    run(["chroot", tree, "useradd", "-m", "-s", "/bin/bash", "-G", "sudo", "deploy"], doing="making the user deploy")
    user = (tree / "home/deploy").stat()
    for home, uid, gid in ((tree / "root", 0, 0), (tree / "home/deploy", user.st_uid, user.st_gid)):
        directory = home / ".ssh"
        directory.mkdir(mode=0o700, exist_ok=True)
        keys = directory / "authorized_keys"
        keys.write_text(public_key)
        keys.chmod(0o600)
        for path in (directory, keys):
            os.chown(path, uid, gid)
