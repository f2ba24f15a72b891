"""The console command `deployer`: the same tasks as `invoke`, without a tasks.py."""

from __future__ import annotations

from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from deployer import __version__
from deployer.errors import UsageError
from deployer.tasks import namespace


class CommandLine(Program):
    """invoke's program, but a task or an option that does not exist is an error of use, not a fault of ours."""

    def parse_tasks(self) -> None:
        """Read the words after the core options."""
        try:
            super().parse_tasks()
        except ParseError as error:
            raise Exit(f"{error} See deployer --list, and deployer --help TASK.", code=UsageError.exit_code) from error


def main() -> None:
    """Run the command line; exits with the codes that docs/json.md lists."""
    CommandLine(namespace=namespace, name="deployer", binary="deployer", version=__version__).run()
