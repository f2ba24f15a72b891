"""What a config includes, read with it: its lines are counted on from one file to the next.

Only what lies beside the file that was given is read, in its folder or below: a path of a server's own folder, as
``/etc/nginx/conf.d/*.conf``, is looked for there. What is not read is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from deployer.dialects import LARGEST_BYTES, DialectError, Statement, read
from deployer.registry import Finding, Kind

#: Files that one config may be made of, and how deep they may include one another.
MOST_FILES: Final = 100
DEEPEST: Final = 8
#: Folders of servers, and of their packages' configs: what is included by such a path is looked for beside the file.
_ROOTS: Final = ("/etc/nginx", "/etc/mysql", "/etc/my.cnf.d", "/etc/redis", "/etc/valkey", "/etc/systemd/system")
_INCLUDES: Final = {
    "nginx": {"include": ""},
    "mycnf": {"!include": "", "!includedir": "*.cnf"},
    "redis": {"include": ""},
    "postgresql": {"include": "", "include_if_exists": "", "include_dir": "*.conf"},
}
#: Files of nginx's package: tables and parameters that nobody changes.
_OF_PACKAGES: Final = re.compile(r"(.*/)?(mime\.types|(fastcgi|uwsgi|scgi|proxy)_params|fastcgi\.conf)")
_SIGNS_OF_A_PATTERN: Final = frozenset("*?[")
#: Longest path that is repeated in a message, characters.
_SHOWN: Final = 60
_UNIT: Final = re.compile(r".+\.(service|socket|timer|slice|mount|path|target|scope|swap|automount)")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a config.

    Attributes:
        name: Its path from the folder of the given file; empty for that file itself.
        before: Lines of the files before it.
    """

    name: str
    before: int


class Included:
    """A config with all that it includes.

    Args:
        dialect: Its language.
        given: The file that was given; None follows nothing.
    """

    def __init__(self, dialect: str, given: Path | None) -> None:
        self._dialect = dialect
        self._given = given
        self._folder = given.parent.resolve() if given is not None else None
        self._parts: list[Part] = []
        self._lines = 0
        self._bytes_left = LARGEST_BYTES
        self.findings: list[Finding] = []

    def statements(self, text: str) -> tuple[Statement, ...]:
        """Read the given file and what it includes, in the order in which its server reads them.

        Raises:
            DialectError: The given file cannot be read.
        """
        found = [*self._of_text("", text, (), ())]
        for path in self._drop_ins():
            found += self._of_file(path, 0, path.name, (), ())
        return tuple(found)

    def placed(self, one: Finding) -> Finding:
        """Say of a finding in which file it is, and in which line of that."""
        part = self._part(one.line)
        message = re.sub(r"\bin line (\d+)$", lambda found: f"in line {self._spoken(int(found[1]), part)}", one.message)
        return replace(one, file=part.name, line=max(0, one.line - part.before), message=message)

    def _spoken(self, line: int, seen_from: Part) -> str:
        part = self._part(line)
        where = "" if part == seen_from else f" of {part.name or 'the file itself'}"
        return f"{line - part.before}{where}"

    def _part(self, line: int) -> Part:
        return next((part for part in reversed(self._parts) if part.before < line), Part("", 0))

    def _of_text(self, name: str, text: str, context: tuple[str, ...], opened: tuple[Path, ...]) -> Iterator[Statement]:
        part = Part(name, self._lines)
        self._lines += text.count("\n") + 1
        self._parts.append(part)
        for one in read(self._dialect, text):
            placed = replace(one, line=one.line + part.before, context=(*context, *one.context))
            yield placed
            pattern = _INCLUDES.get(self._dialect, {}).get(one.name)
            if pattern is not None and one.value and (self._dialect != "postgresql" or not one.context):
                yield from self._of_include(placed, pattern, opened)

    def _of_include(self, one: Statement, pattern: str, opened: tuple[Path, ...]) -> Iterator[Statement]:
        value = one.value or ""
        wanted = f"{value.rstrip('/')}/{pattern}" if pattern else value
        paths = self._beside(wanted)
        if not paths and one.name != "include_if_exists" and not self._may_be_empty(wanted):
            self._not_read(one.line, wanted, "it does not lie beside this file")
        for path in paths:
            yield from self._of_file(path, one.line, wanted, one.context, opened)

    def _of_file(
        self, path: Path, line: int, wanted: str, context: tuple[str, ...], opened: tuple[Path, ...]
    ) -> list[Statement]:
        text = self._text(path, line, wanted, opened)
        if not text.strip() or self._folder is None:
            return []
        name = path.relative_to(self._folder).as_posix()
        before = self._lines
        try:
            return [*self._of_text(name, text, context, (*opened, path.resolve()))]
        except DialectError as error:
            self.findings.append(Finding(Kind.FATAL, "", before + error.line, error.reason, f"dialect {self._dialect}"))
            return []

    def _text(self, path: Path, line: int, wanted: str, opened: tuple[Path, ...]) -> str:
        """Read a file within the bounds; what is beyond them is said, and empty."""
        reason = ""
        if path.resolve() in (*opened, self._given.resolve() if self._given is not None else None):
            reason = "it includes itself"
        elif len(opened) >= DEEPEST:
            reason = f"files include one another more than {DEEPEST} levels deep"
        elif len(self._parts) > MOST_FILES:
            reason = f"more than {MOST_FILES} files are included"
        if not reason:
            try:
                with path.open("rb") as stream:
                    content = stream.read(self._bytes_left + 1)
                self._bytes_left -= len(content)
                if self._bytes_left >= 0:
                    return content.decode("utf-8-sig")
                self._bytes_left = 0
                reason = f"all that is included is more than {LARGEST_BYTES // 1024} KiB"
            except (OSError, UnicodeDecodeError) as error:
                reason = f"it is no text that can be read: {error}"
        self._not_read(line, wanted, reason)
        return ""

    def _may_be_empty(self, wanted: str) -> bool:
        """Say whether a pattern means nothing because its folder is there and holds no such file."""
        path = self._inner(wanted)
        if path is None or self._folder is None:
            return _OF_PACKAGES.fullmatch(wanted) is not None
        is_pattern = not _SIGNS_OF_A_PATTERN.isdisjoint(path.name)
        return _OF_PACKAGES.fullmatch(wanted) is not None or (is_pattern and (self._folder / path.parent).is_dir())

    def _inner(self, wanted: str) -> PurePosixPath | None:
        """Give a path from the folder of the given file; None if it leads elsewhere."""
        if self._folder is None or "\0" in wanted or "$" in wanted:
            return None
        path = PurePosixPath(wanted)
        if path.is_absolute():
            roots = [str(self._folder), *_ROOTS]
            path = next((path.relative_to(root) for root in roots if path.is_relative_to(root)), path)
        return None if path.is_absolute() or ".." in path.parts or not path.parts else path

    def _beside(self, wanted: str) -> list[Path]:
        """List the files beside the given one that a path or a pattern means."""
        path = self._inner(wanted)
        if path is None or self._folder is None:
            return []
        try:
            found = sorted(islice(self._folder.glob(str(path)), MOST_FILES + 1))
            return [one for one in found if one.is_file() and one.resolve().is_relative_to(self._folder)]
        except (OSError, ValueError):  # no pattern at all, or a folder that nobody may look into
            return []

    def _drop_ins(self) -> list[Path]:
        if self._dialect != "unit" or self._given is None or not _UNIT.fullmatch(self._given.name):
            return []
        return self._beside(f"{self._given.name}.d/*.conf")

    def _not_read(self, line: int, wanted: str, reason: str) -> None:
        shown = wanted if len(wanted) <= _SHOWN else f"{wanted[:_SHOWN]}..."
        message = f"not read: {shown}: {reason}; what stands there is not judged, and not priced"
        self.findings.append(Finding(Kind.NOT_READ, "include", line, message))
