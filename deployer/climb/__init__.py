"""Tuning by trial: a bounded hill climb over few settings, each candidate within the ONE budget, deployed and measured.

knobs        which settings, in which steps, for which pages        pure
candidates   a pin set as an inventory entry that still fits        pure
statistics   A-B-B-A readings: gain, noise, keep or drop            pure
search       what is tried next, and when it is over                pure
trial        the loop: candidate, readings, decision, return        whatever can deploy and measure
live         deploying and measuring on a real host                 effects
"""

from __future__ import annotations

from deployer.climb.candidates import Candidate, candidate
from deployer.climb.knobs import Knob, knobs_of
from deployer.climb.search import Refused, Search, Step
from deployer.climb.statistics import Decision, Reading, decide
from deployer.climb.trial import Bounds, Outcome, Trial, climb

__all__ = [
    "Bounds",
    "Candidate",
    "Decision",
    "Knob",
    "Outcome",
    "Reading",
    "Refused",
    "Search",
    "Step",
    "Trial",
    "candidate",
    "climb",
    "decide",
    "knobs_of",
]
