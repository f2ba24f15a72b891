"""The straight line: inventory entry, budget, render | observe, plan, apply. Library first, tasks are a shell.

entry = load_inventory([Path("inventories")]).entry("blog1")
with session(entry) as host:
    plan = host.plan()
    if not plan.is_empty:
        host.apply(plan)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer import agreement, transport
from deployer.access import login_of
from deployer.allocate import allocate
from deployer.apply import Applied, apply
from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.plan import Plan, build_plan, questions
from deployer.plan.build import unwanted_paths
from deployer.plan.desired import placed
from deployer.release import Release, read_release
from deployer.render import Rendered, render
from deployer.secret import Secret
from deployer.secretvalues import new_nonce, proof, read_secrets, secrets_of_apps
from deployer.transport import Agent

if TYPE_CHECKING:
    from deployer.adoption import Adoption, Choices
    from deployer.transport import Remote  # at run time fabric is imported only once a connection is wanted

Say = Callable[[str], None]
#: Each program that a survey asks ends within seconds, s.
SURVEY_TIMEOUT_S = 120.0


def _silent(_line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Desired:
    """All that can be known without the host: the end of the pure core, and the apps' sources."""

    entry: Entry
    rendered: Rendered
    releases: tuple[Release, ...]


def desired(entry: Entry, template_folders: Sequence[Path] = ()) -> Desired:
    """Derive the budget, render the files, read the sources; everything that can fail without the host does it here.

    Raises:
        BudgetError: It does not fit.
        RenderError: A template is wrong.
        UsageError: An app's source is not there.
    """
    declaration = entry.declaration
    rendered = render(declaration, allocate(declaration), template_folders=template_folders)
    apps = entry.host.apps
    releases = tuple(
        read_release(wanted, apps[wanted.app], entry.path(apps[wanted.app].source))
        for wanted in rendered.wanted.releases
    )
    return Desired(entry, rendered, releases)


@dataclass
class Session:
    """A host with a running agent, and what is wanted of it."""

    wanted: Desired
    remote: Remote = field(repr=False)
    agent: Agent = field(repr=False)
    say: Say = field(repr=False, default=_silent)
    any_os: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    last_transaction: str | None = None
    secrets: Mapping[str, Secret] = field(repr=False, default_factory=dict)
    nonce: str = field(repr=False, default_factory=new_nonce)

    def observe(self) -> Mapping[str, Any]:
        """Ask the host everything that a plan needs, in one request; a second one only for files no longer wanted."""
        rendered, releases = self.wanted.rendered, self.wanted.releases
        seen = self.agent.call(questions(rendered, releases, nonce=self.nonce), timeout_s=120)
        unwanted = unwanted_paths(rendered, releases, seen)
        if unwanted:
            asked = questions(rendered, releases, also=unwanted, nonce=self.nonce)
            seen = self.agent.call(asked, timeout_s=120)
        self.facts, self.last_transaction = seen["facts"], seen.get("last_transaction")
        return seen

    def plan(self) -> Plan:
        """Say what a deploy would do; changes nothing.

        Raises:
            FactsMismatch: The host is not what the inventory declares.
        """
        seen = self.observe()
        place = self.remote.login.place
        warnings = agreement.check(self.wanted.rendered, seen, place=place, any_os=self.any_os)
        planned = build_plan(self.wanted.rendered, self.wanted.releases, seen, self.proofs())
        return replace(planned, warnings=(*warnings, *planned.warnings))

    def adoption(self, choices: Choices) -> Adoption:
        """Look at what runs there by hand, and say what a takeover would make of each; changes nothing.

        Args:
            choices: What the user decided. What nobody decided is ``lacking``, and stands in the way of ``apply``.

        Raises:
            FactsMismatch: The host is not what the inventory declares.
        """
        from deployer.adoption import adoption_of, question  # noqa: PLC0415 - once in a host's life

        rendered = self.wanted.rendered
        seen = self.observe()
        answer = self.agent.call(question(rendered), timeout_s=SURVEY_TIMEOUT_S)
        # who holds a port is a question to the user here, and no refusal
        judged = {**seen, "ports": dict.fromkeys(seen["ports"])}
        warnings = agreement.check(rendered, judged, place=self.remote.login.place, any_os=self.any_os)
        planned = build_plan(rendered, self.wanted.releases, seen, self.proofs())
        whole = replace(planned, warnings=(*warnings, *planned.warnings))
        return adoption_of(rendered, whole, seen.get("owned", {}), answer, choices)

    def proofs(self) -> Mapping[str, str]:
        """Give what the host answers for each secret from outside, by its path, if it has the very same."""
        return {path: proof(self.nonce, path, secret) for path, secret in self.secrets.items()}

    def check(self, plan: Plan) -> None:
        """See that a plan from a file can be applied here: it is of this host, and its packages can be fetched.

        Whether the host has moved since is for the host to say, when it is applied.

        Raises:
            UsageError: It is another host's, or a lock file is another one by now, or a secret comes from elsewhere.
        """
        name = self.wanted.entry.name
        if plan.host != name:
            raise UsageError(f"the plan is one of {plan.host}, not of {name}", next_step=f"--host {plan.host}")
        self._check_locks(plan)
        self._check_secrets(plan)
        if plan.environments:
            self.facts = self.agent.call({"op": "observe"}, timeout_s=60)["facts"]

    def _check_locks(self, plan: Plan) -> None:
        ours = {one.release.app: one.environment_path for one in placed(self.wanted.rendered, self.wanted.releases)}
        for release in plan.document["releases"]:
            app, environment = release["app"], release["environment"]
            if app in plan.environments and ours.get(app) != environment["path"]:
                raise UsageError(
                    f"the lock file of {app} is not the one that the plan was made with",
                    where=f"hosts.{plan.host}.apps.{app}",
                    next_step="bring back that lock file, or make the plan anew and look at it",
                )

    def _check_secrets(self, plan: Plan) -> None:
        """A plan says where a secret comes from, not what it is: it is read when the plan is applied."""
        ours = {secret.path: secret.source for secret in self.wanted.rendered.wanted.secrets if secret.source}
        for path, source in plan.given_secrets.items():
            if ours.get(path) != source:
                now = ours.get(path) or "nowhere outside of the host"
                raise UsageError(
                    f"the plan has {path} from {source}; the inventory has it from {now}",
                    where=f"hosts.{plan.host}.apps",
                    next_step="make the plan anew and look at it",
                )

    def apply(
        self,
        plan: Plan,
        on_step: Callable[[str, str], None] = lambda _step, _message: None,
        *,
        wait_s: float = 0.0,
        trial_of: str | None = None,
    ) -> Applied:
        """Make the plan true, or leave the host as it was; packages are fetched before anything is sent.

        Args:
            plan: What ``plan`` gave, or ``check`` let pass.
            on_step: Gets step and message as they come.
            wait_s: How long to wait for another deploy of the host, s.
            trial_of: The transaction that a trial leaves for a while.
        """
        self._check_locks(plan)
        self._check_secrets(plan)
        fetched = self._fetched(plan.environments)
        return apply(
            self.agent,
            plan,
            fetched,
            on_step,
            anew=self.remote.anew,
            wait_s=wait_s,
            secrets=self.secrets,
            trial_of=trial_of,
        )

    def _fetched(self, environments: Collection[str]) -> dict[str, bytes]:
        """Fetch the packages of the apps whose environment is made anew, as far as the host does not do it itself."""
        from deployer import wheels  # noqa: PLC0415 - archives, HTTPS and lock files: a deploy without a change has none
        from deployer.npm import fetch_node_modules  # noqa: PLC0415 - likewise

        kinds = {wanted.app: wanted.packages for wanted in self.wanted.rendered.wanted.releases}
        fetched: dict[str, bytes] = {}
        for release in self.wanted.releases:
            if release.app not in environments:
                continue
            if kinds[release.app] == "node":  # a host never makes a node_modules itself
                fetched[release.app] = fetch_node_modules(release.app, release.lock_path, self.facts, self.say)
            elif self.wanted.entry.host.wheels == "control":
                fetched[release.app] = wheels.fetch_wheels(release, self.facts, self.say)
        return fetched


@contextmanager
def session(
    entry: Entry,
    *,
    template_folders: Sequence[Path] = (),
    say: Say = _silent,
    any_os: bool = False,
    with_secrets: bool = True,
) -> Iterator[Session]:
    """Connect to a host, once everything that can fail without it has been done.

    Args:
        entry: The host.
        template_folders: The user's own templates.
        say: Gets a line when something is worth telling.
        any_os: Go on with an operating system that is not supported.
        with_secrets: Read the apps' secrets, which a plan needs.

    Raises:
        InventoryError: A secret cannot be read where the inventory says it is.
    """
    secrets = read_secrets(secrets_of_apps(entry), entry) if with_secrets else {}
    with connected(desired(entry, template_folders), say=say, any_os=any_os, secrets=secrets) as found:
        yield found


@contextmanager
def connected(
    wanted: Desired, *, say: Say = _silent, any_os: bool = False, secrets: Mapping[str, Secret] | None = None
) -> Iterator[Session]:
    """Connect to a host for what ``desired`` gave before, with the apps' secrets by path; otherwise as ``session``."""
    with transport.connect(login_of(wanted.entry), say=say) as remote, remote.agent() as agent:
        yield Session(wanted, remote, agent, say, any_os, secrets=secrets or {})
