"""A whole host by a plan written by hand: nginx with TLS, the example blog behind a socket of systemd's, MariaDB."""

from __future__ import annotations

import hashlib
import io
import tarfile
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_client import tar_of

from deployer.transport import Agent

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "examples" / "blog"
REQUIREMENTS = SOURCE / "requirements.lock"
WORK_MIB = 400
PACKAGES = ["nginx-light", "mariadb-server", "python3-venv"]
ENVIRONMENT = {"DB_NAME": "blog", "DB_USER": "blog", "DB_POOL_SIZE": "2", "PYTHONUNBUFFERED": "1"}
PASSWORD = "/etc/deployer/secrets/blog.database_password"
SESSION = "/etc/deployer/secrets/blog.session_secret"
CREDENTIALS = {"database_password": PASSWORD, "session_secret": SESSION}
SOCKET = "/run/app-blog.sock"
VENV = "/srv/blog/current/venv"
CODE = "/srv/blog/current/code"

NGINX = """\
user www-data;
pid /run/nginx.pid;
worker_processes 1;
worker_rlimit_nofile 4096;
worker_shutdown_timeout 20s;
error_log /var/log/nginx/error.log warn;
events { worker_connections 512; }
http {
    include /etc/nginx/mime.types;
    access_log off;
    upstream blog {
        server unix:/run/app-blog.sock max_fails=0;
        server unix:/run/app-blog.sock max_fails=0;
    }
    server {
        listen 80;
        server_name _;
        location = /nginx { return 200 "nginx\\n"; }
        location / { return 301 https://$host$request_uri; }
    }
    server {
        listen 443 ssl http2;
        server_name blog.test;
        ssl_certificate /etc/ssl/blog.crt;
        ssl_certificate_key /etc/ssl/blog.key;
        location / {
            proxy_pass http://blog;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_next_upstream error timeout;
        }
    }
}
"""
SERVICE = """\
[Unit]
Description=blog
Requires=app-blog.socket
After=network.target app-blog.socket mariadb.service
StartLimitIntervalSec=0
[Service]
Type=notify
NotifyAccess=main
User=app-blog
WorkingDirectory=/srv/blog/current/code
EnvironmentFile=-/srv/blog/current/code/.deployer-release
Environment=DB_NAME=blog DB_USER=blog DB_POOL_SIZE=2
LoadCredential=database_password:/etc/deployer/secrets/blog.database_password
LoadCredential=session_secret:/etc/deployer/secrets/blog.session_secret
ExecStart=/srv/blog/current/venv/bin/gunicorn --config /etc/deployer/blog/gunicorn.conf.py blog.main:app
KillMode=mixed
TimeoutStartSec=60
TimeoutStopSec=30
Restart=always
RestartSec=2
MemoryMax=200M
OOMPolicy=continue
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=strict
[Install]
WantedBy=multi-user.target
"""
SOCKET_UNIT = """\
[Unit]
Description=Socket of blog
[Socket]
ListenStream=/run/app-blog.sock
Backlog=512
SocketUser=www-data
SocketGroup=app-blog
SocketMode=0660
RemoveOnStop=yes
[Install]
WantedBy=sockets.target
"""
GUNICORN = """\
workers = 1
worker_class = "uvicorn_worker.UvicornWorker"
timeout = 30
graceful_timeout = 15
worker_tmp_dir = "/dev/shm"
forwarded_allow_ips = "*"
errorlog = "-"
"""
NGINX_TEST = {
    "name": "nginx -t",
    "argv": ["nginx", "-t", "-q"],
    "allowed": [],
}
UNIT_TEST = {
    "name": "systemd-analyze verify",
    "argv": ["systemd-analyze", "verify", "app-blog.service", "app-blog.socket"],
    "allowed": [],
}


def release(name: str, change: Callable[[str, str], str] = lambda _path, text: text) -> bytes:
    """Pack the example as the release `name`; `change` gets each Python file's path and text."""
    files = {".deployer-release": f"RELEASE={name}\n".encode()}
    for path in sorted((SOURCE / "blog").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            relative = path.relative_to(SOURCE).as_posix()
            data = path.read_bytes()
            files[relative] = change(relative, data.decode()).encode() if path.suffix == ".py" else data
    return tar_of(files)


def added(path: str, code: str) -> Callable[[str, str], str]:
    """Return a change that adds code at the end of one file of the release."""
    return lambda name, text: text + "\n" + textwrap.dedent(code) if name == path else text


@dataclass
class Request:
    """An apply request under construction."""

    transaction: str
    document: dict[str, Any]
    blobs: dict[str, bytes] = field(default_factory=dict)

    def send(self, agent: Agent, on_event: Callable[[Mapping[str, Any]], None] | None = None) -> dict[str, Any]:
        """Apply it."""
        request = {"op": "apply", "transaction": self.transaction, "who": "tester@here", "plan": self.document}
        return agent.call(request, tar_of(self.blobs), on_event, timeout_s=600)


def whole(
    agent: Agent,
    transaction: str,
    *,
    code: bytes | None = None,
    nginx: str = NGINX,
    wheels: bytes | None = None,
    requirements: bytes | None = None,
    gate_s: float = 2.0,
    return_after_s: float = 240.0,
    posts: int = 300,
    venvs: str = "/srv/blog/venvs",
) -> Request:
    """Build the plan for the whole host, from what the host says now: only what differs is in it."""
    required = REQUIREMENTS.read_bytes() if requirements is None else requirements
    venv = f"{venvs}/{hashlib.sha256(required).hexdigest()[:12]}"
    path = f"/srv/blog/releases/{transaction}"
    wanted: dict[str, bytes | str] = {
        "/etc/nginx/nginx.conf": nginx.encode(),
        "/etc/systemd/system/app-blog.service": SERVICE.encode(),
        "/etc/systemd/system/app-blog.socket": SOCKET_UNIT.encode(),
        "/etc/deployer/blog/gunicorn.conf.py": GUNICORN.encode(),
        CODE: path if code is not None else "",
        VENV: venv,
    }
    if code is None:
        del wanted[CODE]
    seen = agent.call(
        {
            "op": "observe",
            "files": [{"path": name, **_state(content)} for name, content in wanted.items()],
            "units": ["mariadb.service", "app-blog.service", "app-blog.socket", "nginx.service"],
            "packages": PACKAGES,
            "databases": [{"server": "mariadb", "name": "blog", "user": "blog"}],
        }
    )
    blobs: dict[str, bytes] = {}
    files = []
    for number, (name, content) in enumerate(wanted.items()):
        before, after = seen["files"][name], _state(content)
        if {**before, "content": None} == {**after, "content": None}:
            continue
        if isinstance(content, bytes):
            after["blob"] = f"file{number}"
            blobs[after["blob"]] = content
        files.append({"path": name, "before": before, "after": after})
    changed = {file["path"] for file in files}
    environment = {"kind": "python", "path": venv, "requirements_blob": "requirements"}
    environment["wheels_blob"] = "wheels" if wheels else None
    releases = []
    if code is not None:
        blobs |= {"code": code, "requirements": required} | ({"wheels": wheels} if wheels else {})
        releases = [{"app": "blog", "path": path, "blob": "code", "user": "app-blog", "environment": environment}]
    return Request(
        transaction,
        {
            "packages": [name for name in PACKAGES if seen["packages"][name] is None],
            "users": [{"name": "app-blog", "home": "/srv/blog"}],
            "directories": [{"path": "/srv/blog", "mode": "0755", "owner": "root", "group": "root"}],
            "secrets": [{"path": PASSWORD, "bytes": 32}, {"path": SESSION, "bytes": 48}],
            "work": {"slice": "deployer-deploy.slice", "memory_max_mib": WORK_MIB},
            "releases": releases,
            "files": files,
            "validators": [NGINX_TEST, UNIT_TEST],
            "activations": _activations(seen, changed, posts),
            "units": [{"unit": unit, "ready": [], "restart_hash": "r", "reload_hash": "l"} for unit in seen["units"]],
            "probes": _probes(seen["units"]),
            "gate_s": gate_s,
            "return_after_s": return_after_s,
        },
        blobs,
    )


def _state(content: bytes | str) -> dict[str, Any]:
    if isinstance(content, str):
        return {"kind": "link", "target": content}
    digest = hashlib.sha256(content).hexdigest()
    return {"kind": "file", "sha256": digest, "mode": "0644", "owner": "root", "group": "root"}


def _unit(unit: str, action: str) -> dict[str, Any]:
    return {"kind": "unit", "unit": unit, "action": action, "enable": True, "restart_hash": "r", "reload_hash": "l"}


def command(name: str, argv: list[str], **more: Any) -> dict[str, Any]:
    """Build a command of the blog's."""
    fixed = {"user": "app-blog", "cwd": CODE, "credentials": CREDENTIALS, "environment": ENVIRONMENT}
    return {"kind": "command", "name": name, "once": None, "argv": argv, "timeout_s": 200, **fixed, **more}


def _activations(seen: Mapping[str, Any], changed: set[str], posts: int) -> list[dict[str, Any]]:
    def runs(unit: str) -> bool:
        return bool(seen["units"][unit]["active"] == "active")

    found = [] if runs("mariadb.service") else [_unit("mariadb.service", "start")]
    if seen["databases"]["mariadb"]["blog"] is not True:
        database = {"kind": "database", "server": "mariadb", "unit": "mariadb.service", "name": "blog", "user": "blog"}
        found.append({**database, "secret": PASSWORD})
    if CODE in changed:
        found.append(command("migrate blog", [f"{VENV}/bin/python", "-m", "blog.migrate"]))
        seed = [f"{VENV}/bin/python", "-m", "blog.seed", "--posts", str(posts)]
        if "seed blog" not in seen["done"]:
            found.append(command("seed blog", seed, once="seed blog"))
    found += [] if runs("app-blog.socket") else [_unit("app-blog.socket", "start")]
    if changed - {"/etc/nginx/nginx.conf"}:
        found.append(_unit("app-blog.service", "restart"))
    if not runs("nginx.service") or "/etc/nginx/nginx.conf" in changed:
        found.append(_unit("nginx.service", "reload" if runs("nginx.service") else "start"))
    return found


def _probes(units: Mapping[str, Any]) -> list[dict[str, Any]]:
    http = {"kind": "http", "address": "127.0.0.1", "host": "blog.test", "status": [200], "contains": None}
    return [
        *({"kind": "unit", "unit": unit} for unit in units),
        {**http, "port": None, "socket": SOCKET, "tls": False, "path": "/healthz"},
        {**http, "port": 443, "socket": None, "tls": True, "path": "/", "contains": "<article"},
    ]


def wheels_tar(folder: Path) -> bytes:
    """Pack a folder of wheels."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in sorted(folder.glob("*.whl")):
            archive.add(path, path.name)
    return out.getvalue()
