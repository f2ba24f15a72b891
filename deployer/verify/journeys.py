"""Journeys: a user's own locustfile as the load, in the closed model, watched and judged as any other load.

Locust is an extra and never imported here: it runs in a process beside us, or on another host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from deployer.errors import UsageError
from deployer.packing import Program, pack
from deployer.verify.vantage import Here, There, Vantage

#: More is no script of journeys; bytes.
LIMIT_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Journeys:
    """What users do, how many there are, and for how long.

    Attributes:
        file: The locustfile.
        source: Its text.
        users: How many at the same time, over all processes; 1 to 10000.
        duration_s: How long they are counted, s, once all are there.
        spawned_per_s: So many users begin each second.
    """

    file: Path
    source: str
    users: int
    duration_s: float
    spawned_per_s: float = 50.0

    def job(self) -> dict[str, Any]:
        """Give what of it goes into a generator's job."""
        return {
            "path": self.file.name,
            "mode": "closed",
            "connections": self.users,
            "duration_s": self.duration_s,
            "opened_per_s": self.spawned_per_s,
            "journeys": self.source,
            "file": self.file.name,
        }


def journeys_of(file: str, *, users: int, duration_s: float) -> Journeys:
    """Read a locustfile.

    Args:
        file: Its path.
        users: How many at the same time.
        duration_s: How long they are counted, s.

    Raises:
        UsageError: It cannot be read, is no Python, or Locust is not installed.
    """
    where = f"--journeys {file}"
    if find_spec("locust") is None:
        raise UsageError(
            "journeys are run by Locust, which is not installed here",
            where=where,
            next_step="pip install 'deployer[locust]', into the environment that deployer runs in",
        )
    path = Path(file)
    try:
        source = path.read_bytes()[: LIMIT_BYTES + 1].decode("utf-8-sig")
        compile(source, path.name, "exec", dont_inherit=True)
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"no journeys can be read: {error}", where=where) from error
    if len(source) > LIMIT_BYTES:
        raise UsageError(f"larger than {LIMIT_BYTES >> 20} MiB: no script of journeys is", where=where)
    return Journeys(file=path.resolve(), source=source, users=users, duration_s=duration_s)


def travelling(vantages: Sequence[Vantage], journeys: Journeys, cpus: Sequence[int]) -> list[Vantage]:
    """Have vantages run journeys instead of the load generator.

    Args:
        vantages: Where the load comes from; none: this machine.
        journeys: What is run; modules beside its file are found on this machine alone.
        cpus: Cores of this machine, a process each, if it is the only place.
    """
    found: list[Vantage] = []
    for each in vantages or [Here(cpus)]:
        if isinstance(each, Here):
            found.append(replace(each, program=program(), folder=str(journeys.file.parent)))
        elif isinstance(each, There):
            found.append(replace(each, program=program()))
    return found


@cache
def program() -> Program:
    """Pack the driver of Locust with what it shares with the load generator."""
    folder = Path(__file__).parent
    names = ("locustdriver", "loadgen")
    sources = {name: (folder / f"{name}.py").read_text(encoding="utf-8") for name in names}
    return pack(sources, package="deployer_load", entry="locustdriver")
