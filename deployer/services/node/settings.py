"""What an app says to be run by Node.js."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from deployer.app import SourceFile
from deployer.apps.ports import ListensOnPorts

MOST_PROCESSES = 64


class NodeSettings(ListensOnPorts):
    """Runs a Node.js app, a unit for each process; what is left out is derived from the budget."""

    own_environment: ClassVar[dict[str, str]] = {
        "NODE_OPTIONS": "node.old_space_mib",
        "UV_THREADPOOL_SIZE": "node.pool_threads",
        "PORT": "node.port",
    }
    """Variables that would undo what the budget gave, and the key that pins it instead."""

    script: SourceFile
    """What node runs, relative to the source: server.js."""
    lock: SourceFile = "package-lock.json"
    """npm's lock file, relative to the source; node_modules is made from it alone, and no package's script is run."""
    version: Literal["18", "20", "22", "24"] = "18"
    """Release series: 18 comes with Debian 12, 20 with Debian 13; others from elsewhere."""
    processes: Annotated[int, Field(ge=1, le=MOST_PROCESSES)] | None = None
    """Processes."""
    old_space_mib: Annotated[int, Field(ge=16, le=64 * 1024)] | None = None
    """Heap of long-lived objects of each process (max-old-space-size), MiB."""
    external_mib: Annotated[int, Field(ge=0, le=16 * 1024)] = 0
    """Memory of each process outside its heap at its worst (Buffers, native addons), MiB, if you measured it."""
    pool_threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads of each process for files, names and password hashes."""
    pool_size: Annotated[int, Field(ge=1, le=200)] | None = None
    """Connections of one process to each server that the app uses."""
    timeout_s: Annotated[int, Field(ge=1, le=600)] = 30
    """How long an answer may take, seconds."""
    pm2: bool = False
    """PM2 runs the processes in one unit, at the price of its daemon; pm2 is then one of the app's own packages."""

    def most_processes(self, cores: int) -> int:
        """Say how many processes may run: one event loop keeps one core busy."""
        return self.processes or min(cores, MOST_PROCESSES)
