"""Units of jobs: a template unit with an instance for each process of a worker, a timer with what it starts."""

from __future__ import annotations

from math import ceil

from deployer.app import Timer
from deployer.apps import AppPlaces, unit_text
from deployer.apps.places import UNIT_FOLDER
from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.service import FileWanted, UnitWanted, Validator, Wanted, together
from deployer.services.jobs.budget import AppJob, jobs_of


def wanted(declaration: Declaration, budget: HostBudget) -> Wanted:
    """Want the workers and timers of all apps."""
    return together([_of_job(one, declaration, budget) for one in jobs_of(declaration)])


def _of_job(one: AppJob, declaration: Declaration, budget: HostBudget) -> Wanted:
    places, runner = AppPlaces(one.app), budget.chain.runner_of(one.app)
    room_mib = budget.count(one.taker, "MemoryMax") - ceil(sum(budget.chain.connection_parts(one.taker).values()))
    context = {
        "app": one.app,
        "name": one.name,
        "job": one.job,
        "places": places,
        "argv": runner.argv(one.job.command, places.current),
        "job_environment": runner.environment_within(room_mib),
        "text": unit_text(declaration, budget.chain, one.app),
    }

    def file(template: str, unit: str, restarts: tuple[str, ...]) -> FileWanted:
        return FileWanted(
            taker=one.taker,
            template=f"jobs/{template}",
            path=f"{UNIT_FOLDER}/{unit}",
            context=context,
            restarts=restarts,
        )

    if isinstance(one.job, Timer):
        timer, timed = places.timer_unit(one.name), places.timed_unit(one.name)
        return Wanted(
            files=(file("timed.service.j2", timed, ()), file("job.timer.j2", timer, (timer,))),
            units=(UnitWanted(unit=timer, taker=one.taker),),
            validators=(
                Validator(name=f"systemd-analyze verify ({timer})", argv=("systemd-analyze", "verify", timer, timed)),
            ),
        )
    return Wanted(
        files=(
            file("worker.service.j2", places.job_template_unit(one.name), one.units),
            *(
                FileWanted(
                    taker=one.taker,
                    template="systemd/process.conf.j2",
                    path=f"{UNIT_FOLDER}/{unit}.d/60-process.conf",
                    context={"variables": {"PROCESS_NUMBER": str(number)}},
                    restarts=(unit,),
                )
                for number, unit in enumerate(one.units, start=1)
            ),
        ),
        units=tuple(UnitWanted(unit=unit, taker=one.taker) for unit in one.units),
        validators=(
            Validator(name=f"systemd-analyze verify ({one.units[0]})", argv=("systemd-analyze", "verify", *one.units)),
        ),
    )
