"""The fault sweep finds what it is there for: an agent that is broken on purpose passes none of its checks.

Each line breaks one duty of the agent, and says which check has to notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import stopped_agent
from fault_cases import WAY_BACK, Case, cases
from sweep import Sweep
from swept_host import SweptHost

from deployer.packing import module_sources

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Broken:
    """An agent with a fault.

    Attributes:
        duty: What it does not do.
        module: Where the fault is.
        right: The text that is right; there once.
        wrong: What stands there instead.
        case: Kind, fault and step of a case that notices.
        told: What the sweep says then.
    """

    duty: str
    module: str
    right: str
    wrong: str
    case: tuple[str, str, str]
    told: str

    def __str__(self) -> str:
        return self.duty.replace(" ", "_")


UNHEALTHY = ("update", "health check fails", "gate")
FIRST_UNHEALTHY = ("first", "health check fails", "gate")
LATE = ("update", "control process killed", "gate")
LOST = ("update", "control process killed", "journal")
NEITHER = "neither old nor new"
KEEP_LOCKED = """\
import os, subprocess
    os.set_inheritable(lock._handle, True)
    with open("/run/holder", "w") as file:
        file.write(str(subprocess.Popen(["sleep", "60"], close_fds=False).pid))
    try:
        journal = _begin("""
ENDED = 'journal.close("untouched", cause)\n    returntimer.disarm(journal)'
NO_LOCK = """
    import os
    from . import places
    os.unlink(places.at(places.LOCK))
    os.symlink("/run/elsewhere", places.at(places.LOCK))
"""
BROKEN = [
    Broken(
        "files are put back",
        "revert",
        'for recorded in journal.doc["files"]:',
        'for recorded in journal.doc["files"][1:]:',
        UNHEALTHY,
        "etc/nginx/current-site",
    ),
    Broken(
        "folders get their mode back",
        "revert",
        'accounts.settle_directories(journal, "before")',
        "None",
        UNHEALTHY,
        "etc/tx",
    ),
    Broken(
        "what ran runs again",
        "revert",
        "unitreturn.start_what_ran(journal, touched, before, attempt, say)",
        "pass",
        LATE,
        "app two",
    ),
    Broken(
        "what was not enabled is disabled",
        "revert",
        "unitreturn.disable_what_packages_enabled(journal, attempt)",
        "pass",
        FIRST_UNHEALTHY,
        "multi-user.target.wants",
    ),
    Broken(
        "a database that was made is dropped",
        "database",
        "return server.undo(note)",
        'return ""',
        FIRST_UNHEALTHY,
        "tx_one",
    ),
    Broken(
        "data in other databases stays",
        "mariadb",
        'if note["user_before"] is None:',
        'self._query("DELETE FROM tx_one.visits")\n        if note["user_before"] is None:',
        UNHEALTHY,
        "INSERT INTO `visits`",
    ),
    Broken(
        "settings of the kernel are put back",
        "revert",
        "sysctls.put_back(journal, attempt)",
        "pass",
        UNHEALTHY,
        "tcp_slow_start_after_idle",
    ),
    Broken(
        "the timer is stopped",
        "revert",
        "returntimer.disarm(journal)",
        "pass",
        UNHEALTHY,
        "deployer-return-",
    ),
    Broken(
        "staged files are removed",
        "closing",
        "try:\n        staging.discard(journal)",
        "try:\n        pass",
        LOST,
        ".new",
    ),
    Broken(
        "the record is closed",
        "closing",
        'journal.close("committed")',
        "pass",
        ("update", "silent link", "commit"),
        "journal.json",
    ),
    Broken(
        "the lock goes with the agent",
        "transaction",
        "try:\n        journal = _begin(",
        KEEP_LOCKED,
        LOST,
        "lock is held",
    ),
    Broken(
        "it does not say that it is live when it is not",
        "transaction",
        "raise _returned(refusal, transaction) from error",
        "_returned(refusal, transaction)\n            return",
        UNHEALTHY,
        "it said committed, but the host is old",
    ),
    Broken(
        "it does not say untouched when it was returned",
        "transaction",
        "refusal.state = outcome.state",
        'refusal.state = "untouched"',
        UNHEALTHY,
        "it was touched",
    ),
    Broken(
        "the audit line is true",
        "revert",
        'journal.close("restored", cause)',
        'journal.close("committed", cause)',
        UNHEALTHY,
        "the record says",
    ),
    Broken("the next deploy can succeed", "closing", ENDED, ENDED + NO_LOCK, LOST, "symbolic links"),
    Broken(
        "a lost link is noticed",
        "progress",
        "if self._stopped(wait_s):",
        "if self._stopped(wait_s) and False:",
        LOST,
        "the host is new",
    ),
    Broken(
        "a death behind the commit does not take it back",
        "recover",
        'if journal.state == "committed":',
        'if journal.state == "nothing":',
        ("update", "agent killed", "clean-up"),
        "the host is old",
    ),
    Broken(
        "a return that died is done again",
        "recover",
        "for journal in open_journals():",
        'for journal in [one for one in open_journals() if not one.doc["returning"]]:',
        ("update", "agent killed", WAY_BACK),
        "nobody takes it back",
    ),
]


@pytest.fixture(scope="module")
def container(vps: Any, with_servers: str, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    host = vps("finds", snapshot=with_servers, small_disk_mib=400)
    return Sweep(SweptHost(host, tmp_path_factory.mktemp("ssh")))


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_an_agent_that_fails_its_duty_does_not_pass(
    container: Sweep, broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = module_sources("deployer.agent")
    assert sources[broken.module].count(broken.right) == 1, "this is not the agent's text any more"
    wrong = {broken.module: sources[broken.module].replace(broken.right, broken.wrong)}
    monkeypatch.setattr(stopped_agent, "module_sources", lambda _package: {**sources, **wrong})
    container.host.version = None
    try:
        with pytest.raises(AssertionError) as found:
            container.run(_case(*broken.case))
    finally:
        container.host.sh("kill $(cat /run/holder) 2>/dev/null; rm -f /run/holder")
    assert broken.told in str(found.value)


def _case(kind: str, fault: str, step: str) -> Case:
    (found,) = (one for one in cases(own_kernel=False) if (one.kind, one.fault, one.step) == (kind, fault, step))
    return found
