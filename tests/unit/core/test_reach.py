"""What could lock everybody out is confirmed by a login of its own, and nothing else is."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from deployer import confirmation
from deployer.confirmation import Confirmation
from deployer.errors import AuthError, ConnectError, PlanOutdated, RolledBack
from deployer.plan.reach import to_be_confirmed


def confirmed_for(*paths: str, units: tuple[str, ...] = (), sysctls: tuple[str, ...] = ()) -> list[str]:
    document = {
        "files": [{"path": path} for path in paths],
        "activations": [{"kind": "unit", "unit": unit} for unit in units] + [{"kind": "command", "name": "migrate"}],
        "sysctls": [{"name": name} for name in sysctls],
    }
    marked = to_be_confirmed(document)
    assert {**marked, **document} == marked
    assert marked["confirm_s"] > 0
    return list(marked["confirm_over_new_connection"])


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ssh/sshd_config",
        "/etc/ssh/sshd_config.d/60-x.conf",
        "/etc/nftables.conf",
        "/etc/ufw/user.rules",
        "/etc/iptables/rules.v4",
        "/etc/network/interfaces",
        "/etc/netplan/50-x.yaml",
        "/etc/systemd/network/10-eth.network",
        "/etc/systemd/resolved.conf.d/x.conf",
        "/etc/resolv.conf",
        "/etc/hosts.allow",
        "/etc/sudoers.d/deploy",
        "/etc/systemd/system/ssh.service.d/x.conf",
        "/etc/systemd/system/nftables.service",
    ],
)
def test_files_that_lead_to_the_host(path):
    assert confirmed_for("/etc/nginx/nginx.conf", path) == [path]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/nginx/nginx.conf",
        "/etc/sysctl.d/60-deployer.conf",
        "/etc/systemd/journald.conf.d/60-deployer.conf",
        "/etc/systemd/system/app-ssh.service",
        "/etc/systemd/system/nginx.service.d/60-deployer.conf",
        "/etc/resolv.confused",
        "/srv/app/current/code",
    ],
)
def test_files_that_do_not(path):
    assert confirmed_for(path) == []


def test_units_and_settings_of_the_network():
    units, settings = ("nginx.service", "nftables.service"), ("vm.swappiness", "net.core.somaxconn")
    assert confirmed_for(units=units, sysctls=settings) == ["nftables.service", "net.core.somaxconn"]


class Door:
    """Answers logins with what it was given, one after the other."""

    def __init__(self, *errors):
        self.errors, self.tries, self.asked = list(errors), 0, []

    @contextmanager
    def anew(self):
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        yield self

    def call(self, request, **_):
        self.asked.append(request)


def given(monkeypatch, *errors):
    monkeypatch.setattr(confirmation, "PAUSE_S", 0.01)
    door = Door(*errors)
    wanted = Confirmation(door.anew, "t1", 5.0)
    return door, wanted, wanted.give()


def test_the_new_login_may_take_some_attempts(monkeypatch):
    door, wanted, worked = given(monkeypatch, ConnectError("refused"), ConnectError("refused"))
    assert (worked, door.tries, wanted.problem) == (True, 3, "")
    assert door.asked == [{"op": "confirm", "transaction": "t1"}]


def test_one_that_is_refused_is_not_tried_for_ever(monkeypatch):
    door, wanted, worked = given(monkeypatch, *(AuthError("no") for _ in range(9)))
    assert (worked, door.tries, door.asked) == (False, confirmation.REFUSALS, [])
    said = wanted.explained(RolledBack("returned", where="web1"))
    assert said.message == "returned\n  | the new login: no"
    assert said.where == "web1"


def test_attempts_end_in_time(monkeypatch):
    monkeypatch.setattr(confirmation, "TRY_FOR_S", 0.05)
    door, _, worked = given(monkeypatch, *(ConnectError("silence") for _ in range(999)))
    assert not worked
    assert door.tries < 50


def test_nobody_goes_on_once_the_host_has_given_up(monkeypatch):
    door, wanted, worked = given(monkeypatch, PlanOutdated("waits no more"), ConnectError("refused"))
    assert (worked, door.tries) == (False, 1)
    error = RolledBack("returned")
    assert wanted.explained(error) is error
