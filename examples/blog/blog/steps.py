"""The files of `migrations/`: what they hold, and which of them are still to be applied."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"


class MigrationError(Exception):
    """A step cannot be applied, or the files contradict what was applied before."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file."""

    version: int
    name: str
    sha256: str
    statements: tuple[str, ...]


def read_steps(directory: Path = MIGRATIONS) -> tuple[Step, ...]:
    """Read the files in order.

    Raises:
        MigrationError: A file's name has no number, or two have the same.
    """
    steps: dict[int, Step] = {}
    for path in sorted(directory.glob("*.sql")):
        name = re.fullmatch(r"(\d{4})_[a-z0-9_]+\.sql", path.name)
        if not name:
            raise MigrationError(f"{path.name}: expected a name such as 0004_comments.sql")
        version = int(name[1])
        if version in steps:
            raise MigrationError(f"{path.name} and {steps[version].name} have the same number")
        data = path.read_bytes()
        statements = split_statements(data.decode())
        steps[version] = Step(version, path.name, hashlib.sha256(data).hexdigest(), statements)
    return tuple(steps.values())


def split_statements(sql: str) -> tuple[str, ...]:
    """Split at each `;` that ends a line; whole-line `--` comments are left out."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    parts = re.split(r";[ \t]*(?:\n|$)", "\n".join(lines))
    return tuple(part.strip() for part in parts if part.strip())


def pending(steps: Sequence[Step], applied: Mapping[int, tuple[str, str]]) -> tuple[Step, ...]:
    """Return the steps still to do; `applied` maps a version to its name and hash.

    Versions that no file here has are from a newer release: they are left alone, so that an older release
    can be put back.

    Raises:
        MigrationError: An applied file was changed afterwards, or a new one is numbered below an applied one.
    """
    missing = []
    known = {step.version for step in steps}
    newest = max((version for version in applied if version in known), default=0)
    for step in steps:
        if step.version not in applied:
            if step.version < newest:
                raise MigrationError(f"{step.name} is new, but {newest:04d} was applied before it: renumber it")
            missing.append(step)
        elif applied[step.version][1] != step.sha256:
            raise MigrationError(f"{step.name} was changed after it was applied: add a new step instead")
    return tuple(missing)
