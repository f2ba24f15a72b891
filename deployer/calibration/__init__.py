"""Calibration: what a host itself shows under a light load becomes its own constants, and says what it can carry.

observed = observe(entry, pages)           effects: bursts from here, two looks at the host around each
measured = learn(entry.declaration, ...)   pure: margins, bounds, and only if the budget fits with it
written.text(measured)                     the file beside the inventory
predict(measured, hardware, page)          pure: requests/s, before anybody measures them
"""

from __future__ import annotations

from deployer.calibration.bursts import Bursts
from deployer.calibration.capacity import Compared, Page, Prediction, predict
from deployer.calibration.learn import Learned, learn
from deployer.calibration.observed import Cost, Observed, Usage, cost_of
from deployer.calibration.run import alone, calibrate, pages_of, saturate
from deployer.calibration.written import text

__all__ = [
    "Bursts",
    "Compared",
    "Cost",
    "Learned",
    "Observed",
    "Page",
    "Prediction",
    "Usage",
    "alone",
    "calibrate",
    "cost_of",
    "learn",
    "pages_of",
    "predict",
    "saturate",
    "text",
]
