"""The console command `deployer`: the same tasks as `invoke`, without a tasks.py."""

from __future__ import annotations

from inspect import getdoc
from shutil import get_terminal_size
from textwrap import fill

from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from deployer import __version__
from deployer.errors import UsageError
from deployer.tasks import namespace

#: Longest line of an explanation, characters.
WIDEST = 100


class CommandLine(Program):
    """invoke's program, but a task or an option that does not exist is an error of use, not a fault of ours."""

    def parse_tasks(self) -> None:
        """Read the words after the core options."""
        try:
            super().parse_tasks()
        except (ParseError, ValueError) as error:
            said = error if isinstance(error, ParseError) else f"A whole number was expected: {error}."
            raise Exit(f"{said} See deployer --list, and deployer --help TASK.", code=UsageError.exit_code) from error

    def print_task_help(self, name: str) -> None:
        """Explain a task in lines that the terminal holds, as invoke does with options alone."""
        task = self.collection[name]
        width = min(get_terminal_size().columns, WIDEST) - len(self.leading_indent)
        paragraphs = (getdoc(task) or "").split("\n\n")
        task.__doc__ = "\n\n".join(fill(one, width, break_on_hyphens=False) for one in paragraphs)
        super().print_task_help(name)


def main() -> None:
    """Run the command line; exits with the codes that docs/json.md lists."""
    CommandLine(namespace=namespace, name="deployer", binary="deployer", version=__version__).run()
