"""The console command `deployer`: the same tasks as `invoke`, without a tasks.py."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from invoke.program import Program

from deployer.tasks import namespace


def main() -> None:
    """Run the command line; exits with the codes that docs/json.md lists."""
    try:
        own = version("deployer")
    except PackageNotFoundError:  # run from a tree that is not installed
        own = "unknown"
    Program(namespace=namespace, name="deployer", binary="deployer", version=own).run()
