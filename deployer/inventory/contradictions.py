"""Contradictions with file and line: those of what a host shall be, and of how it is reached and tested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_network

from deployer.contradictions import Found, contradictions as of_declaration
from deployer.inventory.models import Host, declaration_of
from deployer.inventory.problems import Problem, ValuePath
from deployer.inventory.tree import MergedTree
from deployer.objectives import Use, parse, rate_of
from deployer.slo import Slo

#: What says how long a kind of phase lasts.
_LASTS: Mapping[str, str] = {"hold": "hold_s", "cached": "closed_s", "capacity": "capacity_s", "open": "open_s"}


def contradictions(name: str, host: Host, tree: MergedTree) -> Iterator[Problem]:
    """Find what cannot be meant together.

    Args:
        name: The host.
        host: What the files say of it, right in form.
        tree: The files' content and positions.
    """
    found = (*of_declaration(declaration_of(name, host)), *_load(host), *_objectives(host.slo), *_login(host))
    for path, message in found:
        full: ValuePath = ("hosts", name, *path)
        file, line = tree.position(full, key=True)
        yield Problem(file, line, full, message)


def group_contradictions(
    hosts: Mapping[str, Host], groups: Mapping[str, Sequence[str]], tree: MergedTree
) -> Iterator[Problem]:
    """Find groups that cannot be meant: one named as a host is, or with a member that is none."""
    for group, members in groups.items():
        if group in hosts:
            path: ValuePath = ("groups", group)
            yield Problem(*tree.position(path, key=True), path, "a host has this name; --host could mean either")
        for number, member in enumerate(members):
            if member not in hosts:
                near = get_close_matches(member, hosts, n=1)
                said = f"there is no host {member!r}" + (f"; did you mean {near[0]}?" if near else "")
                path = ("groups", group, number)
                yield Problem(*tree.position(path), path, said)


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


def _objectives(slo: Slo) -> Found:
    rates = ", ".join(str(rate) for rate in slo.rates_per_s) or "none"
    for place, rate in enumerate(slo.rates_per_s):
        if rate in slo.rates_per_s[:place]:
            yield ("slo", "rates_per_s", place), f"{rate} is there twice"
    uses: Mapping[str, Use] = {"must": "must", "should": "must", "abort": "abort", "valid": "valid"}
    for key, use in uses.items():
        for place, text in enumerate(getattr(slo, key)):
            criterion = parse(text, use)
            rate_per_s, window = rate_of(criterion.scope), criterion.window
            if rate_per_s is not None and rate_per_s not in slo.rates_per_s:
                yield ("slo", key, place), f"r{rate_per_s} is none of slo.rates_per_s ({rates})"
            key_of_phase = _LASTS.get(criterion.scope)
            if window and key_of_phase and window.seconds > (lasts_s := getattr(slo.phases, key_of_phase)):
                said = f"{criterion.scope} lasts {lasts_s:g} s (slo.phases.{key_of_phase}), no {window.seconds} s"
                yield ("slo", key, place), said


def _login(host: Host) -> Found:
    if host.ssh.host_key is not None and host.ssh.accept_new:
        yield ("ssh", "accept_new"), "a pinned host_key leaves nothing to accept; keep one of them"
    if host.ssh.sudo_password is not None and host.ssh.sudo_password_env is not None:
        yield ("ssh", "sudo_password"), "the password comes from sudo_password_env already; keep one of them"
