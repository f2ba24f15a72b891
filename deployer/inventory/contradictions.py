"""Contradictions with file and line: those of what a host shall be, and of how it is reached and tested."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from deployer.contradictions import Found, contradictions as of_declaration
from deployer.inventory.models import Host, declaration_of
from deployer.inventory.problems import Problem, ValuePath
from deployer.inventory.tree import MergedTree


def contradictions(name: str, host: Host, tree: MergedTree) -> Iterator[Problem]:
    """Find what cannot be meant together.

    Args:
        name: The host.
        host: What the files say of it, right in form.
        tree: The files' content and positions.
    """
    for path, message in (*of_declaration(declaration_of(name, host)), *_load(host), *_login(host)):
        full: ValuePath = ("hosts", name, *path)
        file, line = tree.position(full, key=True)
        yield Problem(file, line, full, message)


def _load(host: Host) -> Found:
    if host.load == "allowed" and not host.load_from:
        yield ("load",), "the limits for each visitor would stop the load test; add load_from: [your address]"
    if host.slo.app is not None and host.slo.app not in host.apps:
        yield ("slo", "app"), f"this host has no app {host.slo.app}; it has: {', '.join(host.apps) or 'none'}"
    seen = set()
    for place, written in enumerate(host.load_from):
        path: ValuePath = ("load_from", place)
        try:
            network = ip_network(written)
        except ValueError as error:
            yield path, f"expected an address or a network such as 192.0.2.0/24: {error}"
            continue
        if network.prefixlen == 0:
            yield path, f"{written} is everybody: then nobody has a limit"
        elif network in seen:
            yield path, f"{written} is there twice"
        seen.add(network)


def _login(host: Host) -> Found:
    if host.ssh.host_key is not None and host.ssh.accept_new:
        yield ("ssh", "accept_new"), "a pinned host_key leaves nothing to accept; keep one of them"
    if host.ssh.sudo_password is not None and host.ssh.sudo_password_env is not None:
        yield ("ssh", "sudo_password"), "the password comes from sudo_password_env already; keep one of them"
