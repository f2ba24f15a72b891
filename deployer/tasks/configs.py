"""The task about a config that somebody has already: what in it is wrong for a host."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from deployer.allocate import allocate
from deployer.dialects import LARGEST_BYTES
from deployer.errors import BudgetError, UsageError
from deployer.lint import lint as lint_text, reader_for
from deployer.report.lint import REFUSED, lint_document, print_lint
from deployer.report.terminal import print_document, result_console
from deployer.tasks.shell import entry_of, task


@task
def lint(
    _context: Context, *, host: str = "", inventory: str = "", file: str = "", dialect: str = "", json: bool = False
) -> int:
    """Say what in a my.cnf, nginx.conf, unit... of yours is fatal, ignored, dangerous or over a host's budget."""
    entry, _ = entry_of(host, inventory)
    text = _text_of(file)
    reader = reader_for(file, text, entry.declaration, dialect)
    findings = lint_text(text, reader, entry.declaration, allocate(entry.declaration), filename=file, given=Path(file))
    if json:
        print_document(lint_document(entry.name, file, reader, findings))
    else:
        print_lint(result_console(), entry.name, file, reader, findings)
    refused = any(one.kind in REFUSED for one in findings)
    return BudgetError.exit_code if refused else 0


def _text_of(file: str) -> str:
    """Read the file.

    Raises:
        UsageError: There is none, it is none, or it is no text of a config.
    """
    if not file:
        raise UsageError("which file? --file is missing", next_step="--file my.cnf")
    path = Path(file)
    try:
        if not path.is_file():
            raise UsageError(f"{file} is {'no file' if path.exists() else 'not there'}", where=f"--file {file}")
        with path.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"{file!r} cannot be read: {error}", where="--file") from error
    if len(content) > LARGEST_BYTES:
        raise UsageError(f"{file} is larger than {LARGEST_BYTES // 1024} KiB: no config is", where=f"--file {file}")
    if not content.strip():
        raise UsageError(f"{file} is empty", where=f"--file {file}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(f"{file} is no text: byte {error.start}, in line {line}", where=f"--file {file}") from error
