"""What every app wants on the host, whichever service runs it: user, folders, secrets, release, migration, probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from deployer.apps.candidate import INSTEAD, Candidate
from deployer.apps.places import AppPlaces
from deployer.apps.unit import unit_text
from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.wanted import (
    CandidateWanted,
    CommandWanted,
    DirectoryWanted,
    FileWanted,
    HttpProbe,
    ReleaseWanted,
    SecretWanted,
    UnitWanted,
    UserWanted,
    Validator,
    Wanted,
)


def app_wanted(
    name: str,
    declaration: Declaration,
    budget: HostBudget,
    *,
    packages: tuple[str, ...],
    files: tuple[FileWanted, ...],
    units: tuple[UnitWanted, ...],
    candidate: Candidate,
    environment: Literal["python", "node", "none"] = "none",
    lock: str = "",
    must_have: Mapping[str, str] | None = None,
    lock_names: Mapping[str, str] | None = None,
) -> Wanted:
    """Put together what an app wants.

    Args:
        name: The app.
        declaration: The host.
        budget: Its budget.
        packages: Debian packages of what runs it.
        files: Its units and configs.
        units: Its units, in the order in which they start.
        candidate: Where a new release of it answers before visitors are led there.
        environment: What it needs besides its source.
        lock: The file that says so, relative to the source.
        must_have: Files that the source must hold, and what makes them.
        lock_names: Packages that the lock must name, and what to do otherwise.
    """
    places, app = AppPlaces(name), declaration.apps[name]
    release = ReleaseWanted(
        app=name,
        folder=places.releases,
        user=places.user,
        current=places.current,
        restarts=budget.chain.units_of(name),
        must_have=must_have or {},
        lock_names=lock_names or {},
    )
    if environment == "python":
        release = replace(release, packages="python", lock=lock, environments=places.venvs, environment=places.venv)
    elif environment == "node":
        release = replace(
            release,
            packages="node",
            lock=lock,
            environments=f"{places.home}/modules",
            environment=f"{places.home}/current/modules",
        )
    return Wanted(
        packages=packages,
        users=(UserWanted(name=places.user, home=places.home),),
        directories=(
            DirectoryWanted(path="/etc/deployer"),
            DirectoryWanted(path="/etc/deployer/secrets", mode="0700"),
            DirectoryWanted(path=places.home),
            # the unit would make it, but a migration that may write there comes first
            DirectoryWanted(path=places.state, mode="0700", owner=places.user, group=places.user),
        ),
        secrets=tuple(
            SecretWanted(path=places.secret(secret))
            if source is None
            else SecretWanted(path=places.secret(secret), source=str(source), restarts=budget.chain.units_of(name))
            for secret, source in app.secret_sources.items()
        ),
        releases=(release,),
        candidates=(_candidate(candidate, declaration, budget),),
        files=files,
        commands=_commands(name, declaration, budget),
        units=units,
        probes=tuple(
            _probe(name, declaration, upstream, unit)
            for links in budget.chain.links.values()
            if links.app == name
            for upstream, unit in zip(links.upstreams, links.units, strict=False)  # a worker has no upstream
        ),
        validators=(
            Validator(
                name=f"systemd-analyze verify (units of {name})",
                argv=("systemd-analyze", "verify", *(unit.unit for unit in units), candidate.unit),
            ),
        ),
    )


def _candidate(candidate: Candidate, declaration: Declaration, budget: HostBudget) -> CandidateWanted:
    name = candidate.app
    serving = next(link.units for link in budget.chain.links.values() if link.app == name and link.upstreams)
    return CandidateWanted(
        app=name,
        unit=candidate.unit,
        socket_unit=candidate.socket_unit,
        before=serving,
        holds=serving[0] if budget.value(name, "switch") == INSTEAD else "",
        probe=_probe(name, declaration, candidate.upstream, candidate.unit),
    )


def _probe(name: str, declaration: Declaration, upstream: str, unit: str) -> HttpProbe:
    """Ask the app itself, past nginx."""
    app = declaration.apps[name]
    host = app.server_names[0].replace("*", "www")
    if upstream.startswith("unix:"):
        return HttpProbe(path=app.health_path, host=host, unit=unit, socket=upstream.removeprefix("unix:"))
    return HttpProbe(path=app.health_path, host=host, unit=unit, port=int(upstream.rpartition(":")[2]))


def _commands(name: str, declaration: Declaration, budget: HostBudget) -> tuple[CommandWanted, ...]:
    database = declaration.apps[name].database
    if database is None:
        return ()
    places, text = AppPlaces(name), unit_text(declaration, budget.chain, name)
    return tuple(
        CommandWanted(
            name=f"{verb} {name}",
            argv=budget.chain.runner_of(name).argv(words, places.current),
            before=budget.chain.units_of(name)[0],
            once=once,
            app=name,
            user=places.user,
            cwd=places.current,
            environment={
                **dict.fromkeys(text.pool_variables, "1"),
                "STATE_DIRECTORY": places.state,
                **text.environment,
            },
            environment_file=places.release_mark,
            credentials=text.credentials,
            groups=text.groups,
        )
        for verb, words, once in (("migrate", database.migrate, None), ("seed", database.seed, f"seed {name}"))
        if words
    )
