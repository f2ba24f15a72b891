"""Jobs and migrations that say how large they are: large enough for the heap of what runs them."""

from __future__ import annotations

from deployer.app import App
from deployer.links import Runner
from deployer.service import Contradictions


def jobs_without_room(name: str, app: App, runner: Runner, process: str) -> Contradictions:
    """Refuse a job, or a migration, that has no room for the least heap.

    Args:
        name: The app.
        app: What the inventory says of it.
        runner: What runs its commands.
        process: What such a process is called, for people.
    """
    for kind, jobs in (("background", app.background), ("timers", app.timers)):
        for job_name, job in jobs.items():
            least_mib = runner.least_job_mib(job.command)
            if job.memory_mib is not None and job.memory_mib < least_mib:
                usual_mib = runner.usual_job_mib(job.command)
                needs = f"{process} with a heap of {runner.heap_least_mib} MiB needs {least_mib}"
                yield (("apps", name, kind, job_name, "memory_mib"), f"{needs}; left out, it gets {usual_mib}")
    if app.database is None or app.database.migrate_memory_mib is None:
        return
    least_mib = max((runner.least_job_mib(words) for words in app.database.commands), default=0)
    if app.database.migrate_memory_mib < least_mib:
        usual_mib = max(runner.usual_migration_mib(words) for words in app.database.commands)
        needs = f"{process} with a heap of {runner.heap_least_mib} MiB needs {least_mib}"
        yield (("apps", name, "database", "migrate_memory_mib"), f"{needs}; left out, it gets {usual_mib}")
