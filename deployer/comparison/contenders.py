"""The contenders, made once: ours by a real deploy, the rivals on a clean Debian with the same release and data."""

from __future__ import annotations

import base64
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployer import sandbox
from deployer.comparison.ground import Ground, fetch, send
from deployer.comparison.mysqltuner import COMMAND, Advice, read_advice
from deployer.comparison.rival import CNF_PATH, Rival, Subject, Value, mariadb_cnf, nginx_conf, rivals, site_conf, unit
from deployer.deploy import desired, session
from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.sandbox import SandboxError, SandboxHost
from deployer.services.gunicorn.settings import GunicornSettings
from deployer.verify.generator import generate

OURS = "ours"
NGINX_CONF = "/etc/nginx/nginx.conf"
INSTALL_TIMEOUT_S = 600
#: What measures how much the defaults carry before anything else: from it comes the rate that all are asked at.
REFERENCE = "debian"
_INSTALL = """set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >/dev/null
apt-get -qqy --no-install-recommends install {packages} >/dev/null 2>&1
"""
_DATABASE = """set -e
install -d -m 700 -o www-data /etc/blog
for secret in database_password session_secret; do
    head -c 32 /dev/urandom | base64 -w0 > /etc/blog/$secret; chown www-data /etc/blog/$secret
done
mariadb -e "CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
  CREATE USER '{name}'@'localhost' IDENTIFIED BY '$(cat /etc/blog/database_password)';
  GRANT ALL ON {name}.* TO '{name}'@'localhost'"
"""
#: 1.9.9 of Debian 12 and 2.6.0 of Debian 13 divide by innodb_buffer_pool_chunk_size, which is 0 since MariaDB 10.11.12,
#: and end before they have advised anything. Sid's, a script without dependencies of its own, gets to its end.
_TUNER = """set -e
export DEBIAN_FRONTEND=noninteractive
awk 'BEGIN { RS = "" } NR == 1' /etc/apt/sources.list.d/debian.sources |
    sed 's/^Suites:.*/Suites: sid/' > /etc/apt/sources.list.d/sid.sources
printf 'Package: *\\nPin: release n=sid\\nPin-Priority: 1\\n' > /etc/apt/preferences.d/sid
apt-get -qq update >/dev/null
apt-get -qqy --no-install-recommends install mysqltuner/sid >/dev/null 2>&1
"""
_RESTART = "systemctl daemon-reload; systemctl enable --quiet blog; systemctl restart mariadb blog nginx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One who is measured.

    Attributes:
        key: Its name in the results.
        title: Its name for people.
        snapshot: What its host is started from.
        units: Its units by what they are: ``nginx``, ``app``, ``database``.
        settings: What it sets that others do not, in words.
    """

    key: str
    title: str
    snapshot: str
    units: Mapping[str, str]
    settings: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """All who take part.

    Attributes:
        ground: Where they are run.
        contenders: In the order of the table; ours is the last.
        rate_per_s: What uncached pages are asked at, requests/s: the same for all.
        advice: What MySQLTuner said.
        release: The app's release that all of them run.
    """

    ground: Ground
    contenders: tuple[Contender, ...]
    rate_per_s: float
    advice: Advice
    release: str


@contextmanager
def contenders(
    ground: Ground, *, template_folders: Sequence[Path] = (), warmup_s: float = 10.0, rate_share: float = 0.5
) -> Iterator[Field]:
    """Make every contender and keep it as a snapshot; afterwards nothing of them is left.

    Args:
        ground: Where.
        template_folders: The user's own templates, for ours.
        warmup_s: How long the load lasts that MySQLTuner judges by, s.
        rate_share: The share of what Debian's defaults carry that uncached pages are asked at.

    Raises:
        UsageError: The host is none that can be compared.
        SandboxError: A rival does not come up.
    """
    subject = subject_of(ground.entry, template_folders)
    data = rivals()
    made: dict[str, Contender] = {}
    with ExitStack() as kept, tempfile.TemporaryDirectory(prefix="deployer-compared-") as scratch:
        folder = Path(scratch)

        def keep(key: str, title: str, host: SandboxHost, units: Mapping[str, str], settings: str) -> None:
            snapshot = f"{ground.entry.name}-{key}"
            kept.callback(_drop, snapshot)
            sandbox.save_snapshot(host, snapshot, say=ground.say)
            made[key] = Contender(key=key, title=title, snapshot=snapshot, units=units, settings=settings)

        with ground.host() as host:
            release, settings = _deploy(ground, template_folders)
            ground.await_service()
            fetch(host, f"tar -C / -cf - srv/{subject.app}", folder / "app.tar")
            fetch(host, f"mariadb-dump --single-transaction {subject.database}", folder / "data.sql")
            units = {"nginx": "nginx.service", "app": f"app-{subject.app}.service", "database": "mariadb.service"}
            keep(OURS, "deployer", host, units, settings)
        units = {"nginx": "nginx.service", "app": "blog.service", "database": "mariadb.service"}
        with ground.host() as host:
            reference = data[REFERENCE]
            make_rival(ground, host, subject, reference, folder)
            keep(reference.key, reference.title, host, units, "nothing")
            ground.await_service()
            carried_per_s = _warm_up(ground, warmup_s)
            advice = _advised(host)
            tuned = data["mysqltuner"].advised(advice.variables)
            settle(ground, host, subject, tuned)
            keep(tuned.key, tuned.title, host, units, _words(advice.variables))
        with ground.host(made[REFERENCE].snapshot) as host:
            articles = data["articles"]
            settle(ground, host, subject, articles)
            processes = {"workers": articles.workers, "pool_size": articles.pool_size}
            settings = _words({**articles.nginx, **articles.mariadb, **processes})
            keep(articles.key, articles.title, host, units, settings)
        yield Field(
            ground=ground,
            contenders=tuple(made[key] for key in (*data, OURS)),
            rate_per_s=max(1.0, round(carried_per_s * rate_share)),
            advice=advice,
            release=release,
        )


def subject_of(entry: Entry, template_folders: Sequence[Path] = ()) -> Subject:
    """Say what app it is about.

    Raises:
        UsageError: It is not one app by gunicorn, with TLS, a cache, static files and a database.
    """
    name, app = next(iter(entry.host.apps.items()), ("", None))
    run = app.run_by("gunicorn") if app else None
    is_alone = len(entry.host.apps) == 1
    if not app or not is_alone or not isinstance(run, GunicornSettings):
        raise UsageError(f"{entry.name} cannot be compared: it has not one app, by gunicorn", where=_apps_of(entry))
    if not (app.tls and app.static and app.session_cookie):
        raise UsageError(
            f"{entry.name} cannot be compared: its app lacks TLS, static files or a session cookie",
            where=_apps_of(entry),
        )
    wanted = desired(entry, template_folders).rendered.wanted
    if [database.server for database in wanted.databases] != ["mariadb"]:
        raise UsageError(f"{entry.name} cannot be compared: its app has no MariaDB", where=_apps_of(entry))
    return Subject(
        app=name,
        module=run.module,
        worker_class=run.worker_class,
        server_name=app.server_names[0],
        certificate_file=app.tls.certificate_file,
        key_file=app.tls.key_file,
        static=app.static,
        session_cookie=app.session_cookie,
        cache_s=app.cache_s,
        database=wanted.databases[0].name,
        packages=tuple(wanted.packages),
    )


def make_rival(ground: Ground, host: SandboxHost, subject: Subject, rival: Rival, folder: Path) -> None:
    """Set up a rival on a clean Debian: packages, the app of ``app.tar``, the data of ``data.sql``, its settings."""
    ground.say(f"{rival.title}: packages, app and data")
    host.sh(_INSTALL.format(packages=shlex.join(subject.packages)), timeout_s=INSTALL_TIMEOUT_S)
    send(host, folder / "app.tar", "tar -C / -xf - --no-same-owner")
    host.sh(_DATABASE.format(name=subject.database))
    send(host, folder / "data.sql", f"mariadb {subject.database}")
    _write(host, "/etc/nginx/sites-available/default", site_conf(subject))
    settle(ground, host, subject, rival)


def settle(ground: Ground, host: SandboxHost, subject: Subject, rival: Rival) -> None:
    """Give a rival its settings, and see it serve."""
    ground.say(f"{rival.title}: its settings")
    if rival.nginx:
        _write(host, NGINX_CONF, nginx_conf(host.sh(f"cat {NGINX_CONF}"), rival.nginx))
    if rival.mariadb:
        _write(host, CNF_PATH, mariadb_cnf(rival.mariadb))
    _write(host, "/etc/systemd/system/blog.service", unit(rival, subject))
    host.sh(_RESTART)
    ground.await_service()


def _deploy(ground: Ground, template_folders: Sequence[Path]) -> tuple[str, str]:
    """Deploy as anybody would; gives the release, and the budget's main numbers in words."""
    ground.say("deployer: a first deploy")
    with session(ground.entry, template_folders=template_folders) as connected:
        connected.apply(connected.plan())
        numbers = connected.wanted.rendered.budget.numbers
        [release] = connected.wanted.releases
    chosen = {
        "worker_connections": numbers["nginx"]["worker_connections"].value,
        "workers": numbers[release.app]["workers"].value,
        "pool_size": numbers[release.app]["pool_size"].value,
        "max_connections": numbers["mysql"]["max_connections"].value,
        "innodb_buffer_pool_size": f"{numbers['mysql']['innodb_buffer_pool_size'].value}M",
    }
    return release.identifier, _words(chosen)


def _warm_up(ground: Ground, seconds: float) -> float:
    """Ask for every uncached page, as the load test does; gives what was carried, requests/s of the slowest page."""
    target, phases = ground.target, ground.entry.host.slo.phases
    carried = []
    for path in target.uncached_paths:
        load = {"mode": "closed", "connections": phases.capacity_connections, "duration_s": seconds}
        measured = generate(f"warm-up {path}", target.job(path=path, headers=target.uncached_headers, **load))
        carried.append(measured.req_per_s)
    return min(carried)


def _advised(host: SandboxHost) -> Advice:
    """Run MySQLTuner as its package has it, on the host that the load was for.

    Raises:
        SandboxError: It gave no report.
    """
    host.sh(_TUNER, timeout_s=INSTALL_TIMEOUT_S)
    try:
        return read_advice(host.sh(COMMAND))
    except ValueError as error:
        raise SandboxError(f"{host.name}: {error}") from error


def _apps_of(entry: Entry) -> str:
    return f"hosts.{entry.name}.apps"


def _drop(snapshot: str) -> None:
    """Drop a snapshot, if it was made."""
    if snapshot in sandbox.snapshots():
        sandbox.drop_snapshot(snapshot)


def _write(host: SandboxHost, path: str, text: str) -> None:
    encoded = base64.b64encode(text.encode()).decode()
    host.sh(f"echo {encoded} | base64 -d > {shlex.quote(path)}")


def _words(settings: Mapping[str, object] | Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
