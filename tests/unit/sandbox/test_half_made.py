"""What is left when something ends half-way: a host that does not come up, a setup that was killed."""

import stat

import pytest

from deployer.sandbox import SandboxError, boot, requirements
from deployer.sandbox.places import Places
from deployer.sandbox.shape import Shape

SHAPE = Shape(name="one", address="10.213.77.99", cpu_cores=1, memory_mib=512, layers=("base",), cpus=(0,))


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose disk and container are make-believe; `ended` says how it was stopped."""
    here = Places(tmp_path)
    here.host("one").mkdir(parents=True)
    stopped = []
    monkeypatch.setattr(boot, "attach_disk", lambda *_args, **_more: tmp_path / "rootfs")
    monkeypatch.setattr(boot, "write_identity", lambda *_args: None)
    monkeypatch.setattr(boot, "remember_host_key", lambda *_args: None)
    monkeypatch.setattr(boot, "_start_container", lambda *_args: None)
    monkeypatch.setattr(boot, "_wait", lambda *_args: None)
    monkeypatch.setattr(boot, "stop_host", lambda _places, name: stopped.append(name))
    return here, stopped


@pytest.mark.parametrize("step", ["_start_container", "_wait"])
@pytest.mark.parametrize("reason", [SandboxError("sees 8 cores instead of 1"), KeyboardInterrupt()])
def test_a_host_that_does_not_come_up_does_not_go_on_running(host, monkeypatch, step, reason):
    here, stopped = host

    def fail(*_args):
        raise reason

    monkeypatch.setattr(boot, step, fail)
    with pytest.raises(type(reason)):
        boot.start_host(SHAPE, here)
    assert stopped == ["one"]


def test_a_host_that_comes_up_goes_on_running(host):
    here, stopped = host
    boot.start_host(SHAPE, here)
    assert stopped == []


def test_a_container_that_never_starts_is_an_error_and_not_for_ever(tmp_path, monkeypatch):
    here = Places(tmp_path)
    here.host("one").mkdir(parents=True)
    slow = tmp_path / "lxc-start"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(boot, "PATH", f"{tmp_path}:{boot.PATH}")
    monkeypatch.setattr(boot, "_BOOT_TIMEOUT_S", 0.2)
    with pytest.raises(SandboxError, match="does not start within"):
        boot._start_container("one", here)


@pytest.fixture
def policy(tmp_path, monkeypatch):
    monkeypatch.setattr(requirements, "_POLICY", tmp_path / "policy-rc.d")
    return tmp_path / "policy-rc.d"


def test_no_service_starts_while_packages_are_installed(policy):
    with requirements._no_service_starts():
        assert policy.read_text().endswith("exit 101\n")
        assert policy.stat().st_mode & stat.S_IXUSR
    assert not policy.exists()


def test_the_machine_s_own_policy_is_put_back(policy):
    policy.write_text("#!/bin/sh\nexit 0\n")
    with requirements._no_service_starts():
        assert "exit 101" in policy.read_text()
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"


def test_what_a_killed_setup_left_is_not_taken_for_the_machine_s_own(policy):
    with requirements._no_service_starts():
        left = policy.read_text()
    policy.write_text(left)
    with requirements._no_service_starts():
        pass
    assert list(policy.parent.iterdir()) == []
