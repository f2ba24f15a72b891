"""Redis' config and drop-in, its socket, and how its own binary judges the config before it is live.

The package's redis.conf stays as it is, so that an upgrade never asks about it; the unit reads a file of ours instead.
"""

from __future__ import annotations

from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.links import Access
from deployer.service import FileWanted, UnitWanted, Validator, Wanted
from deployer.services.redis.budget import MALLOC_CONF, TAKER, sysctls
from deployer.services.redis.settings import RedisSettings, settings_of

UNIT_FOLDER = "/etc/systemd/system"
#: Commands that no client has: they undo the limits (a client that is not evicted is in no limit either), load code,
#: stop the server, or make it copy itself to another. CONFIG GET, which ``doctor`` asks, and all else stays.
REFUSED = (
    *("config|set", "config|rewrite", "client|no-evict", "module", "debug", "shutdown", "failover", "migrate"),
    *("replicaof", "slaveof", "sync", "psync", "acl|setuser", "acl|deluser", "acl|load", "acl|save"),
)
#: What makes a copy by another process: where nothing is kept on the disk, its memory is in nobody's price.
COPYING = ("save", "bgsave", "bgrewriteaof")
#: There is no mode that only checks a config. So the server is started with it, for a moment, elsewhere: with a
#: socket, a data folder and a log of its own; it has to answer, and to go when it is told. Words: program, client,
#: user, config.
TRIAL = """\
set -u
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT && chown "$3" "$place" && cd "$place" || exit 1
setpriv --reuid "$3" --regid "$3" --init-groups "$1" "$4" --unixsocket "$place/socket" --dir "$place" \\
    --logfile '' --pidfile '' --loglevel warning --save '' --supervised no --daemonize no &
tries=0
until [ "$("$2" -s "$place/socket" ping 2>/dev/null)" = PONG ]; do
    kill -0 $! 2>/dev/null || { wait $!; exit 1; }
    tries=$((tries + 1)) && [ $tries -lt 100 ] || { kill $!; echo "it does not answer"; exit 1; }
    sleep 0.1
done
kill $!
wait $!
"""
#: What it says whenever it starts and ends; of the kernel's setting the plan tells.
USUAL = (
    r"\d+:[CM] .* [#*] o[oO0]+ (Redis|Valkey) is starting o[oO0]+",
    r"\d+:[CM] .* [#*] (Redis|Valkey) version=.*",
    r"\d+:[CM] .* [#*] Configuration loaded",
    r"\d+:M .* [#*] Server initialized",
    r"\d+:[CM] .* # WARNING Memory overcommit must be enabled!.*",
    r"\d+:signal-handler \(\d+\) Received SIGTERM scheduling shutdown\.\.\.",
    r"\d+:M .* [#*] User requested shutdown\.\.\.",
    r"\d+:M .* [#*] (Redis|Valkey) is now ready to exit, bye bye\.\.\.",
)


def unit_of(settings: RedisSettings) -> str:
    """Name its unit."""
    return f"{settings.flavour}-server.service"


def package_of(declaration: Declaration) -> str:
    """Name its Debian package."""
    return f"{settings_of(declaration).flavour}-server"


def socket_of(settings: RedisSettings) -> str:
    """Say where its socket is."""
    return f"/run/{settings.flavour}/{settings.flavour}-server.sock"


def wanted(declaration: Declaration, _budget: HostBudget) -> Wanted:
    """Want the server, a config of ours in the place of the package's, and its limits."""
    settings = settings_of(declaration)
    flavour, unit = settings.flavour, unit_of(settings)
    config = f"/etc/{flavour}/deployer.conf"
    context = {
        "settings": settings,
        "socket": socket_of(settings),
        "config": config,
        "data": f"/var/lib/{flavour}",
        "malloc_conf": MALLOC_CONF,
        "refused": " ".join(f"-{one}" for one in (*REFUSED, *(() if settings.is_kept else COPYING))),
    }
    return Wanted(
        packages=(package_of(declaration),),
        sysctls=sysctls(declaration),
        files=(
            FileWanted(
                taker=TAKER,
                template="redis/deployer.conf.j2",
                path=config,
                dialect=f"redis/{flavour}/{settings.series}",
                mode="0640",
                group=flavour,
                context=context,
                restarts=(unit,),
            ),
            FileWanted(
                taker=TAKER,
                template="redis/server.service.d.conf.j2",
                path=f"{UNIT_FOLDER}/{unit}.d/60-deployer.conf",
                dialect="unit",
                context=context,
                restarts=(unit,),
            ),
        ),
        units=(UnitWanted(unit=unit, taker=TAKER),),
        validators=(
            Validator(
                name=f"{flavour}-server, started for a moment elsewhere",
                argv=("sh", "-c", TRIAL, "sh", f"{flavour}-server", f"{flavour}-cli", flavour, config),
                allowed=USUAL,
            ),
            Validator(name=f"systemd-analyze verify ({unit})", argv=("systemd-analyze", "verify", "--man=no", unit)),
        ),
    )


def access(declaration: Declaration, _app: str) -> Access:
    """Tell an app where it is; who is in the server's group may open the socket."""
    settings = settings_of(declaration)
    return Access(
        environment={"REDIS_SOCKET": socket_of(settings)},
        pool_variable="REDIS_POOL_SIZE",
        groups=(settings.flavour,),
        after=(unit_of(settings),),
    )
