"""What a deploy costs that has nothing to do: in round trips, and against the barest use of the same library."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from secrets import token_hex

from invoke.context import Context

from deployer import sandbox, transport
from deployer.access import login_of
from deployer.deploy import Session, session
from deployer.distance import Distance, far_away
from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.report.benchmark import Row
from deployer.report.terminal import Steps
from deployer.sandbox import SandboxHost
from deployer.tasks.bench import compile_ahead, machine_of, publish
from deployer.tasks.shell import entry_of, task
from deployer.tasks.verification import local_vps

#: Round trip times that are added, s: here, a far city, another continent, the other side of a slow mobile link.
ADDED_RTT_S = (0.0, 0.05, 0.1, 0.3)
#: Round trips are the slope between two of these. What the host works on while a message is under way hides behind
#: the wire: the nearer slope counts less than there is where one end is nothing and the other hides it. Beyond 100 ms
#: all is hidden that can be (Python's start above all), so the farther slope counts what was sent and waited for.
NEARER, FARTHER = (0.0, 0.1), (0.1, 0.3)
#: Round trips of a deploy without a change: with a new connection, and on one that stands already.
COLD_ROUND_TRIPS, WARM_ROUND_TRIPS = 9.0, 3.0
#: What a deploy of one changed config may cost besides.
CHANGE_ROUND_TRIPS = 3.0
#: Each time is the least of so many.
LOOKS = 5
#: What a sudo that asks for a password costs besides: the program is sent only once it has let us in.
SUDO_ROUND_TRIPS = 1.0
#: A difference of two slopes carries the machine's unrest twice; half a round trip is not a whole one.
UNREST = 0.5
#: The whole process may take so many times what a process takes that connects and runs `true`.
PROCESS_RATIO = 2.0
#: A config that is changed by hand for each measurement, so that a deploy puts it back.
CHANGED = "/etc/logrotate.d/nginx"
#: On a host with a kernel of its own, which can delay what it sends; so TCP's handshake is far away too.
NETEM = "tc qdisc replace dev eth0 root netem delay {rtt_ms:g}ms"
NO_NETEM = "tc qdisc del dev eth0 root 2>/dev/null; true"
#: An account whose sudo asks, there while it is measured. It lingers: systemd would start its manager anew for a login
#: that comes ten seconds after the last, and a login waits for that (half a second), whatever the distance.
ACCOUNT, PASSWORD_VARIABLE = "deployer-bench", "DEPLOYER_BENCH_SUDO_PASSWORD"
MAKE_ACCOUNT = """
set -e
useradd --create-home --shell /bin/sh {account}
echo '{account}:{password}' | chpasswd
install -d -m 700 -o {account} ~{account}/.ssh
install -m 600 -o {account} ~root/.ssh/authorized_keys ~{account}/.ssh/authorized_keys
echo '{account} ALL=(ALL:ALL) ALL' > /etc/sudoers.d/{account}
loginctl enable-linger {account} 2>/dev/null || true
"""
DROP_ACCOUNT = """
rm -f /etc/sudoers.d/{account}
loginctl disable-linger {account} 2>/dev/null
loginctl terminate-user {account} 2>/dev/null
userdel --force --remove {account} >/dev/null 2>&1
true
"""
BARE = """\
import sys
from pathlib import Path
from deployer.access import login_of
from deployer.inventory import load_inventory
from deployer.transport import bare_connect
bare_connect(login_of(load_inventory([Path(sys.argv[1])]).entry(sys.argv[2])))
"""


@dataclass
class _Walls:
    """Times at one distance, s, a list for each kind of work."""

    bare: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    change: list[float] = field(default_factory=list)

    def keep_least(self, looks: _Walls) -> None:
        """Add the least of several looks of each kind: what else the machine does only ever adds to a time."""
        for kind in fields(self):
            getattr(self, kind.name).append(min(getattr(looks, kind.name)))


@task
def noop(_context: Context, *, host: str = "blog1", inventory: str = "", runs: int = 7, write: bool = False) -> int:
    """Measure a deploy that has nothing to do: connections, channels, round trips, and the whole process.

    The host is a local VPS; a proxy puts it 0, 50, 100 and 300 ms away, or netem where it has a kernel of its own.
    Round trips are the slope of the time over what was added, so the machine's own speed is not in them.
    """
    entry, found = entry_of(host, inventory)
    local = local_vps(entry)
    if local is None:
        raise UsageError(
            f"{host} is no local VPS, whose configs could be changed", next_step=f"sandbox.up --host {host}"
        )
    by_netem = local.kernel == sandbox.OWN_KERNEL
    walls = {rtt_s: _Walls() for rtt_s in ADDED_RTT_S}
    counted: list[list[tuple[int, int]]] = []
    with (
        Steps() as steps,
        far_away(local.address, entry.host.ssh.port) as far,
        _whose_sudo_asks(entry, local) as with_password,
    ):
        if by_netem:  # the kernels delay by themselves, and the proxy's sockets would stand in for ours
            there, asking = entry, with_password
        else:
            there, asking = through(entry, local, far.port), through(with_password, local, far.port)
        with session(there, template_folders=found.template_folders) as connected:
            _must_be_as_wanted(connected, entry.name)  # imports and the host's page cache are not the subject
        for number in range(1, runs + 1):
            steps.step("round trips", f"run {number} of {runs}")
            counted.append([])
            for rtt_s in ADDED_RTT_S:
                looks = _Walls()
                with _at(rtt_s, far, local):
                    for _ in range(LOOKS):
                        counted[-1] += [
                            _measure(there, found.template_folders, far, looks, local),
                            _measure_asked(asking, found.template_folders, far, looks),
                        ]
                walls[rtt_s].keep_least(looks)
        steps.step("whole process")
        compile_ahead()
        processes = [_processes(host, inventory) for _ in range(runs)]
    rows = [*_counts(counted, by_netem=by_netem), *_round_trips(walls), *_ratios(walls[0.0], processes)]
    about = (
        f"{machine_of(entry)}; added round trip times {', '.join(f'{rtt_s * 1000:.0f}' for rtt_s in ADDED_RTT_S)} ms"
        f"{' by netem, with a kernel of its own' if by_netem else ''}."
    )
    return publish("bench.noop.netem" if by_netem else "bench.noop", about, rows, write=write)


@contextmanager
def _at(rtt_s: float, far: Distance, local: SandboxHost) -> Iterator[None]:
    """Put the host so far away; whoever made it so gets it back near."""
    if local.kernel != sandbox.OWN_KERNEL:
        far.rtt_s = rtt_s
        yield
        return
    try:
        if rtt_s:
            local.sh(NETEM.format(rtt_ms=rtt_s * 1000))
        yield
    finally:
        local.sh(NO_NETEM)


@contextmanager
def _whose_sudo_asks(entry: Entry, local: SandboxHost) -> Iterator[Entry]:
    """Give the entry with a user who needs a password for sudo; he is there as long as the context lasts."""
    password = token_hex(12)
    ssh = entry.host.ssh.model_copy(
        update={"user": ACCOUNT, "sudo_password_env": PASSWORD_VARIABLE, "sudo_password": None}
    )
    os.environ[PASSWORD_VARIABLE] = password
    try:
        local.sh(DROP_ACCOUNT.format(account=ACCOUNT))  # of a run that died
        local.sh(MAKE_ACCOUNT.format(account=ACCOUNT, password=password))
        yield replace(entry, host=entry.host.model_copy(update={"ssh": ssh}))
    finally:
        del os.environ[PASSWORD_VARIABLE]
        local.sh(DROP_ACCOUNT.format(account=ACCOUNT))


def through(entry: Entry, local: SandboxHost, port: int) -> Entry:
    """Give the entry of the same host, reached through the proxy; its key is still checked."""
    names = (line.partition(" ") for line in local.known_hosts_file.read_text(encoding="utf-8").splitlines())
    key = next(rest for name, _, rest in names if name == local.address)
    ssh = entry.host.ssh.model_copy(update={"address": "127.0.0.1", "port": port, "host_key": key})
    return replace(entry, host=entry.host.model_copy(update={"ssh": ssh}))


def _measure(
    entry: Entry, templates: Sequence[Path], far: Distance, walls: _Walls, local: SandboxHost
) -> tuple[int, int]:
    """Do each kind of work once; return the connections and channels of a deploy without a change."""
    began = time.perf_counter()
    transport.bare_connect(login_of(entry))
    walls.bare.append(time.perf_counter() - began)
    before = far.connections
    began = time.perf_counter()
    with session(entry, template_folders=templates) as connected:
        _must_be_as_wanted(connected, entry.name)
        walls.cold.append(time.perf_counter() - began)
        counts = far.connections - before, connected.remote.channels
        began = time.perf_counter()
        _must_be_as_wanted(connected, entry.name)
        walls.warm.append(time.perf_counter() - began)
        local.sh(f"echo '# by hand' >> {CHANGED}")
        plan = connected.plan()
        began = time.perf_counter()
        connected.apply(plan)
        walls.change.append(time.perf_counter() - began)
    return counts


def _measure_asked(entry: Entry, templates: Sequence[Path], far: Distance, walls: _Walls) -> tuple[int, int]:
    """Do a deploy without a change, whose sudo asks for a password; return its connections and channels."""
    before = far.connections
    began = time.perf_counter()
    with session(entry, template_folders=templates) as connected:
        _must_be_as_wanted(connected, entry.name)
        walls.asked.append(time.perf_counter() - began)
        return far.connections - before, connected.remote.channels


def _must_be_as_wanted(connected: Session, host: str) -> None:
    if not connected.plan().is_empty:
        raise UsageError(f"{host} is not as the inventory says", next_step=f"deploy --host {host}")


def _processes(host: str, inventory: str) -> tuple[float, float]:
    """Run both as processes of their own, by turns; return the bare one's least time and that of a deploy, s."""
    where = inventory or "inventories"
    bare = [sys.executable, "-c", BARE, where, host]
    whole = [sys.executable, "-c", "from deployer.cli import main; main()", "deploy", "--host", host]
    looks = [(_took_s(bare), _took_s([*whole, "--inventory", where])) for _ in range(LOOKS)]
    return min(look[0] for look in looks), min(look[1] for look in looks)


def _took_s(argv: Sequence[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    taken_s = time.perf_counter() - began
    if done.returncode:
        raise UsageError(f"{argv[-3]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return taken_s


def _counts(counted: Sequence[Sequence[tuple[int, int]]], *, by_netem: bool) -> list[Row]:
    """Give the most of each run, over all distances; connections are counted by the proxy."""
    connections = tuple(float(max(each[0] for each in run)) for run in counted)
    channels = tuple(float(max(each[1] for each in run)) for run in counted)
    rows = [
        Row(name="connections", wanted="1", runs=connections, missed=sum(count != 1 for count in connections)),
        Row(name="channels", wanted="1", runs=channels, missed=sum(count != 1 for count in channels)),
    ]
    return rows[1:] if by_netem else rows


def _round_trips(walls: Mapping[float, _Walls]) -> list[Row]:
    """Give both slopes of each kind of work, with the same bounds."""
    rows = []
    for between in (NEARER, FARTHER):
        cold, asked = (_slopes(walls, between, kind) for kind in ("cold", "asked"))
        besides = tuple(with_it - without for with_it, without in zip(asked, cold, strict=True))
        figures = [
            ("bare connection", _slopes(walls, between, "bare"), None),
            ("deploy without a change", cold, COLD_ROUND_TRIPS),
            ("a sudo password, besides", besides, SUDO_ROUND_TRIPS + UNREST),
            ("the same on a connection that stands", _slopes(walls, between, "warm"), WARM_ROUND_TRIPS),
            ("one changed config, besides", _slopes(walls, between, "change"), CHANGE_ROUND_TRIPS),
        ]
        rows += [
            Row(
                name=f"round trips, {1000 * between[0]:g} to {1000 * between[1]:g} ms: {name}",
                wanted="" if most is None else f"<= {most:g}",
                runs=values,
                missed=0 if most is None else sum(value > most for value in values),
                decimals=1,
            )
            for name, values, most in figures
        ]
    return rows


def _slopes(walls: Mapping[float, _Walls], between: tuple[float, float], kind: str) -> tuple[float, ...]:
    """Give by how much each run's time grows from one distance to another, in round trips."""
    near_s, far_s = between
    close, away = getattr(walls[near_s], kind), getattr(walls[far_s], kind)
    return tuple((there - here) / (far_s - near_s) for here, there in zip(close, away, strict=True))


def _ratios(near: _Walls, processes: Sequence[tuple[float, float]]) -> list[Row]:
    inside = tuple(cold / bare for cold, bare in zip(near.cold, near.bare, strict=True))
    whole = tuple(deploy / bare for bare, deploy in processes)
    return [
        Row(name="bare connection", unit="ms", runs=tuple(1000 * bare for bare in near.bare)),
        Row(name="deploy without a change", unit="ms", runs=tuple(1000 * cold for cold in near.cold)),
        Row(name="ratio within one process", runs=inside, decimals=2),
        Row(name="whole process, bare", unit="ms", runs=tuple(1000 * bare for bare, _ in processes)),
        Row(name="whole process, deploy", unit="ms", runs=tuple(1000 * deploy for _, deploy in processes)),
        Row(
            name="ratio of whole processes",
            wanted=f"<= {PROCESS_RATIO:g}",
            runs=whole,
            missed=sum(ratio > PROCESS_RATIO for ratio in whole),
            decimals=2,
        ),
    ]
