"""What becomes of each thing that is on the host, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from deployer.plan import Plan


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user decided of things that nobody should guess.

    Attributes:
        stop: Units of theirs that are stopped and disabled by the takeover.
        leave: Units of theirs that go on beside it.
        drop: Sites that nobody serves any more, by name (``shop.example``, or ``_:8080`` for one without); ``redis``
            for what Redis holds; paths of SQLite files that no app gets.
    """

    stop: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lacking:
    """Something that has to be decided, or put right, before the host can be taken over."""

    what: str
    next_step: str


@dataclass(frozen=True, slots=True)
class SiteFate:
    """A name that nginx serves now.

    Attributes:
        name: A server name; ``_:PORT`` for who asks by another one.
        file: Where it stands.
        fate: Taken over by an app, kept as it is, dropped because the user said so, or lost unless they say so.
        by: The app, or what nginx did for that name.
    """

    name: str
    file: str
    fate: Literal["taken over", "kept", "dropped", "lost"]
    by: str = ""


@dataclass(frozen=True, slots=True)
class UnitFate:
    """A service that runs now.

    Attributes:
        unit: Its name.
        memory_mib: What it holds without the page cache, MiB; None: not known.
        ports: Where it listens.
        fate: ``ours``: the inventory's own from now on; ``stopped`` and disabled; ``stays``; ``undecided``.
        because: Why, for people.
        started_by: Sockets and timers that start it; they are stopped with it.
    """

    unit: str
    memory_mib: float | None
    ports: tuple[str, ...]
    fate: Literal["ours", "stopped", "stays", "undecided"]
    because: str = ""
    started_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileFate:
    """A file of theirs that counts no more, or only in part.

    Attributes:
        path: Where it is.
        fate: ``replaced`` or ``removed`` by the deploy; ``not read`` any more; ``shadowed``: other words count more.
        kept_as: Where it is kept; the path itself if it is not touched.
        what: What it means, for people.
        diff: What is replaced, with secrets masked.
    """

    path: str
    fate: Literal["replaced", "removed", "not read", "shadowed"]
    kept_as: str
    what: str = ""
    diff: str = ""


@dataclass(frozen=True, slots=True)
class DataFate:
    """Data that are there, and what keeps them."""

    name: str
    what: str


@dataclass(frozen=True)
class Adoption:
    """A takeover, ready to be read; and to be applied if nothing is lacking.

    Attributes:
        found: The host's answer to the survey, made harmless for terminals.
        advice: What should be known or done, and stops nothing.
        plan: The deploy with the stops of foreign units in it.
    """

    host: str
    found: dict[str, Any]
    sites: tuple[SiteFate, ...]
    units: tuple[UnitFate, ...]
    files: tuple[FileFate, ...]
    data: tuple[DataFate, ...]
    lacking: tuple[Lacking, ...]
    advice: tuple[str, ...]
    plan: Plan

    @property
    def is_ready(self) -> bool:
        """Whether it can be applied."""
        return not self.lacking
