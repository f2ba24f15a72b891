"""Jobs: the background workers and timers of apps, each in a unit of its own with memory that is counted."""

from __future__ import annotations

from deployer.service import Rank, Service
from deployer.services.jobs.budget import claims, contradictions, links, numbers
from deployer.services.jobs.files import wanted
from deployer.services.jobs.remedies import remedies

SERVICE = Service(
    name="jobs",
    rank=Rank.JOB,
    runs=lambda declaration: any(app.background or app.timers for app in declaration.apps.values()),
    links=links,
    claims=claims,
    numbers=numbers,
    wanted=wanted,
    remedies=remedies,
    contradictions=contradictions,
)
