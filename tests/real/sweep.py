"""One case of the fault sweep: the fault at its step, what was said of it, how the host is, and the next deploy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from agent_client import Plan
from failing_link import Link
from fault_cases import WAY_BACK, Case
from stopped_agent import Deploy
from swept_host import NGINX_CONF, Picture, SweptHost

#: After so long, and a quarter of it, the timer returns a host whose agent was killed at the swap. For what lies behind
#: the swap nobody can say how long it takes on a busy machine: there the timer is long, and what it starts is started.
TIMER_AFTER_S = 3.0
#: How the host stands after each way to end that may be said.
TRUE = {"committed": "new", "untouched": "old", "restored": "old"}
#: What is staged cannot be removed, or what follows the commit cannot be done, before the reason has gone away.
KEEPS_FROM_CLEARING_UP = ("disk full", "read-only directory")
CLEARS_UP_LATER = ("committed", "untouched")
#: Nobody hears how the deploy ends.
UNHEARD = ("control process killed", "connection reset", "silent link")
#: Nobody is there any more who could log in anew.
GONE = ("control process killed", "connection reset")
#: The agent ends there and then; from the swap on it is not the last who can return the host.
DEADLY = ("agent killed", "power cut")
#: Faults that lie in the plan.
BROKEN: dict[str, dict[str, str]] = {
    "validator refuses": {"nginx": NGINX_CONF.replace("listen 8080;", "listen 8080; nonsense on;")},
    "candidate refuses": {"candidate": "/usr/bin/python3 -c 'raise SystemExit(7)'"},
    "candidate hangs": {"candidate": "/usr/bin/python3 -c 'import time; time.sleep(99)'"},
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
        assert host.version is None or case.kind == "first" or old.says(host.version)
        assert old.left == "", old.left
        host.version = None  # until all is well
        plan = self._plan(case, version)
        said = self._with_fault(case, plan)
        found = host.picture()
        doubt = said == "unknown"
        died_early = said == "" and self._leaves_its_preparation(case)
        if not doubt:
            _state(found, old, version, with_folders=not died_early)
        if doubt or (case.fault in KEEPS_FROM_CLEARING_UP and said in CLEARS_UP_LATER and found.left):
            # a person would, once the reason is gone; else the next deploy does
            told = host.ask({"op": "recover", "who": "tester@here", "wait_s": 30})
            assert "ok" in told, told
            found = host.picture()
        state = _state(found, old, version, with_folders=not died_early)
        # nothing was locked yet, so the second went live, and the first was refused, as its plan was outdated
        by_another = case.fault == "second deploy" and said == "untouched"
        assert TRUE.get(said, state) == state or by_another, f"it said {said}, but the host is {state}"
        assert by_another == (case.fault == "second deploy" and case.step == "lock")
        assert not (said == "untouched" and case.is_behind("arm")), "it was touched, and put back"
        assert case.expected in (state, "either"), f"the host is {state}"
        if not died_early:
            assert found.left == "", f"it said {said}; left are:\n{found.left}"
        self._assert_the_next_deploy_succeeds(case, version, found, state)
        self._assert_the_record_is_true(plan, "old" if by_another else state)
        host.version = version
        return f"{state}, said unknown" if doubt else state

    def _plan(self, case: Case, version: str) -> Plan:
        is_timed = (case.fault, case.step) == ("agent killed", "swap")
        broken = "service does not start" if case.step == WAY_BACK else case.fault
        return self.host.plan(
            version,
            first=case.kind == "first",
            package=case.kind == "first" and case.step == "packages",
            confirmed=case.step == "confirm",
            return_after_s=TIMER_AFTER_S if is_timed else 60.0,
            **BROKEN.get(broken, {}),
        )

    def _with_fault(self, case: Case, plan: Plan) -> str:
        """Deploy with the fault; return what was said of the host's state, `""` if nobody could hear it."""
        link = Link(self.host.address) if case.fault in ("connection reset", "silent link") else None
        argv = self.host.argv("127.0.0.1", link.port) if link else None
        deploy = Deploy(self.host, plan, case.step, ssh_argv=argv)
        try:
            strike = self._strikes[case.fault] if case.fault not in BROKEN else _nothing
            with strike(deploy, link):
                if case.step == "confirm" and case.fault not in (*GONE, *DEADLY):
                    request = {"op": "confirm", "transaction": plan.transaction}
                    assert "ok" in self.host.ask(request)
                if case.fault in UNHEARD:
                    deploy.go()
                    deploy.wait_until_over()
                    return ""
                if case.fault in DEADLY:
                    if case.is_behind("arm"):
                        self._wait_for_its_record(case, plan)
                    return ""
                deploy.go()
                return _said(deploy.talk.answer())
        finally:
            if link:
                link.close()
            deploy.talk.end()

    def _leaves_its_preparation(self, case: Case) -> bool:
        return case.fault in DEADLY and not case.is_behind("arm")

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

    def _wait_for_its_record(self, case: Case, plan: Plan) -> None:
        if case.fault == "agent killed":
            self.host.sh(f"systemctl is-active deployer-return-{plan.transaction}.timer")
            if case.step != "swap":
                self.host.sh(f"systemctl start --no-block deployer-return-{plan.transaction}.service")
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
    if "error" in answer and answer["error"]["state"] == "unknown":
        assert answer["error"]["next"], "it does not say what a person can do"
    return str(answer["ok"]["outcome"] if "ok" in answer else answer["error"]["state"])


@contextmanager
def _nothing(_deploy: Deploy, _link: Link | None) -> Iterator[None]:
    yield
