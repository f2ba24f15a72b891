"""Local VPSes of the size that the inventory says, for trying things out."""

from __future__ import annotations

import os
import subprocess

from invoke.context import Context
from rich.text import Text

from deployer import sandbox
from deployer.catalog import declared_series
from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.report.terminal import Steps, result_console
from deployer.sandbox import SandboxHost
from deployer.tasks.shell import entry_of, flush, task


@task
def up(_context: Context, *, host: str = "", inventory: str = "", suite: str = "", kernel: str = "") -> None:
    """Make a local VPS of a host's size run, at the address that the inventory gives it; --kernel own: with its own."""
    entry, _ = entry_of(host, inventory)
    started = start(entry, suite, kernel)
    result_console().print(f"{started.name} runs at {started.address}; sandbox.ssh --host {started.name} logs in")


@task
def down(_context: Context, *, host: str = "", all: bool = False) -> None:  # noqa: A002 - the option that people type
    """Take a local VPS away with all that it holds; with --all every one, and the bridge and the package proxy too."""
    with Steps() as steps:
        if all:
            sandbox.down_all(say=steps.say)
        elif host:
            sandbox.down(host, say=steps.say)
        else:
            raise UsageError("which host? --host is missing", next_step="--host NAME, or --all")


@task
def reset(_context: Context, *, host: str = "") -> None:
    """Put a local VPS back to a clean Debian, in a second or two."""
    if not host:
        raise UsageError("which host? --host is missing", next_step="sandbox.list shows them")
    with Steps() as steps:
        sandbox.reset(host, say=steps.say)


@task
def cut(_context: Context, *, host: str = "") -> None:
    """Cut a local VPS's power: kill it as it stands; sandbox.up boots it again with the same disk."""
    if not host:
        raise UsageError("which host? --host is missing", next_step="sandbox.list shows them")
    with Steps() as steps:
        sandbox.cut_power(host, say=steps.say)


@task
def list(_context: Context) -> None:  # noqa: A001 - the name that people type
    """List the local VPSes."""
    found = sandbox.hosts()
    if not found:
        result_console().print("no local VPS; sandbox.up --host NAME makes one")
    for one in found:
        size = f"{one.cpu_cores} x CPU, {one.memory_mib} MiB"
        debian = f"Debian {sandbox.SUITES[one.suite].number}"
        own = "own kernel" if one.kernel == sandbox.OWN_KERNEL else ""
        state = ("runs", "green") if one.running else ("stopped", "dim")
        result_console().print(
            Text.assemble((f"{one.name:<16}", "bold"), f"{one.address:<18}{size:<22}{debian:<12}{own:<12}", state)
        )


@task
def ssh(_context: Context, *, host: str = "", command: str = "") -> int:
    """Log in to a local VPS as root, or run a command there."""
    for one in sandbox.hosts():
        if one.name == host:
            flush()
            argv = [*one.ssh_argv(terminal=not command and os.isatty(0)), *([command] if command else [])]
            return subprocess.run(argv, check=False).returncode
    raise UsageError(f"there is no local VPS called {host!r}", next_step="sandbox.list shows those that are there")


@task
def trees(_context: Context, *, make: bool = False) -> None:
    """List the Debian trees with servers of each version in them; with --make, make those that are missing."""
    with Steps() as steps:
        for name in sandbox.TREES if make else ():
            with sandbox.debian_tree(name, steps.say):
                pass
    made = {tree.name: tree for tree in sandbox.made_trees() if tree.current}
    for name, recipe in sandbox.TREES.items():
        state = ("made", "green") if name in made else ("not made", "dim")
        packages = f"  {' '.join(recipe.packages)}"
        result_console().print(Text.assemble((f"{name:<10}", "bold"), state, packages), soft_wrap=True)


@task
def inside(_context: Context, *, tree: str = "", command: str = "") -> int:
    """Run a command in a Debian tree (or open a shell there), with no network, and forget what it wrote."""
    with Steps() as steps, sandbox.debian_tree(tree, steps.say) as folder, sandbox.inside(folder) as place:
        flush()
        words = ["sh", "-c", command] if command else ["sh"]
        return subprocess.run(place.argv(words), check=False).returncode


def start(entry: Entry, suite: str = "", kernel: str = "", snapshot: str = "") -> SandboxHost:
    """Make the local VPS of an inventory entry run: its size, its address, a certificate for its names.

    Args:
        entry: What is declared.
        suite: Which Debian; empty: the one that comes with the declared versions.
        kernel: Whose kernel it runs on, ``shared`` (as when empty) or ``own``.
        snapshot: What to start from; empty: a clean Debian.
    """
    names = [name for app in entry.host.apps.values() if app.tls for name in app.server_names]
    hardware = entry.host.hardware
    with Steps() as steps:
        return sandbox.up(
            entry.name,
            address=entry.host.ssh.address,
            cpu_cores=hardware.cpu_cores,
            memory_mib=hardware.memory_mib,
            swap_mib=hardware.swap_mib,
            disk_gib=hardware.disk_gib,
            suite=suite or sandbox.suite_with(declared_series(entry.declaration)),
            kernel=kernel or sandbox.SHARED_KERNEL,
            snapshot=snapshot or None,
            sudo_password=_sudo_password(entry),
            certificate_names=names,
            say=steps.say,
        )


def _sudo_password(entry: Entry) -> str | None:
    name = entry.host.ssh.sudo_password_env
    return os.environ.get(name) if name else None
