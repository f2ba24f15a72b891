"""Local VPSes for the tests marked ``real``: made on demand, taken away again, and never silently left out.

Several test runs can go on at once on one machine: each holds the addresses that it uses.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from claimed import claimed_address
from fault_results import FaultResults

from deployer import sandbox as local
from deployer.sandbox import SandboxError, SandboxHost
from deployer.sandbox.places import places

#: Installing them takes longer than all that is asked of them.
SERVERS = ("mariadb-server", "postgresql")
NONE_RUNS = "systemctl disable --now --quiet mariadb.socket mariadb postgresql 'postgresql@*'"
#: What decides how a host looks after a deploy of the example blog.
DEPLOYED_FROM = ("deployer", "templates", "examples/blog", "inventories/example.yml", "tests/real/site_on_vps.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The only skip: containers need root on Linux. There, a host that cannot be made is a failure of the test, as a
    # suite that leaves out its main part and says "passed" is worth nothing.
    if sys.platform == "linux" and os.geteuid() == 0:
        return
    reason = pytest.mark.skip(reason="a local VPS needs root on Linux")
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(reason)


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "keep the result of each case of the fault sweep in this file; leave out those that it knows to be in order"
    parser.addoption("--fault-cases", type=Path, help=told)


def pytest_configure(config: pytest.Config) -> None:
    is_worker = hasattr(config, "workerinput")  # of xdist: it tells its results to the process that has the file
    config.pluginmanager.register(FaultResults(None if is_worker else config.getoption("--fault-cases")))


class Hosts:
    """Makes local VPSes when called: `host = vps(memory_mib=512)`.

    What a test makes goes at its end; what a module's fixture makes goes after the module's last test. For a module
    that needs just one, `vps.address`, `vps.key_file`, `vps.sh(...)` are those of a host made when first asked for.
    """

    def __init__(self, cleanup: ExitStack) -> None:
        self.of_the_module = cleanup
        self.cleanup = cleanup

    def __call__(
        self,
        name: str | None = None,
        *,
        memory_mib: int = 1024,
        cpu_cores: int = 1,
        sudo_password: str | None = None,
        snapshot: str | None = None,
        small_disk_mib: int | None = None,
        certificate_names: tuple[str, ...] = ("blog.example",),
        **more: Any,
    ) -> SandboxHost:
        number = self.cleanup.enter_context(claimed_address())
        name = f"{name}-t{number}" if name else f"t{number}"  # the number keeps test runs apart
        address = f"10.213.77.{number}"
        for host in local.hosts():
            if host.address == address:  # of a run that died: nobody else holds its address
                local.down(host.name)
        self.cleanup.callback(take_away, name)
        return local.up(
            name,
            address=address,
            cpu_cores=cpu_cores,
            memory_mib=memory_mib,
            sudo_password=sudo_password,
            snapshot=snapshot,
            small_disk_mib=small_disk_mib,
            certificate_names=certificate_names,
            say=lambda line: print(f"sandbox: {line}"),
            **more,
        )

    @cached_property
    def only(self) -> SandboxHost:
        of_the_test, self.cleanup = self.cleanup, self.of_the_module
        try:
            return self()
        finally:
            self.cleanup = of_the_test

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.only, name)


def digest_of(root: Path, names: tuple[str, ...]) -> str:
    """Name the content of files and folders in 12 characters."""
    digest = hashlib.sha256()
    for name in names:
        path = root / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                content = file.read_bytes()
                digest.update(f"{file.relative_to(root)}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def take_away(name: str) -> None:
    if any(host.name == name for host in local.hosts()):
        local.down(name)


@pytest.fixture(scope="session")
def sandbox() -> Any:
    """The sandbox's functions, on a machine that can host VPSes; fails where it should but cannot."""
    reasons = local.missing_requirements()
    assert not reasons, f"as root on Linux the tests on a real VPS must run, but: {'; '.join(reasons)}"
    return local


@pytest.fixture(scope="session")
def deployed(sandbox: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name of a snapshot with the example blog deployed: `Site(vps(snapshot=deployed), folder)` starts at once."""

    def deploy(host: SandboxHost) -> None:
        from site_on_vps import Site

        site = Site(host, tmp_path_factory.mktemp("deployed"))
        site.write()
        site.deploy()

    with kept("deployed", digest_of(Path(__file__).parents[1], DEPLOYED_FROM), deploy) as name:
        yield name


@pytest.fixture(scope="session")
def with_servers(sandbox: Any) -> Iterator[str]:
    """Name of a snapshot with the database servers installed, none of which runs."""

    def install(host: SandboxHost) -> None:
        apt = f"apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qqy install {' '.join(SERVERS)} >&2"
        host.sh(apt, timeout_s=300)
        host.sh(NONE_RUNS)

    with kept("servers", hashlib.sha256(repr((SERVERS, NONE_RUNS)).encode()).hexdigest()[:12], install) as name:
        yield name


@pytest.fixture(scope="session")
def by_hand_host(sandbox: Any) -> Iterator[str]:
    """Name of a snapshot of a host that somebody set up by hand: `vps(snapshot=by_hand_host)`."""
    from by_hand import set_up

    digest = hashlib.sha256((Path(__file__).parent / "real/by_hand.py").read_bytes()).hexdigest()[:12]
    with kept("by-hand", digest, set_up) as name:
        yield name


@contextmanager
def kept(kind: str, digest: str, make: Callable[[SandboxHost], None]) -> Iterator[str]:
    """Hold a snapshot of a host after `make`, and give its name, which says by a digest what went in.

    It is made by the first who asks, waited for by other processes of the run, and kept for the next run; one that
    nobody uses and that no longer fits is dropped.
    """
    name = f"{kind}-{digest}"
    with in_use(name, fcntl.LOCK_SH):
        # a lock of its own: who has the snapshot in use holds the other one until all of its tests are over
        with in_use(f"{name}.making", fcntl.LOCK_EX):
            if name not in local.snapshots():
                with ExitStack() as of_the_host:
                    host = Hosts(of_the_host)(f"making-{kind}")
                    make(host)
                    local.save_snapshot(host, name)
        for other in local.snapshots():
            if other.startswith(f"{kind}-") and other != name:
                with suppress(BlockingIOError), in_use(other, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    if other in local.snapshots():  # another process may have been first
                        local.drop_snapshot(other)
        yield name


@contextmanager
def in_use(name: str, how: int) -> Iterator[None]:
    """Hold a snapshot, alone or with others; a process that dies lets go of it."""
    directory = places().root / "test-snapshots"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / name).open("w") as file:
        fcntl.flock(file, how)
        yield


@pytest.fixture(scope="module")
def vps(sandbox: Any) -> Iterator[Hosts]:
    with ExitStack() as cleanup:
        yield Hosts(cleanup)


@dataclass(frozen=True, slots=True)
class Machine:
    """A local VPS with a kernel of its own, and its switch.

    On two idle cores it is made in 10 s (2 s of it for the disk), boots in 6 s, and dies in 0.5 to 2 s.
    """

    host: SandboxHost

    def power_cut(self) -> None:
        """Kill it as it stands; what it had not written to its disk is lost."""
        local.cut_power(self.host.name)

    def boot(self) -> None:
        """Boot it with the disk that it has, and wait until all that starts at boot has started; at most 60 s."""
        local.power_on(self.host.name)

    def reboot(self) -> None:
        """Let it shut down and boot by itself."""
        before = self._boot_id()
        with suppress(SandboxError):  # its sshd may be gone before the command's end is told
            self.host.sh("systemctl reboot", check=False)
        until = time.monotonic() + 90
        while time.monotonic() < until:
            with suppress(SandboxError):
                if self._boot_id() != before:
                    self.host.sh("timeout 60 systemctl is-system-running --wait", check=False)
                    return
            time.sleep(0.3)
        pytest.fail(f"{self.host.name} does not come back from a reboot")

    def _boot_id(self) -> str:
        return self.host.sh("cat /proc/sys/kernel/random/boot_id", timeout_s=10)


@pytest.fixture(scope="module")
def own_kernel(vps: Hosts) -> Callable[..., Machine]:
    """Makes a local VPS with a kernel of its own: `own_kernel("power", memory_mib=512)`, else as `vps` does."""

    def make(name: str, **size: Any) -> Machine:
        return Machine(vps(name, kernel=local.OWN_KERNEL, **size))

    return make


@pytest.fixture(autouse=True)
def _hosts_of_one_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take away what the test itself makes; pytest sets modules' fixtures up before this one."""
    if "vps" not in request.fixturenames:
        yield
        return
    hosts = request.getfixturevalue("vps")
    with ExitStack() as hosts.cleanup:
        yield
    hosts.cleanup = hosts.of_the_module
