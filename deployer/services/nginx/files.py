"""nginx's files: nginx.conf owned whole, a file for each app, log rotation, its drop-in."""

from __future__ import annotations

from deployer.app import App
from deployer.budget import HostBudget
from deployer.chain import OPEN_FILES
from deployer.declaration import Declaration
from deployer.service import (
    DirectoryWanted,
    FileWanted,
    HttpProbe,
    PortWanted,
    UnitWanted,
    Validator,
    Wanted,
)
from deployer.services.nginx.budget import CACHE_KEYS_MIB, TLS_SESSIONS_MIB, UPSTREAM_KEEPALIVE_S
from deployer.services.nginx.disk import LOG_MAXSIZE_MIB
from deployer.services.nginx.settings import cached_apps, settings_of

UNIT = "nginx.service"
ROTATION = "logrotate.timer"
FOLDER = "/etc/nginx/deployer"
#: Where certbot and others put their proofs.
ACME_ROOT = "/var/www/acme"
#: nginx.conf cannot be owned in part: what stands in main and events is said once.
SITES_OF_THEIR_OWN = (
    "sites of your own are served no more, unless services.nginx names them: include: [/etc/nginx/sites-enabled/*]"
)

#: What proxies say of a request, and apps or their frameworks may believe; only nginx stands before these apps.
NEVER_FORWARDED = (
    "Forwarded",
    "Front-End-Https",
    "Proxy",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Host",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Scheme",
    "X-Url-Scheme",
)


def wanted(declaration: Declaration, budget: HostBudget) -> Wanted:
    """Want nginx in front of all apps."""
    settings = settings_of(declaration)
    has_tls = any(app.tls for app in declaration.apps.values())
    has_long_lived = any(app.websockets for app in declaration.apps.values())
    context = {
        "settings": settings,
        "has_tls": has_tls,
        "has_long_lived": has_long_lived,
        "http2_directive": tuple(int(part) for part in settings.version.split(".")) >= (1, 25),
        "apps": declaration.apps,
        "load_from": declaration.load_from,
        "acme_root": ACME_ROOT,
        "folder": FOLDER,
        "tls_sessions_mib": TLS_SESSIONS_MIB,
        "cache_keys_mib": CACHE_KEYS_MIB,
        "open_files": OPEN_FILES,
        "upstream_keepalive_s": UPSTREAM_KEEPALIVE_S,
        "never_forwarded": NEVER_FORWARDED,
    }

    def file(template: str, path: str, **more: object) -> FileWanted:
        return FileWanted(
            taker="nginx", template=template, path=path, dialect="nginx", context=context | more, reloads=(UNIT,)
        )

    return Wanted(
        packages=("nginx",),
        directories=(DirectoryWanted(path="/var/cache/nginx"), DirectoryWanted(path=ACME_ROOT)),
        files=(
            FileWanted(
                taker="nginx",
                template="nginx/nginx.conf.j2",
                path="/etc/nginx/nginx.conf",
                dialect="nginx",
                context=context,
                reloads=(UNIT,),
                takes_over="" if settings.include else SITES_OF_THEIR_OWN,
            ),
            file("nginx/headers.conf.j2", f"{FOLDER}/headers.conf"),
            file("nginx/proxy.conf.j2", f"{FOLDER}/proxy.conf", long_lived=False),
            *(
                [file("nginx/proxy.conf.j2", f"{FOLDER}/proxy-long-lived.conf", long_lived=True)]
                if has_long_lived
                else []
            ),
            *(
                file(
                    "nginx/app.conf.j2",
                    f"{FOLDER}/apps/{name}.conf",
                    app=app,
                    caches=name in cached_apps(declaration),
                    name=name,
                    upstreams=budget.chain.upstreams_of(name),
                    holds=budget.chain.holds_of(name),
                    **_names(app),
                )
                for name, app in declaration.apps.items()
            ),
            FileWanted(
                taker="nginx",
                template="nginx/logrotate.j2",
                path="/etc/logrotate.d/nginx",
                context={"maxsize_mib": LOG_MAXSIZE_MIB},
            ),
            FileWanted(
                taker="nginx",
                template="nginx/logrotate.timer.d.conf.j2",
                path=f"/etc/systemd/system/{ROTATION}.d/60-deployer.conf",
                restarts=(ROTATION,),
            ),
            FileWanted(
                taker="nginx",
                template="systemd/nginx.service.d.conf.j2",
                path=f"/etc/systemd/system/{UNIT}.d/60-deployer.conf",
                restarts=(UNIT,),
            ),
        ),
        units=(UnitWanted(unit=UNIT, taker="nginx"),),
        probes=tuple(_probe(app) for app in declaration.apps.values()),
        validators=(
            Validator(
                name="nginx -t",
                argv=("nginx", "-t"),
                allowed=(
                    r"nginx: the configuration file \S+ syntax is ok",
                    r"nginx: configuration file \S+ test is successful",
                ),
            ),
        ),
        must_exist={
            path: f"{what} of app {name}"
            for name, app in declaration.apps.items()
            if app.tls
            for path, what in ((app.tls.certificate_file, "certificate"), (app.tls.key_file, "private key"))
        },
        ports=tuple(
            PortWanted(port=port, service="nginx", programs=("nginx",)) for port in ((80, 443) if has_tls else (80,))
        ),
    )


def _names(app: App) -> dict[str, object]:
    """Tell the canonical name from the others, which redirect to it; a wildcard can be no target of a redirect."""
    first, *others = app.server_names
    if first.startswith("*"):
        return {"served_names": app.server_names, "redirected_names": ()}
    aliases = tuple(name for name in others if not name.startswith("*"))
    return {
        "served_names": (first, *(name for name in others if name.startswith("*"))),
        "redirected_names": aliases,
    }


def _probe(app: App) -> HttpProbe:
    host = app.server_names[0].replace("*", "www")
    return HttpProbe(path=app.health_path, host=host, port=443 if app.tls else 80, tls=app.tls is not None)
