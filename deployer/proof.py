"""The end of the straight line: a host under load, watched and judged. Library first, tasks are a shell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from deployer import transport
from deployer.access import login_of
from deployer.deploy import desired
from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.loadorigins import FROM_HERE, Origins
from deployer.render import Rendered
from deployer.slo import Phases, Slo
from deployer.transport import Agent, Login
from deployer.verify import AgentSampler, Findings, Verdict, VerifyTarget, find_knee, verify, watched
from deployer.verify.advice import advise
from deployer.verify.journeys import Journeys
from deployer.verify.predicted import predictions
from deployer.verify.repeat import MOST_FACTOR, is_enough, together
from deployer.verify.report import short


def check_load(entry: Entry) -> None:
    """Refuse to load a host unless its inventory allows it.

    Raises:
        UsageError: It does not.
    """
    if entry.host.load != "allowed":
        raise UsageError(
            f"the inventory does not allow load tests of {entry.name}",
            where=f"hosts.{entry.name}.load",
            next_step="write `load: allowed` and your address under `load_from`, if the host may be loaded",
        )


def target_of(entry: Entry) -> tuple[str, VerifyTarget]:
    """Say which app of a host is put under load, and how the generator reaches it.

    Raises:
        UsageError: There is no app to ask for pages.
    """
    slo = entry.host.slo
    if not entry.host.apps:
        raise UsageError("a host without an app has no page to ask for", where=f"hosts.{entry.name}.apps")
    tested = slo.app or next(iter(entry.host.apps))
    app = entry.host.apps[tested]
    return tested, VerifyTarget.of(
        slo,
        address=login_of(entry).address,
        server_name=app.server_names[0].replace("*", "www"),
        port=443 if app.tls else 80,
        tls=app.tls is not None,
        connections=entry.host.target.connections,
        bandwidth_mbit_per_s=entry.host.hardware.bandwidth_mbit_per_s,
    )


def prove(
    entry: Entry,
    *,
    phases: Phases | None = None,
    whole: bool = False,
    generator_cpus: Sequence[int] = (),
    host_cpus: Sequence[int] = (),
    origins: Origins = FROM_HERE,
    journeys: Journeys | None = None,
    on_phase: Callable[[str, str], None] = lambda _phase, _message: None,
) -> Verdict:
    """Put a host under load, watch it, and judge it by its SLO.

    Args:
        entry: The host.
        phases: How long each part lasts; those of the SLO if left out.
        whole: All phases, minutes; else the quick test that follows a deploy.
        generator_cpus: Processors of this machine for the generator; none: wherever the kernel puts it.
        host_cpus: Processors of this machine that the host runs on, when it is a local VPS.
        origins: Where the load comes from; from here if left out.
        journeys: What users of the caller's own do, instead of all phases.
        on_phase: Gets each phase and what there is to say of it.

    Raises:
        UsageError: The inventory does not allow load tests of it, or there is no app to ask for pages.
        Inconclusive: The generator could not run.
        HostUntouched: The host cannot be reached, so nobody could watch it.
    """
    tested, slo = _tested(entry), entry.host.slo
    bandwidth = None if origins.passes_no_link else tested.target.bandwidth_mbit_per_s
    target = replace(tested.target, bandwidth_mbit_per_s=bandwidth)

    def say(line: str) -> None:
        phase, _, message = line.partition(": ")
        on_phase(short(phase), message)

    with (
        transport.connect(tested.login, say=say) as remote,
        remote.agent() as agent,
        origins.vantages(remote, cpus=generator_cpus, say=say) as vantages,
    ):
        runs: list[Verdict] = []
        while not is_enough(runs, slo.repeat):
            if slo.repeat > 1:
                say(f"run {len(runs) + 1}: of {slo.repeat}, and up to {MOST_FACTOR * slo.repeat} where they disagree")
            sampler = _sampler(agent, tested.rendered, host_cpus)
            run = partial(verify, phases=phases, whole=whole, vantages=vantages, journeys=journeys)
            runs.append(run(target, slo, sampler, say=say))
        verdict = together(runs)
    return replace(verdict, advice=advise(entry.declaration, tested.rendered.budget, verdict, tested.app))


def knee(
    entry: Entry,
    slo: Slo,
    *,
    bandwidth_mbit_per_s: float | None,
    generator_cpus: Sequence[int] = (),
    on_phase: Callable[[str, str], None] = lambda _phase, _message: None,
) -> Findings:
    """Look for the largest rate at which a host's cached page keeps its P95, and for what its link carries of it.

    Args:
        entry: The host.
        slo: The limit, the precision, and how long a trial is.
        bandwidth_mbit_per_s: What the link carries now, Mbit/s; None where that is not known.
        generator_cpus: As for ``prove``.
        on_phase: Gets each phase and what there is to say of it.

    Raises:
        UsageError: The inventory does not allow load tests of it, or there is no app to ask for pages.
        Inconclusive: The load was ended early, or the page does not answer.
    """
    tested = _tested(entry)
    target = replace(tested.target, bandwidth_mbit_per_s=bandwidth_mbit_per_s)

    def say(line: str) -> None:
        phase, _, message = line.partition(": ")
        on_phase(short(phase), message)

    with transport.connect(tested.login, say=say) as remote, remote.agent() as agent:
        return find_knee(target, slo, _sampler(agent, tested.rendered), generator_cpus=generator_cpus, say=say)


@dataclass(frozen=True)
class _Tested:
    """What a load test has to know of its host."""

    app: str
    login: Login
    target: VerifyTarget
    rendered: Rendered


def _sampler(agent: Agent, rendered: Rendered, host_cpus: Sequence[int] = ()) -> AgentSampler:
    return AgentSampler(
        agent,
        watched.units(rendered),
        servers=watched.servers(rendered),
        apps=watched.apps(rendered),
        host_cpus=host_cpus,
    )


def _tested(entry: Entry) -> _Tested:
    check_load(entry)
    app, target = target_of(entry)
    rendered = desired(entry).rendered
    target = replace(
        target,
        predictions=predictions(entry.declaration, rendered.budget, entry.host.slo, app),
        limits=watched.limits(rendered, app),
    )
    return _Tested(app, login_of(entry), target, rendered)
