"""One case of the fault sweep: the fault at its step, what was said of it, how the host is, and the next deploy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from agent_client import Plan
from failing_link import Link
from fault_cases import Case
from stopped_agent import Deploy
from swept_host import NGINX_CONF, Picture, SweptHost

from deployer.agent.progress import STEPS

#: After so long the timer returns a host whose agent is dead, and a quarter of it; a deploy has to get from its swap to
#: the step where it is killed within it, also on a busy machine.
UP_TO_THE_SWAP_S, UP_TO_THE_COMMIT_S = 3.0, 8.0
#: How the host stands after each way to end that may be said.
TRUE = {"committed": "new", "untouched": "old", "restored": "old"}
#: The point of no return is one rename; what follows it may have to wait for the reason to go away.
KEEPS_FROM_CLEARING_UP = ("disk full", "read-only directory")
#: Nobody hears how the deploy ends.
UNHEARD = ("control process killed", "connection reset", "silent link")
#: The agent ends there and then; from the swap on it is not the last who can return the host.
DEADLY = ("agent killed", "power cut")
#: Faults that lie in the plan.
BROKEN: dict[str, dict[str, str]] = {
    "validator refuses": {"nginx": NGINX_CONF.replace("listen 8080;", "listen 8080; nonsense on;")},
    "service does not start": {"program": "/srv/nowhere"},
    "health check fails": {"program": "/usr/bin/python3 -c 'raise SystemExit(7)'"},
}
READ_ONLY = "/etc/nginx"
FULL = """
fallocate -l $(df --output=avail -B1 / | tail -1) /filler || true
dd if=/dev/zero of=/filler.rest bs=4k status=none 2>/dev/null || true
test "$(df --output=avail -B1 / | tail -1)" -eq 0
"""
Strike = Callable[[Deploy, Link | None], AbstractContextManager[None]]


class Sweep:
    """Runs cases on a host.

    Args:
        host: It keeps what a case leaves for the next.
        power_cut: Cuts its power, and lets it boot again.
    """

    def __init__(self, host: SweptHost, power_cut: Callable[[], object] | None = None) -> None:
        self.host = host
        self._cut = power_cut
        #: What happens while the agent stands still; the faults that are not here lie in the plan.
        self._strikes: dict[str, Strike] = {
            "control process killed": self._control_process_killed,
            "connection reset": self._connection_reset,
            "silent link": self._silent_link,
            "agent killed": self._agent_killed,
            "power cut": self._power_cut,
            "disk full": self._disk_full,
            "read-only directory": self._read_only_directory,
            "clock jumps ahead": self._clock_jumps_ahead,
            "clock jumps back": self._clock_jumps_back,
            "second deploy": self._second_deploy,
        }

    def run(self, case: Case) -> str:
        """Run a case; return how the host was afterwards (`old`, `new`), and `said unknown` where it was."""
        host = self.host
        host.make_old(case.kind)
        version = host.next_version(case.kind)
        old = host.picture()
        assert old.left == "", old.left
        host.version = None  # until all is well
        plan = self._plan(case, version)
        said = self._with_fault(case, plan)
        found = host.picture()
        doubt = said == "unknown"
        if doubt or (case.fault in KEEPS_FROM_CLEARING_UP and said == "committed" and found.left):
            # a person would, once the reason is gone; else the next deploy does
            told = host.ask({"op": "recover", "who": "tester@here", "wait_s": 30})
            assert "ok" in told, told
            found = host.picture()
        died_early = said == "" and self._leaves_its_preparation(case)
        state = _state(found, old, version, with_folders=not died_early)
        # nothing was locked yet, so the second went live, and the first was refused, as its plan was outdated
        by_another = case.fault == "second deploy" and said == "untouched"
        assert TRUE.get(said, state) == state or by_another, f"it said {said}, but the host is {state}"
        assert by_another == (case.fault == "second deploy" and case.step == "lock")
        assert case.expected in (state, "either"), f"the host is {state}"
        if not died_early:
            assert found.left == "", f"it said {said}; left are:\n{found.left}"
        self._assert_the_next_deploy_succeeds(case, version, found, state)
        self._assert_the_record_is_true(plan, "old" if by_another else state)
        host.version = version
        return f"{state}, said unknown" if doubt else state

    def _plan(self, case: Case, version: str) -> Plan:
        return_after_s = 60.0
        if case.fault == "agent killed":
            return_after_s = UP_TO_THE_SWAP_S if STEPS.index(case.step) <= STEPS.index("swap") else UP_TO_THE_COMMIT_S
        return self.host.plan(
            version,
            first=case.kind == "first",
            package=case.kind == "first" and case.step == "packages",
            return_after_s=return_after_s,
            **BROKEN.get(case.fault, {}),
        )

    def _with_fault(self, case: Case, plan: Plan) -> str:
        """Deploy with the fault; return what was said of the host's state, `""` if nobody could hear it."""
        link = Link(self.host.address) if case.fault in ("connection reset", "silent link") else None
        argv = self.host.argv("127.0.0.1", link.port) if link else None
        deploy = Deploy(self.host, plan, case.step, ssh_argv=argv)
        try:
            strike = self._strikes[case.fault] if case.fault not in BROKEN else _nothing
            with strike(deploy, link):
                if case.fault in UNHEARD:
                    deploy.go()
                    deploy.wait_until_over()
                    return ""
                if case.fault in DEADLY:
                    if STEPS.index(case.step) > STEPS.index("arm"):
                        self._wait_for_its_record(plan)
                    return ""
                deploy.go()
                return _said(deploy.talk.answer())
        finally:
            if link:
                link.close()
            deploy.talk.end()

    def _leaves_its_preparation(self, case: Case) -> bool:
        return case.fault in DEADLY and STEPS.index(case.step) <= STEPS.index("arm")

    # -- faults: each happens when its context is entered, and is over when that is left

    @contextmanager
    def _control_process_killed(self, deploy: Deploy, _link: Link | None) -> Iterator[None]:
        deploy.talk.process.kill()
        deploy.talk.process.wait(10)
        yield

    @contextmanager
    def _connection_reset(self, _deploy: Deploy, link: Link | None) -> Iterator[None]:
        assert link
        link.reset()
        yield

    @contextmanager
    def _silent_link(self, _deploy: Deploy, link: Link | None) -> Iterator[None]:
        assert link
        link.fall_silent()
        yield

    @contextmanager
    def _agent_killed(self, deploy: Deploy, _link: Link | None) -> Iterator[None]:
        self.host.sh(f"kill -9 {deploy.pid}")
        yield

    @contextmanager
    def _power_cut(self, _deploy: Deploy, _link: Link | None) -> Iterator[None]:
        assert self._cut
        self._cut()
        yield

    @contextmanager
    def _disk_full(self, _deploy: Deploy, _link: Link | None) -> Iterator[None]:
        try:
            self.host.sh(FULL)
            yield
        finally:
            self.host.sh("rm -f /filler /filler.rest")

    @contextmanager
    def _read_only_directory(self, _deploy: Deploy, _link: Link | None) -> Iterator[None]:
        self.host.sh(f"mount --bind {READ_ONLY} {READ_ONLY} && mount -o remount,bind,ro {READ_ONLY}")
        try:
            yield
        finally:
            self.host.sh(f"umount {READ_ONLY}")

    @contextmanager
    def _clock_jumps_ahead(self, _deploy: Deploy, _link: Link | None) -> Iterator[None]:
        with self._clock_moved("+1 day"):
            yield

    @contextmanager
    def _clock_jumps_back(self, _deploy: Deploy, _link: Link | None) -> Iterator[None]:
        with self._clock_moved("-1 day"):
            yield

    @contextmanager
    def _clock_moved(self, by: str) -> Iterator[None]:
        self.host.sh(f"date -s '{by}' >/dev/null")
        try:
            yield
        finally:
            back = {"+": "-", "-": "+"}[by[0]] + by[1:]
            self.host.sh(f"date -s '{back}' >/dev/null")

    @contextmanager
    def _second_deploy(self, deploy: Deploy, _link: Link | None) -> Iterator[None]:
        second = self.host.plan(deploy.plan.transaction.rpartition("-")[2], first=False)
        answer = self.host.deploy(second)
        if self.host.sh("cat /var/lib/deployer/lock 2>/dev/null; true") == "":
            assert "ok" in answer, answer  # the first had not come to its lock
        else:
            error = answer["error"]
            assert (error["kind"], error["state"]) == ("lock", "untouched")
            assert "tester@here" in error["message"]
        yield

    # -- afterwards

    def _wait_for_its_record(self, plan: Plan) -> None:
        self.host.eventually(
            f"""grep -q '"{plan.transaction}"' /var/lib/deployer/audit.jsonl && """
            "! systemctl is-active -q 'deployer-return-*'",
            "nobody takes it back",
        )

    def _assert_the_next_deploy_succeeds(self, case: Case, version: str, found: Picture, state: str) -> None:
        after = self.host.deploy(self.host.plan(version, first=case.kind == "first"))
        assert "ok" in after, after
        new = self.host.picture()
        assert new.says(version)
        assert new.left == "", new.left
        if state == "new":
            assert found.apart_from_names() == new.apart_from_names()

    def _assert_the_record_is_true(self, plan: Plan, state: str) -> None:
        lines = [json.loads(line) for line in self.host.sh("cat /var/lib/deployer/audit.jsonl").splitlines()]
        ours = [line["outcome"] for line in lines if line["transaction"] == plan.transaction]
        if ours:
            assert [TRUE[outcome] for outcome in ours] == [state], f"the record says {ours}, but the host was {state}"
        else:
            assert state == "old", "there is no record of it"


def _state(found: Picture, old: Picture, version: str, *, with_folders: bool) -> str:
    if found.live == old.live and (found.folders == old.folders or not with_folders):
        return "old"
    assert found.says(version), _difference(old, found)
    return "new"


def _difference(old: Picture, found: Picture) -> str:
    before = [*old.live.splitlines(), *old.folders.splitlines()]
    after = [*found.live.splitlines(), *found.folders.splitlines()]
    gone, came = [one for one in before if one not in after], [one for one in after if one not in before]
    return "neither old nor new:\n" + "\n".join([*(f"- {one}" for one in gone), *(f"+ {one}" for one in came)])


def _said(answer: dict[str, Any] | None) -> str:
    assert answer is not None, "the agent was lost"
    return str(answer["ok"]["outcome"] if "ok" in answer else answer["error"]["state"])


@contextmanager
def _nothing(_deploy: Deploy, _link: Link | None) -> Iterator[None]:
    yield
