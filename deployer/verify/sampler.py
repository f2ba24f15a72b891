"""Watching the host while it is under load: over the transport's own channel, in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, Self

from deployer.errors import DeployerError
from deployer.transport import Agent, Stream
from deployer.verify.machine import Processors
from deployer.verify.measured import HostSamples, Timed

#: Without a sample for so long, and for the next one, nobody waits for the host's summary for long; s.
SILENCE_S: Final = 5.0
#: What of a sample is reckoned with: a number, or None where the host does not know.
JUDGED: Final = ("memory_share", "cpu_busy_share", "cpu_steal_share", "oom_kills")
#: For the summary, after the sampling was told to end; s. A host that was silent before is hardly waited for.
SUMMARY_PATIENCE_S: Final = 20.0
SILENT_PATIENCE_S: Final = 1.0


class Sampler(Protocol):
    """What ``verify`` wants of whoever watches the host: a context, begun before the load and ended after it."""

    def __enter__(self) -> Self:
        """Begin to watch."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Leave nothing running."""
        ...

    def alarm(self) -> str:
        """Say why the host is no longer watched; nothing while it is."""
        ...

    def told(self) -> Sequence[Timed]:
        """Give the samples so far, the newest last."""
        ...

    def silence_s(self) -> float:
        """Say since when the host has told nothing, s; 0 where nobody listens."""
        ...

    def finish(self) -> HostSamples:
        """End the watch and give what was seen; safe to call once."""
        ...


class AgentSampler:
    """Samples by the agent on the host; the agent does nothing else meanwhile.

    Args:
        agent: A running agent; it stays open afterwards.
        units: Units whose memory is told apart, as ``nginx.service``.
        servers: Servers that are asked for their counters, with what has to be known for it.
        apps: Apps whose outside connections and queues are counted, with their users and sockets.
        interval_s: Between two samples, s.
        max_s: The host stops by itself after this time, s.
        host_cpus: Processors of this machine that the host runs on, when it is a local VPS. What they do beyond the
            host's own work goes into each sample as ``cpu_neighbour_share``.
    """

    def __init__(
        self,
        agent: Agent,
        units: Sequence[str],
        *,
        servers: Mapping[str, Mapping[str, str]] | None = None,
        apps: Mapping[str, Mapping[str, Any]] | None = None,
        interval_s: float = 1.0,
        max_s: float = 6 * 3600.0,
        host_cpus: Sequence[int] = (),
    ) -> None:
        self._agent = agent
        self._processors = Processors(host_cpus)
        self._request: dict[str, Any] = {"op": "sample", "units": list(units), "interval_s": interval_s, "max_s": max_s}
        self._request |= {"servers": dict(servers)} if servers else {}
        self._request |= {"apps": dict(apps)} if apps else {}
        self._silence_s = SILENCE_S + interval_s
        self._samples: list[Timed] = []
        self._answer: dict[str, Any] | None = None
        self._fault = ""
        self._heard_s = 0.0
        self._stream: Stream | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Send the request and listen.

        Raises:
            DeployerError: The agent does not take it.
        """
        self._heard_s = time.monotonic()
        self._stream = self._agent.stream(self._request)
        self._thread = threading.Thread(target=self._listen, args=(self._stream,), name="samples", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._end()

    def alarm(self) -> str:
        """Say that the channel to the host is lost, or brings nonsense."""
        return f"the host is no longer watched: {self._fault}" if self._fault else ""

    def told(self) -> Sequence[Timed]:
        """Give the samples so far."""
        return self._samples

    def silence_s(self) -> float:
        """Say since when the host has told nothing, s."""
        return time.monotonic() - self._heard_s

    def finish(self) -> HostSamples:
        """End the sampling and give what was seen."""
        self._end()
        fault = self._fault or ("" if self._answer is not None else "the host gave no summary")
        return HostSamples(samples=tuple(self._samples), summary=self._answer, fault=fault)

    def _listen(self, stream: Stream) -> None:
        try:
            for event in stream:
                if event.get("event") == "sample":
                    if not all(isinstance(event.get(key), (int, float, type(None))) for key in JUDGED):
                        self._fault = "its samples hold no numbers"
                        return
                    self._heard_s = time.monotonic()
                    self._samples.append(Timed(at_s=self._heard_s, values=self._with_neighbours(event)))
        except DeployerError as error:
            self._fault = error.message
        else:
            self._answer = stream.answer

    def _with_neighbours(self, event: Mapping[str, Any]) -> dict[str, Any]:
        busy, own = self._processors.busy_share(), event.get("cpu_busy_share")
        others = None if busy is None or own is None else round(max(0.0, busy - float(own)), 4)
        return {**event, "cpu_neighbour_share": others}

    def _is_silent(self) -> bool:
        return self.silence_s() > self._silence_s

    def _end(self) -> None:
        if self._thread is None or self._stream is None:
            return
        patience_s = SILENT_PATIENCE_S if self._is_silent() else SUMMARY_PATIENCE_S
        if self._thread.is_alive():
            self._stream.stop()
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._fault = self._fault or "the host did not end its sampling"
            self._agent.close()  # a channel that is still being read is of no use to anybody
        self._thread = None


class Unwatched:
    """Nobody watches the host: what would be known from there is inconclusive, never kept."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def alarm(self) -> str:
        """Know of nothing."""
        return ""

    def told(self) -> Sequence[Timed]:
        """Have no samples."""
        return ()

    def silence_s(self) -> float:
        """Listen to nobody."""
        return 0.0

    def finish(self) -> HostSamples:
        """Give nothing."""
        return HostSamples(fault="the host was not watched")
