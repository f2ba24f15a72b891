"""What was measured on a host itself (`calibrate`): values that take the place of constants, and what pages cost.

It stands in a dated file beside the inventory and so is part of the declaration: the budget stays a function of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from deployer.hardware import Declared

Date = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
#: Where a value stands in: a setting of an app (apps.blog.gunicorn.compute_ms) or a constant (priors.NAME).
Place = Annotated[str, StringConstraints(pattern=r"^(priors\.[a-z0-9_]+|apps\.[a-z0-9]+\.[a-z]+\.[a-z_]+)$")]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,300}$")]
PagePath = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=2000)]
PageKind = Literal["cached", "uncached"]


class Measurement(Declared):
    """One number of the host's own."""

    value: Annotated[float, Field(gt=0, le=1e9, strict=False)]
    """The number; its unit is in the name of its place."""
    because: Text
    """What was seen, and what was added to it."""


class PageCost(Declared):
    """What one page takes of the host, when many ask at once."""

    path: PagePath
    """The page."""
    kind: PageKind
    """Whether it came from nginx's cache or was made anew."""
    kib: Annotated[float, Field(gt=0, le=1e6, strict=False)]
    """Bytes of an answer, KiB, header included, TLS not."""
    cpu_ms: Annotated[float, Field(gt=0, le=600_000, strict=False)]
    """Processor time of the whole host for one request among others, ms."""
    alone_ms: Annotated[float, Field(gt=0, le=600_000, strict=False)]
    """The same for one that comes alone, ms."""


class Measured(Declared):
    """All that was measured on one host, at one time."""

    version: Literal[1]
    """Form of this file."""
    host: str
    """Name of the inventory entry."""
    date: Date
    """Day of the measurement, UTC."""
    runs: dict[str, str] = Field(default_factory=dict)
    """What ran each app; with another one its numbers would mean nothing."""
    values: dict[Place, Measurement] = Field(default_factory=dict)
    """Numbers that take the place of settings that the inventory leaves out, and of constants."""
    pages: tuple[PageCost, ...] = ()
    """What pages cost; `capacity` reckons with them."""
    seen: dict[Text, Annotated[float, Field(ge=0, le=1e9, strict=False)]] = Field(default_factory=dict)
    """What was seen besides, for people; nothing is reckoned with it."""

    @property
    def provenance(self) -> str:
        """Say where these numbers come from, as `budget` and `explain` show it."""
        return f"measured, {self.date}"

    def own_prior(self, name: str) -> float | None:
        """Give the host's own value of a constant, if it has one."""
        found = self.values.get(f"priors.{name}")
        return None if found is None else found.value

    def of_app(self, app: str, runner: str) -> Mapping[str, Measurement]:
        """Give an app's own settings under the name of the service that runs it, by name."""
        begin = f"apps.{app}.{runner}."
        return {place.removeprefix(begin): one for place, one in self.values.items() if place.startswith(begin)}
