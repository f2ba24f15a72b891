"""The hosts' network: one bridge without a way out, and a caching package proxy on it."""

from __future__ import annotations

import ipaddress
import os
import pwd
import shutil
import socket
from pathlib import Path
from typing import Final

from deployer.sandbox.places import Places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import last_lines, run, running, start, stop, wait_until
from deployer.sandbox.progress import Say

BRIDGE: Final = "dep0"
NETWORK: Final = ipaddress.IPv4Network("10.213.77.0/24")
GATEWAY: Final = "10.213.77.1"
PROXY_PORT: Final = 3142
PROXY: Final = f"http://{GATEWAY}:{PROXY_PORT}"
#: Last number of a host's address.
FIRST_HOST, LAST_HOST = 10, 250
_PROXY_USER: Final = "apt-cacher-ng"


def check_address(address: str) -> None:
    """Refuse an address that no host of the sandbox can have.

    Raises:
        SandboxError: It is not from 10.213.77.10 to 10.213.77.250.
    """
    try:
        number = int(ipaddress.IPv4Address(address)) - int(NETWORK.network_address)
    except ValueError:
        number = -1
    if not FIRST_HOST <= number <= LAST_HOST:
        raise SandboxError(
            f"a local VPS cannot have the address {address!r}",
            next_step=f"choose one from {NETWORK[FIRST_HOST]} to {NETWORK[LAST_HOST]}",
        )


def ensure_network(places: Places, say: Say) -> None:
    """Make the bridge and start the proxy, if they are not there.

    Raises:
        SandboxError: The bridge or the proxy cannot be made.
    """
    with places.lock("network", say, waiting_for="sets up the network"):
        if not Path(f"/sys/class/net/{BRIDGE}").exists():
            say(f"making the bridge {BRIDGE} ({NETWORK})")
            run(["ip", "link", "add", BRIDGE, "type", "bridge"], doing="making the bridge")
        run(["ip", "address", "replace", f"{GATEWAY}/{NETWORK.prefixlen}", "dev", BRIDGE], doing="making the bridge")
        run(["ip", "link", "set", BRIDGE, "up"], doing="making the bridge")
        _ensure_proxy(places, say)


def remove_network(places: Places) -> None:
    """Stop the proxy and take the bridge away."""
    stop(_pid_file(places), str(places.proxy))
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        run(["ip", "link", "delete", BRIDGE], doing="removing the bridge")


def _ensure_proxy(places: Places, say: Say) -> None:
    if running(_pid_file(places), str(places.proxy)) is not None and _answers():
        return
    if _answers():
        raise SandboxError(
            f"another program listens on {GATEWAY} port {PROXY_PORT}, where the package proxy belongs",
            next_step="end the sandbox that another DEPLOYER_SANDBOX_DIR holds, or that program",
        )
    say(f"starting the package proxy on {GATEWAY}")
    stop(_pid_file(places), str(places.proxy))
    log = places.proxy / "output.log"
    for directory in (places.proxy / "cache", places.proxy / "log"):
        directory.mkdir(exist_ok=True)
    (places.proxy / "acng.conf").write_text(proxy_config(places.proxy, os.environ.get("http_proxy", "")))
    user = pwd.getpwnam(_PROXY_USER)
    for path in (places.proxy, places.proxy / "cache", places.proxy / "log"):
        os.chown(path, user.pw_uid, user.pw_gid)
    program = shutil.which("apt-cacher-ng", path="/usr/sbin:/usr/bin") or "apt-cacher-ng"
    start(
        [program, "-c", places.proxy, "SocketPath=", "ForeGround=1"],
        pid_file=_pid_file(places),
        log_file=log,
        user=_PROXY_USER,
    )
    if not wait_until(_answers, timeout_s=10):
        raise SandboxError(f"the package proxy does not start: {last_lines(log.read_text())}", where=str(log))


def proxy_config(directory: Path, upstream: str) -> str:
    """Write apt-cacher-ng's configuration: the bridge only, and tunnels to port 443 for pip."""
    lines = [
        f"CacheDir: {directory}/cache",
        f"LogDir: {directory}/log",
        "SupportDir: /usr/lib/apt-cacher-ng",
        f"BindAddress: {GATEWAY}",
        f"Port: {PROXY_PORT}",
        "PassThroughPattern: :443$",
        "ExThreshold: 4",
    ]
    if upstream:
        lines.append(f"Proxy: {upstream}")
    return "\n".join(lines) + "\n"


def _answers() -> bool:
    try:
        socket.create_connection((GATEWAY, PROXY_PORT), timeout=1).close()
    except OSError:
        return False
    return True


def _pid_file(places: Places) -> Path:
    return places.root / "proxy.pid"
