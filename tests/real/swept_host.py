"""The host of the fault sweep: a small site in two versions, its picture, and the way to and from nothing."""

from __future__ import annotations

import hashlib
import itertools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_client import Plan, tar_of
from stopped_agent import Talk, apply_of

from deployer.sandbox import SandboxHost

VERSIONS = ("one", "two")
#: What only a first deploy installs, so that the package tool has something to do.
PACKAGE = "tree"
SYSCTL = "net.ipv4.tcp_slow_start_after_idle"
SECRET = "/var/lib/deployer/secrets/txapp"  # a path, not a secret
UNITS = ("nginx.service", "tx-app.service", "mariadb.service")
NGINX_CONF = """\
# VERSION
user www-data;
pid /run/nginx.pid;
worker_processes 1;
events { worker_connections 64; }
http {
    access_log off;
    server { listen 8080; root /srv/site; location /app { proxy_pass http://unix:/run/tx-app/app.sock; } }
}
"""
APP = """\
import http.server, os, socketserver
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(b"SAYS")))
        self.end_headers()
        self.wfile.write(b"SAYS")
    def address_string(self): return "local"
    def log_message(self, *a): pass
class Server(socketserver.ThreadingUnixStreamServer): pass
place = os.environ["RUNTIME_DIRECTORY"] + "/app.sock"
server = Server(place, Answer)
os.chmod(place, 0o666)
server.serve_forever()
"""
UNIT = """\
[Unit]
Description=A trivial app
[Service]
ExecStartPre=/bin/sh -c 'while test -e /run/deployer-held/%n; do sleep 0.1; done'
ExecStart=PROGRAM /srv/releases/VERSION/app.py
User=txapp
RuntimeDirectory=tx-app
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""
#: A database of before the first deploy, whose one step a version is; it is dumped before that.
DATABASE = "tx_kept"
MAKE_DATABASE = f"""\
CREATE DATABASE {DATABASE}; USE {DATABASE};
CREATE TABLE alembic_version (version_num VARCHAR(9) PRIMARY KEY); CREATE TABLE page (says VARCHAR(9));
INSERT INTO page VALUES ('nothing');"""
MIGRATE = f"""\
USE {DATABASE}; CREATE TABLE IF NOT EXISTS made_by_VERSION (a INT); UPDATE page SET says = 'VERSION';
DELETE FROM alembic_version; INSERT INTO alembic_version VALUES ('VERSION')"""
CANDIDATE = "app-tx@candidate.service"
CANDIDATE_UNIT = """\
[Unit]
Description=A trivial app that nobody visits
[Service]
ExecStart=PROGRAM /srv/releases/VERSION/app.py
User=txapp
RuntimeDirectory=tx-candidate
RuntimeMaxSec=60
"""
NGINX_TEST = {
    "name": "nginx -t",
    "argv": ["nginx", "-t"],
    "allowed": [r"nginx: the configuration file \S+ syntax is ok", r"nginx: configuration file \S+ test is successful"],
}
PREPARE = f"""
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qqy --no-install-recommends install nginx-light >&2
systemctl disable --now --quiet nginx
systemctl enable --now --quiet mariadb
cp -a /etc/nginx/nginx.conf /root/nginx.conf
mkdir -p /etc/tx; rmdir /etc/tx; sysctl -q -w {SYSCTL}=1
"""
TO_NOTHING = f"""
systemctl stop 'deployer-return-*' 2>/dev/null
systemctl disable --now --quiet tx-app nginx 2>/dev/null
rm -rf /etc/systemd/system/tx-app.service /etc/systemd/system/app-tx@candidate.service /etc/sysctl.d/60-tx.conf
rm -rf /etc/tx /etc/nginx/current-site /srv/site /srv/releases /var/lib/deployer
cmp -s /root/nginx.conf /etc/nginx/nginx.conf || cp -a /root/nginx.conf /etc/nginx/nginx.conf
find /etc -name deployer-return.service -delete
find /etc /srv -name '.*.new' -delete -o -name '.*.dpkg-old' -delete
userdel txapp 2>/dev/null
mariadb -f -e "DROP DATABASE IF EXISTS tx_one; DROP DATABASE IF EXISTS tx_two; DROP USER IF EXISTS txapp@localhost; \
DROP DATABASE IF EXISTS {DATABASE}; {MAKE_DATABASE}"
sysctl -q -w {SYSCTL}=1
! dpkg -s {PACKAGE} >/dev/null 2>&1 || dpkg --purge {PACKAGE} >/dev/null
systemctl daemon-reload
systemctl reset-failed
"""
#: Somebody's data in the database that is live.
VISITS = """
mariadb -e "CREATE OR REPLACE TABLE tx_{version}.visits (page INT); INSERT INTO tx_{version}.visits VALUES (1), (2)"
"""
#: What is live, as text that can be compared; a dot file beside a target is not.
LIVE = f"""
cd /
find etc/nginx etc/systemd etc/sysctl.d etc/tx srv/site ! -type d ! -name '.*' ! -name 'deployer-return.service' \\
    -printf '%p %M %u:%g %l mtime=%T@\\n' 2>/dev/null | sort
find etc/nginx etc/systemd etc/sysctl.d etc/tx srv/site -type f ! -name '.*' ! -name 'deployer-return.service' \\
    -exec sha256sum {{}} + 2>/dev/null | sort
systemctl show -p Id,UnitFileState,ActiveState {" ".join(UNITS)}
mariadb -N -e "SHOW DATABASES; SELECT user, host FROM mysql.user WHERE user = 'txapp'"
mariadb-dump --skip-comments --order-by-primary {DATABASE}
mariadb -N -e "SHOW GRANTS FOR txapp@localhost" 2>/dev/null | sort
for database in $(mariadb -N -e "SHOW DATABASES LIKE 'tx%'"); do mariadb-dump --skip-comments $database; done
sysctl {SYSCTL}
cat /var/lib/deployer/manifest.json 2>/dev/null
curl -sf -m 5 http://127.0.0.1:8080/ http://127.0.0.1:8080/app || echo "does not answer"
"""
#: What a deploy may leave lying about, one line each. That systemd remembers the unit for the boot until it reads its
#: units again, without its file and without a start, is nothing.
LEFT = """
systemctl list-units --all --plain --no-legend 'deployer-return-*' 'deployer-work-*' 'deployer-packages-*'
systemctl list-units --plain --no-legend deployer-return.service 'app-*@candidate.*'
ls /run/deployer-held 2>/dev/null
find /etc /srv /var/lib/deployer/transactions $(ls -d /var/lib/deployer/dumps 2>/dev/null) \\
    -name '.*.new' -o -name '.*.dpkg-old' -o -name '*.tmp' -o -name 'deployer-return.service'
grep -sL '"state": "closed"' /var/lib/deployer/transactions/*/journal.json
test ! -e /var/lib/deployer/lock || flock -n /var/lib/deployer/lock true || echo the lock is held
ls -A /run/deployer 2>/dev/null
test ! -e /usr/sbin/policy-rc.d || echo policy-rc.d
true
"""
FOLDERS = "find /etc/nginx /etc/systemd /etc/tx /srv/site -type d -printf '%p %M %u:%g\n' 2>/dev/null | sort"


@dataclass(frozen=True)
class Picture:
    """What a transaction may change: live (files, units, databases, settings, what answers), folders, remains."""

    live: str
    folders: str
    left: str

    def says(self, version: str) -> bool:
        """Whether that version of the site is what answers."""
        return self.live.endswith(f"site {version}\napp {version}")

    def apart_from_names(self) -> str:
        """Give what two deploys of the same plan have in common."""
        return re.sub(r' mtime=\S+|"last_transaction": "[^"]*"', "", self.live) + self.folders


class SweptHost:
    """A local VPS with nginx and MariaDB, to which the site is deployed in turns."""

    def __init__(self, host: SandboxHost, folder: Path) -> None:
        self.host = host
        self.address = host.address
        self.ssh_argv = self.argv(host.address, 22)
        shared = ["ControlMaster=auto", "ControlPersist=60", f"ControlPath={folder}/%C"]
        self._shared_argv = [*self.ssh_argv[:1], *(word for option in shared for word in ("-o", option))]
        self._shared_argv += self.ssh_argv[1:]
        self._numbers = itertools.count(1)
        self.version: str | None = None  # None: nobody knows
        self.sh(PREPARE, timeout_s=300)

    def argv(self, address: str, port: int) -> list[str]:
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"]
        argv = ["ssh", "-i", str(self.host.key_file), "-p", str(port)]
        return [*argv, *(word for option in options for word in ("-o", option)), f"root@{address}"]

    def sh(self, script: str, *, ok: bool = True, timeout_s: float = 60) -> str:
        """Run a script as root, over a connection that stays, as there are thousands of them."""
        done = subprocess.run(
            [*self._shared_argv, script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not ok or done.returncode == 0, f"{script}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def hang_up(self) -> None:
        """Give up the connection that stays: the host is not there any more."""
        argv = [*self._shared_argv[:1], "-O", "exit", *self._shared_argv[1:]]
        subprocess.run(argv, capture_output=True, timeout=20, check=False)

    def eventually(self, condition: str, otherwise: str, *, within_s: int = 40) -> None:
        ended = self.sh(f"timeout {within_s} sh -c 'until {condition}; do sleep 0.05; done' && echo so", ok=False)
        assert ended == "so", otherwise

    def picture(self) -> Picture:
        live, folders, left = self.sh(f"{LIVE}\necho =====\n{FOLDERS}\necho =====\n{LEFT}").split("=====")
        return Picture(live.strip(), folders.strip(), left.strip())

    def make_old(self, kind: str) -> None:
        """Bring the host to where a first deploy or an update starts."""
        if kind == "first":
            self.sh(TO_NOTHING)
        elif self.version is None:
            self.sh(TO_NOTHING)
            self.version = VERSIONS[1]
            assert "ok" in self.deploy(self.plan(VERSIONS[0], first=True))
            self.version = VERSIONS[0]
        if kind == "update":
            database = f"tx_{self.next_version(kind)}"
            self.sh(
                f'mariadb -f -e "DROP DATABASE IF EXISTS {database}; '
                f'REVOKE ALL ON {database.replace("_", chr(92) * 2 + "_")}.* FROM txapp@localhost" 2>/dev/null; true'
            )
            self.sh(VISITS.format(version=self.version))

    def next_version(self, kind: str) -> str:
        return VERSIONS[0] if kind == "first" or self.version == VERSIONS[1] else VERSIONS[1]

    def lacks_a_package(self, plan: Plan) -> bool:
        return PACKAGE in plan.doc["packages"]

    def plan(
        self,
        version: str,
        *,
        first: bool,
        package: bool = False,
        return_after_s: float = 60.0,
        confirmed: bool = False,
        nginx: str = NGINX_CONF,
        program: str = "/usr/bin/python3",
        candidate: str = "/usr/bin/python3",
    ) -> Plan:
        """Make the plan of a version, as the control machine would: from what the host says now."""
        other = next(one for one in VERSIONS if one != version)
        plan = Plan(f"t{next(self._numbers)}-{version}", gate_s=0.0, return_after_s=return_after_s)
        texts = {
            "/etc/nginx/nginx.conf": nginx,
            "/srv/site/index.html": "site VERSION\n",
            f"/etc/tx/only-{version}.conf": "VERSION\n",
            "/etc/sysctl.d/60-tx.conf": f"{SYSCTL} = {VERSIONS.index(version)}\n",
            "/etc/systemd/system/tx-app.service": UNIT.replace("PROGRAM", program),
            f"/etc/systemd/system/{CANDIDATE}": CANDIDATE_UNIT.replace("PROGRAM", candidate),
        }
        links = {"/etc/nginx/current-site": f"/srv/releases/{version}"}
        gone = f"/etc/tx/only-{other}.conf"
        wanted = [{"path": path, "kind": "absent"} for path in (*texts, *links, gone)]
        told = self.ask({"op": "observe", "files": wanted})
        assert "ok" in told, told
        seen = told["ok"]
        after: dict[str, dict[str, Any]] = {path: {"kind": "link", "target": target} for path, target in links.items()}
        for path, text in texts.items():
            data = text.replace("VERSION", version).encode()
            kept = {"mode": "0644", "owner": "root", "group": "root", "secret": False, "blob": plan.blob(data)}
            after[path] = {"kind": "file", "sha256": hashlib.sha256(data).hexdigest(), **kept}
        if seen["files"][gone]["kind"] != "absent":
            after[gone] = {"kind": "absent"}
        plan.doc["files"] = [{"path": path, "before": seen["files"][path], "after": after[path]} for path in after]
        plan.doc["last_transaction"] = seen["last_transaction"]
        app = APP.replace("SAYS", f"app {version}").encode()
        release = {"app": "tx", "path": f"/srv/releases/{version}", "user": "txapp"}
        plan.doc["releases"] = [{**release, "blob": plan.blob(tar_of({"app.py": app}))}]
        plan.doc["packages"] = ["nginx-light", *([PACKAGE] if package else [])]
        plan.doc["users"] = [{"name": "txapp", "home": "/srv"}]
        mode = "0755" if version == VERSIONS[0] else "0750"
        plan.doc["directories"] = [{"path": "/etc/tx", "mode": mode, "owner": "root", "group": "root"}]
        plan.doc["secrets"] = [{"path": SECRET, "bytes": 32}]
        plan.doc["validators"] = [NGINX_TEST]
        plan.doc["sysctls"] = [{"name": SYSCTL, "value": str(VERSIONS.index(version)), "least": False}]
        database = {"server": "mariadb", "unit": "mariadb.service", "user": "txapp", "secret": SECRET}
        plan.doc["activations"] = [{"kind": "database", "name": f"tx_{version}", **database}]
        plan.doc["activations"].append(
            {
                "kind": "command",
                "name": "migrate tx",
                "argv": ["mariadb", "-e", MIGRATE.replace("VERSION", version)],
                "user": "root",
                "cwd": "/",
                "timeout_s": 30,
                "database": {
                    "app": "tx",
                    "server": "mariadb",
                    "unit": "mariadb.service",
                    "name": DATABASE,
                    "user": "root",
                    "path": "",
                    "policy": "dump",
                    "room_mib": 64,
                    "units": ["tx-app.service"],
                },
            }
        )
        asked = {"kind": "http", "socket": "/run/tx-candidate/app.sock", "host": "tx", "path": "/", "status": [200]}
        held = {"name": "tx", "unit": CANDIDATE, "socket_unit": None, "holds": "tx-app.service"}
        plan.doc["activations"].append({"kind": "candidate", **held, "probe": asked})
        plan.unit("tx-app.service")
        plan.unit("nginx.service", "reload")
        for unit in plan.doc["units"]:
            unit.update(restart_hash=version, reload_hash=version)
        plan.http(8080, "/", f"site {version}")
        plan.http(8080, "/app", f"app {version}")
        if confirmed:
            plan.doc.update(confirm_over_new_connection=[SYSCTL], confirm_s=30.0)
        return plan

    def deploy(self, plan: Plan) -> dict[str, Any]:
        """Deploy without a fault."""
        return self.ask(apply_of(plan), tar_of(plan.blobs))

    def ask(self, request: dict[str, Any], blob: bytes = b"") -> dict[str, Any]:
        talk = Talk(self._shared_argv)
        try:
            talk.ask(request, blob)
            answer = talk.answer()
        finally:
            talk.end()
        assert answer is not None
        return answer
