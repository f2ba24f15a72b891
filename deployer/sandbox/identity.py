"""What makes a mounted tree this one host: its name, keys, sudo rule and certificate."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from deployer.sandbox.places import Places
from deployer.sandbox.programs import run
from deployer.sandbox.progress import silent
from deployer.sandbox.shape import Shape

CERTIFICATE_FILE: Final = "/etc/ssl/deployer-sandbox/cert.pem"
CERTIFICATE_KEY_FILE: Final = "/etc/ssl/deployer-sandbox/key.pem"


def write_identity(rootfs: Path, shape: Shape, places: Places) -> None:
    """Write the host's own files into its mounted tree."""
    _write(rootfs / "etc/hostname", f"{shape.name}\n")
    _write(rootfs / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {shape.name}\n::1 localhost ip6-localhost\n")
    _write(rootfs / "etc/machine-id", f"{secrets.token_hex(16)}\n", mode=0o444)
    key = ensure_host_key(places, shape.name)
    for source, mode in ((key, 0o600), (key.with_suffix(".pub"), 0o644)):
        _write(rootfs / "etc/ssh" / source.name, source.read_text(), mode=mode)
    rule = "deploy ALL=(ALL:ALL) NOPASSWD: ALL\n" if shape.sudo_password is None else "deploy ALL=(ALL:ALL) ALL\n"
    _write(rootfs / "etc/sudoers.d/90-deploy", rule, mode=0o440)
    if shape.sudo_password is not None:
        run(["chroot", rootfs, "chpasswd"], text=f"deploy:{shape.sudo_password}\n", doing="setting deploy's password")
    if shape.certificate_names:
        _make_certificate(rootfs, shape.certificate_names)


def ensure_host_key(places: Places, name: str) -> Path:
    """Make the SSH host key that this name keeps for ever, if there is none."""
    key = places.host_key(name)
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key], doing="making the host key")
    return key


def remember_host_key(places: Places, shape: Shape) -> None:
    """Put the host's key into the sandbox's known_hosts, instead of an older one at the same address."""
    kind, data = ensure_host_key(places, shape.name).with_suffix(".pub").read_text().split()[:2]
    with places.lock("known-hosts", silent, waiting_for=""):
        try:
            lines = places.known_hosts_file.read_text().splitlines()
        except FileNotFoundError:
            lines = []
        kept = [line for line in lines if line.split(" ", 1)[0] != shape.address]
        part = places.known_hosts_file.with_suffix(".part")
        part.write_text("\n".join([*kept, f"{shape.address} {kind} {data}"]) + "\n")
        part.replace(places.known_hosts_file)


def _make_certificate(rootfs: Path, names: tuple[str, ...]) -> None:
    certificate = rootfs / CERTIFICATE_FILE.lstrip("/")
    key = rootfs / CERTIFICATE_KEY_FILE.lstrip("/")
    if certificate.exists() and key.exists():
        return
    certificate.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    subject = ",".join(f"DNS:{name}" for name in names)
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", "3650", "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={subject}"]
    run([*argv, "-keyout", str(key), "-out", str(certificate)], doing="making the host's certificate")
    key.chmod(0o600)


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    path.chmod(mode)
