"""A database's work for benchmarks: more rows than its pool holds, read as readers of a site read, few written.

The host's own client runs it, so that nothing has to be installed; outside of the host's limits, on another core than
its server, and within its tree, where the server's socket is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deployer import sandbox
from deployer.sandbox import SandboxHost
from deployer.sandbox.places import places
from deployer.sandbox.programs import run

_ON_HOST = Path(__file__).with_name("on_host")
DATABASE = "tune_bench"
CLIENTS = 4
LOADED_WITHIN_S = 300.0
_FILES = [f"/var/tmp/{DATABASE}.{client}.sql" for client in range(CLIENTS)]  # noqa: S108 - on a host of the sandbox's
_COUNTERS = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_select', 'Com_update', 'Qcache_hits')"
_COUNT = f"mariadb -BNe \"{_COUNTERS}\"; date '+at %s.%N'"


@dataclass(frozen=True, slots=True)
class Workload:
    """The work, on one host."""

    host: SandboxHost

    def prepare(self) -> float:
        """Make the data and the statements. Returns the size of the data, MiB."""
        table, readers = ((_ON_HOST / name).read_text(encoding="utf-8") for name in ("articles.sql", "readers.py"))
        told = self.host.sh(f"mariadb -BN <<'END'\n{table}\nEND", timeout_s=LOADED_WITHIN_S)
        self.host.sh(f"python3 - {' '.join(_FILES)} <<'END'\n{readers}\nEND", timeout_s=LOADED_WITHIN_S)
        return float(dict(line.split("\t")[:2] for line in told.splitlines())["MiB"])

    def run(self, seconds: float) -> float:
        """Work for so many seconds. Returns the statements per second that the server has answered."""
        clients = " ".join(f"timeout {seconds} mariadb {DATABASE} < {file} > /dev/null &" for file in _FILES)
        argv = [*self._outside(), "sh", "-c", f"{_COUNT}; {clients} wait; {_COUNT}"]
        told = run(argv, doing="running the clients", timeout_s=seconds + 60).split()
        numbers = [float(word) for word in told[1::2]]
        before, after = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
        return (sum(after[:-1]) - sum(before[:-1])) / (after[-1] - before[-1])

    def clear(self) -> None:
        """Take all of it away."""
        self.host.sh(f"mariadb -e 'DROP DATABASE IF EXISTS {DATABASE}'; rm -f {' '.join(_FILES)}")

    def _outside(self) -> list[str]:
        """Say how a program is started that sees the host's files, on the cores that the host does not have."""
        asked = ["lxc-info", "-n", self.host.name, "-P", str(places().hosts), "-pH"]
        first = run(asked, doing="looking for the host's first process").strip()
        cpus = ",".join(map(str, sandbox.generator_cpus(self.host)))
        pinned = ["taskset", "-c", cpus] if cpus else []
        return [*pinned, "nsenter", f"--target={first}", "--mount", "--wd=/", "--"]
