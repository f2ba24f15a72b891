"""What is wrong with a setting: how bad it is, where it stands, why, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How bad a finding is, the worst first."""

    FATAL = "fatal"
    """The server does not start with it."""
    OVER_BUDGET = "over budget"
    """At its worst it needs more than this host has for it."""
    MISREAD = "misread"
    """The server takes it for something else than it says."""
    IGNORED = "ignored"
    """The server passes over it."""
    DANGEROUS = "dangerous"
    """It works, until it does harm."""
    DEPRECATED = "deprecated"
    """It works, and will not in a later release."""
    NOT_READ = "not read"
    """It is included, and was not looked at."""


#: What makes a rendered file wrong.
WRONG = frozenset({Kind.FATAL, Kind.MISREAD, Kind.IGNORED})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a text.

    Attributes:
        kind: How bad it is.
        name: The setting.
        line: Where it stands, from 1; 0 if it is about what does not stand there.
        message: What is wrong, in words.
        because: Where that is known from.
        instead: What to write; empty where leaving it out is best.
        file: The included file that it stands in; empty for the text itself.
    """

    kind: Kind
    name: str
    line: int
    message: str
    because: str = ""
    instead: str = ""
    file: str = ""
