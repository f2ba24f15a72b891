"""What an app says to be run by a Java virtual machine."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints

from deployer.app import inside_the_source
from deployer.apps.ports import ListensOnPorts

JarFile = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_@./+-]+\.jar$"), AfterValidator(inside_the_source)]
#: An option of the java command; what the budget sets itself is refused.
Option = Annotated[str, StringConstraints(pattern=r"^-[A-Za-z0-9_.:/=,+@-]{1,200}$")]
USUAL_PORT = 8080
MOST_PROCESSES = 16


class JavaSettings(ListensOnPorts):
    """Runs a Java app from a jar that is built before; what is left out is derived from the budget."""

    own_environment: ClassVar[dict[str, str]] = {
        "JAVA_TOOL_OPTIONS": "java.options",
        "JDK_JAVA_OPTIONS": "java.options",
        "GLIBC_TUNABLES": "nothing for it: it could allow more of malloc's arenas",
        "MALLOC_ARENA_MAX": "nothing for it: more arenas only hold memory that nobody uses",
        "PORT": "java.port",
        "THREADS": "java.threads",
    }
    """Variables that would undo what the budget gave, and the key that pins it instead."""

    jar: JarFile
    """What java runs, relative to the source: shop.jar, with everything that it needs in it."""
    version: Literal["17", "21"] = "17"
    """Release series: 17 comes with Debian 12, 21 with Debian 13."""
    port: Annotated[int, Field(ge=1024, le=65_535)] = USUAL_PORT
    """First TCP port on loopback, below 32768: one for each process; the app is told by PORT."""
    processes: Annotated[int, Field(ge=1, le=MOST_PROCESSES)] = 1
    """Processes. With two, one serves visitors while the other is restarted for a new release."""
    threads: Annotated[int, Field(ge=1, le=2000)] = 32
    """Threads of the app in each process; it is told by THREADS."""
    classes: Annotated[int, Field(ge=500, le=500_000)] | None = None
    """Classes that are loaded at its worst, if you counted them; a Spring app loads some 17000."""
    heap_mib: Annotated[int, Field(ge=16, le=64 * 1024)] | None = None
    """Heap of each process (-Xmx), MiB."""
    metaspace_mib: Annotated[int, Field(ge=16, le=8192)] | None = None
    """Memory of the loaded classes (-XX:MaxMetaspaceSize), MiB; left out: from their number."""
    code_cache_mib: Annotated[int, Field(ge=16, le=2048)] | None = None
    """Compiled code (-XX:ReservedCodeCacheSize), MiB."""
    direct_mib: Annotated[int, Field(ge=1, le=16 * 1024)] | None = None
    """Buffers outside the heap (-XX:MaxDirectMemorySize), MiB."""
    stack_kib: Annotated[int, Field(ge=208, le=8192)] | None = None
    """Stack of each thread (-Xss), KiB."""
    options: tuple[Option, ...] = ()
    """More options of the java command, as a list: [-Duser.timezone=UTC]."""
    pool_size: Annotated[int, Field(ge=1, le=200)] | None = None
    """Connections of one process to each server that the app uses."""
    timeout_s: Annotated[int, Field(ge=1, le=600)] = 30
    """How long an answer may take, seconds."""

    def most_processes(self, _cores: int) -> int:
        """Say how many processes may run."""
        return self.processes
