"""Changes that make jobs smaller, for a host that does not fit; each is really tried."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.declaration import Declaration
from deployer.links import USUAL_JOB_MIB
from deployer.service import Remedy
from deployer.services.jobs.budget import AppJob, jobs_of


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer one process instead of several, the usual memory instead of more, and the job on another host."""
    for one in jobs_of(declaration):
        where = f"apps.{one.app}.{one.kind}.{one.name}"
        if one.processes > 1:
            yield Remedy(f"{where}.processes: 1", _with(declaration, one, processes=1))
        if (one.job.memory_mib or 0) > USUAL_JOB_MIB:
            words = f"leave out {where}.memory_mib, if you measured that it needs no more than usual"
            yield Remedy(words, _with(declaration, one, memory_mib=None))
        yield Remedy(f"{one.name} of {one.app} on another host (no {where} here)", _without(declaration, one))


def _with(declaration: Declaration, one: AppJob, **changes: int | None) -> Declaration:
    jobs = {**getattr(declaration.apps[one.app], one.kind), one.name: one.job.model_copy(update=changes)}
    return declaration.with_app(one.app, **{one.kind: jobs})


def _without(declaration: Declaration, one: AppJob) -> Declaration:
    jobs = {name: job for name, job in getattr(declaration.apps[one.app], one.kind).items() if name != one.name}
    return declaration.with_app(one.app, **{one.kind: jobs})
