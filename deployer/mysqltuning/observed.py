"""What is asked of a database server, and its answer as a value: settings, counters over a window, sizes and more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from deployer.render import Rendered
from deployer.services.mysql.flavours import flavour_of
from deployer.wishes import wishes

#: Settings that nobody rendered, and that decide how others can be changed, or what they are worth.
BESIDES = (
    "innodb_buffer_pool_chunk_size",
    "innodb_buffer_pool_instances",
    "innodb_buffer_pool_size_max",
    "innodb_doublewrite",
    "innodb_log_buffer_size",
    "log_bin",
    "mrr_buffer_size",
    "query_cache_size",
    "query_cache_type",
    "slow_query_log",
    "sync_binlog",
    "temptable_max_ram",
    "tmp_memory_table_size",
    "tmp_table_size",
)
#: Counters that some proposal or remark is founded on.
COUNTERS = (
    "Connection_errors_max_connections",
    "Connections",
    "Created_tmp_disk_tables",
    "Created_tmp_tables",
    "Handler_read_rnd_next",
    "Innodb_buffer_pool_pages_data",
    "Innodb_buffer_pool_pages_free",
    "Innodb_buffer_pool_pages_total",
    "Innodb_buffer_pool_read_requests",
    "Innodb_buffer_pool_reads",
    "Innodb_buffer_pool_wait_free",
    "Innodb_data_reads",
    "Innodb_log_waits",
    "Innodb_os_log_written",
    "Max_used_connections",
    "Opened_tables",
    "Qcache_hits",
    "Qcache_inserts",
    "Qcache_lowmem_prunes",
    "Questions",
    "Select_full_join",
    "Select_scan",
    "Sort_merge_passes",
    "Sort_scan",
    "Table_open_cache_misses",
    "Threads_connected",
    "Threads_created",
    "Uptime",
)
#: One that is read by the server and was not found.
UNKNOWN_FILE = "another file that the server reads"
#: What each of the agent's own looks at the server counts in these.
OF_A_LOOK = {"Questions": 2, "Select_scan": 1, "Created_tmp_tables": 1, "Created_tmp_disk_tables": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of EXPLAIN."""

    table: str
    access: str
    possible_keys: str
    key: str
    rows: int
    extra: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement without its values, and what it cost.

    Attributes:
        database: Where it was run.
        digest: The statement, with ``?`` in the place of values.
        count: How often it was run, or, of looks, how often it was just being run.
        seconds: What it took in all, s; None: not known.
        rows_examined: What it read in all; None: not known.
        rows_sent: What it gave in all.
        without_index: How many of its runs used no index; None: not known.
        explained: ``as it was run``, ``with made-up values`` or ``no``.
        steps: What EXPLAIN says.
    """

    database: str
    digest: str
    count: int
    seconds: float | None
    rows_examined: int | None
    rows_sent: int | None
    without_index: int | None
    explained: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A database server as it was over a window.

    Attributes:
        version: Of the running server.
        variables: Its settings.
        seconds: How long it was watched, s.
        first: Counters at the beginning.
        last: Counters at the end.
        looks: How often the agent itself looked at what was being run.
        data_mib: InnoDB's tables and indexes, MiB.
        peaks_mib: The most that each unit has held since it was started, what the kernel caches for it included, MiB.
        at_next_start: What all config files together say of a setting.
        named_by: What each file says that names a setting.
        source: Where the statements are from: ``performance_schema``, ``slow log`` or ``looks``.
        statements: The hottest first.
    """

    version: str
    variables: Mapping[str, str]
    seconds: float
    first: Mapping[str, float]
    last: Mapping[str, float]
    looks: int
    data_mib: float
    peaks_mib: Mapping[str, float]
    at_next_start: Mapping[str, str]
    named_by: Mapping[str, Mapping[str, str]]
    source: str
    statements: tuple[Statement, ...]

    def per_s(self, counter: str) -> float:
        """Say how fast a counter grew by what others did; 0 for one that the server does not have."""
        grew = self.last.get(counter, 0.0) - self.first.get(counter, 0.0) - OF_A_LOOK.get(counter, 0) * self.looks
        return max(0.0, grew) / self.seconds if self.seconds > 0 else 0.0

    def number(self, variable: str) -> int:
        """Give a setting that is a number; 0 for one that the server does not have or that is none."""
        text = self.variables.get(variable, "")
        return int(text) if text.isdigit() else 0

    @property
    def miss_share(self) -> float:
        """Share of the reads of pages that the buffer pool did not have."""
        requests = self.per_s("Innodb_buffer_pool_read_requests")
        return min(1.0, self.per_s("Innodb_buffer_pool_reads") / requests) if requests else 0.0

    def outranks(self, variable: str, ours: str) -> str:
        """Name the file whose word on a setting counts more than ours; empty where ours counts.

        All files together say something else than ours: then it is the file that says just that, wherever it lies.
        """
        named, ours_at = self.named_by.get(variable, {}), PurePosixPath(ours)
        effective = self.at_next_start.get(variable)
        if ours in named and effective is not None:
            same = [path for path, value in named.items() if path != ours and value == effective]
            return "" if named[ours] == effective else (same or [UNKNOWN_FILE])[-1]
        later = [path for path in named if PurePosixPath(path).parent == ours_at.parent and path > ours]
        return later[-1] if later else ""


def question(rendered: Rendered, window_s: float) -> dict[str, Any]:
    """Make the agent's request: the names of settings and counters, the units, and the databases of the apps."""
    flavour = flavour_of(rendered.declaration)
    names = [setting for server, _, setting, _ in wishes(rendered) if server == flavour.name]
    return {
        "op": "mysqlwatch",
        "server": flavour.name,
        "window_s": window_s,
        "variables": list(dict.fromkeys([*names, *BESIDES])),
        "counters": list(COUNTERS),
        "units": [one.unit for one in rendered.wanted.units if one.unit.endswith(".service")],
        "databases": [
            {"name": one.name, "user": one.user, "secret_path": one.secret_path}
            for one in rendered.wanted.databases
            if one.server == flavour.name
        ],
    }


def observed(answer: Mapping[str, Any]) -> Observed:
    """Read the agent's answer."""
    counters = answer["counters"]
    at_next_start: Mapping[str, Mapping[str, Any]] = answer["at_next_start"]
    return Observed(
        version=str(answer["version"]),
        variables={str(name): str(value) for name, value in answer["variables"].items()},
        seconds=float(counters["seconds"]),
        first=_numbers(counters["first"]),
        last=_numbers(counters["last"]),
        looks=int(counters["looks"]),
        data_mib=sum(int(one["bytes"]) for one in answer["sizes"] if one["engine"] == "InnoDB") / (1 << 20),
        peaks_mib={
            str(unit): float(one["peak_mib"])
            for unit, one in answer["units"].items()
            if one.get("peak_mib") is not None
        },
        at_next_start={name: str(one["value"]) for name, one in at_next_start.items()},
        named_by={
            name: {str(path): str(value) for path, value in one["files"].items()} for name, one in at_next_start.items()
        },
        source=str(answer["statements"]["source"]),
        statements=tuple(_statement(one) for one in answer["statements"]["found"]),
    )


def _numbers(told: Mapping[str, str]) -> Mapping[str, float]:
    return {name: float(value) for name, value in told.items() if value.isdigit()}


def _statement(told: Mapping[str, Any]) -> Statement:
    return Statement(
        database=str(told["database"]),
        digest=str(told["digest"]),
        count=int(told["count"]),
        seconds=_float(told["seconds"]),
        rows_examined=told["rows_examined"],
        rows_sent=told["rows_sent"],
        without_index=told["without_index"],
        explained=str(told["explained"]),
        steps=tuple(
            Step(
                table=str(one["table"]),
                access=str(one["type"]),
                possible_keys=_known(one["possible_keys"]),
                key=_known(one["key"]),
                rows=int(one["rows"]) if str(one["rows"]).isdigit() else 0,
                extra=_known(one["Extra"]),
            )
            for one in told["explain"]
        ),
    )


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _known(text: str) -> str:
    return "" if text == "NULL" else str(text)
