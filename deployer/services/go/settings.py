"""What an app says to be run as a program of Go's."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from deployer.app import SourceFile
from deployer.apps.ports import ListensOnPorts


class GoSettings(ListensOnPorts):
    """Runs a program written in Go that is built before; what is left out is derived from the budget."""

    own_environment: ClassVar[dict[str, str]] = {
        "GOMEMLIMIT": "go.memory_mib",
        "GOMAXPROCS": "nothing for it: it is the number of cores",
        "PORT": "go.port",
    }
    """Variables that would undo what the budget gave, and the key that pins it instead."""

    program: SourceFile
    """The program, relative to the source: bin/shortener; static, and built for the host's processor."""
    arguments: tuple[Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,1024}$")], ...] = ()
    """Words that it is started with."""
    memory_mib: Annotated[int, Field(ge=16, le=64 * 1024)] | None = None
    """All of its memory (MemoryMax), MiB."""
    pool_size: Annotated[int, Field(ge=1, le=200)] | None = None
    """Connections to each server that the app uses."""
    timeout_s: Annotated[int, Field(ge=1, le=600)] = 30
    """How long an answer may take, seconds."""
