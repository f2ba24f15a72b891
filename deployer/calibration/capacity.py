"""Predicted capacity: requests/s of a page, from what pages cost, the cores and the link. Pure.

``requests/s = cores x 1000 / cpu_ms``, and never more than the link carries. Of pages that were not measured, one from
the cache is taken to cost what the others from there do: nginx does the same for each. One that is made anew is asked
for a few times, one by one, as a visitor does; that is dearer than among others, and how much dearer is known from the
pages that were measured both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from deployer.hardware import Hardware
from deployer.measured import PageCost, PageKind
from deployer.verify.ceiling import wire_bytes

#: A host that is asked for all it can and got less of its processors than this shares them with somebody.
UNDISTURBED_SHARE = 0.9

Binding = Literal["processor", "link"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page that somebody asks about: its size, KiB, and what one request that comes alone takes of the host, ms."""

    path: str
    kind: PageKind
    kib: float
    alone_ms: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a host should carry of one page.

    Attributes:
        page: The page.
        cpu_ms: Processor time for one request, ms.
        req_per_s: Requests a second, when nothing else is asked for.
        binds: What ends first.
        calibrated: Whether this very page was measured, or stands on others of its kind.
        because: The arithmetic.
    """

    page: Page
    cpu_ms: float
    req_per_s: float
    binds: Binding
    calibrated: bool
    because: str


def predict(
    costs: Sequence[PageCost], hardware: Hardware, page: Page, workers: int | None = None, *, tls: bool = True
) -> Prediction | None:
    """Say what a host should carry of a page.

    Args:
        costs: What pages of this host cost.
        hardware: Its cores and its link.
        page: The page.
        workers: Processes that make pages anew; fewer than cores leave cores idle. None: not known.
        tls: Whether answers are encrypted: what that and TCP take of the link counts too.

    Returns:
        The prediction; None: no page of this kind was measured.
    """
    of_kind = [one for one in costs if one.kind == page.kind]
    if not of_kind:
        return None
    same = next((one for one in of_kind if one.path == page.path), None)
    cpu_ms, why = (same.cpu_ms, "") if same else _like(of_kind, page)
    cores = hardware.cpu_cores
    processor = cores * 1000 / cpu_ms
    said = f"{cores} x 1000 / {cpu_ms:.3g} ms"
    said += why
    if page.kind == "uncached" and workers is not None and workers < cores:
        said += f"; {workers} of {cores} cores may make pages, so it may be less"
    link, wire = float("inf"), wire_bytes(page.kib * 1024, tls=tls)
    if hardware.bandwidth_mbit_per_s is not None:
        link = hardware.bandwidth_mbit_per_s * 1e6 / 8 / wire
    if link < processor:
        said = (
            f"{hardware.bandwidth_mbit_per_s:g} Mbit/s / 8 / {wire:.0f} bytes, of which the page is {page.kib:.1f} KiB"
        )
    binds: Binding = "link" if link < processor else "processor"
    return Prediction(page, cpu_ms, min(processor, link), binds, bool(same), said)


def _like(measured: Sequence[PageCost], page: Page) -> tuple[float, str]:
    """Say what a page costs that was not measured, ms, and in words how that is known."""
    others = ", ".join(one.path for one in measured)
    if page.kind == "cached":
        return mean(one.cpu_ms for one in measured), f", as {others}"
    cheaper = mean(one.cpu_ms / one.alone_ms for one in measured)
    return page.alone_ms * cheaper, f": {page.alone_ms:.3g} ms alone x {cheaper:.2f}, as {others}"


@dataclass(frozen=True, slots=True)
class Compared:
    """A prediction beside what was measured.

    Attributes:
        prediction: What was written down before.
        measured_req_per_s: What the host then carried.
        processor_share: How much of its processors the host got meanwhile; neighbours take the rest.
    """

    prediction: Prediction
    measured_req_per_s: float
    processor_share: float

    @property
    def off_share(self) -> float:
        """How far the prediction is off, as a share of what was measured; more than 0: it promised too much."""
        return self.prediction.req_per_s / self.measured_req_per_s - 1 if self.measured_req_per_s else float("inf")

    def is_within(self, share: float) -> bool:
        """Say whether the prediction is off by no more than this share."""
        return abs(self.off_share) <= share

    @property
    def is_disturbed(self) -> bool:
        """Whether the processor was to end first and yet was not the host's alone: then a miss says nothing."""
        return self.prediction.binds == "processor" and self.processor_share < UNDISTURBED_SHARE
