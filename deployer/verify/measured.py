"""What a phase of load measured: the generators' results, checked, merged and named. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from deployer.verify.loadgen import Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What journeys asked for under one name.

    Attributes:
        name: As the user's script calls it.
        done: Good answers.
        errors: All others.
        req_per_s: Good answers a second.
        p50_ms: Half of the answers were there within this time of being asked for, ms; likewise the others.
        first_error: What was said at the first error; empty without one.
    """

    name: str
    done: int
    errors: int
    req_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    first_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One phase, over all generator processes.

    Attributes:
        name: The phase: ``hold``, ``cached``, ``capacity /``, ``open /``.
        path: What was asked for.
        mode: ``hold``, ``closed`` or ``open``.
        duration_s: Of the load, without opening and draining, s.
        planned: Requests that were due.
        done: Good answers.
        req_per_s: Good answers a second, within the duration.
        errors: Count per kind; empty is what one wants.
        first_errors: What was said at the first error of a kind.
        connections_wanted: How many were to be open.
        established: How many were opened, again after a loss included.
        alive_min: The least that were open at the same time under load.
        reopened: How many were opened again.
        p50_ms: Half of the answers were there within this time of being due, ms; likewise the others.
        service_p95_ms: The same from the time of sending; less than ``p95_ms`` means that requests queued here.
        late_p99_ms: How late the generator itself was, ms; None in the closed model.
        cpu_share: The busiest generator's share of a core, 0 to 1.
        cpu_wait_share: Share of the time in which it was ready and had no core; None where that is not known.
        rss_mib: Memory of the generators, MiB.
        bytes_per_answer: HTTP bytes of an answer, header included, TLS not.
        cache: Answers per value of the cache header.
        tls: Protocol and cipher; empty without TLS.
        stopped: The load was ended early.
        rate_per_s: The wanted rate of the open model.
        began_s: When the load began, on the monotonic clock of this machine.
        seconds: What each second brought, of all generators together.
        latency: The histogram as data, for merging and plots.
        steps: Of journeys, what came of each name.
    """

    name: str
    path: str
    mode: str
    duration_s: float
    planned: int
    done: int
    req_per_s: float
    errors: Mapping[str, int]
    first_errors: Mapping[str, str]
    connections_wanted: int
    established: int
    alive_min: int
    reopened: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    service_p95_ms: float | None
    late_p99_ms: float | None
    cpu_share: float
    cpu_wait_share: float | None
    rss_mib: float
    bytes_per_answer: float
    cache: Mapping[str, int]
    tls: str
    stopped: bool
    rate_per_s: float | None
    began_s: float
    seconds: tuple[Mapping[str, Any], ...]
    latency: Mapping[str, Any]
    steps: tuple[Step, ...] = ()

    @property
    def error_count(self) -> int:
        """All errors together."""
        return sum(self.errors.values())

    @property
    def cache_hit_share(self) -> float | None:
        """Share of the answers that came from the cache; None when the server does not say."""
        named = {value: count for value, count in self.cache.items() if value}
        hits = sum(count for value, count in named.items() if value.upper() in {"HIT", "STALE", "UPDATING"})
        return hits / sum(self.cache.values()) if named else None


def merge(name: str, job: Mapping[str, Any], results: Sequence[Mapping[str, Any]], *, began_s: float) -> Measured:
    """Merge the results of generators that ran at the same time; histograms are added, percentiles never averaged.

    Args:
        name: The phase.
        job: What was asked of them together.
        results: One ``result`` document each.
        began_s: When the load began, on this machine's monotonic clock.

    Raises:
        ValueError: There is none, or one is no result.
    """
    if not results:
        raise ValueError("no generator gave a result")
    histograms = {kind: Histogram() for kind in ("latency", "service", "late")}
    sums: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in ("errors", "header_values", "connections")}
    first_errors: dict[str, str] = {}
    try:
        for result in results:
            for kind, histogram in histograms.items():
                histogram.add(result[kind])
            sums.update({key: int(result[key]) for key in ("planned", "done", "done_in_time", "http_bytes_in")})
            for kind, counter in counts.items():
                counter.update({str(key): int(count) for key, count in result[kind].items()})
            first_errors = {**result["first_errors"], **first_errors}
        waits = [result["cpu_wait_share"] for result in results if result["cpu_wait_share"] is not None]
        latency, service, late = histograms.values()
        duration_s = max(float(result["duration_s"]) for result in results)
        return Measured(
            name=name,
            path=str(job.get("path", "/")),
            mode=str(job["mode"]),
            duration_s=duration_s,
            planned=sums["planned"],
            done=sums["done"],
            req_per_s=sums["done_in_time"] / duration_s,
            errors=dict(counts["errors"]),
            first_errors=first_errors,
            connections_wanted=counts["connections"]["wanted"],
            established=counts["connections"]["established"],
            alive_min=counts["connections"]["alive_min"],
            reopened=counts["connections"]["reopened"],
            p50_ms=latency.percentile_ms(0.50),
            p95_ms=latency.percentile_ms(0.95),
            p99_ms=latency.percentile_ms(0.99),
            max_ms=latency.max_us / 1000 if latency.count else None,
            service_p95_ms=service.percentile_ms(0.95),
            late_p99_ms=late.percentile_ms(0.99),
            cpu_share=max(float(result["cpu_share"]) for result in results),
            cpu_wait_share=max(waits) if waits else None,
            rss_mib=sum(float(result["rss_mib"]) for result in results),
            bytes_per_answer=sums["http_bytes_in"] / max(1, sums["done"]),
            cache=dict(counts["header_values"]),
            tls=str((results[0]["tls"] or {}).get("is", "")),
            stopped=any(result["stopped"] for result in results),
            rate_per_s=job.get("rate_per_s"),
            began_s=began_s,
            seconds=tuple(_seconds([result["seconds"] for result in results])),
            latency=latency.document(),
            steps=tuple(_steps([result.get("steps") or {} for result in results], duration_s)),
        )
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"a generator's result is not one: {error!r}") from error


def _steps(told: Sequence[Mapping[str, Any]], duration_s: float) -> Iterator[Step]:
    """Add up what each generator counted under each name, in the order in which the names came."""
    for name in dict.fromkeys(name for each in told for name in each):
        parts, latency = [each[name] for each in told if name in each], Histogram()
        for part in parts:
            latency.add(part["latency"])
        done = sum(int(part["done"]) for part in parts)
        yield Step(
            name=str(name),
            done=done,
            errors=sum(int(part["errors"]) for part in parts),
            req_per_s=done / duration_s,
            p50_ms=latency.percentile_ms(0.50),
            p95_ms=latency.percentile_ms(0.95),
            p99_ms=latency.percentile_ms(0.99),
            max_ms=latency.max_us / 1000 if latency.count else None,
            first_error=next((str(part["first_error"]) for part in parts if part["first_error"]), ""),
        )


def merge_second(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge what each generator told of the same second; percentiles come from the histograms.

    Args:
        told: A ``progress`` document each, at least one.
    """
    if len(told) == 1:
        return {key: value for key, value in told[0].items() if key not in {"event", "latency"}}
    histogram = Histogram()
    for each in told:
        histogram.add(each["latency"])
    counts = ("done", "errors", "alive", "in_flight", "backlog")
    return {
        "t_s": max(each["t_s"] for each in told),
        **{key: sum(int(each[key]) for each in told) for key in counts},
        "p50_ms": histogram.percentile_ms(0.50),
        "p95_ms": histogram.percentile_ms(0.95),
        "p99_ms": histogram.percentile_ms(0.99),
    }


def _seconds(told: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    return [merge_second([one for one in same if one is not None]) for same in zip_longest(*told)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A sample of the host, and when it arrived.

    Attributes:
        at_s: On this machine's monotonic clock.
        values: What the agent said.
    """

    at_s: float
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSamples:
    """What was seen on the host.

    Attributes:
        samples: In the order of their arrival.
        summary: The agent's own, of the whole time; None when it was lost.
        fault: Why there is no summary; empty when there is one.
    """

    samples: tuple[Timed, ...] = ()
    summary: Mapping[str, Any] | None = None
    fault: str = ""

    @property
    def memory_peak_share(self) -> float | None:
        """The most memory in use, page cache not counted, 0 to 1."""
        shares = [share for each in self.samples if (share := each.values.get("memory_share")) is not None]
        if self.summary and self.summary.get("memory_peak_share") is not None:
            shares.append(self.summary["memory_peak_share"])
        return max(shares, default=None)

    @property
    def oom_kills(self) -> int | None:
        """Processes that the kernel killed for want of memory; None when that was not counted to the end."""
        return None if self.summary is None else self.summary.get("oom_kills")

    @property
    def restarts(self) -> int | None:
        """Restarts of the units that were looked at."""
        return None if self.summary is None else self.summary.get("restarts")

    def during(self, phase: Measured, *path: str) -> float | None:
        """Give the mean of a sampled value while a phase ran; None without a sample that lies in it.

        Args:
            phase: The phase.
            path: Where in a sample it stands: ``"cpu_busy_share"``, or ``"servers", "mariadb", "running"``.
        """
        known = self._numbers(phase, path)
        return sum(known) / len(known) if known else None

    def most(self, phase: Measured, *path: str) -> float | None:
        """Give the largest of a sampled value while a phase ran; None likewise."""
        return max(self._numbers(phase, path), default=None)

    def rise(self, phase: Measured, *path: str) -> float | None:
        """Give how much a counter rose while a phase ran; None without two samples that lie in it."""
        known = self._numbers(phase, path)
        return max(0.0, known[-1] - known[0]) if len(known) > 1 else None

    def word(self, phase: Measured, *path: str) -> str:
        """Give the word that was sampled most often while a phase ran; nothing without one."""
        words = Counter(value for value in self._values(phase, path) if isinstance(value, str))
        return words.most_common(1)[0][0] if words else ""

    def _numbers(self, phase: Measured, path: Sequence[str]) -> list[float]:
        values = self._values(phase, path)
        # what a host says may be anything; what is no number is not known
        return [float(value) for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]

    def _values(self, phase: Measured, path: Sequence[str]) -> Iterator[Any]:
        # a sample speaks of the second before it arrived
        begin, end = phase.began_s + 0.9, phase.began_s + phase.duration_s + 0.2
        for each in self.samples:
            if begin <= each.at_s <= end:
                value: Any = each.values
                for name in path:
                    value = value.get(name) if isinstance(value, Mapping) else None
                yield value
