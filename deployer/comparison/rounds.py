"""Rounds: everybody once in each, one after the other, and nobody always first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from deployer.comparison.contenders import Field
from deployer.comparison.measure import Figures, Pace, measure

T = TypeVar("T")


def compare(field: Field, *, runs: int, pace: Pace) -> dict[str, list[Figures]]:
    """Measure every contender so many times, one host at a time; gives all runs by key."""
    found: dict[str, list[Figures]] = {one.key: [] for one in field.contenders}
    for number in range(runs):
        for contender in rotated(field.contenders, number):
            field.ground.say(f"run {number + 1} of {runs}: {contender.title}")
            found[contender.key].append(measure(field, contender, pace))
    return found


def rotated(all_of_them: Sequence[T], number: int) -> list[T]:
    """Give them in another order each time: whoever was first is last in the next round."""
    start = number % len(all_of_them)
    return [*all_of_them[start:], *all_of_them[:start]]
