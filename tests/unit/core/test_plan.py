"""The plan: nothing for a host that is as wanted, and for each difference exactly what it needs."""

from __future__ import annotations

import base64
import tarfile
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from hosts import app, host

from deployer.allocate import allocate
from deployer.apply import apply
from deployer.plan import Plan, build_plan, questions
from deployer.plan.build import unwanted_paths
from deployer.plan.sysctls import sysctl_changes
from deployer.plan.units import unwanted_units
from deployer.release import Release
from deployer.render import Rendered, render
from deployer.service import HttpProbe, SysctlWanted, UnitWanted, Wanted, together
from deployer.wanted import masked

DECLARATION = host()
RENDERED = render(DECLARATION, allocate(DECLARATION))


def release(identifier: str = "aaaaaaaaaaaa", requirements: bytes = b"x==1 --hash=sha256:0") -> Release:
    from pathlib import Path

    return Release("blog", identifier, b"tree", requirements, Path("requirements.lock"))


MASKED = {"active": "inactive", "enabled": "masked"}


def as_wanted(rendered=RENDERED, releases=None) -> dict[str, Any]:
    """What a host answers on which everything is as wanted."""
    releases = releases or [release()]
    asked = questions(rendered, releases)
    plan = build_plan(rendered, releases, empty_host(rendered, releases))
    recorded = {one["unit"]: one for one in plan.document["units"]}
    return {
        "facts": {},
        "files": {one["path"]: {key: value for key, value in one.items() if key != "path"} for one in asked["files"]},
        "units": {
            unit: MASKED
            if unit in masked(rendered.links)
            else {"active": "active", "enabled": "enabled", **recorded.get(unit, {})}
            for unit in asked["units"]
        },
        "packages": dict.fromkeys(asked["packages"], "1"),
        "users": dict.fromkeys(asked["users"], True),
        "databases": {"mariadb": {one["name"]: True for one in asked["databases"]}},
        "sysctls": {
            one.name: {"value": one.value, "writable": True, "refused": None} for one in rendered.wanted.sysctls
        },
        "paths": dict.fromkeys(asked["paths"], True),
        "ports": {},
        "owned": {one["path"]: "x" for one in asked["files"]},
        "done": ["seed blog"],
    }


def empty_host(rendered=RENDERED, releases=None) -> dict[str, Any]:
    asked = questions(rendered, releases or [release()])
    return {
        "facts": {},
        "files": {one["path"]: {"kind": "absent"} for one in asked["files"]},
        "units": {unit: {"active": "inactive", "enabled": ""} for unit in asked["units"]},
        "packages": dict.fromkeys(asked["packages"]),
        "users": dict.fromkeys(asked["users"], False),
        "databases": {"mariadb": {one["name"]: None for one in asked["databases"]}},
        "sysctls": {name: {"value": "0", "writable": True, "refused": None} for name in asked["sysctls"]},
        "paths": dict.fromkeys(asked["paths"], False),
        "ports": {},
        "owned": {},
        "done": [],
    }


def planned(seen: dict[str, Any], releases=None, rendered=RENDERED) -> Plan:
    return build_plan(rendered, releases or [release()], seen)


def actions(plan: Plan) -> list[tuple[str, str]]:
    return [
        (entry.get("name") or entry["unit"], entry.get("action", entry["kind"]))
        for entry in plan.document["activations"]
    ]


def test_a_host_that_is_as_wanted_needs_nothing():
    plan = planned(as_wanted())
    assert plan.is_empty
    assert plan.document["activations"] == []
    assert plan.document["files"] == []


def test_an_empty_host_gets_everything_in_the_order_in_which_it_can_work():
    plan = planned(empty_host())
    assert {change.kind for change in plan.changes} >= {
        "package", "user", "directory", "secret", "environment", "release", "file", "sysctl", "database", "command",
        "unit",
    }  # fmt: skip
    found = [name for name, _ in actions(plan)]
    order = ["mariadb.service", "blog", "app-blog.socket", "migrate blog", "app-blog.service", "nginx.service"]
    assert [name for name in found if name in order] == order
    assert plan.environments == ("blog",)
    assert set(plan.blobs) >= {"blog.tree", "blog.requirements"}
    named = {entry["after"].get("blob") for entry in plan.document["files"]} - {None}
    assert named <= set(plan.blobs)


def test_a_database_that_was_there_before_its_app_is_used_and_keeps_its_users_password():
    seen = empty_host()
    seen["databases"] = {"mariadb": {"blog": True}}
    [entry] = [one for one in planned(seen).document["activations"] if one["kind"] == "database"]
    assert entry["keep_login"]
    # it may be there and its user not: then it is somebody's, too
    [entry] = [one for one in planned(empty_host()).document["activations"] if one["kind"] == "database"]
    assert entry["keep_login"]
    # once a deploy made the app run, the database is its own
    assert not [one for one in planned(as_wanted()).document["activations"] if one["kind"] == "database"]


def test_a_first_deploy_works_in_the_memory_of_what_does_not_run_yet():
    grants = RENDERED.budget.grants
    empty = planned(empty_host()).document["work"]["memory_max_mib"]
    assert empty == sum(grant.memory_mib for grant in grants.values())
    seen = as_wanted()
    seen["files"]["/etc/nginx/nginx.conf"] = {"kind": "absent"}
    assert planned(seen).document["work"]["memory_max_mib"] == grants["deploy"].memory_mib


def test_a_changed_nginx_file_is_a_reload_with_a_diff():
    seen = as_wanted()
    seen["files"]["/etc/nginx/nginx.conf"] |= {"sha256": "0", "content": base64.b64encode(b"old\n").decode()}
    plan = planned(seen)
    assert actions(plan) == [("nginx.service", "reload")]
    diff = plan.changes[0].diff
    assert "-old\n" in diff
    assert "+worker_processes 1;\n" in diff
    before = plan.document["files"][0]["before"]
    assert before["sha256"] == "0"
    assert "content" not in before


def test_who_has_a_file_of_their_own_is_told_what_becomes_of_it():
    seen = as_wanted()
    seen["files"]["/etc/nginx/nginx.conf"] |= {"sha256": "0"}
    assert planned(seen).warnings == ()
    del seen["owned"]["/etc/nginx/nginx.conf"]
    [warning] = planned(seen).warnings
    assert "/etc/nginx/nginx.conf is not from deployer and will be replaced" in warning
    assert "/var/lib/deployer/former/etc/nginx/nginx.conf" in warning
    assert "include: [/etc/nginx/sites-enabled/*]" in warning


@pytest.mark.parametrize(("key", "value"), [("mode", "0666"), ("owner", "nobody"), ("group", "users")])
def test_a_wrong_mode_or_owner_is_a_change(key, value):
    seen = as_wanted()
    seen["files"]["/etc/nginx/nginx.conf"] |= {key: value}
    plan = planned(seen)
    assert plan.changes[0].because == f"{key} {value} becomes {plan.document['files'][0]['after'][key]}"


def test_a_new_release_migrates_before_it_restarts_the_app_and_touches_nothing_else():
    newer = release("bbbbbbbbbbbb")
    seen = as_wanted()
    seen["paths"]["/srv/blog/releases/bbbbbbbbbbbb"] = False
    seen["paths"]["/srv/blog/venvs/" + newer.environment + "/.whole"] = True
    plan = planned(seen, [newer])
    assert actions(plan) == [("migrate blog", "command"), ("blog", "candidate"), ("app-blog.service", "restart")]
    assert plan.environments == ()
    assert [entry["path"] for entry in plan.document["files"]] == ["/srv/blog/current/code"]
    assert plan.document["activations"][0]["database"] == {
        "app": "blog",
        "server": "mariadb",
        "unit": "mariadb.service",
        "name": "blog",
        "user": "blog",
        "path": "",
        "policy": "dump",
        "room_mib": 512,
        "units": ["app-blog.service"],
    }


def test_going_back_to_a_release_that_is_there_sends_nothing():
    seen = as_wanted()
    seen["files"]["/srv/blog/current/code"] = {"kind": "link", "target": "/srv/blog/releases/other"}
    plan = planned(seen)
    assert plan.document["releases"] == []
    assert actions(plan) == [("migrate blog", "command"), ("blog", "candidate"), ("app-blog.service", "restart")]


def test_what_was_done_once_is_not_done_again():
    declared = host(apps={"blog": app(database=app().database.model_copy(update={"seed": ("python", "-m", "seed")}))})
    rendered = render(declared, allocate(declared))
    seen = as_wanted(rendered)
    assert planned(seen, rendered=rendered).is_empty
    seen["done"] = []
    assert actions(planned(seen, rendered=rendered)) == [("seed blog", "command")]


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ({"active": "inactive"}, "start"),
        ({"active": "failed"}, "restart"),
        ({"restart_hash": "other"}, "restart"),
        ({"reload_hash": "other"}, "reload"),
        ({"enabled": "disabled"}, "start"),
    ],
)
def test_a_unit_gets_what_its_state_needs(state, action):
    seen = as_wanted()
    seen["units"]["nginx.service"] |= state
    assert actions(planned(seen)) == [("nginx.service", action)]


SOCKET, LINK = "mariadb.socket", "/etc/systemd/system/mariadb.socket"


def test_a_socket_that_a_package_may_enable_is_masked_before_its_service_starts():
    plan = planned(empty_host())
    assert [entry["after"] for entry in plan.document["files"] if entry["path"] == LINK] == [
        {"kind": "link", "target": "/dev/null"}
    ]
    found = actions(plan)
    assert found.index((SOCKET, "stop")) < found.index(("mariadb.service", "start"))


def test_a_service_that_its_socket_handed_addresses_is_started_anew():
    seen = as_wanted()
    seen["files"][LINK] = {"kind": "absent"}
    seen["units"][SOCKET] = {"active": "active", "enabled": "enabled"}
    assert actions(planned(seen)) == [(SOCKET, "stop"), ("mariadb.service", "restart")]
    seen["units"][SOCKET] = {"active": "inactive", "enabled": "enabled"}
    assert actions(planned(seen)) == [(SOCKET, "stop")]
    seen["files"][LINK] = {"kind": "link", "target": "/dev/null"}
    seen["units"][SOCKET] = {"active": "active", "enabled": "masked"}
    assert actions(planned(seen)) == [(SOCKET, "stop"), ("mariadb.service", "restart")]


def test_a_reload_is_no_restart_and_a_restart_makes_a_reload_needless():
    seen = as_wanted()
    seen["files"]["/etc/nginx/nginx.conf"] |= {"sha256": "0"}
    seen["files"]["/etc/systemd/system/nginx.service.d/60-deployer.conf"] |= {"sha256": "0"}
    assert actions(planned(seen)) == [("nginx.service", "restart")]


def test_what_is_no_longer_wanted_goes_and_its_unit_is_stopped():
    seen = as_wanted()
    path = "/etc/systemd/system/app-old.service"
    seen["owned"] |= {path: "x", "/etc/nginx/deployer/apps/old.conf": "x"}
    assert unwanted_paths(RENDERED, [release()], seen) == ["/etc/nginx/deployer/apps/old.conf", path]
    for gone in (path, "/etc/nginx/deployer/apps/old.conf"):
        seen["files"][gone] = {"kind": "file", "sha256": "1", "mode": "0644", "owner": "root", "group": "root"}
    plan = planned(seen)
    assert [(c.verb, c.name) for c in plan.changes if c.kind == "file"] == [
        ("remove", "/etc/nginx/deployer/apps/old.conf"),
        ("remove", path),
    ]
    assert actions(plan) == [("nginx.service", "reload"), ("app-old.service", "stop")]


def test_sockets_stop_first_and_a_packages_service_goes_with_our_drop_in():
    declared = host(apps={}, mysql=None)
    bare = render(declared, allocate(declared))
    seen = as_wanted()
    seen["owned"] = dict.fromkeys(seen["files"], "x")
    plan = planned(seen, [], bare)
    assert actions(plan) == [
        ("logrotate.timer", "restart"),  # it looks once a day again
        ("app-blog.socket", "stop"),
        ("mariadb.socket", "stop"),
        ("app-blog.service", "stop"),
        ("mariadb.service", "stop"),
        ("nginx.service", "stop"),
    ]
    assert "/srv/blog/current/code" in {change.name for change in plan.changes if change.verb == "remove"}


def test_every_commit_records_all_units():
    plan = planned(empty_host())
    assert [one["unit"] for one in plan.document["units"]] == [unit.unit for unit in RENDERED.wanted.units]
    [hashes] = [one for one in plan.document["units"] if one["unit"] == "nginx.service"]
    assert hashes["restart_hash"] != hashes["reload_hash"]


def several(wanted: Wanted) -> Rendered:
    """A host that wants, besides all else, what an app of several processes or a timer does."""
    return replace(RENDERED, wanted=together([RENDERED.wanted, wanted]))


PROCESSES = several(
    Wanted(
        units=tuple(UnitWanted(unit=f"app-shop@{number}.service", taker="blog") for number in (1, 2)),
        probes=tuple(
            HttpProbe(path="/", host="x", port=3000 + number, unit=f"app-shop@{number}.service") for number in (1, 2)
        ),
    )
)


def test_processes_are_started_one_by_one_each_once_the_one_before_it_answers():
    entries = planned(empty_host(PROCESSES), rendered=PROCESSES).document["activations"]
    shop = [entry for entry in entries if entry.get("unit", "").startswith("app-shop@")]
    assert [entry["unit"] for entry in shop] == ["app-shop@1.service", "app-shop@2.service"]
    unit, http = shop[1]["ready"]
    assert unit == {"kind": "unit", "unit": "app-shop@2.service"}
    assert (http["kind"], http["port"], http["status"]) == ("http", 3002, [200])
    assert [entry["ready"] for entry in entries if entry.get("unit") == "nginx.service"] == [[]]


@pytest.mark.parametrize(
    ("gone", "owned", "stopped"),
    [
        (["app-a@2.service.d/60-process.conf"], [], ["app-a@2.service"]),
        (["app-a@2.service.d/60-process.conf"], ["app-a@.socket"], ["app-a@2.socket", "app-a@2.service"]),
        (["app-a@.service", "app-a@.service.d/60-x.conf", "app-a@.socket"], [], []),
        (
            ["app-a@.service", "app-a@.socket", "app-a@1.service.d/60-process.conf"],
            ["app-a@.socket"],
            ["app-a@1.socket", "app-a@1.service"],
        ),
        (["app-a@.socket"], ["app-a@.socket", "app-a@1.service.d/60-process.conf"], ["app-a@1.socket"]),
        (["app-a-job.service", "app-a-job.timer"], [], ["app-a-job.timer", "app-a-job.service"]),
        (["postgresql@15-main.service.d/60-deployer.conf"], [], ["postgresql@15-main.service"]),
        (["multi-user.target.wants/x.service"], [], []),
    ],
)
def test_what_is_stopped_with_files_that_go(gone, owned, stopped):
    folder = "/etc/systemd/system/"
    assert unwanted_units([folder + name for name in gone], {folder + name: "x" for name in owned}) == stopped


def test_what_a_timer_starts_is_neither_started_nor_probed_by_a_deploy():
    folder = "/etc/systemd/system/"
    timer, timed = f"{folder}app-shop-clean.timer", f"{folder}app-shop-clean.service"
    rendered = several(Wanted(units=(UnitWanted(unit="app-shop-clean.timer", taker="blog"),)))
    a_file = RENDERED.files[0]
    files = [
        replace(a_file, wanted=replace(a_file.wanted, path=path, restarts=(path.removeprefix(folder),)))
        for path in (timer, timed)
    ]
    rendered = replace(rendered, files=(*rendered.files, *files))
    plan = planned(empty_host(rendered), rendered=rendered)
    touched = [unit for unit, _ in actions(plan) if unit.startswith("app-shop-clean")]
    assert touched == ["app-shop-clean.timer"]
    assert {"kind": "unit", "unit": "app-shop-clean.timer"} in plan.document["probes"]
    assert {"kind": "unit", "unit": "app-shop-clean.service"} not in plan.document["probes"]


SOMAXCONN = "net.core.somaxconn"


@pytest.mark.parametrize(
    ("state", "changes", "warning"),
    [
        ({"value": "128"}, ["128 becomes 4096"], ""),
        ({"value": "65536"}, [], ""),  # the least is wanted
        ({"value": "128", "refused": "1024"}, ["128 becomes 4096"], ""),  # another value was refused
        ({"value": "128", "refused": "4096"}, [], "does not let it be changed; it stays 128"),
        ({"value": "128", "writable": False}, [], "does not let it be changed; it stays 128"),
        ({"value": None, "writable": False}, [], "has no such setting"),
    ],
)
def test_a_setting_of_the_kernel_is_changed_once_and_one_that_it_refuses_is_said(state, changes, warning):
    seen = as_wanted()
    seen["sysctls"][SOMAXCONN] |= state
    plan = planned(seen)
    assert [change.because.partition(":")[0] for change in plan.changes] == changes
    assert [one["name"] for one in plan.document["sysctls"]] == [SOMAXCONN] * len(changes)
    assert all(warning in one for one in plan.warnings)
    assert len(plan.warnings) == bool(warning)


GONE = "net.ipv4.tcp_gone"


@pytest.mark.parametrize(
    ("state", "made", "warning"),
    [
        ({"value": "2", "writable": True}, True, ""),
        ({"value": "1", "writable": True}, False, ""),  # a boot did so, as its file has gone
        ({"value": "3", "writable": True}, False, "stays 3: a deploy made it 2; before it was 1"),
        ({"value": "2", "writable": False}, False, "stays 2: this kernel lets nobody change it; before it was 1"),
        ({"value": None, "writable": False}, False, ""),
    ],
)
def test_a_setting_that_is_no_longer_wanted_gets_back_what_it_was(state, made, warning):
    seen = as_wanted()
    seen["sysctls"][GONE] = {"refused": None, **state}
    seen["set_sysctls"] = {GONE: {"value": "2", "former": "1"}, SOMAXCONN: {"value": "4096", "former": "128"}}
    plan = planned(seen)
    assert plan.document["sysctls"] == ([{"name": GONE, "value": "1", "least": False}] if made else [])
    assert [change.name for change in plan.changes] == ([GONE] if made else [])
    assert plan.to_be_confirmed == ((GONE,) if made else ())
    assert GONE not in plan.document["sysctls_wanted"]
    assert SOMAXCONN in plan.document["sysctls_wanted"]
    assert all(one.endswith(warning) for one in plan.warnings)
    assert len(plan.warnings) == bool(warning)


def test_of_several_that_want_the_least_the_largest_counts():
    wanted = [SysctlWanted(name=SOMAXCONN, value=value, because="x", least=True) for value in ("512", "8192", "1024")]
    documents, _, _ = sysctl_changes(wanted, {SOMAXCONN: {"value": "128", "writable": True, "refused": None}})
    assert documents == [{"name": SOMAXCONN, "value": "8192", "least": True}]


@pytest.mark.parametrize(
    ("packages", "environment"),
    [
        ("node", {"kind": "tree", "path": "/srv/blog/modules/LOCK", "blob": "blog.packages", "link": "node_modules"}),
        ("none", None),
        (
            "python",
            {
                "kind": "python",
                "path": "/srv/blog/modules/LOCK",
                "requirements_blob": "blog.requirements",
                "wheels_blob": "blog.packages",
            },
        ),
    ],
)
def test_a_release_gets_what_its_packages_need(packages, environment):
    [wanted] = RENDERED.wanted.releases
    live = "/srv/blog/current/modules"
    wanted = replace(wanted, packages=packages, environments="/srv/blog/modules", environment=live)
    rendered = replace(RENDERED, wanted=replace(RENDERED.wanted, releases=(wanted,)))
    plan = planned(empty_host(rendered), rendered=rendered)
    assert plan.environments == (() if packages == "none" else ("blog",))
    assert (live in {entry["path"] for entry in plan.document["files"]}) is (packages != "none")
    requests = []

    class Agent:
        """Notes what it is sent."""

        def call(self, request, blob, *_, **__):
            with tarfile.open(fileobj=blob) as packed:
                requests.append((request["plan"], set(packed.getnames())))
            return {"transaction": "t", "steps": [], "notes": ["said"]}

    fetched = dict.fromkeys(plan.environments, b"packed")
    applied = apply(Agent(), plan, fetched, lambda _step, _message: None, anew=nullcontext)
    [(sent, blobs)] = requests
    if environment:
        environment = {**environment, "path": environment["path"].replace("LOCK", release().environment)}
    assert sent["releases"][0]["environment"] == environment
    named = {value for key, value in (environment or {}).items() if key.endswith("blob")}
    assert named <= blobs
    assert applied.notes == ("said",)
    seen = as_wanted(rendered)
    assert planned(seen, rendered=rendered).is_empty
    if environment:
        seen["paths"][environment["path"] + "/.whole"] = False
        assert planned(seen, rendered=rendered).environments == ("blog",)
