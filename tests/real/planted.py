"""Secrets that are planted, and the places where they must not turn up, on both sides of a deploy."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import stat
import threading
from pathlib import Path
from typing import Self

#: Between two looks at all processes, s.
LOOK_EVERY_S = 0.15
#: Nobody keeps a secret in a larger temporary file, bytes.
MOST_BYTES = 64 << 20
#: A variable that only processes of the control machine have: those are the user's own.
OF_THE_USER = b"DEPLOYER_INVENTORY="


class Planted:
    """Values that are looked for: as they are, in base64, and by their plain hashes, which give weak ones away."""

    def __init__(self) -> None:
        self.values: list[str] = []

    def new(self) -> str:
        self.values.append(f"planted-{secrets.token_hex(16)}")
        return self.values[-1]

    @property
    def needles(self) -> dict[str, str]:
        found = {}
        for number, value in enumerate(self.values):
            data = value.encode()
            found[f"value {number}"] = value
            found[f"base64 of value {number}"] = base64.b64encode(data).decode().rstrip("=")[:-1]
            found[f"sha256 of value {number}"] = hashlib.sha256(data).hexdigest()
            found[f"sha1 of value {number}"] = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        return found

    def seen_in(self, text: str | bytes) -> list[str]:
        data = text.encode() if isinstance(text, str) else text
        return [name for name, needle in self.needles.items() if needle.encode() in data]


class Watched:
    """Looks again and again at all processes: a container's are this kernel's too, so both sides are seen.

    Command lines of all; environments of all but the user's own; temporary files that have no name any more.
    """

    def __init__(self, planted: Planted) -> None:
        self._planted = planted
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.looks = 0
        self.command_lines: set[bytes] = set()
        self.nameless_files = 0
        self.found: set[str] = set()

    def _run(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self.looks += 1
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    self._look_at(process)

    def _look_at(self, process: Path) -> None:
        try:
            words = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
            self.command_lines.add(words)
            self._judge(f"argv of {words!r}", words)
            if OF_THE_USER not in environment and int(process.name) != os.getpid():
                self._judge(f"environment of {words!r}", environment)
            if b"deployer" not in words and b"python3" not in words:
                return
            for descriptor in (process / "fd").iterdir():
                found = descriptor.stat()
                if stat.S_ISREG(found.st_mode) and found.st_nlink == 0 and 0 < found.st_size < MOST_BYTES:
                    self.nameless_files += 1
                    self._judge(f"a nameless file of {words!r}", descriptor.read_bytes())
        except OSError:
            return  # it has ended

    def _judge(self, where: str, data: bytes) -> None:
        self.found |= {f"{name} in the {where}" for name in self._planted.seen_in(data)}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
